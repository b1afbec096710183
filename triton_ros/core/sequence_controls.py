# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a sequence model is told beside a request's own inputs, and the rows that fill gaps.

A control is a tensor of one value a row: whether the sequence starts, ends, has a request in this
row at all, and its correlation id.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from triton_ros.core.errors import ConfigError, InvalidArgumentError, TritonError
from triton_ros.core.model_config import ModelConfig
from triton_ros.core.payload import Item
from triton_ros.core.request import InferenceRequest, Timing
from triton_ros.core.scheduling_config import ControlKind, SequenceBatching
from triton_ros.core.tensor import Array, Tensor

CorrelationId = int | str

MAX_ID = 2**64 - 1
_CORRID_TYPES = ("UINT64", "INT64", "UINT32", "INT32", "BYTES")


class SequenceControls:
    """The control inputs of one model, and which correlation ids it can be told."""

    def __init__(self, config: ModelConfig) -> None:
        batching = config.sequence_batching or SequenceBatching()
        self._model = config.name
        self._flags = [c for c in batching.control_input if c.kind is not ControlKind.CORRID]
        self._corrid = batching.control(ControlKind.CORRID)
        if self._corrid and self._corrid.spec.datatype not in _CORRID_TYPES:
            raise ConfigError(
                f"unexpected data type for control CONTROL_SEQUENCE_CORRID for {config.name}."
                " Allowed data types are TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 and"
                f" TYPE_STRING, got TYPE_{self._corrid.spec.datatype}"
            )

    def rows(self, request: InferenceRequest | None, ready: bool) -> dict[str, Array]:
        """The controls of one row, each of shape (1,); a row that is not ready has no request."""
        said = {
            ControlKind.START: bool(request and request.sequence_start),
            ControlKind.END: bool(request and request.sequence_end),
            ControlKind.READY: ready,
        }
        rows: dict[str, Array] = {
            c.spec.name: np.full(1, c.false_true[said[c.kind]], c.spec.dtype) for c in self._flags
        }
        if self._corrid:
            spec = self._corrid.spec
            value = request.correlation_id if request else 0
            if spec.datatype == "BYTES":
                value_bytes = value.encode() if isinstance(value, str) else b""
                rows[spec.name] = np.full(1, value_bytes, np.object_)
            else:
                rows[spec.name] = np.full(1, value, spec.dtype)
        return rows

    def check_id(self, value: CorrelationId) -> None:
        """Refuse an id that is none, or that the model's CORRID cannot hold."""
        if value in (0, ""):
            raise InvalidArgumentError(
                f"inference request to model '{self._model}' must specify a non-zero or non-empty"
                " correlation ID"
            )
        text = isinstance(value, str)
        if self._corrid and text != (self._corrid.spec.datatype == "BYTES"):
            raise InvalidArgumentError(
                f"sequence batching control '{self._corrid.spec.name}' data-type is"
                f" '{'BYTES' if text else 'UINT64'}', but model '{self._model}' expects"
                f" '{self._corrid.spec.datatype}'"
            )
        if isinstance(value, int) and not 1 <= value <= self.max_id:
            raise InvalidArgumentError(
                f"inference request to model '{self._model}' has correlation ID {value}; accepted"
                f" are 1 to {self.max_id}"
            )

    @property
    def max_id(self) -> int:
        """The largest number that is an id for this model."""
        if self._corrid and self._corrid.spec.datatype != "BYTES":
            return int(np.iinfo(self._corrid.spec.dtype).max)
        return MAX_ID

    def made_up(self, number: int) -> CorrelationId:
        """An id for a request that has none; it comes again only after `max_id` others."""
        value = number % self.max_id + 1
        return str(value) if self._corrid and self._corrid.spec.datatype == "BYTES" else value

    def null_row(self, like: Item) -> Item:
        """A row in the place of a sequence that has nothing to run: zeros, and READY false."""
        inputs: dict[str, Tensor] = {
            name: _empty(value, value.shape if like.element else value.shape[1:])
            for name, value in like.inputs.items()
        }
        inputs.update(self.rows(None, ready=False))
        return Item(inputs, _nobody, element=True, key=like.key, null=True)


def _empty(value: Tensor, shape: tuple[int, ...]) -> Array:
    if value.dtype.kind in "SUO":
        return np.full(shape, b"", np.object_)
    return np.zeros(shape, value.dtype)


def _nobody(outcome: Mapping[str, Array] | TritonError, timing: Timing) -> None:
    """Nobody waits for a null row's answer."""
