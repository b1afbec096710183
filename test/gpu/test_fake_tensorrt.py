# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The rig as a whole, driven by a user of TensorRT that does everything right."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
import onnxruntime
import pytest
import toy_onnx
from cuda_rig import CudaRig, primary_context
from numpy.typing import NDArray

PROFILE = {"images": ((1, 3, 16, 16), (2, 3, 32, 32), (8, 3, 64, 64))}
RNG = np.random.default_rng(0)


def make_user(plan: bytes) -> Any:
    """The reference user; imported late, for it needs the rig."""
    return importlib.import_module("reference_user").User(plan)


def expected(onnx: bytes, values: dict[str, NDArray]) -> list[NDArray]:
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    results: list[NDArray] = session.run(None, values)
    return results


def images(*shape: int) -> NDArray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("delay_us", [0, 2000])
def test_results_are_the_models(cuda_rig: CudaRig, delay_us: int) -> None:
    onnx = toy_onnx.convolution()
    user = make_user(cuda_rig.make_plan(onnx, [PROFILE]))
    if cuda_rig.is_fake:
        cuda_rig.set(delay_us=delay_us)
    for shape in ((1, 3, 16, 16), (8, 3, 64, 64), (3, 3, 40, 20)):
        value = images(*shape)
        got = user.infer({"images": value})["logits"]
        np.testing.assert_allclose(got, expected(onnx, {"images": value})[0], rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="refused"):
        user.infer({"images": images(9, 3, 16, 16)})
    user.close()


def test_from_another_thread(cuda_rig: CudaRig) -> None:
    onnx = toy_onnx.several()
    profile = {name: ((1, 4), (2, 4), (8, 4)) for name in ("a", "b")}
    user = make_user(cuda_rig.make_plan(onnx, [profile]))
    values = {"a": images(5, 4), "b": images(5, 4)}
    results: list[dict[str, NDArray]] = []
    thread = threading.Thread(target=lambda: results.append(user.infer(values)))
    thread.start()
    thread.join()
    assert np.array_equal(results[0]["greater"], values["a"] > values["b"])
    assert results[0]["greater"].dtype == np.bool_
    np.testing.assert_allclose(results[0]["sum"], values["a"] + values["b"], rtol=1e-3)
    user.close()


def test_shape_tensors_live_on_the_host(cuda_rig: CudaRig) -> None:
    import tensorrt as trt  # noqa: PLC0415

    limits = {"x": ((1, 4), (2, 4), (8, 4))}
    values = {"shape": ((1, 1), (4, 2), (32, 32))}
    plan = cuda_rig.make_plan(toy_onnx.reshape(), [limits], [values])
    with primary_context():
        engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
        assert engine.is_shape_inference_io("shape")
        assert engine.get_tensor_location("shape") == trt.TensorLocation.HOST
        assert engine.get_tensor_location("x") == trt.TensorLocation.DEVICE
        context = engine.create_execution_context()
        assert context.set_input_shape("x", (3, 4))
        assert list(context.infer_shapes()) == ["shape"]
        assert tuple(context.get_tensor_shape("y")) == (-1, -1)
        wanted = np.array([6, 2], np.dtype(trt.nptype(engine.get_tensor_dtype("shape"))))
        assert context.set_tensor_address("shape", wanted.ctypes.data)
        assert list(context.infer_shapes()) == []
        assert tuple(context.get_tensor_shape("y")) == (6, 2)
        del context, engine


def test_a_size_that_depends_on_data_goes_through_the_allocator(cuda_rig: CudaRig) -> None:
    import pycuda.driver as cuda  # noqa: PLC0415
    import tensorrt as trt  # noqa: PLC0415

    class Allocator(trt.IOutputAllocator):
        def __init__(self) -> None:
            trt.IOutputAllocator.__init__(self)
            self.memory: Any = None
            self.shape: tuple[int, ...] = ()
            self.threads: set[int] = set()

        def reallocate_output(self, tensor_name: str, memory: int, size: int, _: int) -> int:
            self.threads.add(threading.get_ident())
            self.memory = cuda.mem_alloc(size)
            return int(self.memory)

        def reallocate_output_async(
            self, tensor_name: str, memory: int, size: int, alignment: int, stream: int
        ) -> int:
            return self.reallocate_output(tensor_name, memory, size, alignment)

        def notify_shape(self, tensor_name: str, shape: Any) -> None:
            self.shape = tuple(shape)

    plan = cuda_rig.make_plan(toy_onnx.non_zero(), [{"x": ((1,), (8,), (16,))}])
    with primary_context():
        engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
        context, stream, allocator = engine.create_execution_context(), cuda.Stream(), Allocator()
        given = np.array([0, 1, 0, 1, 1], np.float32)
        memory = cuda.to_device(given)
        assert context.set_input_shape("x", given.shape)
        assert tuple(context.get_tensor_shape("where"))[-1] == -1
        assert context.set_tensor_address("x", int(memory))
        assert context.set_output_allocator("where", allocator)
        assert context.execute_async_v3(stream.handle)
        assert allocator.threads == {threading.get_ident()}
        assert allocator.shape == (1, 3)
        stream.synchronize()
        dtype = np.dtype(trt.nptype(engine.get_tensor_dtype("where")))
        assert cuda.from_device(allocator.memory, (1, 3), dtype).tolist() == [[1, 3, 4]]
        del context, engine, stream, memory
        allocator.memory = None


