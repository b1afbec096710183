# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""HTTP's requests besides inference: bodies to the data plane, values to bodies.  Without IO.

Every endpoint is a function of the data plane, what its address says, its verb and its body.  It
answers with a value for JSON, None for an empty body, or a future of None for what takes its time.
All of them may block for a disk; a frontend runs them on a thread.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias

from triton_ros.core.errors import InvalidArgumentError, TritonError
from triton_ros.core.telemetry.trace_settings import SettingValue
from triton_ros.core.tensor_bytes import Buffer
from triton_ros.frontends.data_plane import DataPlane
from triton_ros.frontends.json_fields import (
    boolean_field,
    object_field,
    parse_object,
    text_field,
    unsigned_field,
)

Reply: TypeAlias = "dict[str, Any] | list[Any] | Future[None] | None"

_FILE = "file:"


@dataclass(slots=True)
class Asked:
    """What the address says, whether it is a POST, and the body."""

    name: str = ""
    """The model's."""
    version: str = ""
    repository: str = ""
    kind: str = ""
    """Of shared memory: ``system`` or ``cuda``."""
    region: str = ""
    post: bool = False
    body: Buffer = b""


Endpoint: TypeAlias = Callable[[DataPlane, Asked], Reply]


class NotReadyError(TritonError):
    """Health endpoints answer so: a status of 400."""


def live(plane: DataPlane, asked: Asked) -> Reply:
    """Whether the server lives."""
    plane.live()
    return None


def ready(plane: DataPlane, asked: Asked) -> Reply:
    """Whether every model that should serve does."""
    if not plane.ready():
        raise NotReadyError("")
    return None


def model_ready(plane: DataPlane, asked: Asked) -> Reply:
    """Whether a model does."""
    if not plane.model_ready(asked.name, asked.version):
        raise NotReadyError("Model version not ready")
    return None


def server_metadata(plane: DataPlane, asked: Asked) -> Reply:
    """Name, version, extensions."""
    return plane.server_metadata()


def model_metadata(plane: DataPlane, asked: Asked) -> Reply:
    """A model's tensors."""
    return plane.model_metadata(asked.name, asked.version)


def model_config(plane: DataPlane, asked: Asked) -> Reply:
    """A model's completed configuration."""
    return plane.model_config(asked.name, asked.version)


def statistics(plane: DataPlane, asked: Asked) -> Reply:
    """Of a model, or of all."""
    return plane.statistics(asked.name, asked.version)


def repository_index(plane: DataPlane, asked: Asked) -> Reply:
    """What the repository has."""
    head = parse_object(asked.body)
    if not isinstance(head.get("ready", False), bool):
        raise InvalidArgumentError("Invalid value for 'ready': expected a boolean")
    return plane.repository_index(head.get("ready", False), asked.repository)


def load(plane: DataPlane, asked: Asked) -> Reply:
    """Load a model, maybe with a configuration and files that the body brings."""
    plane.check_repository(asked.repository)
    config, files = "", {}
    parameters = object_field(parse_object(asked.body), "parameters")
    for name in parameters:
        if name != "config" and not name.startswith(_FILE):
            raise InvalidArgumentError(
                f"Unrecognized load parameter '{name}'; accepted: 'config', 'file:<version>/<path>'"
            )
        text = text_field(parameters, name)
        if name == "config":
            config = text
        else:
            files[name] = _decoded(name, text)
    return plane.load(asked.name, config, files or None)


def unload(plane: DataPlane, asked: Asked) -> Reply:
    """Unload a model."""
    plane.check_repository(asked.repository)
    parameters = object_field(parse_object(asked.body), "parameters")
    dependents = boolean_field(parameters, "unload_dependents")
    plane.unload(asked.name, dependents)
    return None  # as in Triton, not when the last request is answered


def trace_setting(plane: DataPlane, asked: Asked) -> Reply:
    """Show or change what is traced."""
    model = asked.name
    if not asked.post:
        return plane.trace_settings(model)
    values = {name: _setting(name, value) for name, value in parse_object(asked.body).items()}
    return plane.update_trace_settings(values, model)


def logging(plane: DataPlane, asked: Asked) -> Reply:
    """Show or change what is logged."""
    return (
        plane.update_log_settings(parse_object(asked.body)) if asked.post else plane.log_settings()
    )


def memory_status(plane: DataPlane, asked: Asked) -> Reply:
    """The registered regions."""
    return plane.memory_status(asked.kind, asked.region)


def memory_register(plane: DataPlane, asked: Asked) -> Reply:
    """Register one."""
    kind, region = asked.kind, asked.region
    plane.regions.check_allowed()
    if not region:
        raise InvalidArgumentError(
            f"'region name' is necessary to register {kind} shared memory region"
        )
    head = parse_object(asked.body)
    for name in ("raw_handle",) if kind == "cuda" else ("key",):
        if name not in head:
            raise InvalidArgumentError(f"Shared memory register request has no '{name}' field")
    if "byte_size" not in head:
        raise InvalidArgumentError("Shared memory register request has no 'byte_size' field")
    size = unsigned_field(head, "byte_size")
    if kind == "cuda":
        text = text_field(object_field(head, "raw_handle"), "b64")
        device = unsigned_field(head, "device_id")
        plane.regions.register_cuda(region, _decoded("raw_handle", text), device, size)
    else:
        offset = unsigned_field(head, "offset", 0)
        plane.regions.register_system(region, text_field(head, "key"), offset, size)
    return None


def memory_unregister(plane: DataPlane, asked: Asked) -> Reply:
    """Forget one, or all."""
    plane.regions.unregister(asked.kind, asked.region)
    return None


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentError(f"'{name}' is not base64: {error}") from error


def _setting(name: str, value: object) -> SettingValue:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | list):
        raise InvalidArgumentError(f"trace setting '{name}' is {value!r}; accepted: strings")
    if isinstance(value, list) and not all(isinstance(entry, str) for entry in value):
        raise InvalidArgumentError(f"trace setting '{name}' is {value!r}; accepted: strings")
    return value


ENDPOINTS: Mapping[str, Endpoint] = {
    each.__name__: each
    for each in (
        *(live, ready, model_ready, server_metadata, model_metadata, model_config, statistics),
        *(repository_index, load, unload, trace_setting, logging),
        *(memory_status, memory_register, memory_unregister),
    )
}
"""By the names of `http.routes`."""
