# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is refused when an ensemble is loaded, in Triton's words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fake_ensemble import a_config, a_step, an_ensemble, spec

from triton_ros.core.ensemble.ensemble_plan import check_circle, check_plan, is_decoupled
from triton_ros.core.errors import ConfigError
from triton_ros.core.model import Interface


def model(name: str, inputs: str = "x", outputs: str = "y", **fields: Any) -> Any:
    config = a_config(name, inputs, outputs, **fields)
    return SimpleNamespace(name=name, config=config, interface=Interface.of(config))


def check(config: Any, *models: Any) -> None:
    check_plan(config, {m.name: m for m in models})


def refused(config: Any, *models: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        check(config, *models)
    return str(caught.value)


A, B = model("a"), model("b")
AB = a_step("a", "x:X", "y:M"), a_step("b", "x:M", "y:Y")


def test_a_plan_that_can_run() -> None:
    check(an_ensemble(*AB), A, B)
    check(an_ensemble(*reversed(AB)), A, B)
    check(an_ensemble(*AB, outputs="Y X M"), A, B)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            an_ensemble(a_step("", "x:X", "y:Y")),
            "must specify 'model_name' in step 0 of ensemble 'E'",
        ),
        (
            an_ensemble(AB[0], a_step("b", "", "y:Y")),
            "must specify 'input_map' in step 1 of ensemble 'E'",
        ),
        (
            an_ensemble(AB[0], a_step("b", "x:M", "")),
            "must specify 'output_map' in step 1 of ensemble 'E'",
        ),
        (
            an_ensemble(*AB, a_step("b", "x:X", "y:Y")),
            "ensemble tensor 'Y' can appear in an output map only once for ensemble 'E' step 2",
        ),
        (
            an_ensemble(a_step("a", "x:X", "y:X"), outputs="X"),
            "ensemble tensor 'X' is an input of ensemble 'E' and cannot appear in an output map",
        ),
        (
            an_ensemble(*AB, inputs="X data_2"),
            "ensemble input 'data_2' for ensemble E' is not used",
        ),
        (
            an_ensemble(*AB, outputs="Y prob_2"),
            "ensemble output 'prob_2' for ensemble E' is not used",
        ),
        (
            an_ensemble(*AB, a_step("a", "x:nowhere", "y:Z"), outputs="Y Z"),
            "output 'Z' for ensemble 'E' is not written: at least one of its depending tensors,"
            " 'nowhere', is not connected; nothing makes 'nowhere', there are M, X, Y",
        ),
        (
            an_ensemble(*AB, a_step("a", "x:Z", "y:Z")),
            "ensemble tensor 'Z' is unused in ensemble 'E': steps wait for each other over Z",
        ),
        (
            an_ensemble(*AB, a_step("a", "x:P", "y:Q"), a_step("a", "x:Q", "y:P")),
            "ensemble tensor 'Q' is unused in ensemble 'E'",
        ),
        (
            an_ensemble(*AB, a_step("a", "x:X", "y:Z")),
            "ensemble tensor 'Z' is unused in ensemble 'E': nothing takes it",
        ),
        (
            an_ensemble(AB[0], a_step("b", "x:M", "y:Y", run_if="nowhere")),
            "output 'Y' for ensemble 'E' is not written: at least one of its depending tensors,"
            " 'nowhere', is not connected",
        ),
        (
            an_ensemble(a_step("a", "x:X", "y:Y"), a_step("c", "x:X", "y:Z"), outputs="Y Z"),
            "ensemble E contains models that are not available or ambiguous: c",
        ),
        (
            an_ensemble(a_step("a", "q:X", "y:Y")),
            "in ensemble E, ensemble tensor X is mapping to non-existing input q in model a",
        ),
        (
            an_ensemble(a_step("a", "x:X", "q:Y")),
            "in ensemble E, ensemble tensor Y is mapped from non-existing output q in model a",
        ),
    ],
)
def test_graphs_and_names(config: Any, message: str) -> None:
    assert message in refused(config, A, B)


def test_a_condition_uses_its_tensor() -> None:
    gate = model("g", outputs="ok")
    check(an_ensemble(a_step("g", "x:X", "ok"), a_step("a", "x:X", "y:Y", run_if="ok")), gate, A)


def test_an_input_that_is_not_mapped() -> None:
    config = an_ensemble(a_step("two", "x:X", "y:Y"))
    assert "in ensemble E, input z in model two is not mapped to any ensemble tensors" in refused(
        config, model("two", "x z")
    )
    check(config, model("two", "x z?"))


@pytest.mark.parametrize(
    ("made", "taken", "message"),
    [
        ("y", "x", ""),
        ("y", "x:INT32", "data type: TYPE_FP32 is inferred from model a while TYPE_INT32 is"
         " inferred from model b"),
        ("y:BYTES", "x:BOOL", "data type: TYPE_STRING is inferred"),
        ("y::16", "x::16,16,16", "shape: [16] is inferred from model a while [16,16,16] is"
         " inferred from model b"),
        ("y::16,3", "x::-1,3", ""),
        ("y::16,3", "x::-1,4", "shape: [16,3] is inferred"),
    ],
)  # fmt: skip
def test_makers_and_takers_agree(made: str, taken: str, message: str) -> None:
    models = model("a", outputs=made), model("b", taken)
    if message:
        text = refused(an_ensemble(*AB), *models)
        assert f"in ensemble E, ensemble tensor M: inconsistent {message}" in text
    else:
        check(an_ensemble(*AB), *models)


