# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An error's text, as gRPC can send it.

Beside a status it is metadata: escaped, and a client gives up on a call with more than 8 kB of that
and shows another error instead.  So what is too long is cut.
"""

from __future__ import annotations

from typing import Any

from triton_ros.core.errors import TritonError

MOST_BYTES = 7000
"""Of a status's text when it is escaped; the rest of a client's 8 kB is for what comes with it."""
_CUT = "..."


def sendable(error: TritonError) -> str:
    """The whole text; what is no UTF-8 in it (a file's name, a model's words) becomes `?`."""
    return str(error).encode(errors="replace").decode()


def told(error: TritonError) -> str:
    """The text beside a status."""
    text = sendable(error)
    size = 0
    for at, char in enumerate(text):
        size += 1 if " " <= char <= "~" and char != "%" else 3 * len(char.encode())
        if size > MOST_BYTES:
            return text[:at] + _CUT
    return text


def host_of(context: Any) -> str:
    """Who calls, without the protocol and the port."""
    return str(context.peer()).partition(":")[2].rpartition(":")[0]