class Wrong:
    """An engine's context on the fake, for what must not be done with it."""

    def __init__(self, rig: CudaRig) -> None:
        import pycuda.driver as cuda  # noqa: PLC0415
        import tensorrt as trt  # noqa: PLC0415

        self.cuda = cuda
        runtime = trt.Runtime(trt.Logger(trt.Logger.INTERNAL_ERROR))
        self.engine = runtime.deserialize_cuda_engine(
            rig.make_plan(toy_onnx.convolution(static=True))
        )
        self.context = self.engine.create_execution_context()
        self.memory = cuda.mem_alloc(1 << 20)
        self.stream = cuda.Stream()

    def addresses(self) -> None:
        assert self.context.set_tensor_address("images", int(self.memory))
        assert self.context.set_tensor_address("logits", int(self.memory) + (1 << 19))


def test_what_is_broken_is_noted(cuda_rig: CudaRig) -> None:
    cuda_rig.set(delay_us=5000)
    with primary_context():
        use = Wrong(cuda_rig)
        assert not use.context.execute_async_v3(use.stream.handle)  # without an address
        assert not use.context.set_tensor_address("images", int(use.memory) + 16)
        assert not use.context.set_input_shape("images", (2, 3, 32, 32))
        use.addresses()
        assert use.context.execute_async_v3(use.stream.handle)
        other = use.cuda.Stream()
        assert use.context.execute_async_v3(other.handle)
        use.stream.synchronize()
        other.synchronize()
    seen = " / ".join(cuda_rig.violations())
    assert "the address of images is not aligned to 256 bytes" in seen
    assert "enqueued on two streams at once" in seen


def test_memory_that_was_freed_is_a_fault(cuda_rig: CudaRig) -> None:
    cuda_rig.require_fake("after an illegal access the process cannot use CUDA any more")
    with primary_context():
        use = Wrong(cuda_rig)
        use.addresses()
        use.memory.free()
        assert use.context.execute_async_v3(use.stream.handle)
        with pytest.raises(use.cuda.LogicError, match="illegal memory access"):
            use.stream.synchronize()
    assert "illegal memory access: the engine read input images" in cuda_rig.violations()


def test_a_plan_of_another_release_is_refused(cuda_rig: CudaRig) -> None:
    cuda_rig.require_fake("the header of a real plan is not ours to forge")
    import tensorrt as trt  # noqa: PLC0415

    class Lines(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            self.lines.append(msg)

    plan = cuda_rig.make_plan(toy_onnx.several(), [{n: ((1, 4),) * 3 for n in ("a", "b")}])
    lines = Lines()
    with primary_context():
        runtime = trt.Runtime(lines)
        other = plan.replace(trt.__version__.encode(), b"9" * len(trt.__version__), 1)
        for data, reason in ((other, "please rebuild"), (b"", "magicTag"), (plan[:40], "magicTag")):
            assert runtime.deserialize_cuda_engine(data) is None
            assert reason in lines.lines[-1]


def test_layers_on_dla(cuda_rig: CudaRig) -> None:
    import json  # noqa: PLC0415

    import tensorrt as trt  # noqa: PLC0415

    cuda_rig.set(dla_cores=2)

    def on_dla(trt: Any, config: Any) -> None:
        config.default_device_type = trt.DeviceType.DLA
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        if hasattr(trt.BuilderFlag, "FP16"):
            config.set_flag(trt.BuilderFlag.FP16)

    plan = cuda_rig.make_plan(toy_onnx.convolution(static=True), configure=on_dla)
    with primary_context():
        runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        assert runtime.num_DLA_cores == 2
        runtime.DLA_core = 1
        engine = runtime.deserialize_cuda_engine(plan)
        form = trt.LayerInformationFormat.JSON
        told = json.loads(engine.create_engine_inspector().get_engine_information(form))
        kinds = {layer["Name"]: layer["LayerType"] for layer in told["Layers"]}
    assert kinds["{ForeignNode[conv...pool]}"] == "DLA"
    assert kinds["matmul"] == "MatMul"


def test_graphs_replay_what_was_captured(cuda_rig: CudaRig) -> None:
    driver = pytest.importorskip("cuda.bindings.driver", reason="graphs need cuda-bindings")
    with primary_context():
        use = Wrong(cuda_rig)
        use.addresses()
        assert use.context.execute_async_v3(use.stream.handle)
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        handle = driver.CUstream(use.stream.handle)
        assert driver.cuStreamBeginCapture(handle, mode)[0] == 0
        assert use.context.execute_async_v3(use.stream.handle)
        error, graph = driver.cuStreamEndCapture(handle)
        assert error == 0
        error, executable = driver.cuGraphInstantiate(graph, 0)
        assert error == 0
        before = cuda_rig.count("graph_launches") if cuda_rig.is_fake else 0
        value = images(1, 3, 32, 32)
        use.cuda.memcpy_htod(use.memory, value)
        assert driver.cuGraphLaunch(executable, handle)[0] == 0
        use.stream.synchronize()
        got = use.cuda.from_device(int(use.memory) + (1 << 19), (1, 4), np.float32)
        onnx = toy_onnx.convolution(static=True)
        np.testing.assert_allclose(got, expected(onnx, {"images": value})[0], rtol=1e-3, atol=1e-4)
        assert not cuda_rig.is_fake or cuda_rig.count("graph_launches") == before + 1
        assert driver.cuGraphExecDestroy(executable)[0] == 0
        assert driver.cuGraphDestroy(graph)[0] == 0
        use.memory.free()
        del use
