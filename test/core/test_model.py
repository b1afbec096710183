# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A served version: raw requests, a processor's, and a fan-out's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_backend import (
    TIMEOUT,
    FakeBackend,
    FakeProcessor,
    Gate,
    Outcomes,
    Source,
    fake,
    loaded,
    request,
    row,
    serving,
    value,
)

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import (
    CancelledError,
    InternalError,
    InvalidArgumentError,
    TritonError,
)
from triton_ros.core.request import InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


def processor(config: ModelConfig, model_dir: Path) -> FakeProcessor | None:
    return FakeProcessor() if config.name == "p" else None


@pytest.fixture
def server(tmp_path: Path, backend: FakeBackend) -> Iterator[InferenceServer]:
    one = "instance_group { count: 1 } max_batch_size: 4"
    models = {"p": fake(1, one + " dynamic_batching {}"), "r": fake(2, one)}
    with serving(tmp_path / "models", backend, models, load_processor=processor) as made:
        loaded(made, "p", "r")
        backend.batches.clear()  # of the warm-up
        yield made


def numbers(*values: float, **fields: Any) -> InferenceRequest:
    return InferenceRequest("p", {"VALUES": np.float32(values)}, **fields)


def infer(server: InferenceServer, request: InferenceRequest) -> InferenceResponse:
    return server.infer(request, TIMEOUT)


def test_a_raw_request(server: InferenceServer) -> None:
    tag = object()
    response = infer(server, request("r", 3, rows=2, id="seven", tag=tag))
    assert response.tag is tag
    assert (response.id, response.model_name, response.model_version) == ("seven", "r", 1)
    np.testing.assert_array_equal(response.outputs["y"], row(5, 2))
    assert response.timing.batch_size == 2


def test_a_source_as_raw_input(server: InferenceServer) -> None:
    response = infer(server, InferenceRequest("r", {"x": Source(5, (2, 4))}))
    np.testing.assert_array_equal(response.outputs["y"], row(7, 2))


def test_wanted_outputs(server: InferenceServer) -> None:
    assert set(infer(server, request("r", outputs=("y",))).outputs) == {"y"}
    assert set(infer(server, numbers(1, outputs=("COUNT",))).outputs) == {"COUNT"}
    with pytest.raises(InvalidArgumentError, match="output 'q' for model 'r'; its outputs are y"):
        infer(server, request("r", outputs=("q",)))
    with pytest.raises(
        InvalidArgumentError, match="'q' for model 'p'; its outputs are SUMS, COUNT"
    ):
        infer(server, numbers(1, outputs=("q",)))


@pytest.mark.parametrize("count", [0, 1, 3, 11])
def test_a_processed_request_of_any_number_of_elements(
    server: InferenceServer, backend: FakeBackend, count: int
) -> None:
    response = infer(server, numbers(*range(count)))
    expected = [(v + 1) * 4 for v in range(count)]
    np.testing.assert_array_equal(response.outputs["SUMS"], np.float32(expected))
    assert response.outputs["COUNT"] == count
    assert sum(backend.sizes("p")) == count
    assert all(size <= 4 for size in backend.sizes("p"))


def test_a_processed_model_still_takes_raw_tensors(server: InferenceServer) -> None:
    assert value(infer(server, request("p", 3))) == 4
    described = server.describe("p")
    assert [spec.name for spec in described.interface.inputs] == ["VALUES"]
    assert described.labels == ("cat", "dog")


def test_elements_of_several_requests_share_batches(
    server: InferenceServer, backend: FakeBackend
) -> None:
    gate = backend.on_execute = Gate("p")
    first, second, third = Outcomes(), Outcomes(), Outcomes()
    server.submit(numbers(0), first)
    gate.wait_entered()
    server.submit(numbers(1, 2), second)
    server.submit(numbers(3, 4), third)
    gate.open()
    assert [value(o.one(), "COUNT") for o in (first, second, third)] == [1, 2, 2]
    assert third.one().outputs["SUMS"].tolist() == [16, 20]
    assert backend.sizes("p") == [1, 4]


