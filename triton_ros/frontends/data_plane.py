# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What V2's requests ask for besides inference, without a protocol: answers are JSON-like values.

Both frontends answer from here, so they cannot differ in what they say.  Everything raises
`TritonError`; what takes time (loads) is a future.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.control.model_state import ModelState
from triton_ros.core.errors import (
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfBoundsError,
    TritonError,
    UnavailableError,
    UnsupportedError,
)
from triton_ros.core.server import InferenceServer
from triton_ros.core.telemetry.trace_settings import SettingValue
from triton_ros.core.tensor import TensorSpec
from triton_ros.frontends.inference import Inference, parse_version
from triton_ros.frontends.limits import RateLimit
from triton_ros.frontends.log_settings import LogSettings
from triton_ros.frontends.options import FrontendOptions
from triton_ros.frontends.refusals import Refusals
from triton_ros.frontends.shared_memory import CUDA, OpenCuda, Regions, no_cuda

EXTENSIONS = (
    "classification",
    "sequence",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "system_shared_memory",
    "cuda_shared_memory",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "trace",
    "logging",
)


class ModelControlOffError(UnavailableError):
    """Clients of the network may load and unload nothing."""

    forbidden = True


class DataPlane:
    """One server as its clients see it; `version` is this package's."""

    def __init__(
        self,
        server: InferenceServer,
        options: FrontendOptions,
        version: str,
        open_cuda: OpenCuda = no_cuda,
    ) -> None:
        self.options = options
        self.regions = Regions(options.allow_client_shm, open_cuda)
        self.rate = RateLimit(options.max_request_rate)
        self.refusals = Refusals()
        self.inference = Inference(server, self.regions, options.max_in_flight)
        self.server = server
        self._version = version
        self._logs = LogSettings()

    def stop(self) -> None:
        """No longer ready, and no new inference; what is under way goes on."""
        self.inference.stop()

    def close(self) -> None:
        """Let go of what clients registered and set."""
        self.regions.close()
        self._logs.close()

    # health ----------------------------------------------------------------------------------

    def live(self) -> bool:
        """Whether the server answers; raises `UnavailableError` while it exits."""
        self.inference.check_open()
        return True

    def ready(self) -> bool:
        """Whether every model that should serve does (strict readiness).

        As Triton's, it excuses what has been unloaded, but not what is just being.
        """
        self.live()
        return all(
            entry.state is ModelState.READY or entry.reason == "unloaded"
            for entry in self.server.repository_index()
            if entry.version is not None
        )

    def model_ready(self, name: str, version: str = "") -> bool:
        """Whether a model answers; raises `NotFoundError` for an unknown one."""
        number = parse_version(version)
        if self.server.model_ready(name, number):
            return True
        try:
            self.server.configuration(name, number)
        except UnavailableError:
            return False
        return False

    # what there is ---------------------------------------------------------------------------

    def server_metadata(self) -> dict[str, Any]:
        """Name, version and extensions; `shared memory` also where it is not allowed, as Triton."""
        return {"name": "triton", "version": self._version, "extensions": list(EXTENSIONS)}

    def model_metadata(self, name: str, version: str = "") -> dict[str, Any]:
        """The tensors of a model, with the batch dim."""
        config = self.server.configuration(name, parse_version(version))
        batched = config.max_batch_size > 0
        return {
            "name": name,
            "versions": [str(number) for number in self.server.ready_versions(name)],
            "platform": config.platform or config.backend,
            "inputs": [_tensor(i.spec, batched) for i in config.input],
            "outputs": [_tensor(o.spec, batched) for o in config.output],
        }

    def model_config(self, name: str, version: str = "") -> dict[str, Any]:
        """The completed configuration, as Triton's JSON."""
        found: dict[str, Any] = json.loads(self.server.model_config(name, parse_version(version)))
        return found

    def configuration(self, name: str, version: str = "") -> ModelConfig:
        """The completed configuration, as a value."""
        return self.server.configuration(name, parse_version(version))

    def statistics(self, name: str = "", version: str = "") -> dict[str, Any]:
        """Of one model (all its ready versions if none is named) or of all."""
        if name and version:
            wanted = [(name, parse_version(version))]
        else:
            wanted = [
                (entry.name, entry.version)
                for entry in self.server.repository_index()
                if entry.state is ModelState.READY and entry.version is not None
                if not name or entry.name == name
            ]
            if name and not wanted:
                raise InvalidArgumentError(f"requested model '{name}' is not available")
        rows = []
        for each, number in wanted:
            try:
                described = self.server.describe(each, number)
            except TritonError as error:
                if version:
                    raise InvalidArgumentError(
                        f"requested model version is not available for model '{each}'"
                    ) from error
                continue  # unloaded meanwhile
            rows.append(described.statistics.as_json(each, described.version))
        return {"model_stats": rows}

    # control ---------------------------------------------------------------------------------

    def repository_index(self, ready: bool = False, repository: str = "") -> list[dict[str, Any]]:
        """One entry a version; of a model that was never asked for only the name."""
        self.check_repository(repository)
        rows = []
        for entry in self.server.repository_index():
            if ready and entry.state is not ModelState.READY:
                continue
            row: dict[str, Any] = {"name": entry.name}
            if entry.version is not None:
                row["version"] = str(entry.version)
            if entry.version is not None or entry.state is not ModelState.UNKNOWN:
                row["state"] = entry.state.value
            if entry.reason:
                row["reason"] = entry.reason
            rows.append(row)
        return rows

    def load(
        self, name: str, config: str = "", files: Mapping[str, bytes] | None = None
    ) -> Future[None]:
        """Load or reload a model; raises where it may not be asked for."""
        self._check_control()
        check_model_name(name)
        if not files and not self.server.ready_versions(name):
            self._check_in_repository(name)
        load = self.server.load_model(name, config, files)
        return _polled(name, load) if config or files else load

    def unload(self, name: str, dependents: bool = False) -> Future[None]:
        """Unload a model; as in Triton, an unknown one is no error."""
        self._check_control()
        try:
            return self.server.unload_model(name, dependents)
        except NotFoundError:
            done: Future[None] = Future()
            done.set_result(None)
            return done

    def check_repository(self, name: str) -> None:
        """Raise `UnsupportedError` for a request that names a repository."""
        if name:
            raise UnsupportedError("'repository_name' specification is not supported")

    def _check_in_repository(self, name: str) -> None:
        try:
            self.server.repository.find(name)
        except NotFoundError as error:
            raise InternalError(
                f"failed to load '{name}', failed to poll from model repository: {error}"
            ) from error

    def _check_control(self) -> None:
        if not self.options.allow_model_control:
            raise ModelControlOffError(
                "model control is not allowed over the network: allow_model_control is false"
            )

    # shared memory ---------------------------------------------------------------------------

    def memory_status(self, kind: str, name: str = "") -> list[dict[str, Any]]:
        """The registered regions of a kind, or one of them."""
        return [
            {"name": r.name, "device_id": r.device_id, "byte_size": r.byte_size}
            if r.kind == CUDA
            else {"name": r.name, "key": r.key, "offset": r.offset, "byte_size": r.byte_size}
            for r in self.regions.status(kind, name)
        ]

    # logs ------------------------------------------------------------------------------------

    def log_settings(self) -> dict[str, Any]:
        """What is logged."""
        return self._logs.as_json()

    def update_log_settings(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Change some; where logs go is not for the network to say."""
        self._logs.update(values)
        return self._logs.as_json()

    # trace -----------------------------------------------------------------------------------

    def trace_settings(self, model: str = "") -> dict[str, Any]:
        """Those of a model, or the global ones."""
        self._check_traced(model)
        return self.server.tracer.settings(model).as_json()

    def update_trace_settings(
        self, values: Mapping[str, SettingValue], model: str = ""
    ) -> dict[str, Any]:
        """Change some; where traces go is not for the network to say."""
        self._check_traced(model)
        if "trace_file" in values:
            raise UnsupportedError(
                "trace file location can not be updated through network protocol"
            )
        return self.server.tracer.update(values, model).as_json()

    def _check_traced(self, model: str) -> None:
        if model and not self.server.ready_versions(model):
            raise InvalidArgumentError(f"Request for unknown model : {model}")


def _polled(name: str, load: Future[None]) -> Future[None]:
    """A load with what the client brought: what is wrong with that has Triton's text and status."""
    polled: Future[None] = Future()

    def finished(load: Future[None]) -> None:
        error = None if load.cancelled() else load.exception()
        if isinstance(error, InvalidArgumentError):
            forbidden = error.forbidden
            error = InternalError(
                f"failed to load '{name}', failed to poll from model repository: {error}"
            )
            error.forbidden = forbidden
        if error is not None:
            polled.set_exception(error)
        else:
            polled.set_result(None)

    load.add_done_callback(finished)
    return polled


def check_model_name(name: str) -> None:
    """Raise `InvalidArgumentError` for a name that could leave the repository."""
    if not name.strip():
        raise InvalidArgumentError(
            "Model name cannot be empty. Please enter a valid name to deploy."
        )
    if name == ".." or "/" in name:
        raise OutOfBoundsError(
            f"invalid model name '{name}', model name must not contain path traversal characters"
        )


def _tensor(spec: TensorSpec, batched: bool) -> dict[str, Any]:
    dims = [-1, *spec.dims] if batched else list(spec.dims)
    return {"name": spec.name, "datatype": spec.datatype, "shape": dims}
