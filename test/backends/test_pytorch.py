# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What only the PyTorch backend does: names by convention, in-place graphs, threads, ranges."""

from __future__ import annotations

import io
import logging
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_pytorch
from conformance_case import missing
from pytorch_use import XY, X, load, parameter, run, tensors

from triton_ros.backends.torch_program import file_kind
from triton_ros.core.config.model_config import InstanceGroup
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    UnsupportedError,
)

WHY = missing("torch", "make frameworks")
pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY or "it is there")

# --- TorchScript: names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (("b", "a"), ("OUTPUT__0", "OUTPUT__1")),
        (("INPUT__1", "INPUT__0"), ("SUM__0", "DIFFERENCE__1")),
        (("left", "right"), ("sum", "difference")),
    ],
)
def test_names_follow_tritons_conventions(
    tmp_path: Path, inputs: tuple[str, str], outputs: tuple[str, str]
) -> None:
    """Forward's arguments in any order, an index, or the order of the configuration."""
    config = f"{tensors('input', *inputs)} {tensors('output', *outputs)}"
    model = load(tmp_path, toy_pytorch.script_add_sub(("a", "b")), config)
    a, b = X[0], X[1]
    given = (b, a) if inputs[0] != "left" else (a, b)
    answer = run(model, **dict(zip(inputs, given, strict=True)))
    np.testing.assert_array_equal(answer[outputs[0]], a + b)
    np.testing.assert_array_equal(answer[outputs[1]], a - b)


def test_one_output_of_two_is_enough(tmp_path: Path) -> None:
    config = f"{tensors('input', 'a', 'b')} {tensors('output', 'OUTPUT__1')}"
    model = load(tmp_path, toy_pytorch.script_add_sub(("a", "b")), config)
    answer = run(model, a=X[0], b=X[1])
    assert answer.keys() == {"OUTPUT__1"}
    np.testing.assert_array_equal(answer["OUTPUT__1"], X[0] - X[1])


def test_dictionaries_go_in_and_come_out(tmp_path: Path) -> None:
    code = (
        "def forward(self, d: Dict[str, Tensor]) -> Dict[str, Tensor]:\n"
        '    return {"sum": d["a"] + d["b"], "difference": d["a"] - d["b"]}'
    )
    config = f"{tensors('input', 'b', 'a')} {tensors('output', 'difference', 'sum')}"
    answer = run(load(tmp_path, toy_pytorch.script(code), config), a=X[0], b=X[1])
    np.testing.assert_array_equal(answer["sum"], X[0] + X[1])
    np.testing.assert_array_equal(answer["difference"], X[0] - X[1])


def test_numbers_and_defaults_of_forward(tmp_path: Path) -> None:
    """As silero-vad's ``forward(x, sr: int)``."""
    code = "def forward(self, x, k: int, bias: float = 0.5):\n    return x * k + bias"
    data = toy_pytorch.script(code)
    config = tensors("input", "x") + tensors("input", "k", kind="INT64", dims="[ 1 ]")
    model = load(tmp_path, data, config + tensors("output", "y"))
    answer = run(model, x=X[0], k=np.array([3]))
    np.testing.assert_array_equal(answer["y"], X[0] * 3 + 0.5)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ((), ("y",), r"model\.pt has no datatypes.*no input\. forward takes 'a', 'b'.*name: \"a\""),
        (("a", "b"), (), r"it has no output.*name: \"OUTPUT__0\" data_type"),
        (("a",), ("y",), r"input: forward takes 'a', 'b', the configuration has 'a'; accepted"),
        (("a", "b", "c"), ("y",), "the configuration has 'a', 'b', 'c'"),
        (("IN__0", "IN__2"), ("y",), "the configuration has 'IN__0', 'IN__2'"),
        (("a", "b"), ("y__2",), "output: forward answers 2 tensors.*'y__2'.*index below 2"),
        (("a", "b"), ("u", "v", "w"), "output: forward answers 2 tensors"),
    ],
)
def test_a_configuration_that_does_not_fit_says_what_to_write(
    tmp_path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], message: str
) -> None:
    config = tensors("input", *inputs) + tensors("output", *outputs)
    with pytest.raises(ConfigError, match=f"'toy'.*{message}"):
        load(tmp_path, toy_pytorch.script_add_sub(("a", "b")), config)


@pytest.mark.parametrize("kind", ["List[Tensor]", "str"])
def test_arguments_that_are_no_tensors_are_refused(tmp_path: Path, kind: str) -> None:
    data = toy_pytorch.script(f"def forward(self, x: {kind}):\n    return torch.zeros(1)")
    with pytest.raises(UnsupportedError, match=r"argument 'x' is .*accepted: Tensor"):
        load(tmp_path, data, XY)


