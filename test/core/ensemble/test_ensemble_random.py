# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Random graphs with random conditions, beside a recursive evaluation of the same graph.

Each step adds up what it is given, plus its own number.  It may be conditional, may do without
some inputs, may fail, and answers in a random order among all that run, possibly with a limit on
requests in a step.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest
from fake_backend import Outcomes
from fake_ensemble import ToyModel, a_config, a_step, an_ensemble, num, numbers, served
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_ros.core.errors import InternalError
from triton_ros.core.request import InferenceRequest, InferenceResponse

INPUTS = ("I0", "I1", "I2")


@dataclass(frozen=True)
class RandomStep:
    """`inputs` are tensors, `optional` says of each whether the step can do without it."""

    inputs: tuple[str, ...]
    optional: tuple[bool, ...]
    run_if: str


@st.composite
def graphs(draw: Any) -> list[RandomStep]:
    steps: list[RandomStep] = []
    for _ in range(draw(st.integers(1, 7))):
        known = [*INPUTS, *(f"T{i}" for i in range(len(steps)))]
        inputs = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        optional = draw(st.lists(st.booleans(), min_size=len(inputs), max_size=len(inputs)))
        run_if = draw(st.sampled_from(["", "", *known]))
        steps.append(RandomStep(tuple(inputs), tuple(optional), run_if))
    return steps


def models_of(steps: list[RandomStep]) -> list[ToyModel]:
    return [
        ToyModel(
            a_config(
                f"m{i}",
                " ".join(f"i{k}{'?' if o else ''}" for k, o in enumerate(step.optional)),
                "y",
            )
        )
        for i, step in enumerate(steps)
    ]


def config_of(steps: list[RandomStep], order: list[int], limit: int) -> Any:
    """All steps in a random order of the file; every tensor is an output."""
    made = [
        a_step(
            f"m{i}",
            " ".join(f"i{k}:{tensor}" for k, tensor in enumerate(steps[i].inputs)),
            f"y:T{i}",
            run_if=steps[i].run_if,
        )
        for i in order
    ]
    outputs = " ".join(f"T{i}" for i in range(len(steps)))
    return an_ensemble(
        *made,
        inputs=" ".join(f"{name}?" for name in INPUTS),
        outputs=outputs,
        max_inflight_requests=limit,
    )


def summed(index: int, inputs: dict[str, Any]) -> Any:
    """What step `index` answers: small numbers, so that conditions fail now and then."""
    return num((sum(float(value[0]) for value in inputs.values()) + index) % 3)


def expected(
    steps: list[RandomStep], inputs: dict[str, float], wanted: list[str]
) -> tuple[dict[str, float], set[int]]:
    """The wanted outputs, and the steps that run for them."""
    ran: set[int] = set()

    @cache
    def value(name: str) -> float | None:
        if name.startswith("I"):
            return inputs.get(name)
        index = int(name[1:])
        step = steps[index]
        given = [value(tensor) for tensor in step.inputs]
        condition = value(step.run_if) if step.run_if else 1.0
        if not condition:
            return None
        if any(v is None and not o for v, o in zip(given, step.optional, strict=True)):
            return None
        ran.add(index)
        return float(np.float32((sum(v for v in given if v is not None) + index) % 3))

    found = {name: value(name) for name in wanted}
    return {name: v for name, v in found.items() if v is not None}, ran


values = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([0.0, 1.0, 2.0]) for name in INPUTS}
)


@settings(max_examples=150, deadline=None)
@given(
    graphs(), st.lists(values, min_size=1, max_size=4), st.integers(0, 2), st.randoms(), st.data()
)
def test_as_a_recursive_evaluation(
    steps: list[RandomStep], requests: list[dict[str, float]], limit: int, random: Random, data: Any
) -> None:
    models = models_of(steps)
    order = data.draw(st.permutations(range(len(steps))))
    names = [f"T{i}" for i in range(len(steps))]
    wanted = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    ensemble, shelf = served(config_of(steps, order, limit), models)
    outcomes: list[list[Any]] = [[] for _ in requests]
    for index, inputs in enumerate(requests):
        tensors = {name: num(v) for name, v in inputs.items()}
        request = InferenceRequest("E", tensors, outputs=tuple(wanted), id=str(index))
        ensemble.submit(request, outcomes[index].append)
    while busy := [(i, model) for i, model in enumerate(models) if model.held]:
        assert not limit or max(len(model.held) for _, model in busy) <= limit
        index, model = random.choice(busy)
        at = random.randrange(len(model.held))
        model.answer(at, {"y": summed(index, dict(model.held[at][0].inputs))})
    for index, inputs in enumerate(requests):
        (outcome,) = outcomes[index]
        found, ran = expected(steps, inputs, wanted)
        assert numbers(outcome) == found
        assert {i for i, m in enumerate(models) if str(index) in [r.id for r in m.requests]} == ran
    assert shelf.complete
    assert ensemble.pending == 0


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 2), st.integers(0, 6), st.randoms())
def test_one_outcome_whatever_fails(
    steps: list[RandomStep], limit: int, broken: int, random: Random
) -> None:
    models = models_of(steps)
    ensemble, shelf = served(config_of(steps, list(range(len(steps))), limit), models)
    outcomes: list[list[Any]] = [[] for _ in range(4)]
    inputs = {name: num(1) for name in INPUTS}
    for done in outcomes:
        ensemble.submit(InferenceRequest("E", inputs), done.append)
    while busy := [(i, model) for i, model in enumerate(models) if model.held]:
        index, model = random.choice(busy)
        failed = index == broken and random.random() < 0.5
        model.answer(
            random.randrange(len(model.held)),
            InternalError("broken") if failed else {"y": num(random.choice([0, 1]))},
        )
    for (outcome,) in outcomes:
        if not isinstance(outcome, InferenceResponse):
            assert str(outcome) == "in ensemble 'E', broken"
    assert shelf.complete
    assert ensemble.pending == 0


def on_threads(name: str, inputs: str, pool: ThreadPoolExecutor) -> ToyModel:
    """Answers the sum of its inputs, from the pool."""
    toy = ToyModel(a_config(name, inputs, "y"))

    def submit(request: InferenceRequest, done: Any, **_: Any) -> None:
        total = num(sum(float(value[0]) for value in request.inputs.values()))
        pool.submit(done, InferenceResponse(name, 1, {"y": total}))

    toy.submit = submit  # type: ignore[method-assign,assignment]
    return toy


@pytest.mark.parametrize("limit", [0, 3])
def test_from_many_threads_at_once(limit: int) -> None:
    """A diamond whose branches arrive together."""
    config = an_ensemble(
        a_step("a", "x:X", "y:A"),
        a_step("b", "x:X", "y:B"),
        a_step("c", "p:A q:B", "y:Y"),
        max_inflight_requests=limit,
    )
    with ThreadPoolExecutor(4) as pool:
        models = [on_threads(n, i, pool) for n, i in (("a", "x"), ("b", "x"), ("c", "p q"))]
        ensemble, shelf = served(config, models)
        done = Outcomes()
        for number in range(400):
            ensemble.submit(InferenceRequest("E", {"X": num(number)}), done)
        found = sorted(numbers(outcome)["Y"] for outcome in done.wait(400))
    assert found == [2.0 * number for number in range(400)]
    assert len(done.values) == 400
    assert shelf.complete
    assert ensemble.pending == 0
