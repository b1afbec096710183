# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a network to an engine file: profiles, flags, memory, timing cache, DLA, progress.

What NVIDIA's own builder does in the same places was looked at in TensorRT-RTX, whose builder needs
no GPU; `test_builder_behaviour` holds this one to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from fake_tensorrt import driver
from fake_tensorrt.bindings import trt
from fake_tensorrt.dla import runs_on_dla, split_layers
from fake_tensorrt.host_memory import IHostMemory, ITimingCache
from fake_tensorrt.model import Tensor
from fake_tensorrt.parser import ILayer, INetworkDefinition
from fake_tensorrt.plan import Plan, pack
from fake_tensorrt.runtime import device_description
from fake_tensorrt.strict import Strict

PHASES = ("Building engine", "Cloning network graph", "Computing profile costs")
"""What a progress monitor sees: the first one holds the others, a step each."""
STEPS = 4


class IOptimizationProfile(Strict):
    """Min, opt and max of every input with a free dimension, and of a shape input's values."""

    def __init__(self) -> None:
        self._shapes: dict[str, list[list[int]]] = {}
        self._values: dict[str, list[list[int]]] = {}

    def set_shape(
        self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]
    ) -> None:
        """Looked at only when the profile is added to a configuration."""
        self._shapes[input] = [[int(v) for v in shape] for shape in (min, opt, max)]

    def set_shape_input(
        self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]
    ) -> None:
        self._values[input] = [[int(v) for v in shape] for shape in (min, opt, max)]

    def get_shape(self, input: str) -> list[object]:
        return [trt.Dims(shape) for shape in self._shapes.get(input, [])]

    def get_shape_input(self, input: str) -> list[list[int]]:
        return self._values.get(input, [])

    def _is_consistent(self) -> bool:
        return all(
            len(low) == len(best) == len(high)
            and all(a <= b <= c for a, b, c in zip(low, best, high, strict=True))
            for low, best, high in (*self._shapes.values(), *self._values.values())
        )


class IBuilderConfig(Strict):
    """What an engine is to be."""

    default_device_type = trt.DeviceType.GPU
    DLA_core = -1
    progress_monitor: Any = None
    profiling_verbosity = trt.ProfilingVerbosity.LAYER_NAMES_ONLY
    builder_optimization_level = 3
    hardware_compatibility_level = trt.HardwareCompatibilityLevel.NONE
    engine_capability = trt.EngineCapability.STANDARD
    avg_timing_iterations = 1
    max_aux_streams = -1

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._flags = {int(trt.BuilderFlag.TF32)}  # on by default
        self._pools: dict[object, int] = {}
        self._profiles: list[IOptimizationProfile] = []
        self._timing_cache: ITimingCache | None = None
        self._devices: dict[str, object] = {}

    @property
    def flags(self) -> int:
        return sum(1 << flag for flag in self._flags)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._profiles)

    def set_flag(self, flag: Any) -> None:
        self._flags.add(int(flag))

    def clear_flag(self, flag: Any) -> None:
        self._flags.discard(int(flag))

    def get_flag(self, flag: Any) -> bool:
        return int(flag) in self._flags

    def set_memory_pool_limit(self, pool: object, pool_size: int) -> None:
        self._pools[pool] = pool_size

    def get_memory_pool_limit(self, pool: object) -> int:
        return self._pools.get(pool, driver.knob("memory"))

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        """-1 for one that contradicts itself."""
        if not profile._is_consistent():
            text = "IBuilderConfig::addOptimizationProfile: Error Code 3: not MIN<=OPT<=MAX"
            self._logger.log(trt.ILogger.ERROR, text)
            return -1
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        """An empty one for what cannot be read, with a warning."""
        try:
            return ITimingCache(bytes(serialized_timing_cache))
        except ValueError:
            text = "Failed to deserialize timing cache. Returning an empty timing cache."
            self._logger.log(trt.ILogger.WARNING, text)
            return ITimingCache()

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        self._timing_cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._timing_cache

    def set_device_type(self, layer: ILayer, device_type: object) -> None:
        self._devices[layer.name] = device_type

    def get_device_type(self, layer: ILayer) -> object:
        return self._devices.get(layer.name, self.default_device_type)

    def is_device_type_set(self, layer: ILayer) -> bool:
        return layer.name in self._devices

    def reset_device_type(self, layer: ILayer) -> None:
        self._devices.pop(layer.name, None)

    def can_run_on_DLA(self, layer: ILayer) -> bool:
        return driver.knob("dla_cores") > 0 and runs_on_dla(layer)


