# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton-style model serving as one ROS 2 lifecycle node, or in process without ROS.

In process: `make_server` gives an `InferenceServer` with every backend; `infer` costs no more than
the model.  `start_frontends` serves the same server to KServe V2 clients.

Example::

    import numpy as np
    import triton_ros

    with triton_ros.make_server(["models"]) as server:
        server.load_model("add_sub").result()
        a = np.ones((1, 16), np.float32)
        request = triton_ros.InferenceRequest("add_sub", {"INPUT0": a, "INPUT1": a})
        print(server.infer(request).outputs["OUTPUT0"])

Names are imported when they are first used: who only wants one layer pays for no other.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triton_ros.core.errors import (
        AlreadyExistsError,
        CancelledError,
        ConfigError,
        InternalError,
        InvalidArgumentError,
        NotFoundError,
        TritonError,
        UnavailableError,
        UnsupportedError,
    )
    from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse
    from triton_ros.core.server import InferenceServer, ModelDescription
    from triton_ros.core.server_options import ModelControlMode, ServerOptions
    from triton_ros.main import make_server, start_frontends

__version__ = "0.1.0"

__all__ = [
    "AlreadyExistsError",
    "Cancellation",
    "CancelledError",
    "ConfigError",
    "InferenceRequest",
    "InferenceResponse",
    "InferenceServer",
    "InternalError",
    "InvalidArgumentError",
    "ModelControlMode",
    "ModelDescription",
    "NotFoundError",
    "ServerOptions",
    "TritonError",
    "UnavailableError",
    "UnsupportedError",
    "make_server",
    "start_frontends",
]

_HOMES = {
    "core.request": ("Cancellation", "InferenceRequest", "InferenceResponse"),
    "core.server": ("InferenceServer", "ModelDescription"),
    "core.server_options": ("ModelControlMode", "ServerOptions"),
    "main": ("make_server", "start_frontends"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'triton_ros' has no attribute '{name}'")
    home = _HOME.get(name, "core.errors")
    found = globals()[name] = getattr(import_module(f"triton_ros.{home}"), name)
    return found
