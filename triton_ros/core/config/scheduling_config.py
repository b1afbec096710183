# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The scheduling part of a model's configuration, with the names of Triton's schema.

Values only, checked at construction.  Fields that are marked *ours* have no place in Triton's
schema; a configuration sets them through `parameters`, which a real Triton ignores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec


def _not_negative(name: str, value: int) -> None:
    if value < 0:
        raise ConfigError(f"{name} must be 0 or more, got {value}")


class TimeoutAction(Enum):
    """What becomes of a request whose time in the queue is over."""

    REJECT = "REJECT"
    DELAY = "DELAY"
    """Behind all others of its priority level that are not late; it is never refused."""


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """`ModelQueuePolicy`."""

    timeout_action: TimeoutAction = TimeoutAction.REJECT
    default_timeout_microseconds: int = 0
    """Longest wait; 0 for any."""
    allow_timeout_override: bool = False
    """Whether a request's own timeout may shorten the default one."""
    max_queue_size: int = 0
    """Requests that may wait; 0 for any number."""

    def __post_init__(self) -> None:
        _not_negative(
            "default_queue_policy.default_timeout_microseconds", self.default_timeout_microseconds
        )
        _not_negative("default_queue_policy.max_queue_size", self.max_queue_size)


@dataclass(frozen=True, slots=True)
class DynamicBatching:
    """`ModelDynamicBatching`."""

    preferred_batch_size: tuple[int, ...] = ()
    max_queue_delay_microseconds: int = 0
    """How long the oldest request may wait for a fuller batch."""
    preserve_ordering: bool = False
    priority_levels: int = 0
    """1 is the most urgent; 0 switches priorities off."""
    default_priority_level: int = 0
    default_queue_policy: QueuePolicy = QueuePolicy()
    priority_queue_policy: Mapping[int, QueuePolicy] = field(default_factory=dict)
    drop_oldest: bool = False
    """Ours (``queue_when_full: drop_oldest``): a full queue drops its oldest request instead of
    refusing the new one."""
    delay_when_busy: bool = False
    """Ours (``queue_delay: when_busy``): a request that comes to an idle model is not delayed."""

    def __post_init__(self) -> None:
        for size in self.preferred_batch_size:
            if size < 1:
                raise ConfigError(
                    "dynamic batching preferred size must be positive;"
                    f" preferred_batch_size: {size}"
                )
        _not_negative("max_queue_delay_microseconds", self.max_queue_delay_microseconds)
        _not_negative("priority_levels", self.priority_levels)
        self._check_priorities()

    def policy(self, level: int) -> QueuePolicy:
        """The policy of a priority level."""
        return self.priority_queue_policy.get(level, self.default_queue_policy)

    def _check_priorities(self) -> None:
        levels = self.priority_levels
        if levels and not 1 <= self.default_priority_level <= levels:
            raise ConfigError(
                f"default priority level must be in range [1, {levels}];"
                f" got {self.default_priority_level} as default_priority_level"
            )
        for level in self.priority_queue_policy:
            if not 1 <= level <= levels:
                raise ConfigError(
                    f"priority queue policy must have priority level in range [1, {levels}];"
                    f" got {level} as key of priority_queue_policy"
                )
        if self.preserve_ordering:
            if levels > 1:
                raise ConfigError(
                    "Only one priority level is allowed when 'preserve_ordering' is true;"
                    f" priority_levels is {levels}"
                )
            policies = {("default_queue_policy",): self.default_queue_policy} | {
                ("priority_queue_policy", str(level)): policy
                for level, policy in self.priority_queue_policy.items()
            }
            for place, policy in policies.items():
                if policy.timeout_action is TimeoutAction.DELAY and (
                    policy.default_timeout_microseconds or policy.allow_timeout_override
                ):
                    raise PlacedError(
                        "Queue policy can not have DELAY as timeout action when"
                        " 'preserve_ordering' is true; accepted: timeout_action REJECT",
                        *(*place, "timeout_action"),
                    )


class ControlKind(Enum):
    """What a sequence's control input tells the model."""

    START = "CONTROL_SEQUENCE_START"
    END = "CONTROL_SEQUENCE_END"
    READY = "CONTROL_SEQUENCE_READY"
    CORRID = "CONTROL_SEQUENCE_CORRID"


@dataclass(frozen=True, slots=True)
class SequenceControl:
    """One control of `ModelSequenceBatching.control_input`: a tensor of one value a batch row.

    `spec.dims` is ``(1,)``; `false_true` is empty for CORRID.
    """

    kind: ControlKind
    spec: TensorSpec
    false_true: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind is not ControlKind.CORRID and len(self.false_true) != 2:
            raise ConfigError(
                f"control_input '{self.spec.name}', {self.kind.value}: exactly one of"
                " int32_false_true, fp32_false_true and bool_false_true must be given, with 2"
                " values"
            )


@dataclass(frozen=True, slots=True)
class InitialState:
    """`InitialState`; `data_file` is below the model's ``initial_state`` directory."""

    name: str
    spec: TensorSpec
    data_file: str = ""
    """Empty for zeros."""


@dataclass(frozen=True, slots=True)
class SequenceState:
    """`State`: what `output_name` answers is `input_name` of the sequence's next request."""

    input_name: str
    output_name: str
    spec: TensorSpec
    """Datatype and dims, without the batch dim."""
    initial_state: InitialState | None = None


