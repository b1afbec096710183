# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ensembles: the plan, the run, fan-out, and models that are exchanged under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_backend import (
    CHAIN,
    FANNED,
    TIMEOUT,
    FakeBackend,
    FakeProcessor,
    Gate,
    Outcomes,
    Source,
    ensemble,
    fake,
    loaded,
    row,
    serving,
    step,
    value,
)
from toy_models import Toy, write_repository

from triton_ros.core.errors import (
    CancelledError,
    InternalError,
    InvalidArgumentError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer

Serve = Callable[..., InferenceServer]


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def serve(tmp_path: Path, backend: FakeBackend) -> Iterator[Serve]:
    """Servers over models a (+1), b (+10) and c (+100), and the given ones."""
    servers: list[InferenceServer] = []

    def build(**models: Toy) -> InferenceServer:
        one = "instance_group { count: 1 } max_batch_size: 4 dynamic_batching {}"
        plain = {"a": fake(1, one), "b": fake(10, one), "c": fake(100, one)}
        options = {
            "load_processor": lambda config, _: FakeProcessor() if config.name == "c" else None
        }
        servers.append(serving(tmp_path / "models", backend, {**plain, **models}, **options))
        return servers[-1]

    yield build
    for server in servers:
        assert server.close(TIMEOUT) == ()


def ask(name: str = "e", number: float = 0, rows: int = 1, **fields: Any) -> InferenceRequest:
    return InferenceRequest(name, {"X": row(number, rows)}, **fields)


def infer(server: InferenceServer, request: InferenceRequest) -> InferenceResponse:
    return server.infer(request, TIMEOUT)


def refused(server: InferenceServer, name: str = "e") -> str:
    with pytest.raises(TritonError) as caught:
        loaded(server, name)
    return str(caught.value)


# --- the plan -----------------------------------------------------------------------------------

AB = step("a", "x:X", "y:M"), step("b", "x:M", "y:Y")


@pytest.mark.parametrize(
    ("toy", "message"),
    [
        (ensemble(step("a", "z:X", "y:Y")), "non-existing input z in model a; it has x"),
        (ensemble(step("a", "x:X", "y:M")), "ensemble output 'Y' for ensemble e' is not used"),
        (ensemble(step("e", "x:X", "y:Y")), "circular dependency between ensembles: e -> "),
        (ensemble(step("nowhere", "x:X", "y:Y")), "model 'nowhere' is not in the model repository"),
        (ensemble(step("a", "x:X", "y:Y", "model_version: 7")), "version 7 is not found"),
    ],
)
def test_a_plan_that_cannot_run_is_refused_at_load(serve: Serve, toy: Toy, message: str) -> None:
    assert message in refused(serve(e=toy))


@pytest.mark.parametrize("first", ["e", "f"])
def test_ensembles_in_a_circle(serve: Serve, first: str) -> None:
    server = serve(
        e=ensemble(step("f", "X:X", "Y:Y")),
        f=ensemble(step("g", "X:X", "Y:Y")),
        g=ensemble(step("e", "X:X", "Y:Y")),
    )
    assert "circle" in refused(server, first)
    assert "circle" in refused(server, first), "and the next attempt says so too"


def test_ensembles_in_a_circle_loaded_from_both_ends(serve: Serve) -> None:
    server = serve(e=ensemble(step("f", "X:X", "Y:Y")), f=ensemble(step("e", "X:X", "Y:Y")))
    for _ in range(20):
        futures = [server.load_model(name) for name in ("e", "f", "e", "f")]
        for future in futures:
            assert "circle" in str(future.exception(TIMEOUT))


# --- the run ------------------------------------------------------------------------------------


def test_steps_in_a_row(serve: Serve) -> None:
    server = serve(e=CHAIN)
    loaded(server, "e")
    assert server.model_ready("a"), "an ensemble loads the models of its steps"
    response = infer(server, ask(number=5, id="i", tag="t"))
    assert value(response, "Y") == 16
    assert (response.model_name, response.id, response.tag) == ("e", "i", "t")
    assert response.timing.compute_infer_ns > 0
    assert server.describe("e").statistics.success.count == 1


def test_steps_are_ordered_by_their_tensors_not_by_the_file(serve: Serve) -> None:
    server = serve(e=ensemble(*reversed(AB)))
    loaded(server, "e")
    assert value(infer(server, ask()), "Y") == 11


def test_branches_side_by_side_and_joined_answers(serve: Serve, backend: FakeBackend) -> None:
    toy = ensemble(
        step("a", "x:X", "y:A"),
        step("b", "x:X", "y:B"),
        step("a", "x:B", "y:C"),
        outputs="A B C",
    )
    server = serve(e=toy)
    loaded(server, "e")
    gate = backend.on_execute = Gate("a", "b")
    done = Outcomes()
    server.submit(ask(), done)
    gate.wait_entered(2)
    gate.open()
    assert [value(done.one(), name) for name in "ABC"] == [1, 10, 11]
    assert set(infer(server, ask(outputs=("C",))).outputs) == {"C"}


def test_nested_ensembles(serve: Serve) -> None:
    server = serve(e=ensemble(step("f", "X:X", "Y:M"), step("a", "x:M", "y:Y")), f=CHAIN)
    loaded(server, "e")
    assert value(infer(server, ask()), "Y") == 12
    server.unload_model("b").result(TIMEOUT)
    assert not server.model_ready("e")


def test_an_input_may_be_an_output(serve: Serve) -> None:
    server = serve(e=ensemble(*AB, outputs="Y X"))
    loaded(server, "e")
    assert value(infer(server, ask(number=4)), "X") == 4
    bad = InferenceRequest("e", {"X": Source(ValueError("bad pixels"), (1, 4))}, outputs=("X",))
    with pytest.raises(InternalError, match="bad pixels"):
        infer(server, bad)
    server.unload_model("e").result(TIMEOUT)


def test_a_failing_step_fails_the_request_and_holds_nothing(
    serve: Serve, backend: FakeBackend
) -> None:
    server = serve(e=CHAIN)
    loaded(server, "e")

    def fail(model: Any, inputs: Any) -> None:
        if model.name == "b":
            raise RuntimeError("boom")

    backend.on_execute = fail
    with pytest.raises(InternalError, match="in ensemble 'e', model 'b' failed: boom"):
        infer(server, ask())
    assert server.describe("e").statistics.fail.count == 1
    for name in ("e", "a", "b"):
        server.unload_model(name).result(TIMEOUT)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"X": np.zeros((1, 5), np.float32)}, "unexpected shape for input 'X'"),
        ({"Z": row()}, "unexpected inference input 'Z'"),
        ({"X": "picture"}, "must be an array, got str"),
    ],
)
def test_requests_are_checked(serve: Serve, inputs: Any, message: str) -> None:
    server = serve(e=CHAIN)
    loaded(server, "e")
    with pytest.raises(InvalidArgumentError) as caught:
        infer(server, InferenceRequest("e", inputs))
    assert message in str(caught.value)
    server.unload_model("e").result(TIMEOUT)