# --- TorchScript: answers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x.to(torch.int64)", r"'y' is INT64 \[2, 4\], the configuration says FP32"),
        ("x.to(torch.bfloat16)", r"'y' is torch.bfloat16"),
        ("x.sum(1)", r"'y' is FP32 \[2\], the configuration says FP32 \[-1, 4\]"),
        ("[x]", ""),
    ],
)
def test_the_configuration_is_held_to_its_word(tmp_path: Path, code: str, message: str) -> None:
    model = load(tmp_path, toy_pytorch.script(f"def forward(self, x):\n    return {code}"), XY)
    if not message:
        assert run(model, x=X)["y"].shape == X.shape
        return
    with pytest.raises(InvalidArgumentError, match=f"'toy': output {message}"):
        run(model, x=X)


def test_a_graph_that_writes_in_place_leaves_the_request_alone(tmp_path: Path) -> None:
    data = toy_pytorch.script("def forward(self, x):\n    return x.mul_(2).add_(1)")
    x = X.copy()
    np.testing.assert_array_equal(run(load(tmp_path, data, XY), x=x)["y"], 2 * X + 1)
    np.testing.assert_array_equal(x, X)


def _rememberer() -> bytes:
    """Answers what it was given the time before."""
    import torch  # noqa: PLC0415 (optional)

    class Rememberer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = torch.zeros(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            before = self.last
            self.last = x
            return before

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Rememberer()), buffer)
    return buffer.getvalue()


def test_what_a_model_remembers_is_its_own(tmp_path: Path) -> None:
    """The caller writes the next frame into the same memory, and into the answer."""
    config = tensors("input", "x") + tensors("output", "y")
    instance = load(tmp_path, _rememberer(), config).instance(InstanceGroup(), 0)
    frame, answers = np.zeros(4, np.float32), []
    for number in range(3):
        frame[:] = number + 1
        answer = instance.execute({"x": frame})["y"]
        answers.append(float(answer[0]))
        frame[:] = answer[:] = 99
    assert answers == [0.0, 1.0, 2.0]


