# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The schemas are those of the node's table, and the example files are good by them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tools.parameter_schema import (
    PARAMETERS,
    PIPELINES,
    README,
    parameters_schema,
    pipelines_schema,
    text_of,
    with_table,
)

ROOT = Path(__file__).resolve().parents[2]
RUN = "run: python -m tools.parameter_schema"
FILES = {
    "config/triton.yaml": parameters_schema,
    "demo/triton.yaml": parameters_schema,
    "config/pipelines.yaml": pipelines_schema,
}


def document(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "make"), [(PARAMETERS, parameters_schema), (PIPELINES, pipelines_schema)]
)
def test_the_committed_schemas_are_the_nodes(path: Path, make: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(make())
    assert path.read_text(encoding="utf-8") == text_of(make()), (
        "run: python -m tools.parameter_schema"
    )


@pytest.mark.parametrize("name", FILES)
def test_the_examples_are_good(name: str) -> None:
    jsonschema.validate(document(name), FILES[name]())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"no_such": 1}, "no_such"),
        ({"cache_byte_size": -1}, "minimum"),
        ({"model_control_mode": "off"}, "is not one of"),
        ({"load_models": "all"}, "is not of type 'array'"),
        ({"streams": {"a-b": {}}}, "a-b"),
        ({"streams": {"a": {"modle": "x"}}}, "modle"),
        ({"streams": {"a": {"region": [1.0]}}}, "too short"),
    ],
)
def test_mistakes_in_parameters_are_seen(change: dict[str, Any], words: str) -> None:
    wrong = copy.deepcopy(document("config/triton.yaml"))
    wrong["/**"]["ros__parameters"] |= change
    with pytest.raises(jsonschema.ValidationError, match=words):
        jsonschema.validate(wrong, parameters_schema())


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("cameras", {"front": {}}),
        ("cameras", {"front": {"topic": "/x", "model": "m"}}),
        ("pipelines", {"p": {"model": "m"}}),
        ("pipelines", {"p": {"model": "m", "cameras": "front", "topic": "/x"}}),
    ],
)
def test_mistakes_in_pipelines_are_seen(section: str, change: dict[str, Any]) -> None:
    wrong = copy.deepcopy(document("config/pipelines.yaml"))
    wrong[section] |= change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, pipelines_schema())


def test_readme_has_the_parameters_of_the_node() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text, RUN
