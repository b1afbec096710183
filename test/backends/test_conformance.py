# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One suite that every backend passes: what `core.backend` promises, on toy models."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_models
import toy_tflite
from toy_models import Toy, write_model

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.backend import Backend, BackendModel, ModelInstance
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UnsupportedError,
)
from triton_ros.core.tensor import DATATYPES, numpy_dtype


@dataclass(frozen=True)
class Case:
    """A backend, and how to write its toys (inputs `x`, output `y`, a variable batch dim)."""

    backend: str
    filename: str
    package: str
    modules: tuple[str, ...]
    runtime_class: str
    thread_parameter: str
    identity: Callable[..., bytes]
    affine: Callable[..., bytes]
    add_sub: Callable[[], bytes]


CASES = [
    Case(
        backend="onnxruntime",
        filename="model.onnx",
        package="onnxruntime",
        modules=("onnxruntime",),
        runtime_class="InferenceSession",
        thread_parameter="intra_op_thread_count",
        identity=toy_models.onnx_identity,
        affine=toy_models.onnx_affine,
        add_sub=toy_models.onnx_add_sub,
    ),
    Case(
        backend="tflite",
        filename="model.tflite",
        package="ai-edge-litert",
        modules=("ai_edge_litert", "ai_edge_litert.interpreter"),
        runtime_class="Interpreter",
        thread_parameter="num_threads",
        identity=toy_tflite.tflite_identity,
        affine=toy_tflite.tflite_affine,
        add_sub=toy_tflite.tflite_add_sub,
    ),
]
X = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture(params=CASES, ids=lambda case: case.backend)
def case(request: pytest.FixtureRequest) -> Case:
    value: Case = request.param
    return value


@pytest.fixture
def backend(case: Case) -> Backend:
    return BackendRegistry().load_backend(case.backend)


@dataclass
class Loader:
    """Writes a file as version 1 of model `toy` and loads it."""

    case: Case
    backend: Backend
    directory: Path

    def write(self, data: bytes | None) -> Path:
        write_model(self.directory, Toy(data, filename=self.case.filename))
        return self.directory / "1"

    def model(self, data: bytes | None, **fields: Any) -> BackendModel:
        return self.backend.load(ModelConfig("toy", **fields), self.write(data))

    def instance(self, data: bytes, **fields: Any) -> ModelInstance:
        return self.model(data, **fields).instance(InstanceGroup(), 0)


@pytest.fixture
def loader(case: Case, backend: Backend, tmp_path: Path) -> Loader:
    return Loader(case, backend, tmp_path / "toy")


def test_signature_has_names_datatypes_and_dims_with_the_batch(case: Case, loader: Loader) -> None:
    signature = loader.model(case.add_sub()).signature
    assert [(s.name, s.datatype, s.dims) for s in signature.inputs] == [
        ("INPUT0", "FP32", (-1, 16)),
        ("INPUT1", "FP32", (-1, 16)),
    ]
    assert [(s.name, s.datatype, s.dims) for s in signature.outputs] == [
        ("OUTPUT0", "FP32", (-1, 16)),
        ("OUTPUT1", "FP32", (-1, 16)),
    ]
    assert signature.batchable


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_executes_single_and_batched(case: Case, loader: Loader, batch: int) -> None:
    instance = loader.instance(case.add_sub())
    a = np.random.default_rng(batch).normal(size=(batch, 16)).astype(np.float32)
    b = a[::-1].copy()
    outputs = instance.execute({"INPUT1": b, "INPUT0": a})
    assert set(outputs) == {"OUTPUT0", "OUTPUT1"}
    np.testing.assert_allclose(outputs["OUTPUT0"], a + b, rtol=1e-6)
    np.testing.assert_allclose(outputs["OUTPUT1"], a - b, rtol=1e-6)


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_passes_unchanged(case: Case, loader: Loader, datatype: str) -> None:
    model = loader.model(case.identity(datatype))
    dtype = numpy_dtype(datatype)
    assert model.signature.inputs[0].datatype == model.signature.outputs[0].datatype == datatype
    if datatype == "BYTES":
        value = np.array([["", "a b", "grün", "日本"], ["1", "2", "3", "4"]], np.object_)
    elif datatype == "BOOL":
        value = np.array([[True, False, False, True], [False, True, True, True]])
    else:
        info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        value = np.array([[info.min, info.max, 0, 1], [1, 2, 3, 4]], dtype)
    output = model.instance(InstanceGroup(), 0).execute({"x": value})["y"]
    assert output.dtype == dtype
    assert output.tolist() == value.tolist()


