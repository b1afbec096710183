# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From an engine file to an engine: what is refused, what it says of itself."""

from __future__ import annotations

import json
from typing import Any

import onnxruntime

from fake_tensorrt import driver
from fake_tensorrt.bindings import trt
from fake_tensorrt.context import IExecutionContext
from fake_tensorrt.host_memory import IHostMemory
from fake_tensorrt.model import Model, Shape, Tensor, data_type
from fake_tensorrt.plan import Plan, pack, unpack
from fake_tensorrt.strict import Strict

SCRATCH_BYTES = 1 << 16
"""What a context takes of the device, until it is released."""


def device_description() -> str:
    return "Fake GPU 8.7"


def init_libnvinfer_plugins(logger: object, namespace: str) -> bool:
    """The fake has no plugins, and needs none."""
    return True


class Runtime(Strict):
    """Deserialises for one device, and for one DLA core of it when there is any."""

    engine_host_code_allowed = False
    max_threads = 1
    temporary_directory = ""

    def __init__(self, logger: Any) -> None:
        if not driver.device_ready():  # full TensorRT's answer is not known; lean's is a crash
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._logger = logger
        self._dla_core = -1

    @property
    def logger(self) -> Any:
        return self._logger

    @property
    def num_DLA_cores(self) -> int:
        return driver.knob("dla_cores")

    @property
    def DLA_core(self) -> int:
        return self._dla_core

    @DLA_core.setter
    def DLA_core(self, core: int) -> None:
        if 0 <= core < self.num_DLA_cores:
            self._dla_core = core
            return
        self._error(f"IRuntime::setDLACore: Error Code 3: API Usage Error (no DLA core {core})")

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        """None, with the reason in the log, for whatever cannot be used here."""
        where = "IRuntime::deserializeCudaEngine"
        plan = unpack(bytes(serialized_engine))
        if plan is None:
            self._error(
                f"{where}: Error Code 1: Serialization (Serialization assertion"
                " stdArchiveReaderInitCommon failed.magicTag)"
            )
            return None
        if plan.version != trt.__version__:
            self._error(
                f"{where}: Error Code 6: API Usage Error (The engine plan file is not compatible"
                f" with this version of TensorRT, expecting library version {trt.__version__} got"
                f" {plan.version}, please rebuild.)"
            )
            return None
        if plan.device != device_description():
            self._error(
                f"{where}: Error Code 6: API Usage Error (The engine plan file is generated on an"
                f" incompatible device, expecting {device_description()} got {plan.device})"
            )
            return None
        if plan.uses_dla and not self.num_DLA_cores:
            self._error(f"{where}: Error Code 6: API Usage Error (the engine needs a DLA core)")
            return None
        device = driver.current_device()
        if device is None:
            driver.violation("deserialize_cuda_engine without a current CUDA context")
            return None
        return ICudaEngine(self, plan, device)

    def _error(self, text: str) -> None:
        self._logger.log(trt.ILogger.ERROR, text)


