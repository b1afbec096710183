# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One version of a model: its plans, its engines on devices and DLA cores, its instances.

An engine is shared by the instances of a device where that is safe: always if its shapes are fixed,
and from TensorRT 10 on, where contexts may share a profile; else each instance has one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from triton_ros.backends.tensorrt.cuda_driver import CudaError
from triton_ros.backends.tensorrt.cuda_graphs import CudaGraphs
from triton_ros.backends.tensorrt.device_owner import DeviceOwner, DeviceOwners
from triton_ros.backends.tensorrt.engine import (
    EngineFacts,
    Log,
    deserialize,
    facts,
    scratch_bytes,
)
from triton_ros.backends.tensorrt.instance import InstanceOptions, TensorRtInstance
from triton_ros.backends.tensorrt.placement import check_group, dla_core, profiles_of, signature_of
from triton_ros.backends.tensorrt.plans import Plan, Plans
from triton_ros.core.backend import Signature
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import InternalError, InvalidArgumentError
from triton_ros.core.telemetry.memory_usage import MemoryUsage

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

_SHARING_PROFILES = 10
"""The release since which contexts of one engine may use the same profile."""


@dataclass(slots=True)
class _Loaded:
    """An engine on a device, or on a DLA core of it."""

    device: int
    dla_core: int | None
    runtime: Any
    engine: Any
    facts: EngineFacts
    size: int
    scratch: int
    """Bytes that each execution context takes beside."""
    users: int = 0


class TensorRtModel:
    """One version."""

    def __init__(
        self,
        trt: Any,
        log: Log,
        owners: DeviceOwners,
        config: ModelConfig,
        plans: Plans,
        *,
        host_code: bool,
    ) -> None:
        """Loads a first engine, which says what the model is; raises `TritonError`.

        `host_code`: whether a plan may bring code for the host.
        """
        self._trt, self._log = trt, log
        self._owners = owners
        self._config = config
        self._plans = plans
        self._host_code = host_code
        self._graphs = CudaGraphs() if config.optimization.cuda_graphs else None
        self._lock = threading.Lock()
        self._taken: dict[int, DeviceOwner] = {}
        self._engines: list[_Loaded] = []
        self._instances: dict[TensorRtInstance, int] = {}
        """With what their contexts take of the device."""
        groups = config.instance_group or (InstanceGroup(),)
        for index, group in enumerate(groups):
            check_group(config, index, group)
        self._shares = False
        """Whether instances may execute one engine; known once there is one."""
        try:
            self._facts = self._load((groups[0].gpus or (0,))[0], dla_core(groups[0])).facts
            profiles = profiles_of(config, self._facts, groups)
            self._signature = signature_of(config, self._facts, profiles)
        except BaseException:
            self.finalize()
            raise
        release = int(trt.__version__.split(".")[0])
        self._shares = self._facts.is_static or release >= _SHARING_PROFILES

    @property
    def signature(self) -> Signature:
        return self._signature

    def instance(self, group: InstanceGroup, device: int) -> TensorRtInstance:
        """See `core.backend.BackendModel.instance`."""
        check_group(self._config, 0, group)
        loaded = self._engine(device, dla_core(group))
        optimization = self._config.optimization
        options = InstanceOptions(
            profiles_of(self._config, self._facts, (group,)),
            optimization.input_pinned_memory,
            optimization.output_pinned_memory,
            optimization.busy_wait_events,
            self._graphs,
        )
        try:
            made = TensorRtInstance(
                self._trt,
                self._log,
                self._owner(device),
                self._config.name,
                loaded.engine,
                self._facts,
                self._signature,
                options,
                partial(self._released, loaded),
            )
        except BaseException:
            with self._lock:
                loaded.users -= 1
            raise
        with self._lock:
            self._instances[made] = loaded.scratch * len(options.profiles)
        return made

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        for device in list(self._taken):
            self._run(device, partial(self._drop, device))
            self._owners.release(self._taken.pop(device))

    @property
    def built(self) -> Sequence[str]:
        """See `core.backend.ReportsBuilt`."""
        return self._plans.built

    @property
    def memory_usage(self) -> Sequence[MemoryUsage]:
        """Plans, and the memory of instances, by device; see `ReportsMemory`."""
        with self._lock:
            found: dict[int, int] = {}
            for loaded in self._engines:
                found[loaded.device] = found.get(loaded.device, 0) + loaded.size
            for instance, scratch in self._instances.items():
                size = instance.device_bytes + scratch
                found[instance.device] = found.get(instance.device, 0) + size
        return [MemoryUsage("GPU", device, size) for device, size in found.items()]

    # engines ------------------------------------------------------------------------------------

    def _engine(self, device: int, dla_core: int | None) -> _Loaded:
        with self._lock:
            for loaded in self._engines:
                here = (loaded.device, loaded.dla_core) == (device, dla_core)
                if here and (self._shares or not loaded.users):
                    loaded.users += 1
                    return loaded
        loaded = self._load(device, dla_core)
        loaded.users = 1
        return loaded

    def _load(self, device: int, dla_core: int | None) -> _Loaded:
        owner = self._owner(device)
        plan = self._plans.get(owner, dla_core)
        try:
            return self._deserialized(plan, device, dla_core)
        except InvalidArgumentError:
            if not self._plans.replace(plan):
                raise
        return self._deserialized(self._plans.get(owner, dla_core), device, dla_core)

    def _deserialized(self, plan: Plan, device: int, dla_core: int | None) -> _Loaded:
        place = str(plan.path)

        def work() -> _Loaded:
            runtime, engine = deserialize(
                *(self._trt, self._log, plan.data),
                path=place,
                dla_core=dla_core,
                host_code=self._host_code,
            )
            found = facts(self._trt, engine, place)
            scratch = scratch_bytes(engine)
            return _Loaded(device, dla_core, runtime, engine, found, len(plan.data), scratch)

        loaded = self._run(device, work)
        if dla_core is not None:
            layers = ", ".join(f"{count} on {kind}" for kind, count in loaded.facts.layers.items())
            _LOG.info(
                "model '%s' on DLA core %d of GPU %d: layers: %s",
                *(self._config.name, dla_core, device, layers or "the plan does not tell"),
            )
        with self._lock:
            self._engines.append(loaded)
        return loaded

    def _released(self, loaded: _Loaded, instance: TensorRtInstance) -> None:
        with self._lock:
            loaded.users -= 1
            self._instances.pop(instance, None)

    def _drop(self, device: int) -> None:
        """On the device's thread: the engines before their runtimes."""
        for loaded in [each for each in self._engines if each.device == device]:
            self._engines.remove(loaded)
            loaded.engine = None
            loaded.runtime = None

    def _owner(self, device: int) -> DeviceOwner:
        with self._lock:
            if device not in self._taken:
                try:
                    self._taken[device] = self._owners.take(device)
                except CudaError as error:
                    raise InternalError(
                        f"model '{self._config.name}': GPU {device} cannot be opened: {error}"
                    ) from error
            return self._taken[device]

    def _run(self, device: int, work: Callable[[], T]) -> T:
        try:
            return self._owner(device).run(work)
        except CudaError as error:
            raise InternalError(f"model '{self._config.name}': CUDA: {error}") from error
