# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A request's way through the graph: order, absence, conditions, cancellation, deadlines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_ensemble import (
    FakeClock,
    ToyModel,
    a_config,
    a_step,
    adder,
    an_ensemble,
    ask,
    holder,
    num,
    numbers,
    served,
)

from triton_ros.core.errors import (
    CancelledError,
    InternalError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.request import Cancellation, InferenceRequest

CHAIN = an_ensemble(a_step("a", "x:X", "y:M"), a_step("b", "x:M", "y:Y"))


def run(config: Any, models: Any, request: InferenceRequest, **options: Any) -> Any:
    """The one outcome; every model is given back."""
    outcomes: list[Any] = []
    ensemble, shelf = served(config, models, **options)
    ensemble.submit(request, outcomes.append)
    assert len(outcomes) == 1
    assert shelf.complete
    return outcomes[0]


def test_steps_in_a_row() -> None:
    response = run(CHAIN, [adder("a", 1), adder("b", 10)], ask(5, id="i", tag="t"))
    assert numbers(response) == {"Y": 16}
    assert (response.model_name, response.id, response.tag) == ("E", "i", "t")
    assert response.timing.compute_infer_ns == 6
    assert response.final


def test_steps_side_by_side_start_together_and_join() -> None:
    config = an_ensemble(
        a_step("a", "x:X", "y:A"), a_step("b", "x:X", "y:B"), a_step("c", "p:A q:B", "y:Y")
    )
    a, b, c = holder("a"), holder("b"), adder("c", 0, "p q")
    ensemble, shelf = served(config, [a, b, c])
    outcomes: list[Any] = []
    ensemble.submit(ask(), outcomes.append)
    assert len(a.held) == len(b.held) == 1
    b.answer(0, {"y": num(2)})
    assert not outcomes
    a.answer(0, {"y": num(1)})
    assert numbers(outcomes[0]) == {"Y": 3}
    assert shelf.complete


def test_steps_that_lead_to_no_wanted_output_are_left_out() -> None:
    config = an_ensemble(
        a_step("a", "x:X", "y:A"),
        a_step("b", "x:A", "y:B"),
        a_step("c", "x:A", "y:C"),
        outputs="B C",
    )
    models = [adder("a", 1), adder("b", 10), adder("c", 100)]
    assert numbers(run(config, models, ask(outputs=("B",)))) == {"B": 11}
    assert [len(model.requests) for model in models] == [1, 1, 0]
