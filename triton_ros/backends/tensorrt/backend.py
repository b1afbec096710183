# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT's port: plans, on the GPUs and DLA cores that the instance groups name.

CUDA is asked for its devices before TensorRT, which ends the process where there is none.
An engine is shared by the instances of a device where that is safe: always if its shapes are fixed,
and from TensorRT 10 on, where contexts may share a profile; else each instance has one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from triton_ros.backends.support import (
    check_heeded,
    check_settings,
    import_failure,
    model_file,
    warn_of_unknown_parameters,
)
from triton_ros.backends.tensorrt.cuda_driver import CudaDriver, CudaError
from triton_ros.backends.tensorrt.cuda_graphs import CudaGraphs
from triton_ros.backends.tensorrt.device_owner import DeviceOwner, DeviceOwners
from triton_ros.backends.tensorrt.engine import EngineFacts, Log, deserialize, facts
from triton_ros.backends.tensorrt.instance import InstanceOptions, TensorRtInstance
from triton_ros.backends.tensorrt.pycuda_driver import PycudaDriver
from triton_ros.core.backend import Signature
from triton_ros.core.backend_config import EMPTY, BackendSettings
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import InternalError, UnsupportedError
from triton_ros.core.telemetry.memory_usage import MemoryUsage

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

DEFAULT_FILE = "model.plan"
OPTIMIZATION = ("cuda.busy_wait_events", "cuda.graphs")
GROUP = ("profile", "secondary_devices")
PARAMETERS: tuple[str, ...] = ()
_SHARING_PROFILES = 10
"""The release since which contexts of one engine may use the same profile."""


class TensorRtBackend:
    """Loads ``model.plan``."""

    def __init__(self, settings: BackendSettings = EMPTY, driver: CudaDriver | None = None) -> None:
        """Raises `UnsupportedError`, saying what is missing of TensorRT, CUDA and devices."""
        check_settings("tensorrt", settings)
        driver = driver or PycudaDriver()
        try:
            count = driver.device_count()
        except CudaError as error:
            raise UnsupportedError(
                f"the tensorrt backend: no NVIDIA GPU can be used on this machine: {error}"
            ) from error
        if not count:
            raise UnsupportedError("the tensorrt backend: this machine has no NVIDIA GPU")
        try:
            import tensorrt  # noqa: PLC0415 (lazy on purpose)
        except ImportError as error:
            raise import_failure(error, "tensorrt", "tensorrt") from error
        self._trt: Any = tensorrt
        self._log = Log(tensorrt)
        self._owners = DeviceOwners(driver)

    def load(self, config: ModelConfig, version_dir: Path) -> TensorRtModel:
        """See `core.backend.Backend.load`."""
        check_heeded(config, "tensorrt", OPTIMIZATION, GROUP)
        warn_of_unknown_parameters(config, PARAMETERS)
        path = model_file(config, version_dir, DEFAULT_FILE)
        return TensorRtModel(self._trt, self._log, self._owners, config, path)


@dataclass(slots=True)
class _Loaded:
    """An engine on a device, or on a DLA core of it."""

    device: int
    dla_core: int | None
    runtime: Any
    engine: Any
    users: int = 0


