# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How far a client may be behind the answers of its stream.

Models do not wait for clients: what is not sent yet is kept, up to a limit; a stream beyond it is
withdrawn, so that one slow reader costs no more than that.
"""

from __future__ import annotations

import threading

from triton_ros.core.errors import TritonError, UnavailableError
from triton_ros.frontends.exchange import InferAnswer, RegionSlice

MAX_BYTES = 64 << 20
MAX_ANSWERS = 1 << 16
_ANSWER_BYTES = 512
"""About what an answer costs beside its tensors."""


class Backlog:
    """Counts what waits to be sent; thread-safe."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_answers: int = MAX_ANSWERS) -> None:
        self._max_bytes = max_bytes
        self._max_answers = max_answers
        self._lock = threading.Lock()
        self._bytes = 0
        self._answers = 0

    def added(self, answer: InferAnswer | TritonError) -> bool:
        """Whether it still fits; it counts, either way, until `sent`."""
        with self._lock:
            self._bytes += _size(answer)
            self._answers += 1
            return self._bytes <= self._max_bytes and self._answers <= self._max_answers

    def sent(self, answer: InferAnswer | TritonError) -> None:
        """It waits no longer."""
        with self._lock:
            self._bytes -= _size(answer)
            self._answers -= 1

    @staticmethod
    def refusal() -> TritonError:
        """What a client that is too far behind is told."""
        return UnavailableError(
            "the stream was ended: its client reads its answers more slowly than they come"
        )


def _size(answer: InferAnswer | TritonError) -> int:
    if isinstance(answer, TritonError):
        return _ANSWER_BYTES + len(str(answer))
    return _ANSWER_BYTES + sum(
        o.data.nbytes for o in answer.outputs if not isinstance(o.data, RegionSlice)
    )
