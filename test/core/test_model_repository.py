# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is on disk, including what should not be."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_backend import fake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_models import write_repository

from triton_ros.core.errors import ConfigError, InvalidArgumentError, NotFoundError, TritonError
from triton_ros.core.model_repository import ModelRepository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_repository(tmp_path / "models", {"a": fake(1), "b": fake(2)})


def test_names_are_directories(root: Path) -> None:
    (root / "README.md").touch()
    (root / ".git").mkdir()
    assert ModelRepository([root]).names() == ("a", "b")


def test_versions_are_integers_without_leading_zero(root: Path) -> None:
    for name in ("0", "10", "2", "01", "1.0", "-3", "x", "²", "configs", "warmup"):
        (root / "a" / name).mkdir()
    (root / "a" / "77").touch()
    directory = ModelRepository([root]).find("a")
    assert directory.versions() == (0, 1, 2, 10)
    assert directory.version_dir(10) == root / "a" / "10"


def test_a_model_without_configuration_has_its_name(root: Path) -> None:
    (root / "a" / "config.pbtxt").unlink()
    assert ModelRepository([root]).find("a").read_config().name == "a"


def test_it_is_read_afresh(root: Path) -> None:
    repository = ModelRepository([root])
    write_repository(root, {"c": fake(3)})
    assert "c" in repository.names()
    assert repository.find("c").versions() == (1,)


@pytest.mark.parametrize("name", ["..", ".", "../a", "a/../b", "/etc", "a/", "a\\b", "a\0"])
def test_names_that_could_leave_the_repository(root: Path, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="must not contain path traversal characters"):
        ModelRepository([root]).find(name)


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name(root: Path, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="Model name cannot be empty"):
        ModelRepository([root]).find(name)


@pytest.mark.parametrize(
    "name",
    ["zebra", "...", "..a", "n" * 5000, "\ud800", "README.md"],
    ids=["word", "dots", "dots-a", "long", "surrogate", "file"],
)
def test_an_unknown_name_is_told_the_known_ones(root: Path, name: str) -> None:
    (root / "README.md").touch()
    with pytest.raises(NotFoundError, match="is not in the model repository; it has: a, b"):
        ModelRepository([root]).find(name)


def test_a_name_in_two_roots(root: Path, tmp_path: Path) -> None:
    other = write_repository(tmp_path / "other", {"b": fake(5), "c": fake(6)})
    repository = ModelRepository([root, other])
    assert repository.names() == ("a", "b", "c")
    assert repository.find("c").path == other / "c"
    with pytest.raises(InvalidArgumentError, match="'b' appears in two or more repositories"):
        repository.find("b")


def test_the_same_root_twice_is_one(root: Path) -> None:
    assert ModelRepository([root, root]).find("a").path == root / "a"


def test_a_link_that_leaves_the_repository(root: Path, tmp_path: Path) -> None:
    outside = write_repository(tmp_path / "outside", {"secret": fake(1)})
    (root / "out").symlink_to(outside / "secret")
    (root / "alias").symlink_to(root / "a")
    (root / "dangling").symlink_to(root / "nowhere")
    repository = ModelRepository([root])
    with pytest.raises(InvalidArgumentError, match="'out' is a link that leaves the model reposi"):
        repository.find("out")
    assert repository.find("alias").versions() == (1,)
    with pytest.raises(NotFoundError):
        repository.find("dangling")


def test_roots_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one directory is needed"):
        ModelRepository([])
    with pytest.raises(ConfigError, match=r"'.*nowhere' is not a directory"):
        ModelRepository([tmp_path / "nowhere"])


def test_a_root_that_vanished_is_empty(root: Path, tmp_path: Path) -> None:
    repository = ModelRepository([root])
    root.rename(tmp_path / "moved")
    assert repository.names() == ()
    with pytest.raises(NotFoundError):
        repository.find("a")


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.sampled_from("./ab\\\0~% \n\u0430"), max_size=8))
def test_no_name_leads_outside(root: Path, name: str) -> None:
    try:
        found = ModelRepository([root]).find(name)
    except TritonError:
        return
    assert found.path.resolve().parent == root.resolve()
