# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Items and queues for the tests of what waits."""

from __future__ import annotations

from typing import Any

from triton_ros.core.config.scheduling_config import DynamicBatching, QueuePolicy
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import InferenceRequest
from triton_ros.core.scheduling.batcher import Rejections
from triton_ros.core.scheduling.policy_queue import PolicyQueue

US = 1000
"""Nanoseconds."""


def item(**request: Any) -> Item:
    return Item({}, lambda *_: None, request=InferenceRequest("m", {}, **request))


def elements(count: int, **request: Any) -> list[Item]:
    shared = InferenceRequest("m", {}, **request)
    return [Item({}, lambda *_: None, element=True, request=shared) for _ in range(count)]


def queue(levels: int = 0, default: int = 0, drop: bool = False, **policy: Any) -> PolicyQueue:
    return PolicyQueue(
        DynamicBatching(
            priority_levels=levels,
            default_priority_level=default,
            default_queue_policy=QueuePolicy(**policy),
            drop_oldest=drop,
        )
    )


def accepted(line: PolicyQueue, *items: Item, now: int = 0) -> list[Item]:
    for each in items:
        assert line.offer(each, now) == []
    return list(items)


def order(line: PolicyQueue) -> list[Item]:
    return [place.item for place in line]


def words(gone: Rejections) -> list[tuple[Item, str]]:
    return [(each, str(error)) for each, error in gone]
