# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What only the TensorFlow backend does: signatures, tags, tensors of a frozen graph, threads."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_tensorflow
from conformance_case import missing
from tensorflow_use import X, frozen, load, parameter, run, tensors
from toy_tensorflow import placeholder, saved_model

from triton_ros.backends.tensorflow import TensorFlowBackend
from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import InstanceGroup
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UnsupportedError,
)
from triton_ros.core.tensor import Array

WHY = missing("tensorflow", "make frameworks")
pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY or "it is there")


@pytest.fixture
def backend() -> TensorFlowBackend:
    return TensorFlowBackend()


# --- SavedModel -----------------------------------------------------------------------------------


def test_variables_of_a_saved_model_are_restored(
    backend: TensorFlowBackend, tmp_path: Path
) -> None:
    model = load(backend, tmp_path, saved_model(toy_tensorflow.variable()))
    np.testing.assert_array_equal(run(model, x=X)["y"], X + 5)


def test_a_signature_is_chosen_by_parameter(backend: TensorFlowBackend, tmp_path: Path) -> None:
    """TensorFlow 2: names are those of arguments and keys, a variable is a weight."""
    files = toy_tensorflow.saved_model_2(
        {
            "serving_default": lambda module, x: {"y": module.scale * x},
            "other": lambda module, x: {"z": x - 1, "t": module.scale + x},
        }
    )
    np.testing.assert_array_equal(run(load(backend, tmp_path, files), x=X)["y"], 2 * X)
    model = load(backend, tmp_path, files, parameter("TF_SIGNATURE_DEF", "other"))
    assert model.signature.batchable
    answer = run(model, x=X)
    assert list(answer) == ["t", "z"]
    np.testing.assert_array_equal(answer["z"], X - 1)
    with pytest.raises(ConfigError, match=r"'toy'.*'predict'; accepted.*: other, serving_default"):
        load(backend, tmp_path, files, parameter("TF_SIGNATURE_DEF", "predict"))


def test_the_only_signature_needs_no_name(backend: TensorFlowBackend, tmp_path: Path) -> None:
    files = saved_model(toy_tensorflow.affine(), signatures=["predict"])
    np.testing.assert_array_equal(run(load(backend, tmp_path, files), x=X)["y"], 2 * X + 1)


def test_a_tag_is_chosen_by_parameter(backend: TensorFlowBackend, tmp_path: Path) -> None:
    files = saved_model(toy_tensorflow.affine(), tag="robot")
    model = load(backend, tmp_path, files, parameter("TF_GRAPH_TAG", "robot"))
    np.testing.assert_array_equal(run(model, x=X)["y"], 2 * X + 1)
    with pytest.raises(InvalidArgumentError, match=r"savedmodel.*'serve'.*robot"):
        load(backend, tmp_path, files)