def test_a_bad_element_fails_its_request_and_no_other(
    server: InferenceServer, backend: FakeBackend
) -> None:
    gate = backend.on_execute = Gate("p")
    first, bad, good = Outcomes(), Outcomes(), Outcomes()
    server.submit(numbers(0), first)
    gate.wait_entered()
    server.submit(numbers(1, np.nan), bad)
    server.submit(numbers(3, 4), good)
    gate.open()
    assert isinstance(bad.one(), InternalError)
    assert "bad pixels" in str(bad.one())
    assert good.one().outputs["SUMS"].tolist() == [16, 20]


@pytest.mark.parametrize("phase", ["prepare", "finish"])
def test_a_processor_that_raises_fails_its_request_only(
    server: InferenceServer, phase: str
) -> None:
    with pytest.raises(InternalError, match=f"model 'p'.*{phase} broke"):
        infer(server, numbers(1, parameters={phase: True}))
    assert infer(server, numbers(1)).outputs["COUNT"] == 1
    server.unload_model("p").result(TIMEOUT)


def test_a_request_that_is_no_request_is_answered_and_holds_nothing(
    server: InferenceServer,
) -> None:
    with pytest.raises(InvalidArgumentError, match="must be an array, got list"):
        infer(server, InferenceRequest("r", {"x": [[1.0]]}))  # type: ignore[dict-item]
    server.unload_model("r").result(TIMEOUT)


# --- replacing a waiting request ----------------------------------------------------------------


def test_a_newer_request_takes_the_place_of_a_waiting_one(
    server: InferenceServer, backend: FakeBackend
) -> None:
    gate = backend.on_execute = Gate("r")
    running, old, new = Outcomes(), Outcomes(), Outcomes()
    held = server.submit(request("r", 1), running)
    gate.wait_entered()
    ticket = server.submit(request("r", 2), old)
    assert held and ticket
    assert server.replace(held, request("r", 3), new) is None
    assert server.replace(ticket, request("p", 3), new) is None, "another model"
    newer = server.replace(ticket, request("r", 3), new)
    assert isinstance(old.one(), CancelledError)
    assert newer
    assert server.replace(ticket, request("r", 4), new) is None
    assert not new.values
    gate.open()
    assert value(running.one()) == 3
    assert value(new.one()) == 5
    server.unload_model("r").result(TIMEOUT)


@pytest.mark.parametrize(
    "parameters_or_inputs",
    [{"parameters": {"prepare": True}}, {"outputs": ("q",)}],
)
def test_a_replacement_that_cannot_be_used_leaves_the_old_one(
    server: InferenceServer, backend: FakeBackend, parameters_or_inputs: dict[str, Any]
) -> None:
    gate = backend.on_execute = Gate("p")
    running, old, new = Outcomes(), Outcomes(), Outcomes()
    server.submit(numbers(0), running)
    gate.wait_entered()
    ticket = server.submit(numbers(5), old)
    assert ticket
    assert server.replace(ticket, numbers(1, **parameters_or_inputs), new) is None
    assert server.replace(ticket, numbers(1, 2), new) is None, "two elements in one's place"
    gate.open()
    assert old.one().outputs["SUMS"].tolist() == [24]
    assert not new.values
    server.unload_model("p").result(TIMEOUT)


def test_a_ticket_of_a_closed_model_holds_nothing(
    server: InferenceServer, backend: FakeBackend
) -> None:
    done = Outcomes()
    ticket = server.submit(request("r", 1), done)
    assert ticket
    assert value(done.one()) == 3
    server.unload_model("r").result(TIMEOUT)
    assert server.replace(ticket, request("r", 2), done) is None
    assert "r" not in server._lifecycle._leases.users()


# --- what a backend must be spared ----------------------------------------------------------------


def test_inputs_of_any_layout_arrive_contiguous(
    server: InferenceServer, backend: FakeBackend
) -> None:
    flags: list[bool] = []
    backend.on_execute = lambda model, inputs: flags.append(inputs["x"].flags.c_contiguous)
    x = np.arange(32, dtype=np.float32).reshape(4, 8)[::2, ::2]
    response = infer(server, InferenceRequest("r", {"x": x}))
    np.testing.assert_array_equal(response.outputs["y"], x + 2)
    assert flags == [True]


def test_errors_are_the_trees(server: InferenceServer, backend: FakeBackend) -> None:
    def crash(*_: Any) -> None:
        raise ZeroDivisionError("of the runtime")

    backend.on_execute = crash
    with pytest.raises(TritonError, match="model 'r' failed: of the runtime"):
        infer(server, request("r"))
