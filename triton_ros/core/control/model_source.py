# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model is loaded from, and which of its versions a change leaves as they are.

`instance_group` and `version_policy` can change without a version being loaded again, as in Triton.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from triton_ros.core.config.model_config import InstanceGroup, ModelConfig, VersionPolicy
from triton_ros.core.control.model_repository import ModelDirectory
from triton_ros.core.control.model_signature import ModelSignature

_INSTANCE_GROUP, _VERSION_POLICY = 7, 3
"""Numbers of these fields in Triton's `ModelConfig` message."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model's directory and configuration (before completion) at the time of a load."""

    directory: ModelDirectory
    config: ModelConfig
    signature: ModelSignature

    def same_as(self, before: ModelSource | None) -> bool:
        """Whether nothing changed at all."""
        return self == before

    def keeps(self, version: int, before: ModelSource | None) -> bool:
        """Whether a version that was loaded from `before` needs no new load."""
        return (
            before is not None
            and not self.config.is_ensemble
            and self.directory == before.directory
            and self.signature.version(version) == before.signature.version(version)
            and self.signature.shared == before.signature.shared
            and comparable(self.config) == comparable(before.config)
        )

    def can_change_instances(self, before: ModelSource) -> bool:
        """Whether its instances can be exchanged in place: sequences live on instances."""
        return self.config.sequence_batching is None or same_instances(self.config, before.config)


def comparable(config: ModelConfig) -> tuple[ModelConfig, list[bytes]]:
    """The configuration without what can change without a load; and the parts of its message, which
    has fields that `ModelConfig` does not.
    """
    rest = replace(
        config,
        instance_group=(),
        version_policy=VersionPolicy(),
        stated=config.stated - {"instance_group", "version_policy"},
    )
    in_place = (_INSTANCE_GROUP, _VERSION_POLICY)
    return rest, sorted(part for number, part in fields(config.source) if number not in in_place)


def anonymous(group: InstanceGroup) -> InstanceGroup:
    """The group without its name and count: what its instances are like."""
    return replace(group, name="", count=1)


def same_instances(a: ModelConfig, b: ModelConfig) -> bool:
    """Whether two configurations ask for the same instances."""

    def wanted(config: ModelConfig) -> list[InstanceGroup]:
        return [replace(group, name="") for group in config.instance_group]

    return wanted(a) == wanted(b)


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The top-level fields of a serialized protobuf message: number and bytes.

    This much of the wire format is simple enough to do without protobuf, which core does not have.
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 2:
            size, at = _varint(message, at)
            at += size
        elif kind == 0:
            _, at = _varint(message, at)
        else:
            at += {1: 8, 5: 4}[kind]
        yield tag >> 3, message[start:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
