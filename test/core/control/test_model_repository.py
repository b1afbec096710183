# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is on disk, including what should not be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_backend import fake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_models import write_repository

from triton_ros.core.control.model_repository import ModelDirectory, ModelRepository
from triton_ros.core.errors import ConfigError, InvalidArgumentError, NotFoundError, TritonError


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


def test_hidden_directories_are_no_models(root: Path) -> None:
    (root / ".git").mkdir()
    repository = ModelRepository([root])
    assert repository.names() == ("a", "b")
    with pytest.raises(NotFoundError, match=r"model '\.git' is not in the model repository"):
        repository.find(".git")


# --- configurations by name ---------------------------------------------------------------------


def custom(root: Path, text: str) -> ModelDirectory:
    (root / "a" / "configs").mkdir()
    (root / "a" / "configs" / "fast.pbtxt").write_text(text)
    (root / "a" / "config.pbtxt").write_text("max_batch_size: 2")
    return ModelRepository([root]).find("a")


def test_directories_whose_names_are_no_text_are_no_models(root: Path) -> None:
    os.mkdir(os.fsencode(root) + b"/\xff")
    assert "\udcff" not in ModelRepository([root]).names()
    with pytest.raises(NotFoundError):
        ModelRepository([root]).find("\udcff")


def test_versions_are_64_bit_integers(root: Path) -> None:
    highest = 2**63 - 1
    for version in (highest, highest + 1):
        (root / "big" / str(version)).mkdir(parents=True)
    assert ModelRepository([root]).find("big").versions() == (highest,)


def test_not_all_of_many_names_are_told(tmp_path: Path) -> None:
    for number in range(100, 150):
        (tmp_path / f"m{number}").mkdir()
    with pytest.raises(NotFoundError, match=r"it has: m100, .*, m119 and 30 more$"):
        ModelRepository([tmp_path]).find("zebra")


def test_a_configuration_by_name_and_what_stands_in_for_it(root: Path) -> None:
    directory = custom(root, "max_batch_size: 7")
    assert directory.read_config("fast").max_batch_size == 7
    assert directory.read_config("slow").max_batch_size == 2
    assert directory.read_config().max_batch_size == 2
    (root / "a" / "config.pbtxt").unlink()
    assert directory.read_config("slow").stated == frozenset()


def test_errors_name_the_file_that_was_read(root: Path) -> None:
    directory = custom(root, "\nmax_batch_size: -7")
    with pytest.raises(
        ConfigError, match=r"a/configs/fast\.pbtxt:2: 'max_batch_size' must be"
    ) as e:
        directory.read_config("fast")
    assert directory.located(e.value, "fast") is e.value
    late = ConfigError("max_batch_size is wrong")
    assert str(directory.located(late, "fast")).endswith("configs/fast.pbtxt:2: " + str(late))
    assert str(directory.located(late)).endswith("a/config.pbtxt:1: " + str(late))


# --- labels -------------------------------------------------------------------------------------

LABELLED = """output [ { name: "y" data_type: TYPE_FP32 dims: 2 label_filename: "labels.txt" },
{ name: "z" data_type: TYPE_FP32 dims: 2 } ]"""


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("cat\r\n\r\nbig dog", ("cat", "", "big dog")),
        ("", ()),
    ],
)
def test_labels_are_lines(root: Path, content: str, labels: tuple[str, ...]) -> None:
    (root / "a" / "config.pbtxt").write_text(LABELLED)
    (root / "a" / "labels.txt").write_bytes(content.encode())
    directory = ModelRepository([root]).find("a")
    assert directory.labels(directory.read_config()) == {"y": labels}


def test_labels_that_are_not_there(root: Path) -> None:
    (root / "a" / "config.pbtxt").write_text("\n" + LABELLED)
    directory = ModelRepository([root]).find("a")
    with pytest.raises(
        ConfigError, match=r"output 'y': label_filename 'labels.txt' cannot be"
    ) as e:
        directory.labels(directory.read_config())
    assert "a/config.pbtxt:2: model 'a', output 'y'" in str(directory.located(e.value))
