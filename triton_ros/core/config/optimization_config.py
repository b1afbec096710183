# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`ModelOptimizationPolicy`: what a configuration asks of a backend's runtime.

Core only carries it.  Which of the fields a backend can heed is its own to say
(`backends.support.check_heeded`): what nobody would act on is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from triton_ros.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Accelerator:
    """`ExecutionAccelerators.Accelerator`: a name the backend knows, and its parameters."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("optimization.execution_accelerators: an entry must specify 'name'")


@dataclass(frozen=True, slots=True)
class Optimization:
    """Triton's defaults; `stated` are the fields that the configuration sets, with dots."""

    graph_level: int = 0
    gpu_execution_accelerator: tuple[Accelerator, ...] = ()
    """For instances on a GPU, the most wanted first."""
    cpu_execution_accelerator: tuple[Accelerator, ...] = ()
    cuda_graphs: bool = False
    busy_wait_events: bool = False
    input_pinned_memory: bool = True
    output_pinned_memory: bool = True
    stated: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for place in ("gpu_execution_accelerator", "cpu_execution_accelerator"):
            names = [accelerator.name for accelerator in getattr(self, place)]
            for name in names:
                if names.count(name) > 1:
                    raise ConfigError(
                        f"optimization.execution_accelerators.{place} '{name}' is given twice"
                    )


@dataclass(frozen=True, slots=True)
class SecondaryDevice:
    """`ModelInstanceGroup.SecondaryDevice`: an engine beside the GPU, as a Jetson's DLA cores."""

    kind: str
    device_id: int

    def __post_init__(self) -> None:
        if self.device_id < 0:
            raise ConfigError(
                f"instance_group.secondary_devices.device_id must be 0 or more,"
                f" got {self.device_id}"
            )
