# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The port for work that belongs to a model but not to its runtime: before and after.

A model with a `Processor` has a second, friendlier interface beside its raw tensors.  A detector
takes ``IMAGE`` and answers ``BOXES``, ``SCORES``, ...; a recogniser takes ``IMAGE`` and
``REGIONS`` and answers one text a region.  `prepare` **scatters** a request into elements, each of
which becomes one row of some batch of the model (N crops of one frame, and those of other cameras,
fill the same batches); `finish` **gathers** their outputs into the one answer.

The names of the two interfaces never overlap, so a request's input names say which it means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from triton_ros.core.request import Parameter
from triton_ros.core.tensor import Array, Tensors, TensorSpec


@dataclass(slots=True)
class Work:
    """A prepared request: one mapping of raw input tensors an element, *without* batch dim.

    `context` is the processor's own (the geometry to undo, the threshold to use).
    """

    elements: Sequence[Tensors]
    context: Any = None


class Processor(Protocol):
    """Stateless; called from many threads."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names by index; empty when the model has none."""
        ...

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """Names of an answer's keypoints; empty when there are none."""
        ...

    def check_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Whether requests could have these.  Raises `InvalidArgumentError` naming what could be.

        Parameters that are somebody else's are fine.
        """
        ...

    def prepare(self, inputs: Tensors, parameters: Mapping[str, Parameter]) -> Work:
        """Scatter.  Cheap: pixels are touched later, by the elements' sources.

        Raises `InvalidArgumentError` for inputs or parameters that cannot be used.
        """
        ...

    def finish(self, work: Work, outputs: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """Gather the raw outputs, one mapping an element in order, without batch dim."""
        ...
