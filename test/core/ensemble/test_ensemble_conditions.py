# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a step gets, and whether it runs: conditions, absent tensors, batch dims."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_backend import Source
from fake_ensemble import ToyModel, a_config, a_step, adder, an_ensemble, ask, num, numbers, run

from triton_ros.core.errors import InternalError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.tensor import materialize

# --- absence and conditions -----------------------------------------------------------------------


def conditional(**fields: Any) -> Any:
    """Y = b(X) only if g says so; Z = c(Y), which needs it."""
    return an_ensemble(
        a_step("g", "x:X", "ok"),
        a_step("b", "x:X", "y:Y", run_if="ok"),
        a_step("c", "x:Y", "y:Z"),
        outputs="Y Z",
        **fields,
    )


@pytest.mark.parametrize(
    ("ok", "runs"),
    [
        (np.array([True]), True),
        (np.array([1.5, -1]), True),
        (np.array([b"yes"], np.object_), True),
        (np.array(["yes"]), True),
        (np.array([False]), False),
        (np.array([1, 0]), False),
        (np.array([b"yes", b""], np.object_), False),
        (np.array(["", "yes"]), False),
        (np.zeros((0, 4)), False),
    ],
)
def test_a_step_runs_only_if_its_condition_holds(ok: Any, runs: bool) -> None:
    gate = ToyModel(a_config("g", "x", "ok"), lambda request: {"ok": ok})
    b, c = adder("b", 1), adder("c", 10)
    response = run(conditional(), [gate, b, c], ask())
    assert numbers(response) == ({"Y": 1, "Z": 11} if runs else {})
    assert len(b.requests) == len(c.requests) == int(runs)


def test_a_condition_that_is_not_answered() -> None:
    gate = ToyModel(a_config("g", "x", "ok"), lambda request: {})
    outcome = run(conditional(), [gate, adder("b", 1), adder("c", 1)], ask())
    assert isinstance(outcome, InternalError)
    assert "model 'g' did not answer 'ok'" in str(outcome)


def test_a_condition_that_cannot_be_made() -> None:
    config = an_ensemble(a_step("a", "x:X", "y:Y", run_if="C"), inputs="X C:FP32:4")
    request = InferenceRequest("E", {"X": num(1), "C": Source(ValueError("bad pixels"))})
    outcome = run(config, [adder("a", 1)], request)
    assert "in ensemble 'E', condition 'C' failed: ValueError('bad pixels')" in str(outcome)


def test_an_optional_input_that_is_not_given() -> None:
    """`a` may do without it, `b` cannot: its output is left out."""
    config = an_ensemble(
        a_step("a", "x:X z:O", "y:Y"),
        a_step("b", "x:O", "y:Z"),
        inputs="X O?",
        outputs="Y Z",
    )
    models = [adder("a", 1, "x z?"), adder("b", 1)]
    assert numbers(run(config, models, ask(5))) == {"Y": 6}
    assert set(models[0].requests[0].inputs) == {"x"}
    assert models[1].requests == []
    given = InferenceRequest("E", {"X": num(5), "O": num(2)})
    assert numbers(run(config, models, given)) == {"Y": 8, "Z": 3}


def test_an_output_that_a_step_does_not_answer() -> None:
    silent = ToyModel(a_config("a", "x", "y"), lambda request: {})
    optional = adder("b", 10, "x? z")
    config = an_ensemble(a_step("a", "x:X", "y:M"), a_step("b", "x:M z:X", "y:Y"))
    assert numbers(run(config, [silent, optional], ask(1))) == {"Y": 11}
    required = adder("b", 10, "x z")
    outcome = run(config, [silent, required], ask(1))
    assert isinstance(outcome, InternalError)
    assert str(outcome) == (
        "in ensemble 'E', no step answered output 'Y': model 'a' did not answer 'y'"
    )
    assert required.requests == []


def test_a_step_that_would_not_have_run_anyway_is_no_failure() -> None:
    """It lacks what `a` did not answer, but what the caller did not give as well."""
    silent = ToyModel(a_config("a", "x", "y"), lambda request: {})
    config = an_ensemble(a_step("a", "x:X", "y:M"), a_step("b", "x:M z:O", "y:Y"), inputs="X O?")
    assert numbers(run(config, [silent, adder("b", 1, "x z")], ask())) == {}


# --- batch dims -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ensemble_batch", "model_batch", "given", "seen"),
    [(0, 8, (4,), (1, 4)), (8, 0, (1, 4), (4,)), (8, 8, (1, 4), (1, 4)), (0, 0, (4,), (4,))],
)
@pytest.mark.parametrize("source", [False, True])
def test_a_batch_dim_is_added_or_dropped(
    ensemble_batch: int, model_batch: int, given: Any, seen: Any, source: bool
) -> None:
    shapes = []

    def compute(request: InferenceRequest) -> Any:
        value = request.inputs["x"]
        shapes.append(tuple(value.shape))
        return {"y": materialize(value) + 1}

    model = ToyModel(a_config("a", "x::4", "y::4", max_batch_size=model_batch), compute)
    config = an_ensemble(
        a_step("a", "x:X", "y:Y"), inputs="X::4", outputs="Y::4", max_batch_size=ensemble_batch
    )
    value: Any = Source(7, given) if source else np.full(given, 7, np.float32)
    response = run(config, [model], InferenceRequest("E", {"X": value}))
    assert shapes == [seen]
    np.testing.assert_array_equal(response.outputs["Y"], np.full(given, 8))
