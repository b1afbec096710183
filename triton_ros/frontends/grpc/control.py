# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""gRPC's requests besides inference: messages to the data plane, values to messages.

`CALLS` has each RPC with its part of the API; every function gets the generated module, the data
plane and the request, and gives the response.  All of them may block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from triton_ros.core.config.config_json import completed_message
from triton_ros.core.errors import InvalidArgumentError, NotFoundError
from triton_ros.frontends.data_plane import DataPlane
from triton_ros.frontends.restriction import Api
from triton_ros.frontends.shared_memory import CUDA, SYSTEM

Call: TypeAlias = Callable[[Any, DataPlane, Any], Any]


def server_live(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Whether the server lives."""
    return messages.ServerLiveResponse(live=plane.live())


def server_ready(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Whether every model that should serve does."""
    return messages.ServerReadyResponse(ready=plane.ready())


def model_ready(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Whether a model does."""
    return messages.ModelReadyResponse(ready=plane.model_ready(request.name, request.version))


def server_metadata(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Name, version, extensions."""
    return messages.ServerMetadataResponse(**plane.server_metadata())


def model_metadata(messages: Any, plane: DataPlane, request: Any) -> Any:
    """A model's tensors."""
    return messages.ModelMetadataResponse(**plane.model_metadata(request.name, request.version))


def model_config(messages: Any, plane: DataPlane, request: Any) -> Any:
    """A model's completed configuration."""
    config = plane.configuration(request.name, request.version)
    return messages.ModelConfigResponse(config=completed_message(config))


def model_statistics(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Of a model, or of all."""
    from google.protobuf.json_format import ParseDict  # noqa: PLC0415 (gRPC's need alone)

    found = plane.statistics(request.name, request.version)
    return ParseDict(found, messages.ModelStatisticsResponse())


def repository_index(messages: Any, plane: DataPlane, request: Any) -> Any:
    """What the repository has."""
    rows = plane.repository_index(request.ready, request.repository_name)
    return messages.RepositoryIndexResponse(models=rows)


def load(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Load a model, maybe with a configuration and files that the request brings."""
    plane.check_repository(request.repository_name)
    config, files = "", {}
    for name, field in request.parameters.items():
        kind = field.WhichOneof("parameter_choice")
        if name == "config" and kind == "string_param":
            config = field.string_param
        elif name.startswith("file:") and kind == "bytes_param":
            files[name] = field.bytes_param
        else:
            raise InvalidArgumentError(
                f"Unrecognized load parameter '{name}' with type '{kind}'; accepted: 'config' with"
                " string_param, 'file:<version>/<path>' with bytes_param"
            )
    plane.load(request.model_name, config, files or None).result()
    return messages.RepositoryModelLoadResponse()


def unload(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Unload a model; as in Triton, this does not wait for its last request."""
    plane.check_repository(request.repository_name)
    dependents = False
    for name, field in request.parameters.items():
        if name != "unload_dependents" or field.WhichOneof("parameter_choice") != "bool_param":
            raise InvalidArgumentError(
                f"Unrecognized unload parameter '{name}'; accepted: 'unload_dependents' with"
                " bool_param"
            )
        dependents = field.bool_param
    plane.unload(request.model_name, dependents)
    return messages.RepositoryModelUnloadResponse()


def trace_setting(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Show what is traced, after the changes that the request asks for; no value takes one back."""
    given = {name: list(field.value) or None for name, field in request.settings.items()}
    if given:
        found = plane.update_trace_settings(given, request.model_name)
    else:
        found = plane.trace_settings(request.model_name)
    response = messages.TraceSettingResponse()
    for name, value in found.items():
        response.settings[name].value.extend([value] if isinstance(value, str) else value)
    return response


def log_settings(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Show what is logged, after the changes that the request asks for."""
    given = {}
    for name, field in request.settings.items():
        kind = field.WhichOneof("parameter_choice")
        given[name] = getattr(field, kind) if kind else None
    found = plane.update_log_settings(given) if given else plane.log_settings()
    response = messages.LogSettingsResponse()
    for name, value in found.items():
        field = response.settings[name]
        if isinstance(value, bool):
            field.bool_param = value
        elif isinstance(value, int):
            field.uint32_param = value
        else:
            field.string_param = value
    return response


def _status(messages: Any, plane: DataPlane, kind: str, name: str, response: Any) -> Any:
    for row in plane.memory_status(kind, name):
        for field, value in row.items():
            setattr(response.regions[row["name"]], field, value)
    return response


def system_status(messages: Any, plane: DataPlane, request: Any) -> Any:
    """The registered regions of system memory."""
    response = messages.SystemSharedMemoryStatusResponse()
    return _status(messages, plane, SYSTEM, request.name, response)


def system_register(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Register one."""
    _check_region(SYSTEM, request.name, plane)
    plane.regions.register_system(request.name, request.key, request.offset, request.byte_size)
    return messages.SystemSharedMemoryRegisterResponse()


def system_unregister(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Forget one, or all."""
    plane.regions.unregister(SYSTEM, request.name)
    return messages.SystemSharedMemoryUnregisterResponse()


def cuda_status(messages: Any, plane: DataPlane, request: Any) -> Any:
    """The registered regions of GPUs' memory."""
    response = messages.CudaSharedMemoryStatusResponse()
    return _status(messages, plane, CUDA, request.name, response)


def cuda_register(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Register one."""
    _check_region(CUDA, request.name, plane)
    plane.regions.register_cuda(
        request.name, request.raw_handle, request.device_id, request.byte_size
    )
    return messages.CudaSharedMemoryRegisterResponse()


def cuda_unregister(messages: Any, plane: DataPlane, request: Any) -> Any:
    """Forget one, or all."""
    plane.regions.unregister(CUDA, request.name)
    return messages.CudaSharedMemoryUnregisterResponse()


def _check_region(kind: str, name: str, plane: DataPlane) -> None:
    plane.regions.check_allowed()
    if not name:
        raise InvalidArgumentError(
            f"'region name' is necessary to register {kind} shared memory region"
        )


CALLS: dict[str, tuple[Api, Call]] = {
    "ServerLive": (Api.HEALTH, server_live),
    "ServerReady": (Api.HEALTH, server_ready),
    "ModelReady": (Api.HEALTH, model_ready),
    "ServerMetadata": (Api.METADATA, server_metadata),
    "ModelMetadata": (Api.METADATA, model_metadata),
    "ModelConfig": (Api.MODEL_CONFIG, model_config),
    "ModelStatistics": (Api.STATISTICS, model_statistics),
    "RepositoryIndex": (Api.MODEL_REPOSITORY, repository_index),
    "RepositoryModelLoad": (Api.MODEL_REPOSITORY, load),
    "RepositoryModelUnload": (Api.MODEL_REPOSITORY, unload),
    "SystemSharedMemoryStatus": (Api.SHARED_MEMORY, system_status),
    "SystemSharedMemoryRegister": (Api.SHARED_MEMORY, system_register),
    "SystemSharedMemoryUnregister": (Api.SHARED_MEMORY, system_unregister),
    "CudaSharedMemoryStatus": (Api.SHARED_MEMORY, cuda_status),
    "CudaSharedMemoryRegister": (Api.SHARED_MEMORY, cuda_register),
    "CudaSharedMemoryUnregister": (Api.SHARED_MEMORY, cuda_unregister),
    "TraceSetting": (Api.TRACE, trace_setting),
    "LogSettings": (Api.LOGGING, log_settings),
}
"""Every RPC with one request and one response, but for inference."""


def health(messages: Any, plane: DataPlane, service: str) -> bool:
    """The standard health service's answer; raises `NotFoundError` for an unknown service."""
    if service not in ("", "inference.GRPCInferenceService"):
        raise NotFoundError(f"unknown service '{service}'")
    return plane.ready()
