# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a model, and how it says so."""

from __future__ import annotations


class TritonModelException(Exception):
    """A mistake in the use of this module, or of another model."""


class TritonError:
    """What is wrong, with one of Triton's codes."""

    UNKNOWN = 0
    INTERNAL = 1
    NOT_FOUND = 2
    INVALID_ARG = 3
    UNAVAILABLE = 4
    UNSUPPORTED = 5
    ALREADY_EXISTS = 6
    CANCELLED = 7

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        self._message = message
        self._code = code

    def code(self) -> int:
        return self._code

    def message(self) -> str:
        return self._message
