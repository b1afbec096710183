# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a sequence model is told beside a request's own inputs.

A control is a tensor of one value a row: whether the sequence starts, ends, has a request in this
row at all, and its correlation id.  (Rows without a request are filled where batches are merged.)
"""

from __future__ import annotations

import numpy as np

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import ControlKind, SequenceBatching
from triton_ros.core.errors import ConfigError, InvalidArgumentError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.tensor import Array

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

    def rows(self, request: InferenceRequest) -> dict[str, Array]:
        """The controls of a request's row, each of shape (1,)."""
        said = {
            ControlKind.START: request.sequence_start,
            ControlKind.END: request.sequence_end,
            ControlKind.READY: True,
        }
        rows: dict[str, Array] = {
            c.spec.name: np.full(1, c.false_true[said[c.kind]], c.spec.dtype) for c in self._flags
        }
        if self._corrid:
            spec = self._corrid.spec
            value = request.correlation_id
            told = value.encode() if isinstance(value, str) else value
            rows[spec.name] = np.full(1, told, spec.dtype)
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
        """An id for a request that has none; from the far end, where callers' own are not."""
        value = self.max_id - number % self.max_id
        return str(value) if self._corrid and self._corrid.spec.datatype == "BYTES" else value