class ICudaEngine(Strict):
    """The plan, and the ONNX Runtime session that stands for its kernels."""

    def __init__(self, runtime: Runtime, plan: Plan, device: int) -> None:
        self._runtime = runtime
        self._plan = plan
        self._device = device
        self._model = Model(plan.onnx)
        self._owners: dict[int, object] = {}
        """Which context uses a profile, in releases where it is one's own."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            plan.onnx, options, providers=["CPUExecutionProvider"]
        )

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def num_io_tensors(self) -> int:
        return len(self._model.tensors)

    @property
    def num_layers(self) -> int:
        return len(self._plan.layers)

    @property
    def num_optimization_profiles(self) -> int:
        return max(1, len(self._plan.profiles))

    @property
    def profiling_verbosity(self) -> object:
        return trt.ProfilingVerbosity(self._plan.verbosity)

    @property
    def device_memory_size(self) -> int:
        return SCRATCH_BYTES

    @property
    def device_memory_size_v2(self) -> int:
        return SCRATCH_BYTES

    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int:
        return SCRATCH_BYTES

    def get_tensor_name(self, index: int) -> str:
        return list(self._model.tensors)[index]

    def get_tensor_mode(self, name: str) -> object:
        tensor = self._model.tensors.get(name)
        if tensor is None:
            return trt.TensorIOMode.NONE
        return trt.TensorIOMode.INPUT if tensor.is_input else trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> object:
        return data_type(self._tensor(name).element)

    def get_tensor_shape(self, name: str) -> object:
        return trt.Dims(self._tensor(name).shape)

    def get_tensor_location(self, name: str) -> object:
        return getattr(trt.TensorLocation, "HOST" if self._tensor(name).is_shape else "DEVICE")

    def is_shape_inference_io(self, name: str) -> bool:
        return self._tensor(name).is_shape

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[object]:
        """Of inputs only: for an output, TensorRT's answer cannot be used."""
        if not self._tensor(name).is_input:
            driver.violation(f"get_tensor_profile_shape asked for the output {name}")
            return []
        return [trt.Dims(shape) for shape in self._profile_shapes(name, profile_index)]

    def get_tensor_profile_values(self, name: str, profile_index: int) -> list[list[int]]:
        """A shape input's min, opt and max values."""
        if not self._tensor(name).is_shape or not self._plan.profiles:
            return []
        return self._plan.profiles[profile_index].get(name, [])

    def create_execution_context(self, *strategy: object) -> IExecutionContext | None:
        """None when the device is full.  8.x has no strategies."""
        if not self._on_its_device("create_execution_context"):
            return None
        address = driver.CUDA.fakecuda_allocate(self._device, SCRATCH_BYTES)
        if not address:
            self._runtime._error(
                "ICudaEngine::createExecutionContext: Error Code 2: OutOfMemory (Requested size"
                f" was {SCRATCH_BYTES} bytes.)"
            )
            return None
        return IExecutionContext(self, address)

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self)

    def serialize(self) -> IHostMemory:
        return IHostMemory(pack(self._plan))

    def _profile_shapes(self, name: str, index: int) -> list[Shape]:
        tensor = self._tensor(name)
        if not self._plan.profiles or tensor.is_shape or name not in self._plan.profiles[index]:
            return [tensor.shape] * 3
        return [tuple(shape) for shape in self._plan.profiles[index][name]]

    def _tensor(self, name: str) -> Tensor:
        found = self._model.tensors.get(name)
        if found is None:
            driver.violation(f"the engine was asked for a tensor '{name}' that it has not")
            raise KeyError(name)
        return found

    def _on_its_device(self, what: str) -> bool:
        device = driver.current_device()
        if device == self._device:
            return True
        where = "without a current CUDA context" if device is None else f"on GPU {device}"
        driver.violation(f"{what} {where}; the engine is on GPU {self._device}")
        return False


class EngineInspector(Strict):
    """Layers, with where they run as far as the engine's profiling verbosity tells.

    TensorRT's JSON has more; a layer on DLA is one ``{ForeignNode[first...last]}`` there, too.
    """

    execution_context: IExecutionContext | None = None

    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine

    def get_engine_information(self, format: object) -> str:
        layers = [self._layer(index) for index in range(self._engine.num_layers)]
        if format != trt.LayerInformationFormat.JSON:
            return "\n".join(map(str, layers))
        return json.dumps({"Layers": layers, "Bindings": list(self._engine._model.tensors)})

    def get_layer_information(self, layer_index: int, format: object) -> str:
        layer = self._layer(layer_index)
        return json.dumps(layer) if format == trt.LayerInformationFormat.JSON else str(layer)

    def _layer(self, index: int) -> object:
        layer = self._engine._plan.layers[index]
        detailed = self._engine.profiling_verbosity == trt.ProfilingVerbosity.DETAILED
        return dict(layer) if detailed else layer["Name"]