@dataclass(frozen=True, slots=True)
class DirectStrategy:
    """`StrategyDirect`: a sequence keeps one row of one instance's batches."""

    max_queue_delay_microseconds: int = 0
    minimum_slot_utilization: float = 0.0

    def __post_init__(self) -> None:
        _not_negative("direct.max_queue_delay_microseconds", self.max_queue_delay_microseconds)
        if not 0.0 <= self.minimum_slot_utilization <= 1.0:
            raise ConfigError(
                "sequence batching minimum slot utilization must be in range (0.0, 1.0];"
                f" got {self.minimum_slot_utilization} as minimum_slot_utilization"
            )


@dataclass(frozen=True, slots=True)
class OldestStrategy:
    """`StrategyOldest`: the oldest requests of active sequences make a dynamic batch."""

    max_candidate_sequences: int = 0
    """Sequences an instance has at once; 0 means `max_batch_size`, as Triton has it."""
    preferred_batch_size: tuple[int, ...] = ()
    max_queue_delay_microseconds: int = 0
    preserve_ordering: bool = False

    def __post_init__(self) -> None:
        _not_negative("oldest.max_candidate_sequences", self.max_candidate_sequences)
        _not_negative("oldest.max_queue_delay_microseconds", self.max_queue_delay_microseconds)
        for size in self.preferred_batch_size:
            if size < 1:
                raise ConfigError(
                    "sequence batching preferred batch size must be positive;"
                    f" preferred_batch_size: {size}"
                )


@dataclass(frozen=True, slots=True)
class SequenceBatching:
    """`ModelSequenceBatching`."""

    strategy: DirectStrategy | OldestStrategy = DirectStrategy()
    max_sequence_idle_microseconds: int = 1_000_000
    control_input: tuple[SequenceControl, ...] = ()
    state: tuple[SequenceState, ...] = ()
    iterative_sequence: bool = False

    @property
    def hidden_inputs(self) -> frozenset[str]:
        """Inputs of the model that no request gives: controls and states."""
        return frozenset(
            [c.spec.name for c in self.control_input] + [s.input_name for s in self.state]
        )

    def control(self, kind: ControlKind) -> SequenceControl | None:
        """The control input of that kind, if the model has one."""
        return next((c for c in self.control_input if c.kind is kind), None)


class BatchInputKind(Enum):
    """`BatchInput.Kind`: what core computes from a batch's inputs."""

    BATCH_ELEMENT_COUNT = "BATCH_ELEMENT_COUNT"
    BATCH_ACCUMULATED_ELEMENT_COUNT = "BATCH_ACCUMULATED_ELEMENT_COUNT"
    BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO = "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO"
    BATCH_MAX_ELEMENT_COUNT_AS_SHAPE = "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE"
    BATCH_ITEM_SHAPE = "BATCH_ITEM_SHAPE"
    BATCH_ITEM_SHAPE_FLATTEN = "BATCH_ITEM_SHAPE_FLATTEN"


@dataclass(frozen=True, slots=True)
class BatchInput:
    """`BatchInput`: the model's inputs `target_name` are made from `source_input` of a batch."""

    kind: BatchInputKind
    target_name: tuple[str, ...]
    datatype: str
    source_input: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.target_name:
            raise ConfigError("batch_input: at least one target_name is needed")
        if self.datatype not in ("INT32", "FP32"):
            raise ConfigError(
                "batch input data type must be TYPE_INT32 or TYPE_FP32;"
                f" batch_input '{self.target_name[0]}' has data_type TYPE_{self.datatype}"
            )
        if len(self.source_input) != 1:
            raise ConfigError(
                f"batch input kind '{self.kind.value}' expects 1 source input, got"
                f" {len(self.source_input)}"
            )


@dataclass(frozen=True, slots=True)
class BatchOutput:
    """`BatchOutput` of the one kind BATCH_SCATTER_WITH_INPUT_SHAPE: each request gets its part of
    the flat `target_name`, in the shape of its own `source_input`.
    """

    target_name: tuple[str, ...]
    source_input: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.target_name:
            raise ConfigError("batch_output: at least one target_name is needed")
        if len(self.source_input) != 1:
            raise ConfigError(
                "batch output kind 'BATCH_SCATTER_WITH_INPUT_SHAPE' expects 1 source input, got"
                f" {len(self.source_input)}"
            )


@dataclass(frozen=True, slots=True)
class Resource:
    """`ModelRateLimiter.Resource`; a global one is shared by all devices."""

    name: str
    count: int = 1
    is_global: bool = False


@dataclass(frozen=True, slots=True)
class RateLimiterConfig:
    """`ModelRateLimiter`: what an instance needs to execute, and its weight (1 is most urgent)."""

    resources: tuple[Resource, ...] = ()
    priority: int = 0
    """0 means 1, as Triton has it."""


@dataclass(frozen=True, slots=True)
class EnsembleStep:
    """`ModelEnsembling.Step`: maps a model's tensor names to the ensemble's.

    `fan_out` and `run_if` are ours.  With `fan_out`, the first dim of this step's inputs counts
    independent elements, any number of them (none too); they are spread over the model's batches
    and gathered in order.  With `run_if`, the step runs only if that tensor of the ensemble has
    elements and none of them is zero, false or empty.
    """

    model_name: str
    model_version: int = -1
    input_map: Mapping[str, str] = field(default_factory=dict)
    output_map: Mapping[str, str] = field(default_factory=dict)
    fan_out: bool = False
    run_if: str = ""
