# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The package's one exception tree: Triton's eight status codes.

A foreign error (a runtime's, the parser's, the file system's) is translated into this tree once,
where it enters.  Nothing here knows HTTP, gRPC or ROS; the skins map `code` to their own.
"""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """Triton's `TRITONSERVER_Error_Code`."""

    UNKNOWN = "UNKNOWN"
    INTERNAL = "INTERNAL"
    NOT_FOUND = "NOT_FOUND"
    INVALID_ARG = "INVALID_ARG"
    UNAVAILABLE = "UNAVAILABLE"
    UNSUPPORTED = "UNSUPPORTED"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    CANCELLED = "CANCELLED"


class TritonError(Exception):
    """Base of every error that this package raises on purpose.

    `str(error)` is the whole message for a person; `error.code` is for a program, and
    `error.reason` for whoever counts failures.
    """

    code = Code.UNKNOWN
    reason = ""
    """The name of a `statistics.FailureReason`; empty if the type does not say."""
    forbidden = False
    """Whether it answers an attempt to get what one may not have: who runs a server is told."""

    def within(self, place: str) -> TritonError:
        """The same error with the place in front of its message: ``in ensemble 'E', ...``."""
        error = type(self)(f"{place}, {self}")
        error.reason = self.reason
        error.__cause__ = self.__cause__
        return error


class InternalError(TritonError):
    """Something failed that the caller could not have prevented (a runtime raised, say)."""

    code = Code.INTERNAL


class NotFoundError(TritonError):
    """No such model, version or file."""

    code = Code.NOT_FOUND


class InvalidArgumentError(TritonError):
    """The caller's request is wrong: names, shapes, datatypes, values."""

    code = Code.INVALID_ARG


class ConfigError(InvalidArgumentError):
    """A configuration is refused; the message names file, line, field and accepted values."""


class OutOfBoundsError(InvalidArgumentError):
    """The request reaches beyond what it may: a path, a size, a slice of memory."""

    forbidden = True


class UnavailableError(TritonError):
    """Right request, wrong moment: model not ready, queue full, timed out, stopping."""

    code = Code.UNAVAILABLE


class QueueFullError(UnavailableError):
    """The queue holds as many requests as its policy allows."""

    reason = "REJECTED"


class TimeoutExpiredError(UnavailableError):
    """Longer in the queue than its policy allows."""

    reason = "TIMEOUT"


class DeadlineError(UnavailableError):
    """Still waiting when the request's own deadline was over."""

    reason = "DEADLINE"


class DroppedError(UnavailableError):
    """The oldest of a full queue that prefers the newest."""

    reason = "DROPPED"


class UnsupportedError(TritonError):
    """Known to Triton, not done here (or not on this machine)."""

    code = Code.UNSUPPORTED


class AlreadyExistsError(TritonError):
    """The name is taken."""

    code = Code.ALREADY_EXISTS


class CancelledError(TritonError):
    """The request was withdrawn before it was answered."""

    code = Code.CANCELLED
    reason = "CANCELED"  # Triton spells the two differently


_BY_CODE = {
    Code.UNKNOWN: TritonError,
    Code.INTERNAL: InternalError,
    Code.NOT_FOUND: NotFoundError,
    Code.INVALID_ARG: InvalidArgumentError,
    Code.UNAVAILABLE: UnavailableError,
    Code.UNSUPPORTED: UnsupportedError,
    Code.ALREADY_EXISTS: AlreadyExistsError,
    Code.CANCELLED: CancelledError,
}
"""In the order of Triton's numbers."""


def code_number(error: TritonError) -> int:
    """Triton's number of the error's code."""
    return list(_BY_CODE).index(error.code)


def error_with_code(number: int, message: str) -> TritonError:
    """The error of one of Triton's numbers; an unknown number is an unknown error."""
    kinds = list(_BY_CODE.values())
    return kinds[number if 0 <= number < len(kinds) else 0](message)


def missing_package(what: str, package: str) -> UnsupportedError:
    """The one message for an optional runtime that is not installed."""
    return UnsupportedError(f"{what} needs the package '{package}': pip install {package}")