def _counter() -> bytes:
    """``n += 1; y = n``: an answer that is the module's own state."""
    import torch  # noqa: PLC0415 (optional)

    class Counter(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("n", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.n.add_(x)
            return self.n

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Counter()), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(("sharing", "second"), [("false", 1.0), ("true", 3.0)])
def test_an_instance_has_its_own_state_unless_weights_are_shared(
    tmp_path: Path, sharing: str, second: float
) -> None:
    config = tensors("input", "x", dims="[ 1 ]") + tensors("output", "y", dims="[ 1 ]")
    config += parameter("ENABLE_WEIGHT_SHARING", sharing)
    model = load(tmp_path, _counter(), config)
    one, two = (model.instance(InstanceGroup(), 0) for _ in range(2))
    x = np.ones(1, np.float32)
    first = one.execute({"x": x})["y"]
    assert one.execute({"x": x})["y"].tolist() == [2.0]
    assert two.execute({"x": x})["y"].tolist() == [second]
    assert first.tolist() == [1.0], "an answer changed afterwards"


def test_an_answer_that_is_a_weight_is_a_copy(tmp_path: Path) -> None:
    def forward(self: Any, x: Any) -> Any:
        return {"y": self.w}

    import torch  # noqa: PLC0415 (optional)

    data = toy_pytorch.package(forward, [torch.zeros(2)], None, {"w": torch.ones(2)})
    instance = load(tmp_path, data, name="model.pt2").instance(InstanceGroup(), 0)
    x = np.zeros(2, np.float32)
    instance.execute({"x": x})["y"][:] = 7
    assert instance.execute({"x": x})["y"].tolist() == [1.0, 1.0]


def test_a_failure_is_told_without_pytorchs_stack(tmp_path: Path) -> None:
    data = toy_pytorch.script('def forward(self, x):\n    raise ValueError("too dark")')
    with pytest.raises(InternalError, match=r"^model 'toy': PyTorch: .*too dark$"):
        run(load(tmp_path, data, XY), x=X)


# --- parameters -----------------------------------------------------------------------------------


def test_each_model_has_its_own_number_of_threads(tmp_path: Path) -> None:
    import torch  # noqa: PLC0415 (optional)

    seen: dict[str, int] = {}

    def work(threads: str) -> None:
        config = XY + parameter("INTRA_OP_THREAD_COUNT", threads)
        model = load(tmp_path / threads, toy_pytorch.script_affine(), config)
        run(model, x=X)
        seen[threads] = torch.get_num_threads()

    def both() -> None:
        work("1")
        work("3")

    thread = threading.Thread(target=both)
    thread.start()
    thread.join(60)
    assert seen == {"1": 1, "3": 3}


def test_optimized_execution_and_inference_mode_can_be_switched_off(tmp_path: Path) -> None:
    import torch  # noqa: PLC0415 (optional)

    seen = []
    for number, settings in enumerate(
        (
            "",
            parameter("DISABLE_OPTIMIZED_EXECUTION", "true") + parameter("INFERENCE_MODE", "false"),
        )
    ):
        directory = tmp_path / str(number)
        model = load(directory, toy_pytorch.script_affine(), XY + settings)
        instance = model.instance(InstanceGroup(), 0)
        module = instance._module

        def spy(x: Any, module: Any = module) -> Any:
            optimized = torch._C._get_graph_executor_optimize()
            seen.append((optimized, torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
            return module(x)

        instance._module = spy
        np.testing.assert_array_equal(instance.execute({"x": X})["y"], 2 * X + 1)
    assert seen == [(True, True, False), (False, False, False)]


@pytest.mark.parametrize("name", ["DISABLE_OPTIMIZED_EXECUTION", "INFERENCE_MODE"])
def test_switches_are_true_or_false(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*one of false, true, got 'maybe'"):
        load(tmp_path, toy_pytorch.script_affine(), XY + parameter(name, "maybe"))


def test_a_later_wish_for_the_common_pool_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch  # noqa: PLC0415 (optional)

    pool = [2]

    def set_once(count: int) -> None:
        if len(pool) > 1:
            raise RuntimeError("cannot set number of interop threads after it was set")
        pool.append(count)

    monkeypatch.setattr(torch, "get_num_interop_threads", lambda: pool[-1])
    monkeypatch.setattr(torch, "set_num_interop_threads", set_once)
    data = toy_pytorch.script_affine()
    with caplog.at_level(logging.WARNING):
        load(tmp_path, data, XY + parameter("INTER_OP_THREAD_COUNT", "3"))
        assert pool == [2, 3]
        assert not caplog.records
        load(tmp_path, data, XY + parameter("INTER_OP_THREAD_COUNT", "4"))
    assert "'INTER_OP_THREAD_COUNT'] is 4, but this process has had its 3" in caplog.text


def test_a_slip_in_a_parameters_name_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(tmp_path, toy_pytorch.script_affine(), XY + parameter("INTRA_OP_THREADS_COUNT", "2"))
    assert "did you mean 'INTRA_OP_THREAD_COUNT'?" in caplog.text


# --- files ----------------------------------------------------------------------------------------


def _zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (_zip("a/data/aotinductor/model/x.so"), UnsupportedError, "AOTInductor.*GIL"),
        (_zip("a/data.pkl", "a/data/0"), InvalidArgumentError, "a checkpoint has weights only"),
    ],
)
def test_archives_that_are_no_programs_say_what_they_are(
    tmp_path: Path, data: bytes, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=rf"model\.pt.*{message}"):
        load(tmp_path, data, XY)


def test_a_package_of_an_older_pytorch_is_known_as_one(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(_zip("version", "serialized_exported_program.json"))
    assert file_kind(path) == "export"


def test_the_files_content_counts_not_its_name(tmp_path: Path) -> None:
    model = load(tmp_path, toy_pytorch.package_affine(), "")
    np.testing.assert_array_equal(run(model, x=X)["y"], 2 * X + 1)


# --- torch.export ---------------------------------------------------------------------------------


def test_a_package_says_how_many_rows_it_takes(tmp_path: Path) -> None:
    import torch  # noqa: PLC0415 (optional)

    def forward(self: Any, x: Any) -> Any:
        return (x + 1, x - 1)

    data = toy_pytorch.package(forward, [torch.zeros(3, 4)], ({0: toy_pytorch.batch(6)},))
    model = load(tmp_path, data, name="model.pt2")
    assert model.signature.batchable
    assert model.signature.max_batch_size == 6
    assert [spec.name for spec in model.signature.outputs] == ["OUTPUT__0", "OUTPUT__1"]
    with pytest.raises(InvalidArgumentError, match=r"'toy': the shapes do not fit.*6"):
        run(model, x=np.zeros((7, 4), np.float32))
    with pytest.raises(ConfigError, match=r"'toy' has max_batch_size 8, .* accepted: 6 or less"):
        load(tmp_path, data, "max_batch_size: 8", name="model.pt2")


def test_a_package_without_a_variable_batch_has_none(tmp_path: Path) -> None:
    model = load(tmp_path, toy_pytorch.package_affine(dims=(2, 4)), name="model.pt2")
    assert not model.signature.batchable
    assert model.signature.inputs[0].dims == (2, 4)
    np.testing.assert_array_equal(run(model, x=X)["y"], 2 * X + 1)


def test_a_packages_arguments_may_be_nested_and_named(tmp_path: Path) -> None:
    import torch  # noqa: PLC0415 (optional)

    def forward(self: Any, Big: Any, pair: Any, scale: float, *, Key: Any) -> Any:
        return Big + pair["p"] * scale + Key, {"q": Big}

    one = torch.zeros(4)
    data = toy_pytorch.package(forward, [one, {"p": one.clone()}, 2.0], Key=one.clone())
    model = load(tmp_path, data, tensors("output", "first", "second"), "model.pt2")
    names = [spec.name for spec in model.signature.inputs]
    assert names == ["Big", "pair_p", "Key"]
    given = {name: np.full(4, 10.0**i, np.float32) for i, name in enumerate(names)}
    answer = run(model, **given)
    assert answer["first"].tolist() == [121.0] * 4
    assert answer["second"].tolist() == [1.0] * 4


def test_outputs_that_a_package_does_not_have_are_refused(tmp_path: Path) -> None:
    config = tensors("output", "y", "z")
    with pytest.raises(ConfigError, match=r"'toy', output: the package answers y, .* has y, z"):
        load(tmp_path, toy_pytorch.package_affine(), config, "model.pt2")
