# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models' names as names that ROS can have.  The services are tested with the node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.validate_topic_name import validate_topic_name

from triton_ros.ros.model_services import plan_names, service_name

MODELS = st.text(min_size=1, max_size=12)


@given(MODELS)
def test_every_name_becomes_one_that_ros_can_have(model: str) -> None:
    name = service_name(model)
    assert validate_topic_name(f"~/models/{name}/load")
    assert service_name(name) == name, "a valid name stays as it is"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("coco_ssd", "coco_ssd"),
        ("coco-ssd.v2", "coco_ssd_v2"),
        ("2nd", "m2nd"),
        ("a__b", "a_b"),
        ("_a", "_a"),
        ("été", "_t_"),
    ],
)
def test_examples(model: str, name: str) -> None:
    assert service_name(model) == name


@given(st.sets(MODELS, max_size=8))
def test_each_model_gets_a_name_of_its_own_or_a_reason(models: set[str]) -> None:
    names, refused = plan_names(models)
    assert len(set(names.values())) == len(names)
    assert set(names) | set(refused) == models
    assert not set(names) & set(refused)
    for model, owner in refused.items():
        assert service_name(model) == names[owner]


def test_who_is_valid_as_it_is_comes_first() -> None:
    assert plan_names(["a-b", "a_b", "a.b"]) == ({"a_b": "a_b"}, {"a-b": "a_b", "a.b": "a_b"})


def test_who_has_services_keeps_them() -> None:
    assert plan_names(["a-b", "a_b"], served=["a-b"]) == ({"a-b": "a_b"}, {"a_b": "a-b"})
    # also when it is gone from the disk: its services are still there
    assert plan_names(["a_b"], served=["a-b"]) == ({"a-b": "a_b"}, {"a_b": "a-b"})
