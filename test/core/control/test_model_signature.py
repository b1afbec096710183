# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Signatures: every way to change a file shows; only contents make a digest differ."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from triton_ros.core.control.model_signature import content_digest, take_signature


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "m"
    (directory / "1").mkdir(parents=True)
    (directory / "2").mkdir()
    (directory / "1" / "model.onnx").write_text("one")
    (directory / "config.pbtxt").write_text("")
    (directory / "labels.txt").write_text("cat")
    return directory


def write_in_place(file: Path) -> None:
    """Same size and modification time: the inode's change time tells."""
    before = file.stat()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def write_older(file: Path) -> None:
    file.write_text("two")
    os.utime(file, ns=(0, 0))


def exchange(file: Path) -> None:
    before = file.stat()
    fresh = file.with_name("fresh")
    fresh.write_text("two")
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(file)


def add(file: Path) -> None:
    (file.parent.parent / "3").mkdir()


@pytest.mark.parametrize("change", [write_in_place, write_older, exchange, Path.unlink, add])
def test_changes_show(model: Path, change: Callable[[Path], None]) -> None:
    before, digest = take_signature(model), content_digest(model)
    assert take_signature(model) == before
    change(model / "1" / "model.onnx")
    assert take_signature(model) != before
    assert content_digest(model) != digest


def test_a_touch_is_no_change_of_content(model: Path) -> None:
    before, digest = take_signature(model), content_digest(model)
    os.utime(model / "1" / "model.onnx", ns=(1, 1))
    assert take_signature(model) != before
    assert content_digest(model) == digest


def test_hidden_files_do_not_count(model: Path) -> None:
    before = take_signature(model), content_digest(model)
    (model / "1" / ".model.onnx.Xy12").write_text("half")
    (model / ".config.pbtxt.swp").write_text("edited")
    assert (take_signature(model), content_digest(model)) == before


def test_parts(model: Path) -> None:
    (model / "configs").mkdir()
    (model / "configs" / "a.pbtxt").write_text("")
    found = take_signature(model)
    assert [path for path, _ in found.version(1)] == ["1/model.onnx"]
    assert [path for path, _ in found.version(2)] == ["2/"]
    assert [path for path, _ in found.shared] == ["labels.txt"]


def test_names_and_contents_do_not_run_together(tmp_path: Path) -> None:
    digests = set()
    for name, content in (("ab", "c"), ("a", "bc"), ("abc", "")):
        directory = tmp_path / f"d_{name}"
        directory.mkdir()
        (directory / name).write_text(content)
        digests.add(content_digest(directory))
    assert len(digests) == 3


def test_links_are_followed_and_circles_end(model: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "w").write_text("1")
    (model / "4").symlink_to(store)
    (model / "4" / "up").symlink_to(model)
    (model / "broken").symlink_to("nowhere")
    before = take_signature(model)
    (store / "w").write_text("22")
    assert take_signature(model) != before
    content_digest(model)


def test_what_is_not_there_is_empty(tmp_path: Path) -> None:
    assert take_signature(tmp_path / "nobody").files == ()