def test_bytes_elements_are_read_as_text(case: Case, loader: Loader) -> None:
    instance = loader.instance(case.identity("BYTES"))
    value = np.array([[b"a", "b", "é".encode(), b""]], np.object_)
    assert instance.execute({"x": value})["y"].tolist() == [["a", "b", "é", ""]]
    with pytest.raises(InvalidArgumentError, match=r"'x'.*UTF-8"):
        instance.execute({"x": np.array([[b"\xff", "", "", ""]], np.object_)})
    with pytest.raises(InvalidArgumentError, match=r"'x'.*str or bytes, got int"):
        instance.execute({"x": np.array([[1, "", "", ""]], np.object_)})


def test_bf16_is_refused_with_its_tensor(case: Case, loader: Loader) -> None:
    with pytest.raises(UnsupportedError, match=r"input 'x'.*bfloat16"):
        loader.model(case.identity("BF16"))


def test_variable_dims_take_any_size_in_any_order(case: Case, loader: Loader) -> None:
    model = loader.model(case.affine(dims=(None, None)))
    assert model.signature.inputs[0].dims == (-1, -1)
    instance = model.instance(InstanceGroup(), 0)
    for shape in [(1, 3), (4, 5), (1, 3), (2, 1)]:
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        np.testing.assert_allclose(instance.execute({"x": x})["y"], 2 * x + 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "missing: 'x'"),
        ({"z": X}, "missing: 'x'; unknown: 'z'"),
        ({"x": X, "z": X}, "unknown: 'z'"),
        ({"x": X.astype(np.float64)}, "'x' must be FP32, got FP64"),
        ({"x": X.reshape(4, 2)}, r"'x' must have the shape \[-1, 4\].*got \[4, 2\]"),
        ({"x": X[0]}, r"'x' must have the shape \[-1, 4\].*got \[4\]"),
    ],
)
def test_wrong_inputs_say_what_was_wanted_and_do_no_harm(
    case: Case, loader: Loader, inputs: dict[str, Any], message: str
) -> None:
    instance = loader.instance(case.affine())
    with pytest.raises(InvalidArgumentError, match=message):
        instance.execute(inputs)
    np.testing.assert_array_equal(instance.execute({"x": X})["y"], 2 * X + 1)


def test_outputs_survive_the_next_execute_and_the_end(case: Case, loader: Loader) -> None:
    model = loader.model(case.affine())
    instance = model.instance(InstanceGroup(), 0)
    first = instance.execute({"x": X})["y"]
    for _ in range(4):
        instance.execute({"x": -X})
    instance.finalize()
    model.finalize()
    del instance, model
    gc.collect()
    np.testing.assert_array_equal(first, 2 * X + 1)


def test_inputs_are_only_read(case: Case, loader: Loader) -> None:
    instance = loader.instance(case.identity())
    x = X.copy()
    x.flags.writeable = False
    y = instance.execute({"x": x})["y"]
    assert not np.shares_memory(x, y)
    np.testing.assert_array_equal(x, X)


def _alive(case: Case) -> int:
    gc.collect()
    return sum(type(thing).__name__ == case.runtime_class for thing in gc.get_objects())


def test_finalize_releases_what_the_runtime_holds(case: Case, loader: Loader) -> None:
    before = _alive(case)
    model = loader.model(case.affine())
    instances = [model.instance(InstanceGroup(), 0) for _ in range(2)]
    assert _alive(case) > before
    for instance in instances:
        instance.finalize()
    model.finalize()
    assert _alive(case) == before, "finalized, and something still holds the runtime's object"
    with pytest.raises(InternalError, match=r"'toy'.*released"):
        instances[0].execute({"x": X})


def test_a_new_version_runs_beside_the_old_one(case: Case, loader: Loader) -> None:
    old = loader.instance(case.affine(2.0, 1.0))
    new = loader.instance(case.affine(3.0, 5.0))
    np.testing.assert_array_equal(old.execute({"x": X})["y"], 2 * X + 1)
    np.testing.assert_array_equal(new.execute({"x": X})["y"], 3 * X + 5)
    old.finalize()
    np.testing.assert_array_equal(new.execute({"x": X})["y"], 3 * X + 5)


def test_a_truncated_file_does_not_disturb_what_runs(case: Case, loader: Loader) -> None:
    instance = loader.instance(case.affine())
    (loader.directory / "1" / case.filename).write_bytes(b"")
    np.testing.assert_array_equal(instance.execute({"x": X})["y"], 2 * X + 1)


