# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A model's configuration as a typed value, with the field names of Triton's `ModelConfig`.

Everything is checked at construction, so a `ModelConfig` that exists can be used.  Fields that
this server does not act on yet are refused by `config_schema` rather than ignored: a setting that
does nothing is worse than one that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from triton_ros.core.config.config_rules import check_config
from triton_ros.core.config.config_shapes import check_dims, check_reshape
from triton_ros.core.config.optimization_config import Optimization, SecondaryDevice
from triton_ros.core.config.scheduling_config import (
    BatchInput,
    BatchOutput,
    DynamicBatching,
    EnsembleStep,
    RateLimiterConfig,
    SequenceBatching,
)
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec

_MOST_INSTANCES = 1024


class InstanceKind(Enum):
    """Where instances run."""

    KIND_AUTO = "KIND_AUTO"
    KIND_GPU = "KIND_GPU"
    KIND_CPU = "KIND_CPU"
    KIND_MODEL = "KIND_MODEL"


@dataclass(frozen=True, slots=True)
class InputConfig:
    """`ModelInput`: dims without the batch dim when ``max_batch_size > 0``.

    `spec` is what requests give; `reshape` is what the model is given instead, if anything.
    """

    spec: TensorSpec
    optional: bool = False
    reshape: tuple[int, ...] | None = None
    allow_ragged_batch: bool = False
    """Requests of different shapes make one batch: flattened, one behind the other."""

    def __post_init__(self) -> None:
        check_dims("model input", self.spec)
        check_reshape("model input", self.spec, self.reshape)


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """`ModelOutput`; `label_filename` is relative to the model's directory.

    `spec` is what responses have; `reshape` is what the model answers, if that differs.
    """

    spec: TensorSpec
    label_filename: str = ""
    reshape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_dims("model output", self.spec)
        check_reshape("model output", self.spec, self.reshape)


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """`ModelInstanceGroup`: `count` executors on each of `gpus` (or on the CPU).

    A count of 0 stands for the backend's default, until the configuration is completed.
    """

    name: str = ""
    kind: InstanceKind = InstanceKind.KIND_AUTO
    count: int = 1
    gpus: tuple[int, ...] = ()
    passive: bool = False
    """Its instances are made and warmed up, but get no requests."""
    host_policy: str = ""
    rate_limiter: RateLimiterConfig = field(default_factory=RateLimiterConfig)
    profile: tuple[str, ...] = ()
    """Names of TensorRT's optimization profiles to use."""
    secondary_devices: tuple[SecondaryDevice, ...] = ()

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ConfigError(f"instance_group.count must be 1 or more, got {self.count}")
        if self.count > _MOST_INSTANCES:  # a slip of the finger must not eat the robot's memory
            raise ConfigError(
                f"instance_group.count must be {_MOST_INSTANCES} or less, got {self.count}"
            )
        if any(gpu < 0 for gpu in self.gpus):
            raise ConfigError(f"instance_group.gpus must be 0 or more, got {min(self.gpus)}")
        if self.gpus and self.kind in (InstanceKind.KIND_CPU, InstanceKind.KIND_MODEL):
            raise ConfigError(
                f"instance group '{self.name}' has kind {self.kind.value} but specifies one or more"
                f" GPUs; instance_group.gpus {list(self.gpus)} is for KIND_GPU and KIND_AUTO"
            )


class VersionPolicyKind(Enum):
    """Which of the version directories are served."""

    LATEST = "latest"
    ALL = "all"
    SPECIFIC = "specific"


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """`ModelVersionPolicy`; the default serves the one highest version."""

    kind: VersionPolicyKind = VersionPolicyKind.LATEST
    num_versions: int = 1
    versions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.num_versions < 1:
            raise ConfigError(
                f"version_policy.latest.num_versions must be 1 or more, got {self.num_versions}"
            )

    def select(self, available: tuple[int, ...]) -> tuple[int, ...]:
        """The versions to serve of those on disk, ascending."""
        ordered = tuple(sorted(available))
        if self.kind is VersionPolicyKind.ALL:
            return ordered
        if self.kind is VersionPolicyKind.SPECIFIC:
            return tuple(v for v in ordered if v in self.versions)
        return ordered[-self.num_versions :]


@dataclass(frozen=True, slots=True)
class WarmupSample:
    """`ModelWarmup`: inputs run before the version is READY: zeros, random values or files.

    `files` are below the model's ``warmup`` directory; inputs in neither `random` nor `files` are
    zeros.
    """

    name: str
    batch_size: int = 1
    count: int = 1
    inputs: Mapping[str, TensorSpec] = field(default_factory=dict)
    random: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for spec in self.inputs.values():
            check_dims("model_warmup.inputs", spec)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model.  `input` and `output` may be empty until completed from the model file."""

    name: str
    backend: str = ""
    platform: str = ""
    max_batch_size: int = 0
    input: tuple[InputConfig, ...] = ()
    output: tuple[OutputConfig, ...] = ()
    instance_group: tuple[InstanceGroup, ...] = ()
    version_policy: VersionPolicy = VersionPolicy()
    default_model_filename: str = ""
    dynamic_batching: DynamicBatching | None = None
    sequence_batching: SequenceBatching | None = None
    ensemble: tuple[EnsembleStep, ...] = ()
    max_inflight_requests: int = 0
    """Of an ensemble: requests that may be in each step at once; 0 for any number."""
    batch_input: tuple[BatchInput, ...] = ()
    batch_output: tuple[BatchOutput, ...] = ()
    response_cache: bool = False
    """`response_cache.enable`."""
    decoupled: bool = False
    """`model_transaction_policy.decoupled`: a request gets any number of responses."""
    optimization: Optimization = field(default_factory=Optimization)
    model_warmup: tuple[WarmupSample, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    stated: frozenset[str] = frozenset()
    """The top-level fields that the file set, so that completion knows what it may fill in."""
    source: bytes = field(default=b"", compare=False, repr=False)
    """The serialized message that this was made from; `config_json` shows its other fields."""

    def __post_init__(self) -> None:
        check_config(self)

    @property
    def is_ensemble(self) -> bool:
        return self.platform == "ensemble"

    def with_changes(self, **changes: object) -> ModelConfig:
        """A copy with some fields replaced, checked again."""
        return replace(self, **changes)  # type: ignore[arg-type]
