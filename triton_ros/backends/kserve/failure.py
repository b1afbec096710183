# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between here and a remote server, in our error tree."""

from __future__ import annotations

from triton_ros.core.errors import (
    AlreadyExistsError,
    CancelledError,
    Code,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    TritonError,
    UnavailableError,
    UnsupportedError,
)

_ERRORS: dict[Code, type[TritonError]] = {
    error.code: error
    for error in (
        *(AlreadyExistsError, CancelledError, InternalError, InvalidArgumentError),
        *(NotFoundError, UnavailableError, UnsupportedError),
    )
}


class RemoteFailure(UnavailableError):
    """A server could not be asked or could not answer now: another one may, or this one later.

    `sent` is whether it may have executed the request.
    """

    reason = "BACKEND"

    def __init__(self, message: str, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class RemoteTimeout(RemoteFailure):
    """It did not answer in time."""


def definite(code: Code, message: str) -> TritonError:
    """The server's answer is an error, which it would be again."""
    error = _ERRORS.get(code, InternalError)(message)
    error.reason = error.reason or "BACKEND"
    return error


def withdrawn(what: str) -> CancelledError:
    """The request was cancelled while it was with the server."""
    return CancelledError(f"{what}: request was cancelled")