def test_a_processor_as_a_step(serve: Serve) -> None:
    config = """platform: "ensemble"
    input { name: "V" data_type: TYPE_FP32 dims: -1 }
    output { name: "S" data_type: TYPE_FP32 dims: -1 }
    ensemble_scheduling { step { model_name: "c" input_map { key: "VALUES" value: "V" }
      output_map { key: "SUMS" value: "S" } } }"""
    server = serve(e=Toy(config=config))
    loaded(server, "e")
    response = infer(server, InferenceRequest("e", {"V": np.float32([1, 2])}))
    assert response.outputs["S"].tolist() == [404, 408]
    broken = InferenceRequest("e", {"V": np.float32([1])}, parameters={"prepare": True})
    with pytest.raises(InternalError, match=r"in ensemble 'e', .*prepare broke"):
        infer(server, broken)
    server.unload_model("e").result(TIMEOUT)
    server.unload_model("c").result(TIMEOUT)


# --- fan-out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 4, 23])
def test_any_number_of_rows(serve: Serve, backend: FakeBackend, count: int) -> None:
    server = serve(e=FANNED)
    loaded(server, "e")
    backend.batches.clear()
    x = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
    response = infer(server, InferenceRequest("e", {"X": x}))
    np.testing.assert_array_equal(response.outputs["Y"], x + 11)
    assert response.outputs["Y"].dtype == np.float32
    for name in "ab":
        assert sum(backend.sizes(name)) == count
        assert max(backend.sizes(name), default=0) <= 4


