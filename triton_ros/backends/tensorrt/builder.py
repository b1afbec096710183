# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From an ONNX file to a plan, by TensorRT's builder and parser.

What a release has not (flags of precision in 11, a progress monitor before 10) is asked for.  A
build says where it is, as a stage of the load, and ends when the load must not go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_ros.backends.tensorrt.build_options import FALLBACK, LEVEL, BuildOptions
from triton_ros.backends.tensorrt.engine import Log, said
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.errors import ConfigError, InvalidArgumentError, UnsupportedError

Stage = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """An ONNX file and what is to become of it."""

    model: str
    path: Path
    data: bytes
    options: BuildOptions


def build_plan(
    trt: Any, log: Log, source: Source, dla_core: int | None, timings: bytes, stage: Stage
) -> tuple[bytes, bytes]:
    """A plan for the device that is current, and what was timed for it.

    Raises `InvalidArgumentError` with TensorRT's own words, `ConfigError` for options that do not
    fit, and what `stage` raises.
    """
    with log.captured() as lines:
        builder = trt.Builder(log.logger)
        network = builder.create_network(_explicit_batch(trt))
        parser = _parse(trt, log, network, source, lines)
        config = builder.create_builder_config()
        _set_options(trt, config, source)
        if dla_core is not None:
            _set_dla(trt, builder, config, source, dla_core)
        _add_profiles(trt, builder, network, config, source, lines)
        _set_timings(config, timings)
        monitor = _monitor(trt, config, source, stage)
        plan = builder.build_serialized_network(network, config)
        del parser  # not before: the network's weights are in its memory
        if monitor is not None and monitor.failure is not None:
            raise monitor.failure
        if plan is None:
            hint = ""
            if dla_core is not None and not source.options.gpu_fallback:
                hint = f" (without parameters['{FALLBACK}'] every layer has to run on the DLA)"
            raise InvalidArgumentError(
                f"model '{source.model}': TensorRT {trt.__version__} builds no plan of"
                f" {source.path}: {said(lines)}{hint}"
            )
        cache = config.get_timing_cache()
        return bytes(plan), b"" if cache is None else bytes(cache.serialize())


def _explicit_batch(trt: Any) -> int:
    flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt: Any, log: Log, network: Any, source: Source, lines: list[str]) -> Any:
    """Fill the network; the parser has to live as long."""
    parser = trt.OnnxParser(network, log.logger)
    if parser.parse(source.data, str(source.path)):
        return parser
    errors = [str(parser.get_error(index)) for index in range(parser.num_errors)]
    raise InvalidArgumentError(
        f"model '{source.model}': TensorRT {trt.__version__} cannot read {source.path}:"
        f" {said(errors or lines)}"
    )


def _set_options(trt: Any, config: Any, source: Source) -> None:
    options = source.options
    precisions = {"FP32": (), "FP16": ("FP16",), "INT8": ("FP16", "INT8")}[options.precision]
    for name in precisions:
        flag = getattr(trt.BuilderFlag, name, None)
        if flag is None:
            raise UnsupportedError(
                f"model '{source.model}': precision_mode {options.precision}: TensorRT"
                f" {trt.__version__} takes precisions from the file alone; convert the ONNX file"
            )
        config.set_flag(flag)
    if options.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if options.level is not None:
        if not hasattr(config, "builder_optimization_level"):
            raise UnsupportedError(
                f"model '{source.model}': parameters['{LEVEL}']: TensorRT {trt.__version__} has no"
                " levels"
            )
        config.builder_optimization_level = options.level


def _set_dla(trt: Any, builder: Any, config: Any, source: Source, core: int) -> None:
    cores = builder.num_DLA_cores
    if core >= cores:
        raise UnsupportedError(
            f"model '{source.model}': secondary_devices KIND_NVDLA device_id {core}: this device"
            f" has {cores} DLA cores"
        )
    if source.options.precision == "FP32" and hasattr(trt.BuilderFlag, "FP16"):
        raise ConfigError(
            f"model '{source.model}': a DLA core computes in FP16 or INT8: state precision_mode of"
            " gpu_execution_accelerator 'tensorrt'"
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # so that it tells what runs where
    if source.options.gpu_fallback:
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _add_profiles(
    trt: Any, builder: Any, network: Any, config: Any, source: Source, lines: list[str]
) -> None:
    """Every input whose shape (or, of a shape input, whose values) the file leaves open."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    names = {tensor.name for tensor in inputs}
    options = source.options
    for name in (name for profile in options.profiles for name in profile):
        if name not in names:
            raise PlacedError(
                f"model '{source.model}': parameters: opt_shapes names input '{name}', and"
                f" {source.path} has only {', '.join(sorted(names))}",
                *("parameters", "opt_shapes"),
            )
    open_ones = [t for t in inputs if t.is_shape_tensor or -1 in tuple(t.shape)]
    if not open_ones:
        return
    for index in range(len(options.profiles)):
        profile = builder.create_optimization_profile()
        for tensor in open_ones:
            if tensor.is_shape_tensor:
                profile.set_shape_input(tensor.name, *_values(source, index, tensor))
            else:
                shape = tuple(int(size) for size in tensor.shape)
                limits = options.range_of(source.model, index, tensor.name, shape)
                if config.default_device_type == trt.DeviceType.DLA and limits[0] != limits[2]:
                    raise ConfigError(
                        f"model '{source.model}': a DLA core takes one shape, and input"
                        f" '{tensor.name}' may be {limits[0]} to {limits[2]}: state max_batch_size"
                        " 1, or opt_shapes alone"
                    )
                profile.set_shape(tensor.name, *limits)
        if config.add_optimization_profile(profile) != index:  # the build would go on without it
            raise InvalidArgumentError(
                f"model '{source.model}': TensorRT refuses profile {index}: {said(lines)}"
            )


def _values(source: Source, profile: int, tensor: Any) -> tuple[tuple[int, ...], ...]:
    """What a shape input's values may be: nothing else says that."""
    given = source.options.profiles[profile].get(tensor.name)
    if given is None:
        raise PlacedError(
            f"model '{source.model}': the values of input '{tensor.name}' are a shape: the"
            " parameters min_shapes, opt_shapes and max_shapes have to say which it may be"
            f" (as '{tensor.name}:2x4')",
            *("parameters", "opt_shapes"),
        )
    return given


def _set_timings(config: Any, timings: bytes) -> None:
    """What earlier builds timed, unless it is of another device or broken."""
    for data in (timings, b""):
        cache = config.create_timing_cache(data)
        if cache is not None and config.set_timing_cache(cache, False):
            return


def _monitor(trt: Any, config: Any, source: Source, stage: Stage) -> Any:
    """Tells `stage` where the build is; None where TensorRT does not say."""
    text = f"building a plan of {source.path.name}"
    stage(text)
    if not hasattr(config, "progress_monitor") or not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.failure: Exception | None = None
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self._steps and self.failure is None:
                try:
                    stage(f"{text}: {phase_name} {step + 1} of {self._steps[phase_name]}")
                except Exception as error:  # raised where the build was called
                    self.failure = error
            return self.failure is None

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    config.progress_monitor = made = Monitor()
    return made
