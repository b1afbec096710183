# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Raw tensor files: what is read, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec
from triton_ros.core.tensor_file import read_tensor


def read(directory: Path, data: bytes, datatype: str, *dims: int, **options: Any) -> Any:
    (directory / "f").write_bytes(data)
    return read_tensor("here", directory, "f", TensorSpec("x", datatype, dims), **options)


def test_numbers_are_little_endian_rows(tmp_path: Path) -> None:
    found = read(tmp_path, np.array([1, 2, 3, 4], "<i2").tobytes(), "INT16", 2, 2)
    np.testing.assert_array_equal(found, np.array([[1, 2], [3, 4]], np.int16))
    found += 1  # its receiver may write


def test_strings_stand_behind_their_length(tmp_path: Path) -> None:
    found = read(tmp_path, b"\2\0\0\0ab\0\0\0\0", "BYTES", 2, 1)
    assert found.tolist() == [[b"ab"], [b""]]


@pytest.mark.parametrize("size", [7, 9])
def test_another_size(tmp_path: Path, size: int) -> None:
    said = rf"here: FP32 \[2\] expects 8 bytes, but the file has {size} bytes"
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, bytes(size), "FP32", 2)


def test_a_longer_file_where_that_is_fine(tmp_path: Path) -> None:
    assert read(tmp_path, bytes(9), "FP32", 2, longer=True).shape == (2,)


@pytest.mark.parametrize("data", [b"\1\0\0\0a", b"\1\0\0\0a" * 3, b"\1\0\0\0ab\0", b"\xff" * 8])
def test_other_strings(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigError, match="here: must be exactly 2 strings"):
        read(tmp_path, data, "BYTES", 2)


@pytest.mark.parametrize("file", ["../f", "/etc/hostname", "", "link"])
def test_a_file_elsewhere(tmp_path: Path, file: str) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    (tmp_path / "f").write_bytes(bytes(4))
    (directory / "link").symlink_to(tmp_path / "f")
    with pytest.raises(ConfigError, match="here: must be a file inside"):
        read_tensor("here", directory, file, TensorSpec("x", "FP32", (1,)))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="here: No such file"):
        read_tensor("here", tmp_path, "absent", TensorSpec("x", "FP32", (1,)))