def test_rows_of_several_requests_share_batches(serve: Serve, backend: FakeBackend) -> None:
    server = serve(e=FANNED)
    loaded(server, "e")
    backend.batches.clear()
    gate = backend.on_execute = Gate("a")
    outcomes = [Outcomes() for _ in range(4)]
    server.submit(ask(number=0), outcomes[0])
    gate.wait_entered()
    for number in (1, 2, 3):
        server.submit(ask(number=number, rows=number), outcomes[number])
    gate.open()
    for number, done in enumerate(outcomes):
        answer = done.one()
        assert value(answer, "Y") == number + 11
        assert len(answer.outputs["Y"]) == max(number, 1)
    assert backend.sizes("a") == [1, 4, 2]


def test_cancelled_rows_leave_the_queue(serve: Serve, backend: FakeBackend) -> None:
    server = serve(e=FANNED)
    loaded(server, "e")
    backend.batches.clear()
    gate = backend.on_execute = Gate("a")
    done, token = Outcomes(), Cancellation()
    server.submit(ask(rows=12, cancellation=token), done)
    gate.wait_entered()
    token.cancel()
    gate.open()
    outcome = done.one()
    assert isinstance(outcome, CancelledError)
    assert str(outcome) == "in ensemble 'e', request was cancelled"
    assert sum(backend.sizes("a")) <= 4, "only what had begun"
    assert backend.sizes("b") == []


def test_rows_are_checked_before_they_join_a_batch(serve: Serve, backend: FakeBackend) -> None:
    config = f"""platform: "ensemble"
    input {{ name: "X" data_type: TYPE_FP32 dims: [-1, -1] }}
    output {{ name: "Y" data_type: TYPE_FP32 dims: [-1, 4] }}
    ensemble_scheduling {{ {step("a", "x:X", "y:Y")} }}
    parameters {{ key: "fan_out" value {{ string_value: "a" }} }}"""
    server = serve(e=Toy(config=config))
    loaded(server, "e")
    backend.batches.clear()
    with pytest.raises(InvalidArgumentError, match=r"in ensemble 'e', .*input 'x'"):
        infer(server, InferenceRequest("e", {"X": np.zeros((3, 3), np.float32)}))
    assert backend.sizes("a") == []
    server.unload_model("e").result(TIMEOUT)


# --- exchanged models ---------------------------------------------------------------------------


def test_a_step_that_is_unloaded_and_back(serve: Serve) -> None:
    server = serve(e=CHAIN)
    loaded(server, "e")
    server.unload_model("b").result(TIMEOUT)
    assert not server.model_ready("e")
    states = {entry.name: (entry.state.value, entry.reason) for entry in server.repository_index()}
    assert states["e"] == ("UNAVAILABLE", "a model of its steps is not ready")
    with pytest.raises(UnavailableError, match=r"in ensemble 'e', .*'b' is not at ready state"):
        infer(server, ask())
    loaded(server, "b")
    assert server.model_ready("e")
    assert value(infer(server, ask()), "Y") == 11


def test_a_running_request_keeps_the_models_it_started_with(
    serve: Serve, backend: FakeBackend, tmp_path: Path
) -> None:
    server = serve(e=CHAIN)
    loaded(server, "e")
    old = next(model for model in backend.models if model.name == "b")
    gate = backend.on_execute = Gate("a")
    done = Outcomes()
    server.submit(ask(), done)
    gate.wait_entered()
    write_repository(tmp_path / "models", {"b": fake(1000)})
    loaded(server, "b")
    assert not old.finalized
    backend.on_execute = lambda model, inputs: None
    assert value(infer(server, InferenceRequest("b", {"x": row()}))) == 1000
    gate.open()
    assert value(done.one(), "Y") == 11, "b as it was when the request started"
    assert old.gone.wait(TIMEOUT)
    assert value(infer(server, ask()), "Y") == 1001
