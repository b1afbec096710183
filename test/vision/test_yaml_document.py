# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whatever a YAML file says, it is read or refused with its line: what fuzzing found."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.vision.yaml_fields import read_fields, read_mapping

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as plain:
        read_mapping(path)
    assert str(plain.value).startswith(f"{path}:")
    with pytest.raises(ConfigError) as error:
        read_fields(path).number("f")
    return str(error.value).removeprefix(f"{path}:")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f: !!int ''", "1: f cannot be read: '' is no int"),
        ("f: !!float ''", "1: f cannot be read: '' is no float"),
        ("\nf: !!bool x", "2: f cannot be read: 'x' is no bool"),
        ("f: !!timestamp x", "1: f cannot be read: 'x' is no timestamp"),
        ("f: 2001-13-99", "1: f cannot be read: '2001-13-99' is no timestamp"),
        ("f: 0x" + "F" * 5000, "1: f cannot be read: an integer has more than 64 bits"),
        ("f: " + "9" * 5000, "1: f cannot be read: '99999"),
        ("a: 1\n? [b]\n: 2", "2: the file has a key that is no name"),
        ("a: 1\nf: {[b]: 2}", "2: f cannot be read: while constructing a mapping"),
    ],
)
def test_values_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nf: &a [*a]", "2: not YAML: it is nested too deep"),
        ("f: " + "[" * 150 + "]" * 150, "1: not YAML: it is nested too deep"),
        ("f: " + "[" * 5000, " not YAML: it is nested too deep"),
        (LAUGHS + "f: *a11", "7: not YAML: it is too long with its aliases"),
    ],
    ids=["endless", "deep", "deeper than the parser", "a billion laughs"],
)
def test_short_files_that_mean_long_ones(tmp_path: Path, text: str, message: str) -> None:
    tracemalloc.start()
    try:
        assert refusal(tmp_path, text) == message
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_refused_value_is_shown_in_part(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("f: " + "x" * 100_000)
    with pytest.raises(ConfigError) as error:
        read_fields(path).number("f")
    assert len(str(error.value)) < 1000


def test_aliases_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("a: &a [1, 2]\nf: *a\ng: {<<: {h: *a}}")
    assert read_mapping(path) == {"a": [1, 2], "f": [1, 2], "g": {"h": [1, 2]}}
    assert read_fields(path).numbers("f", 2, 0) == (1, 2)
