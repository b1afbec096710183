# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What only the ONNX Runtime backend does: one session, its options, no copies, its errors."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import toy_models
from onnx import helper
from toy_models import Toy, onnx_model, write_model

from triton_ros.backends.onnxruntime import OnnxRuntimeBackend, OnnxRuntimeModel
from triton_ros.backends.onnxruntime_session import session_options
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import (
    InternalError,
    InvalidArgumentError,
    UnsupportedError,
)

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def load(directory: Path, data: bytes, **fields: Any) -> OnnxRuntimeModel:
    write_model(directory, Toy(data))
    return OnnxRuntimeBackend().load(ModelConfig("toy", **fields), directory / "1")


def test_instances_share_one_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = onnxruntime.InferenceSession

    def counting(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counting)
    model = load(tmp_path, toy_models.onnx_affine())
    for _ in range(3):
        model.instance(InstanceGroup(count=3), 0).execute({"x": X})
    assert len(made) == 1


def test_three_threads_are_two_more_than_the_caller(tmp_path: Path) -> None:
    write_model(tmp_path, Toy(toy_models.onnx_affine()))
    code = (
        "import os, pathlib\n"
        "from triton_ros.backends.onnxruntime import OnnxRuntimeBackend\n"
        "from triton_ros.core.config.model_config import ModelConfig\n"
        "backend = OnnxRuntimeBackend()\n"
        "alive = []\n"  # threads of a model that is gone may still be going
        "def threads(count):\n"
        "    config = ModelConfig('toy', parameters={'intra_op_thread_count': count})\n"
        f"    alive.append(backend.load(config, pathlib.Path({str(tmp_path / '1')!r})))\n"
        "    return len(os.listdir('/proc/self/task'))\n"
        "threads('1')\n"  # the runtime's own
        "one = threads('1')\n"
        "assert threads('3') - one == 2\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_outputs_are_views_of_the_runtimes_memory(tmp_path: Path) -> None:
    instance = load(tmp_path, toy_models.onnx_affine()).instance(InstanceGroup(), 0)
    y = instance.execute({"x": X})["y"]
    assert not y.flags.owndata
    assert y.flags.c_contiguous


def test_gil_is_free_while_it_computes(tmp_path: Path) -> None:
    instance = load(tmp_path, toy_models.onnx_slow(150_000)).instance(InstanceGroup(), 0)
    started, finished = threading.Event(), threading.Event()

    def run() -> None:
        started.set()
        instance.execute({"x": X})
        finished.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    seen = set()
    while not finished.is_set():
        seen.add(time.monotonic_ns() // 1_000_000)
    thread.join(10)
    assert len(seen) > 20, f"this thread ran in {len(seen)} of the milliseconds of a slow model"


def test_a_failing_run_is_an_internal_error_and_the_next_one_works(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    instance = load(tmp_path, toy_models.onnx_failing()).instance(InstanceGroup(), 0)
    with pytest.raises(InternalError, match=r"'toy'.*Gather.*idx=9"):
        instance.execute({"x": np.int64([[1], [9]])})
    assert instance.execute({"x": np.int64([[3]])})["y"].tolist() == [[40.0]]
    assert capfd.readouterr().err == "", "the error was raised; it must not be printed too"


@pytest.mark.parametrize(
    ("dims", "batchable"),
    [
        (("N", 4), True),
        ((None, 4), True),
        ((1, 4), False),
        ((4, "N"), False),
        ((), False),
    ],
)
def test_batchable_means_a_variable_first_dim_everywhere(
    tmp_path: Path, dims: tuple[Any, ...], batchable: bool
) -> None:
    signature = load(tmp_path, toy_models.onnx_identity(dims=dims)).signature
    assert signature.inputs[0].dims == tuple(d if isinstance(d, int) else -1 for d in dims)
    assert signature.batchable is batchable


def test_one_fixed_output_makes_it_unbatchable(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=1)]
    data = onnx_model(
        nodes, {"x": ("FP32", ("N", 4))}, {"y": ("FP32", (1, 4))}, {"axis": np.int64([0])}
    )
    assert not load(tmp_path, data).signature.batchable


def test_metadata_of_the_file_is_in_the_signature(tmp_path: Path) -> None:
    data = toy_models.onnx_identity(metadata={"character": "0\n1\n2"})
    assert load(tmp_path, data).signature.metadata == {"character": "0\n1\n2"}


def test_a_sequence_is_not_a_tensor(tmp_path: Path) -> None:
    nodes = [helper.make_node("SplitToSequence", ["x"], ["y"])]
    data = onnx_model(nodes, {"x": ("FP32", ("N", 4))}, {})
    data = _with_sequence_output(data)
    with pytest.raises(UnsupportedError, match=r"output 'y' is seq\(tensor\(float\)\)"):
        load(tmp_path, data)


def _with_sequence_output(data: bytes) -> bytes:
    import onnx  # noqa: PLC0415

    model = onnx.load_from_string(data)
    info = helper.make_tensor_sequence_value_info("y", onnx.TensorProto.FLOAT, None)
    model.graph.output.append(info)
    out: bytes = model.SerializeToString()
    return out


def test_a_model_from_the_future_names_the_runtime(tmp_path: Path) -> None:
    import onnx  # noqa: PLC0415

    model = onnx.load_from_string(toy_models.onnx_affine())
    model.ir_version = 99
    with pytest.raises(InvalidArgumentError, match=rf"ONNX Runtime {onnxruntime.__version__}.*99"):
        load(tmp_path, model.SerializeToString())


class Gpu:
    """ONNX Runtime as it looks with a GPU; records what a session is asked for."""

    def __init__(self, *, starts: bool = True) -> None:
        self.providers: list[Any] = []
        self.starts = starts
        self.__version__ = onnxruntime.__version__

    def __getattr__(self, name: str) -> Any:
        return getattr(onnxruntime, name)

    def get_available_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def InferenceSession(self, path: str, options: Any, providers: list[Any], **_: Any) -> Any:
        self.providers.append(providers)
        cpu = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(path, options, providers=cpu)
        named = [p if isinstance(p, str) else p[0] for p in providers]
        session.get_providers = lambda: named if self.starts else cpu
        return session


@pytest.mark.parametrize(
    ("kind", "cuda"),
    [
        (InstanceKind.KIND_GPU, True),
        (InstanceKind.KIND_AUTO, True),
        (InstanceKind.KIND_CPU, False),
    ],
)
def test_kinds_choose_the_provider(tmp_path: Path, kind: InstanceKind, cuda: bool) -> None:
    write_model(tmp_path, Toy(toy_models.onnx_affine()))
    gpu = Gpu()
    group = InstanceGroup(kind=kind, gpus=(1,) if cuda else ())
    config = ModelConfig("toy", instance_group=(group,))
    model = on(gpu, config, tmp_path)
    model.instance(group, 1 if cuda else 0)
    cpu = "CPUExecutionProvider"
    expected = [("CUDAExecutionProvider", {"device_id": "1"}), cpu] if cuda else [cpu]
    assert gpu.providers == [expected]


def on(gpu: Gpu, config: ModelConfig, tmp_path: Path) -> OnnxRuntimeModel:
    options = session_options(gpu, config)
    return OnnxRuntimeModel(gpu, config, tmp_path / "1" / "model.onnx", options)


def test_a_provider_that_does_not_start_is_no_silent_cpu(tmp_path: Path) -> None:
    write_model(tmp_path, Toy(toy_models.onnx_affine()))
    config = ModelConfig("toy", instance_group=(InstanceGroup(kind=InstanceKind.KIND_GPU),))
    with pytest.raises(UnsupportedError, match="CUDAExecutionProvider could not be started"):
        on(Gpu(starts=False), config, tmp_path)


def test_kind_gpu_without_cuda_names_the_package_and_what_there_is(tmp_path: Path) -> None:
    group = InstanceGroup(kind=InstanceKind.KIND_GPU)
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine's onnxruntime has CUDA")
    with pytest.raises(UnsupportedError, match=r"CPUExecutionProvider.*onnxruntime-gpu"):
        load(tmp_path, toy_models.onnx_affine(), instance_group=(group,))


def test_a_broken_runtime_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from triton_ros.backends.support import import_failure  # noqa: PLC0415

    broken = import_failure(ImportError("libgomp.so.1: cannot open"), "onnxruntime", "onnxruntime")
    assert "libgomp.so.1" in str(broken)
    assert "pip install" not in str(broken)