@pytest.mark.parametrize(
    ("made", "taken", "fine"),
    [
        (("y::4", 8), ("x::4", 8), True),
        (("y::4", 0), ("x::4", 8), True),  # a batch dim of 1 is put in front
        (("y::4", 8), ("x::4", 0), True),
        (("y::-1,4", 0), ("x::4", 8), True),  # with the batch dim they agree
        (("y::4", 8), ("x::-1,4", 0), True),
        (("y::2,4", 0), ("x::4", 8), True),
        (("y::2,4,4", 0), ("x::4", 8), False),
        (("y::4", 8), ("x::5", 0), False),
    ],
)
def test_models_with_and_without_a_batch_dim(made: Any, taken: Any, fine: bool) -> None:
    a = model("a", outputs=made[0], max_batch_size=made[1])
    b = model("b", taken[0], max_batch_size=taken[1])
    if fine:
        check(an_ensemble(*AB), a, b)
    else:
        assert "inconsistent shape" in refused(an_ensemble(*AB), a, b)


def test_the_batch_size_of_every_step() -> None:
    config = an_ensemble(*AB, max_batch_size=3)
    a, b = model("a", max_batch_size=3), model("b", max_batch_size=2)
    assert refused(config, a, b) == (
        "ensemble E allows maximum batch size 3, but it contains model b which only allows"
        " maximum batch size to be 2"
    )
    check(config, a, model("b"))
    spread = an_ensemble(AB[0], a_step("b", "x:M", "y:Y", fan_out=True), max_batch_size=3)
    check(spread, a, b)


def test_fan_out_counts_elements_in_the_first_dim() -> None:
    config = an_ensemble(
        a_step("a", "x:X", "y:Y", fan_out=True), inputs="X::-1,1", outputs="Y::-1,1"
    )
    check(config, A)
    check(config, model("a", max_batch_size=4))
    flat = an_ensemble(*config.ensemble)
    assert "shape: [1] is inferred from model E while [-1,1] is inferred" in refused(flat, A)
    for other in (model("a", decoupled=True), model("a", platform="ensemble", ensemble=AB)):
        assert "cannot be fanned out" in refused(config, other)


def test_the_processed_interface_is_what_a_step_uses() -> None:
    processed = model("a", "raw::3")
    processed.interface = Interface((spec("IMAGE:UINT8:-1,-1,3"),), (spec("S"),))
    config = an_ensemble(a_step("a", "IMAGE:X", "S:Y"), inputs="X:UINT8:-1,-1,3")
    check(config, processed)
    assert "inconsistent data type" in refused(an_ensemble(*config.ensemble), processed)
    raw = an_ensemble(a_step("a", "raw:X", "y:Y"), inputs="X::3")
    check(raw, processed)


# --- decoupled models -----------------------------------------------------------------------------

D = model("d", decoupled=True)


def test_an_ensemble_is_decoupled_if_a_step_is() -> None:
    config = an_ensemble(a_step("d", "x:X", "y:M"), a_step("b", "x:M", "y:Y"))
    assert is_decoupled(config, {"d": D, "b": B})
    assert not is_decoupled(config, {"d": A, "b": B})


@pytest.mark.parametrize(
    ("steps", "outputs", "who"),
    [
        (("d x:X y:P", "d x:X y:Q", "two x:P z:Q y:Y"), "Y", "two"),
        (("d x:X y:P", "two x:P z:X y:Y"), "Y", "two"),
        (("d x:X y:P", "b x:X y:Q"), "P Q", "E"),
    ],
)
def test_what_comes_from_different_decoupled_models_is_not_joined(
    steps: tuple[str, ...], outputs: str, who: str
) -> None:
    made = []
    for text in steps:
        name, *maps, output = text.split()
        made.append(a_step(name, " ".join(maps), output))
    assert refused(an_ensemble(*made, outputs=outputs), D, B, model("two", "x z")) == (
        f"in ensemble E, step of model '{who}' receives inputs originated from different"
        " decoupled models"
    )


# --- circles --------------------------------------------------------------------------------------


def test_an_ensemble_that_contains_itself() -> None:
    configs = {
        name: a_config(name, "X", "Y", platform="ensemble", ensemble=(a_step(below, "X", "Y"),))
        for name, below in (("e", "f"), ("f", "g"), ("g", "f"), ("s", "s"), ("t", "leaf"))
    }
    with pytest.raises(ConfigError, match=r"ensembles: f -> \.\.\. -> g -> f; .* f -> g -> f$"):
        check_circle(configs["e"], configs.get)
    with pytest.raises(ConfigError, match=r"ensembles: s -> \.\.\. -> s -> s"):
        check_circle(configs["s"], configs.get)
    check_circle(configs["t"], configs.get)