def test_tables_are_filled_from_the_models_own_assets(
    backend: TensorFlowBackend, tmp_path: Path
) -> None:
    """The vocabulary travels with the SavedModel: the file that it came from is gone."""
    tf = toy_tensorflow.tensorflow()
    words = tmp_path / "words.txt"
    words.write_text("stop\ngo\n")
    lines = tf.lookup.TextFileInitializer(
        *(str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
        *(tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
    )
    module = tf.Module()
    module.table = tf.lookup.StaticVocabularyTable(lines, 1)
    spec = tf.TensorSpec([None], tf.string, name="x")
    module.look = tf.function(lambda x: {"y": module.table.lookup(x)}, input_signature=[spec])
    place = tmp_path / "made" / "model.savedmodel"
    tf.saved_model.save(module, str(place), signatures=module.look)
    words.unlink()
    model = load(backend, tmp_path / "toy", toy_tensorflow.files(place))
    answer = run(model, x=np.array(["go", "back", b"stop"], np.object_))
    assert answer["y"].tolist() == [1, 2, 0]


# --- GraphDef -------------------------------------------------------------------------------------


def _two_heads(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """``top_k`` of ``inner = x * flag`` in two outputs, and nodes that are no output."""
    x, flag = placeholder(tf, "x"), placeholder(tf, "flag", dims=())
    inner = tf.multiply(x, flag, name="inner")
    tf.math.top_k(inner, 2, name="top")
    placeholder(tf, "unused")
    tf.constant(1.0, name="lonely")
    tf.no_op(name="init")
    return {}, {}


def test_a_graphs_ends_are_its_outputs(backend: TensorFlowBackend, tmp_path: Path) -> None:
    model = load(backend, tmp_path, frozen(_two_heads))
    signature = model.signature
    assert [spec.name for spec in signature.inputs] == ["flag", "x"]
    assert [(s.name, s.datatype) for s in signature.outputs] == [
        ("top", "FP32"),
        ("top:1", "INT32"),
    ]
    assert not signature.batchable, "a scalar input has no rows"
    answer = run(model, x=X, flag=np.array(2, np.float32))
    assert answer["top"].tolist() == [[6.0, 4.0], [14.0, 12.0]]
    assert answer["top:1"].tolist() == [[3, 2], [3, 2]]


def test_a_configuration_may_name_any_tensor(backend: TensorFlowBackend, tmp_path: Path) -> None:
    """What is fed in the middle needs nothing of what is before."""
    config = tensors("input", "inner") + tensors("output", "top:1", kind="INT32", dims="[ 2 ]")
    model = load(backend, tmp_path, frozen(_two_heads), config)
    assert run(model, inner=X) == {"top:1": pytest.approx(np.array([[3, 2], [3, 2]]))}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (tensors("output", "bottom"), r"output: the graph has no tensor 'bottom'.*'top', 'top:1'"),
        (tensors("input", "y"), r"input: the graph has no tensor 'y'.*'x', 'flag'"),
        (tensors("input", "x"), r"input: the outputs 'top', 'top:1' need 'flag', .* has 'x'"),
    ],
)
def test_tensors_that_do_not_fit_the_graph_are_refused(
    backend: TensorFlowBackend, tmp_path: Path, config: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=f"'toy', {message}"):
        load(backend, tmp_path, frozen(_two_heads), config)


def test_a_tensor_without_rank_has_to_be_described(
    backend: TensorFlowBackend, tmp_path: Path
) -> None:
    files = frozen(toy_tensorflow.identity(dims=None))
    with pytest.raises(ConfigError, match=r"shape of input 'x'.*TYPE_FP32 dims: \[ \.\.\. \]"):
        load(backend, tmp_path, files)
    config = "max_batch_size: 8 " + tensors("input", "x") + tensors("output", "y")
    model = load(backend, tmp_path, files, config)
    assert model.signature.batchable
    assert model.signature.inputs[0].dims == (-1, 4)
    np.testing.assert_array_equal(run(model, x=X)["y"], X)


def test_scalars_and_strings_come_as_arrays(backend: TensorFlowBackend, tmp_path: Path) -> None:
    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        text = placeholder(tf, "x", "BYTES", ("N",))
        return {"x": text}, {
            "joined": tf.strings.reduce_join(text, name="joined"),
            "count": tf.size(text, name="count"),
        }

    answer = run(
        load(backend, tmp_path, saved_model(build)), x=np.array(["a", b"\xff"], np.object_)
    )
    assert answer["joined"].shape == answer["count"].shape == ()
    assert answer["joined"].item() == b"a\xff"
    assert answer["count"].dtype == np.int32


def _initialised(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    x = placeholder(tf, "x")
    v = tf.compat.v1.get_variable("v", initializer=5.0, use_resource=True)
    tf.add(x, v, name="y")
    tf.compat.v1.global_variables_initializer()
    return {}, {}


@pytest.mark.parametrize("place", ["1", "."])
def test_init_ops_are_run(backend: TensorFlowBackend, tmp_path: Path, place: str) -> None:
    file = tmp_path / place / "ops.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"init_ops": ["init"]}))
    config = parameter("TF_INIT_OPS_FILE", "ops.json")
    config += tensors("input", "x") + tensors("output", "y")
    model = load(backend, tmp_path, frozen(_initialised), config)
    np.testing.assert_array_equal(run(model, x=X)["y"], X + 5)


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("../ops.json", "", ConfigError, r"must be the name of a file, got '\.\./ops\.json'"),
        ("none.json", "", NotFoundError, r"'none\.json' is neither in"),
        ("ops.json", "[1]", ConfigError, 'must be JSON of the form {"init_ops"'),
        ("ops.json", "{", ConfigError, "must be JSON"),
        ("ops.json", '{"init_ops": ["start"]}', ConfigError, "init op 'start'.*not in"),
    ],
)
def test_init_ops_that_cannot_be_are_refused(
    backend: TensorFlowBackend,
    tmp_path: Path,
    name: str,
    text: str,
    error: type[Exception],
    message: str,
) -> None:
    (tmp_path / "ops.json").write_text(text)
    with pytest.raises(error, match=f"'toy'.*{message}"):
        load(backend, tmp_path, frozen(_initialised), parameter("TF_INIT_OPS_FILE", name))


