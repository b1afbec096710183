# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which changes concern a version, decided on values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import (
    InstanceGroup,
    InstanceKind,
    ModelConfig,
    VersionPolicy,
    VersionPolicyKind,
)
from triton_ros.core.control.model_repository import ModelDirectory
from triton_ros.core.control.model_signature import ModelSignature
from triton_ros.core.control.model_source import ModelSource, comparable, fields, same_instances

STAT = (1, 1, 1, 1)
CPU = InstanceKind.KIND_CPU


def source(config: ModelConfig, *files: str, path: str = "m") -> ModelSource:
    signature = ModelSignature(tuple((file, STAT) for file in files))
    return ModelSource(ModelDirectory("m", Path(path)), config, signature)


CONFIG = ModelConfig("m", "fake", instance_group=(InstanceGroup("g", CPU),))
BEFORE = source(CONFIG, "1/a", "2/a", "labels")


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        (BEFORE, True),
        (source(CONFIG, "1/a", "2/b", "labels", "config.pbtxt"), True),
        (source(CONFIG, "1/b", "2/a", "labels"), False),
        (source(CONFIG, "1/a", "2/a"), False),
        (source(CONFIG, "1/a", "2/a", "labels", path="temporary"), False),
        (replace(BEFORE, config=replace(CONFIG, max_batch_size=1)), False),
        (replace(BEFORE, config=replace(CONFIG, instance_group=())), True),
        (
            replace(
                BEFORE,
                config=replace(CONFIG, version_policy=VersionPolicy(VersionPolicyKind.ALL)),
            ),
            True,
        ),
    ],
)
def test_what_keeps_version_1(after: ModelSource, kept: bool) -> None:
    assert after.keeps(1, BEFORE) is kept
    assert not after.keeps(1, None)


def test_names_of_groups_do_not_count() -> None:
    def asking(**group: Any) -> ModelConfig:
        return replace(CONFIG, instance_group=(InstanceGroup(**{"kind": CPU, **group}),))

    assert same_instances(CONFIG, asking(name="other"))
    assert not same_instances(CONFIG, asking(count=2))
    assert not same_instances(CONFIG, asking(passive=True))


def parsed(text: str) -> ModelConfig:
    return parse_config(text, "m", "config.pbtxt")


def test_what_only_the_message_has_is_compared_too() -> None:
    """`optimization` has no place in `ModelConfig`, but a backend may want to know it."""
    pinned = "optimization { input_pinned_memory { enable: true } }"
    one = parsed('backend: "fake" instance_group { count: 1 } ' + pinned)
    two = parsed(pinned + 'backend: "fake" version_policy { all {} }')
    three = parsed('backend: "fake" ' + pinned.replace("true", "false"))
    assert one.source, "or this test says nothing"
    assert comparable(one) == comparable(two)
    assert comparable(one) != comparable(three)


def test_fields_of_a_message() -> None:
    message = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x19" + bytes(8) + b"\x25" + bytes(4)
    found = list(fields(message))
    assert [number for number, _ in found] == [1, 2, 3, 4]
    assert b"".join(chunk for _, chunk in found) == message