def test_two_instances_run_in_two_threads(case: Case, loader: Loader) -> None:
    model = loader.model(case.affine())
    instances = [model.instance(InstanceGroup(count=2), 0) for _ in range(2)]
    start = threading.Barrier(2)
    wrong: list[str] = []

    def work(number: int) -> None:
        start.wait(10)
        for turn in range(200):
            x = np.full((1 + turn % 3, 4), 1000 * number + turn, np.float32)
            y = instances[number].execute({"x": x})["y"]
            if not np.array_equal(y, 2 * x + 1):
                wrong.append(f"instance {number}, turn {turn}: {y}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


def _damaged(data: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "text": b"version https://git-lfs.github.com/spec/v1\n",
        "half": data[: len(data) // 2],
        "zeros": bytes(len(data)),
        "ones": b"\xff" * len(data),
    }


@pytest.mark.parametrize("damage", ["empty", "text", "half", "zeros", "ones"])
def test_a_corrupted_file_is_refused_by_name(case: Case, loader: Loader, damage: str) -> None:
    with pytest.raises(InvalidArgumentError, match=case.filename):
        loader.model(_damaged(case.affine())[damage])


def test_a_missing_file_is_named_with_what_is_there(case: Case, loader: Loader) -> None:
    version_dir = loader.write(None)
    (version_dir / "weights.bin").write_bytes(b"")
    with pytest.raises(NotFoundError, match=rf"{case.filename} does not exist.*weights\.bin"):
        loader.backend.load(ModelConfig("toy"), version_dir)
    with pytest.raises(NotFoundError, match=r"nothing"):
        loader.backend.load(ModelConfig("toy"), version_dir.with_name("2"))


def test_default_model_filename_names_another_file(case: Case, loader: Loader) -> None:
    version_dir = loader.write(None)
    (version_dir / "other.bin").write_bytes(case.affine())
    config = ModelConfig("toy", default_model_filename="other.bin")
    assert loader.backend.load(config, version_dir).signature.inputs[0].name == "x"


@pytest.mark.parametrize("value", ["many", "-1", "1.5", ""])
def test_thread_parameter_is_checked(case: Case, loader: Loader, value: str) -> None:
    with pytest.raises(ConfigError, match=f"'toy'.*{case.thread_parameter}.*integer.*'{value}'"):
        loader.model(case.affine(), parameters={case.thread_parameter: value})


def test_kind_gpu_without_a_gpu_runtime_says_what_to_do(case: Case, loader: Loader) -> None:
    group = InstanceGroup(kind=InstanceKind.KIND_GPU)
    with pytest.raises(UnsupportedError, match=r"KIND_GPU.*KIND_CPU|KIND_CPU.*KIND_GPU"):
        loader.model(case.affine(), instance_group=(group,))


@pytest.mark.parametrize("kind", [InstanceKind.KIND_AUTO, InstanceKind.KIND_CPU])
def test_runs_on_the_cpu(case: Case, loader: Loader, kind: InstanceKind) -> None:
    group = InstanceGroup(kind=kind)
    model = loader.model(case.affine(), instance_group=(group,))
    y = model.instance(group, 0).execute({"x": X})["y"]
    np.testing.assert_array_equal(y, 2 * X + 1)


def test_a_missing_runtime_names_the_package(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in case.modules:
        monkeypatch.setitem(sys.modules, module, None)
    registry = BackendRegistry()
    with pytest.raises(UnsupportedError, match=f"pip install {case.package}"):
        registry.load_backend(case.backend)
    monkeypatch.undo()
    assert registry.load_backend(case.backend) is registry.load_backend(case.backend)


def test_nothing_is_imported_before_it_is_asked_for(case: Case) -> None:
    code = (
        "import sys\n"
        "from triton_ros.backends.registry import BackendRegistry\n"
        f"import triton_ros.backends.{case.backend}\n"
        f"assert {case.modules[0]!r} not in sys.modules\n"
        f"BackendRegistry().load_backend({case.backend!r})\n"
        f"assert {case.modules[0]!r} in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_an_unknown_backend_lists_those_that_exist() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'tensorfow'.*onnxruntime, tflite"):
        BackendRegistry().load_backend("tensorfow")


def test_the_suite_covers_every_backend() -> None:
    assert sorted(case.backend for case in CASES) == list(BackendRegistry().names)
