# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One suite that every backend passes: what `core.backend` promises, on toy models.

The toys of a backend are in its ``case_<name>.py``; a case whose runtime is not installed is
skipped and says so.  `test_conformance_served` is its other half, with a server around.
"""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_case import Case, Made
from conformance_loader import CASES, Loader, Runner, needs_file

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    TritonError,
    UnsupportedError,
)
from triton_ros.core.tensor import DATATYPES, Array, numpy_dtype

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TIMEOUT = 60


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
def test_every_datatype_passes_unchanged_or_is_refused(
    case: Case, loader: Loader, datatype: str
) -> None:
    if datatype not in case.datatypes:
        if not case.has_bf16:
            pytest.skip(f"a model of {case.id} cannot say that it wants {datatype}")
        with pytest.raises(TritonError, match=rf"'x'|{datatype}"):
            loader.instance(case.identity(datatype)).execute({"x": _extremes(datatype)})
        return
    model = loader.model(case.identity(datatype))
    assert model.signature.inputs[0].datatype == model.signature.outputs[0].datatype == datatype
    value = _extremes(case.computed_as.get(datatype, datatype)).astype(numpy_dtype(datatype))
    output = Runner(model.instance(InstanceGroup(), 0)).execute({"x": value})["y"]
    assert output.dtype == numpy_dtype(datatype)
    assert _texts(output) == value.tolist()


def _extremes(datatype: str) -> Array:
    dtype = numpy_dtype(datatype)
    if datatype == "BYTES":
        return np.array([["", "a b", "grün", "日本"], ["1", "2", "3", "4"]], np.object_)
    if datatype == "BOOL":
        return np.array([[True, False, False, True], [False, True, True, True]])
    info: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return np.array([[info.min, info.max, 0, 1], [1, 2, 3, 4]], dtype)


def _texts(output: Array) -> Any:
    """BYTES may come as either, as on the wire."""
    flat = [[i.decode() if isinstance(i, bytes) else i for i in row] for row in output.tolist()]
    return flat


def test_bytes_elements_are_read_as_text(case: Case, loader: Loader) -> None:
    _needs(case, "BYTES")
    instance = loader.instance(case.identity("BYTES"))
    value = np.array([[b"a", "b", "é".encode(), b""]], np.object_)
    assert _texts(instance.execute({"x": value})["y"]) == [["a", "b", "é", ""]]
    if case.strings_are_text:
        with pytest.raises(InvalidArgumentError, match=r"'x'.*UTF-8"):
            instance.execute({"x": np.array([[b"\xff", "", "", ""]], np.object_)})
    if case.checks_inputs:
        with pytest.raises(InvalidArgumentError, match=r"'x'.*str or bytes, got int"):
            instance.execute({"x": np.array([[1, "", "", ""]], np.object_)})


def _needs(case: Case, datatype: str) -> None:
    if datatype not in case.datatypes:
        pytest.skip(f"{case.id} has no {datatype}")


def test_bf16_is_refused_with_its_tensor(case: Case, loader: Loader) -> None:
    if not case.has_bf16:
        pytest.skip(f"a model of {case.id} cannot say that it wants BF16")
    with pytest.raises(UnsupportedError, match=r"input 'x'.*(?i:bfloat16|bf16)"):
        loader.model(case.identity("BF16"))


def test_variable_dims_take_any_size_in_any_order(case: Case, loader: Loader) -> None:
    model = loader.model(case.affine(dims=(None, None)))
    assert model.signature.inputs[0].dims == (-1, -1)
    instance = Runner(model.instance(InstanceGroup(), 0))
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
    if not case.checks_inputs:
        pytest.skip(f"{case.id} leaves that to the server (see the test of the served model)")
    instance = loader.instance(case.affine())
    with pytest.raises(InvalidArgumentError, match=message):
        instance.execute(inputs)
    np.testing.assert_array_equal(instance.execute({"x": X})["y"], 2 * X + 1)


def test_outputs_survive_the_next_execute_and_the_end(case: Case, loader: Loader) -> None:
    model = loader.model(case.affine())
    instance = Runner(model.instance(InstanceGroup(), 0))
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
    for writeable in (False, True):
        x = _aligned(X)
        x.flags.writeable = writeable
        y = instance.execute({"x": x})["y"]
        assert not np.shares_memory(x, y)
        np.testing.assert_array_equal(x, X)


def _aligned(value: Array) -> Array:
    """A copy where some runtimes need none of their own: at a multiple of 64 bytes."""
    raw = np.empty(value.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    array = raw[start : start + value.nbytes].view(value.dtype).reshape(value.shape)
    array[:] = value
    return array


def test_an_answer_that_is_written_over_does_no_harm(case: Case, loader: Loader) -> None:
    instance = loader.instance(case.affine())
    for _ in range(3):
        answer = instance.execute({"x": X})["y"]
        np.testing.assert_array_equal(answer, 2 * X + 1)
        if answer.flags.writeable:
            answer[:] = 99


def test_finalize_releases_what_the_runtime_holds(case: Case, loader: Loader) -> None:
    before = case.alive()
    model = loader.model(case.affine())
    instances = [Runner(model.instance(InstanceGroup(), 0)) for _ in range(2)]
    assert case.alive() > before
    for instance in instances:
        instance.finalize()
    model.finalize()
    assert case.alive() == before, "finalized, and something still holds the runtime's object"
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
    needs_file(case)
    instance = loader.instance(case.affine())
    (loader.directory / "1" / case.filename).write_bytes(b"")
    np.testing.assert_array_equal(instance.execute({"x": X})["y"], 2 * X + 1)


def test_two_instances_run_in_two_threads(case: Case, loader: Loader) -> None:
    model = loader.model(case.affine())
    instances = [Runner(model.instance(InstanceGroup(count=2), 0)) for _ in range(2)]
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
    needs_file(case)
    made = case.affine()
    damaged = _damaged(made.files[case.filename])[damage]
    if made.files[case.filename] == damaged:
        pytest.skip(f"{case.id} has no file that can be damaged so")
    with pytest.raises(InvalidArgumentError, match=re.escape(Path(case.filename).parts[0])):
        loader.model(replace(made, files={**made.files, case.filename: damaged}))


def test_a_missing_file_is_named_with_what_is_there(case: Case, loader: Loader) -> None:
    _needs_a_named_file(case)
    fields = case.affine().fields
    version_dir = loader.write(Made({"weights.bin": b""}))
    name = Path(case.filename).parts[0]
    with pytest.raises(NotFoundError, match=rf"{re.escape(name)} does not exist.*weights\.bin"):
        loader.backend.load(ModelConfig("toy", **fields), version_dir)
    with pytest.raises(NotFoundError, match=r"nothing"):
        loader.backend.load(ModelConfig("toy", **fields), version_dir.with_name("2"))


def _needs_a_named_file(case: Case) -> None:
    if not case.names_its_file:
        pytest.skip(f"{case.id} has no model file of a name of its own")


def test_default_model_filename_names_another_file(case: Case, loader: Loader) -> None:
    _needs_a_named_file(case)
    made = case.affine()
    name = Path(case.filename).parts[0]
    stem = f"{Path(name).stem}."
    files = {
        f"other.{file.removeprefix(stem)}" if file.startswith(stem) else file: data
        for file, data in made.files.items()
    }
    other = f"other{Path(name).suffix}"
    model = loader.model(replace(made, files=files), default_model_filename=other)
    assert model.signature.inputs[0].name == "x"


@pytest.mark.parametrize("value", ["many", "-1", "1.5", ""])
def test_thread_parameter_is_checked(case: Case, loader: Loader, value: str) -> None:
    if not case.thread_parameter:
        pytest.skip(f"{case.id} has no threads to set")
    made = case.affine()
    parameters = {**made.fields.get("parameters", {}), case.thread_parameter: value}
    with pytest.raises(ConfigError, match=f"'toy'.*{case.thread_parameter}.*integer.*'{value}'"):
        loader.model(made, parameters=parameters)


def test_kind_gpu_without_a_gpu_runtime_says_what_to_do(case: Case, loader: Loader) -> None:
    if not case.refuses_gpu:
        pytest.skip(f"{case.id} does not use the GPU itself: core has checked that there is one")
    group = InstanceGroup(kind=InstanceKind.KIND_GPU)
    with pytest.raises(UnsupportedError, match=r"KIND_GPU.*KIND_CPU|KIND_CPU.*KIND_GPU"):
        loader.model(case.affine(), instance_group=(group,))


@pytest.mark.parametrize("kind", list(InstanceKind))
def test_runs_where_it_says(case: Case, loader: Loader, kind: InstanceKind) -> None:
    if kind.value not in case.runs_on:
        pytest.skip(f"{case.id} does not promise to run on {kind.value} here")
    group = InstanceGroup(kind=kind)
    model = loader.model(case.affine(), instance_group=(group,))
    y = Runner(model.instance(group, 0)).execute({"x": X})["y"]
    np.testing.assert_array_equal(y, 2 * X + 1)


def test_a_missing_runtime_names_the_package(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    if not case.package:
        pytest.skip(f"nothing can be missing for {case.id}")
    for module in case.modules:
        monkeypatch.setitem(sys.modules, module, None)
    registry = BackendRegistry()
    with pytest.raises(UnsupportedError, match=f"pip install {case.package}"):
        registry.load_backend(case.backend)
    monkeypatch.undo()
    assert registry.load_backend(case.backend) is registry.load_backend(case.backend)


def test_nothing_is_imported_before_it_is_asked_for(case: Case) -> None:
    if case.fixture:
        pytest.skip(f"{case.id} needs {case.fixture}, which another process has not")
    if not case.modules:
        pytest.skip(f"nothing is imported for {case.id}")
    first = next(other for other in CASES if other.backend == case.backend)
    if first is not case:
        pytest.skip(f"{case.id} is {case.backend}, as {first.id}, and importing takes seconds")
    code = (
        "import sys\n"
        "from triton_ros.backends.registry import BackendRegistry\n"
        f"import triton_ros.backends.{case.backend}\n"
        f"assert {case.modules[0]!r} not in sys.modules\n"
        f"BackendRegistry().load_backend({case.backend!r})\n"
        f"assert {case.modules[0]!r} in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_others_run_while_it_computes(case: Case, loader: Loader) -> None:
    """The GIL is released: else this thread would get no turn between start and end."""
    if case.slow is None:
        pytest.skip(f"no toy of {case.id} is slow")
    instance = loader.instance(case.slow())
    instance.execute({"x": X})
    running, ended = threading.Event(), threading.Event()

    def work() -> None:
        running.set()
        instance.execute({"x": X})
        ended.set()

    thread = threading.Thread(target=work)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # nobody is interrupted: a turn is had only when somebody lets go
    turns = 0
    try:
        thread.start()
        running.wait(TIMEOUT)
        while not ended.wait(0.001):
            turns += 1
    finally:
        sys.setswitchinterval(interval)
    thread.join(TIMEOUT)
    # with the GIL held there is one, at the start, and one at the end; other processes take some
    assert turns > 2, f"{turns} turns while it computed"


# --- the registry -------------------------------------------------------------------------------


def test_an_unknown_backend_lists_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"'tensorfow'.*onnxruntime.*tflite"):
        BackendRegistry().load_backend("tensorfow").load(ModelConfig("toy"), tmp_path / "1")


def test_the_suite_covers_every_backend() -> None:
    known = {case.backend for case in CASES if case.backend != "toy"}
    assert sorted(known) == list(BackendRegistry().names)