def test_types_that_v2_has_not_are_refused(backend: TensorFlowBackend, tmp_path: Path) -> None:
    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        x = placeholder(tf, "x")
        return {"x": x}, {"y": tf.complex(x, x, name="y")}

    with pytest.raises(UnsupportedError, match=r"output 'y' is complex64; accepted: bool"):
        load(backend, tmp_path, frozen(build))


def test_a_failure_is_told_in_one_line(backend: TensorFlowBackend, tmp_path: Path) -> None:
    model = load(backend, tmp_path, frozen(toy_tensorflow.failing()))
    with pytest.raises(
        InternalError, match=r"^model 'toy': TensorFlow: .* = 99 is not in \[0, 4\).*$"
    ):
        run(model, x=np.array([[99]]))


# --- memory ---------------------------------------------------------------------------------------


def aligned(count: int, value: float) -> Array:
    """Where TensorFlow needs no copy."""
    raw = np.empty(4 * count + 64, np.uint8)
    start = -raw.ctypes.data % 64
    array = raw[start : start + 4 * count].view(np.float32)
    array[:] = value
    return array


def _echoes(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    x = placeholder(tf, "x", dims=("N",))
    weight = tf.compat.v1.get_variable("v", initializer=[1.0] * 64, use_resource=True)
    constant = tf.constant(np.ones(64, np.float32))
    outputs = {"same": x, "like": x, "variable": weight.read_value(), "constant": constant}
    return {"x": x}, {name: tf.identity(tensor) for name, tensor in outputs.items()}


@pytest.mark.parametrize("fetch_the_feed", [False, True])
def test_answers_share_no_memory_with_inputs_or_weights(
    backend: TensorFlowBackend, tmp_path: Path, fetch_the_feed: bool
) -> None:
    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, outputs = _echoes(tf)
        return inputs, outputs | (inputs if fetch_the_feed else {})

    instance = load(backend, tmp_path, saved_model(build)).instance(InstanceGroup(), 0)
    x = aligned(64, 1.0)
    for _ in range(2):
        for name, answer in instance.execute({"x": x}).items():
            assert answer.tolist() == [1.0] * 64, name
            answer[:] = 7.0
    assert x.tolist() == [1.0] * 64


def _remember(module: Any, x: Any) -> Any:
    before = module.state.read_value()
    module.state.assign(x)
    return {"y": before}


@pytest.mark.parametrize("version", [1, 2])
def test_what_a_model_remembers_is_its_own(
    backend: TensorFlowBackend, tmp_path: Path, version: int
) -> None:
    """The caller writes the next frame into the same memory; the variable keeps the last one."""
    tf = toy_tensorflow.tensorflow()

    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        x = placeholder(tf, "x", dims=(64,))
        state = tf.compat.v1.get_variable("v", initializer=[0.0] * 64, use_resource=True)
        before = tf.identity(state.read_value())
        with tf.control_dependencies([before]), tf.control_dependencies([state.assign(x)]):
            return {"x": x}, {"y": tf.identity(before)}

    if version == 1:
        files = saved_model(build)
    else:
        module = tf.Module()
        module.state = tf.Variable([0.0] * 64)
        spec = tf.TensorSpec([64], tf.float32, name="x")
        module.call = tf.function(lambda x: _remember(module, x), input_signature=[spec])
        place = tmp_path / "made" / "model.savedmodel"
        tf.saved_model.save(module, str(place), signatures=module.call)
        files = toy_tensorflow.files(place)
    instance = load(backend, tmp_path / "toy", files).instance(InstanceGroup(), 0)
    frame = aligned(64, 0.0)
    answers = []
    for number in range(3):
        frame[:] = number + 1
        answers.append(instance.execute({"x": frame})["y"][0])
        frame[:] = 99
    assert answers == [0.0, 1.0, 2.0]


# --- threads --------------------------------------------------------------------------------


def test_threads_are_the_callers_unless_a_pool_is_asked_for(backend: TensorFlowBackend) -> None:
    plain = backend._options(parse_config("", "toy"))
    assert plain.inter_op_parallelism_threads == -1
    assert not plain.use_per_session_threads
    assert plain.intra_op_parallelism_threads == 1
    pool = backend._options(parse_config(parameter("TF_NUM_INTER_THREADS", "2"), "toy"))
    assert pool.inter_op_parallelism_threads == 2
    assert pool.use_per_session_threads


def test_a_later_wish_for_threads_within_an_operation_is_warned_of(
    backend: TensorFlowBackend, caplog: pytest.LogCaptureFixture
) -> None:
    first = backend._options(parse_config(parameter("TF_NUM_INTRA_THREADS", "3"), "toy"))
    assert first.intra_op_parallelism_threads == 3
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        backend._options(parse_config("", "silent"))
        assert not caplog.records
        later = backend._options(parse_config(parameter("TF_NUM_INTRA_THREADS", "2"), "toy"))
    assert later.intra_op_parallelism_threads == 3
    assert "'TF_NUM_INTRA_THREADS'] is 2, but this process computes with 3" in caplog.text


def test_a_model_with_a_pool_of_its_own_computes_the_same(
    backend: TensorFlowBackend, tmp_path: Path
) -> None:
    config = parameter("TF_NUM_INTER_THREADS", "2")
    model = load(backend, tmp_path, frozen(toy_tensorflow.affine()), config)
    np.testing.assert_array_equal(run(model, x=X)["y"], 2 * X + 1)


def test_gpu_memory_is_taken_as_needed_or_a_share() -> None:
    empty = parse_config("", "toy")
    grown = TensorFlowBackend()._options(empty).gpu_options
    assert grown.allow_growth
    share = TensorFlowBackend({"gpu-memory-fraction": "0.5"})._options(empty).gpu_options
    assert not share.allow_growth
    assert share.per_process_gpu_memory_fraction == 0.5
    for wrong in ("2", "half"):
        with pytest.raises(ConfigError, match=f"gpu-memory-fraction' must be .*got '{wrong}'"):
            TensorFlowBackend({"gpu-memory-fraction": wrong})
    with pytest.raises(ConfigError, match=r"'tensorflow,version'.*accepted: gpu-memory-fraction"):
        TensorFlowBackend({"version": "2"})


def test_instances_are_callers_of_one_session(backend: TensorFlowBackend, tmp_path: Path) -> None:
    """A variable that one of them changes is changed for the other."""

    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        x = placeholder(tf, "x")
        v = tf.compat.v1.get_variable("v", initializer=0.0, use_resource=True)
        return {"x": x}, {"y": tf.identity(v.assign_add(tf.reduce_max(x)), name="y")}

    model = load(backend, tmp_path, saved_model(build))
    ones = np.ones((1, 4), np.float32)
    assert [run(model, x=ones)["y"].item() for _ in range(2)] == [1.0, 2.0]