class TensorRtModel:
    """One version."""

    def __init__(
        self, trt: Any, log: Log, owners: DeviceOwners, config: ModelConfig, path: Path
    ) -> None:
        self._trt, self._log = trt, log
        self._owners = owners
        self._config = config
        self._path = path
        self._graphs = CudaGraphs() if config.optimization.cuda_graphs else None
        self._lock = threading.Lock()
        self._taken: dict[int, DeviceOwner] = {}
        self._engines: list[_Loaded] = []
        self._instances: list[TensorRtInstance] = []
        groups = config.instance_group or (InstanceGroup(),)
        for index, group in enumerate(groups):
            _check_group(config, index, group)
        self._plan = path.read_bytes()
        self._shares = False
        """Whether instances may execute one engine; known once there is one."""
        try:
            first = self._load((groups[0].gpus or (0,))[0], _dla_core(groups[0]))
            self._facts = self._run(first.device, lambda: facts(trt, first.engine, str(path)))
            self._signature = _signature(config, self._facts, self._profiles(groups))
        except BaseException:
            self.finalize()
            raise
        release = int(trt.__version__.split(".")[0])
        self._shares = self._facts.is_static or release >= _SHARING_PROFILES
        if self._facts.layers.get("DLA"):
            _LOG.info("model '%s': layers by device: %s", config.name, dict(self._facts.layers))

    @property
    def signature(self) -> Signature:
        return self._signature

    def instance(self, group: InstanceGroup, device: int) -> TensorRtInstance:
        """See `core.backend.BackendModel.instance`."""
        _check_group(self._config, 0, group)
        loaded = self._engine(device, _dla_core(group))
        optimization = self._config.optimization
        options = InstanceOptions(
            self._profiles((group,)),
            optimization.input_pinned_memory,
            optimization.output_pinned_memory,
            optimization.busy_wait_events,
            self._graphs,
        )
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
        with self._lock:
            self._instances.append(made)
        return made

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        for device in list(self._taken):
            self._run(device, partial(self._drop, device))
            self._owners.release(self._taken.pop(device))

    @property
    def memory_usage(self) -> Sequence[MemoryUsage]:
        """Plans, and the memory of instances, by device; see `ReportsMemory`."""
        with self._lock:
            found: dict[int, int] = {}
            for loaded in self._engines:
                found[loaded.device] = found.get(loaded.device, 0) + len(self._plan)
            for instance in self._instances:
                found[instance.device] = found.get(instance.device, 0) + instance.device_bytes
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
        place = str(self._path)

        def work() -> _Loaded:
            pair = deserialize(self._trt, self._log, self._plan, path=place, dla_core=dla_core)
            return _Loaded(device, dla_core, *pair)

        loaded = self._run(device, work)
        with self._lock:
            self._engines.append(loaded)
        return loaded

    def _released(self, loaded: _Loaded, instance: TensorRtInstance) -> None:
        with self._lock:
            loaded.users -= 1
            self._instances.remove(instance)

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

    def _profiles(self, groups: Sequence[InstanceGroup]) -> tuple[int, ...]:
        """Those that the groups name, or the first."""
        names = [name for group in groups for name in group.profile] or ["0"]
        count = len(self._facts.profiles)
        for name in names:
            if not name.isdigit() or int(name) >= count:
                raise PlacedError(
                    f"model '{self._config.name}': instance_group.profile '{name}' is none of the"
                    f" plan's; accepted: {', '.join(map(str, range(count)))}",
                    *("instance_group", 0, "profile"),
                )
        return tuple(dict.fromkeys(int(name) for name in names))


def _check_group(config: ModelConfig, index: int, group: InstanceGroup) -> None:
    if group.kind is InstanceKind.KIND_CPU:
        raise PlacedError(
            f"model '{config.name}': TensorRT does not run on the CPU; accepted: KIND_GPU (or"
            " KIND_AUTO on a machine that has a GPU)",
            *("instance_group", index, "kind"),
        )
    if len(group.secondary_devices) > 1:
        raise PlacedError(
            f"model '{config.name}': an instance group runs on one DLA core, this names"
            f" {len(group.secondary_devices)}: make a group for each",
            *("instance_group", index, "secondary_devices"),
        )


def _dla_core(group: InstanceGroup) -> int | None:
    return group.secondary_devices[0].device_id if group.secondary_devices else None


def _signature(config: ModelConfig, own: EngineFacts, profiles: Sequence[int]) -> Signature:
    """With the largest batch that the profiles take, if the plan has a batch."""
    largest = max(
        min(own.profiles[index][t.spec.name].high[0] for t in own.inputs) if own.is_batched else 0
        for index in profiles
    )
    if config.max_batch_size > largest > 0:
        raise PlacedError(
            f"model '{config.name}' has max_batch_size {config.max_batch_size}, but the plan's"
            f" profiles take batches of {largest} or less",
            "max_batch_size",
        )
    return Signature(
        tuple(tensor.spec for tensor in own.inputs),
        tuple(tensor.spec for tensor in own.outputs),
        batchable=own.is_batched and bool(own.inputs),
        metadata={f"layers on {device}": str(count) for device, count in own.layers.items()},
        max_batch_size=largest,
    )
