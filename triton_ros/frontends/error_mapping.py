# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which HTTP status and which gRPC status an error has: Triton's table, and the only one.

gRPC's are given by name, so that nothing has to import grpc for it.
"""

from __future__ import annotations

from triton_ros.core.errors import Code, TritonError

_STATUS: dict[Code, tuple[int, str]] = {
    Code.INVALID_ARG: (400, "INVALID_ARGUMENT"),
    Code.NOT_FOUND: (404, "NOT_FOUND"),
    Code.UNAVAILABLE: (503, "UNAVAILABLE"),
    Code.INTERNAL: (500, "INTERNAL"),
    Code.UNSUPPORTED: (501, "UNIMPLEMENTED"),
    Code.ALREADY_EXISTS: (400, "ALREADY_EXISTS"),
    Code.CANCELLED: (400, "CANCELLED"),
    Code.UNKNOWN: (400, "UNKNOWN"),
}


def http_status(error: TritonError) -> int:
    """What HTTP answers for an error."""
    return _STATUS[error.code][0]


def grpc_status(error: TritonError) -> str:
    """The name of gRPC's status code for an error."""
    return _STATUS[error.code][1]