class Builder(Strict):
    """Builds for the device of this process; for the fake, that is no work."""

    max_threads = 1

    def __init__(self, logger: Any) -> None:
        if not driver.device_ready():
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._logger = logger

    @property
    def logger(self) -> Any:
        return self._logger

    @property
    def num_DLA_cores(self) -> int:
        return driver.knob("dla_cores")

    @property
    def max_DLA_batch_size(self) -> int:
        return 4096

    @property
    def platform_has_fast_fp16(self) -> bool:
        return True

    @property
    def platform_has_fast_int8(self) -> bool:
        return True

    @property
    def platform_has_tf32(self) -> bool:
        return True

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition(flags)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig(self._logger)

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def is_network_supported(self, network: INetworkDefinition, config: IBuilderConfig) -> bool:
        return self._complaint(network, config) == ""

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None:
        """None, with the reason in the log, when it cannot be built or the monitor cancels."""
        if driver.current_device() is None:
            driver.violation("build_serialized_network without a current CUDA context")
            return None
        complaint = self._complaint(network, config)
        if complaint or network._model is None:
            return self._fail(complaint or "Network must have at least one output")
        layers, missed = split_layers(network, config)
        if missed:
            return self._fail(f"Layer {missed} cannot run on DLA and GPU fallback is not enabled")
        if not _progress(getattr(config, "progress_monitor", None)):  # new in 10
            return self._fail("BuildCanceled (Build canceled by user)", 7)
        self._time(network, config)
        driver.add("engines_built")
        plan = Plan(
            onnx=network._model.data,
            version=trt.__version__,
            device=device_description(),
            profiles=[{**p._shapes, **p._values} for p in config._profiles],
            layers=layers,
            verbosity=int(config.profiling_verbosity),
            uses_dla=any(layer["LayerType"] == "DLA" for layer in layers),
            name=network.name,
        )
        return IHostMemory(pack(plan))

    def _complaint(self, network: INetworkDefinition, config: IBuilderConfig) -> str:
        inputs = network._model.inputs() if network._model else []
        free = [t for t in inputs if -1 in t.shape or t.is_shape]
        if free and not config._profiles:
            return (
                "Network has dynamic or shape inputs, but no optimization profile has been defined."
            )
        for index, profile in enumerate(config._profiles):
            for tensor in inputs:
                if complaint := _profile_complaint(index, profile, tensor):
                    return complaint
        return _dla_complaint(self, config, free)

    def _time(self, network: INetworkDefinition, config: IBuilderConfig) -> None:
        if hasattr(trt.BuilderFlag, "DISABLE_TIMING_CACHE") and config.get_flag(
            trt.BuilderFlag.DISABLE_TIMING_CACHE
        ):
            return
        if config._timing_cache is None:
            return  # a cache of the build's own, which nobody gets to see
        assert network._model is not None
        key = hashlib.sha256(network._model.data).hexdigest()
        driver.add("timing_cache_hits", int(key in config._timing_cache._known))
        config._timing_cache._known.add(key)

    def _fail(self, text: str, code: int = 4) -> None:
        where = "IBuilder::buildSerializedNetwork"
        self._logger.log(trt.ILogger.ERROR, f"{where}: Error Code {code}: {text}")


def _profile_complaint(index: int, profile: IOptimizationProfile, tensor: Tensor) -> str:
    if tensor.is_shape:
        known = tensor.name in profile._values
        where = f"Optimization profile {index} is missing values for shape input tensor"
        return "" if known else f"{where} {tensor.name}."
    if tensor.name not in profile._shapes:
        where = f"is missing dimensions in profile {index}."
        return f"Dynamic input tensor {tensor.name} {where}" if -1 in tensor.shape else ""
    for shape in profile._shapes[tensor.name]:
        if len(shape) != len(tensor.shape):
            return (
                f"Dynamic-shaped input tensor {tensor.name} has {len(tensor.shape)} dimensions but"
                f" profile {index} has {len(shape)} dimensions."
            )
        if any(fixed not in {-1, size} for fixed, size in zip(tensor.shape, shape, strict=True)):
            return f"Dimension mismatch for tensor {tensor.name} and profile {index}."
    return ""


def _dla_complaint(builder: Builder, config: IBuilderConfig, free: list[Any]) -> str:
    """DLA has fixed shapes, and half precision or integers (where precision is a flag)."""
    if config.default_device_type != trt.DeviceType.DLA:
        return ""
    if not builder.num_DLA_cores:
        return "Default DLA is enabled but no DLA core is available"
    precisions = [getattr(trt.BuilderFlag, name, None) for name in ("FP16", "INT8")]
    if any(precisions) and not any(f is not None and config.get_flag(f) for f in precisions):
        return "DLA needs FP16 or INT8"
    for profile in config._profiles:
        for tensor in free:
            low, best, high = profile._shapes.get(tensor.name, [[]] * 3)
            if not low == best == high:
                return f"DLA needs min, opt and max of {tensor.name} to be the same"
    return ""


def _progress(monitor: Any) -> bool:
    """False when the monitor wants no more."""
    if monitor is None:
        return True
    whole, *parts = PHASES
    monitor.phase_start(whole, None, len(parts))
    wanted = True
    for index, part in enumerate(parts):
        monitor.phase_start(part, whole, STEPS)
        wanted = wanted and all(monitor.step_complete(part, step) for step in range(STEPS))
        monitor.phase_finish(part)
        if not wanted:
            break
        wanted = monitor.step_complete(whole, index)
    monitor.phase_finish(whole)
    return bool(wanted)
