# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The last version that loaded stands in for newer ones that do not."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from fake_backend import TIMEOUT, fake, loaded
from lifecycle_checks import ServeWith, index, infer
from toy_models import write_repository

from triton_ros.core.control.last_good import LastGood
from triton_ros.core.control.model_repository import ModelDirectory
from triton_ros.core.errors import TritonError
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ModelControlMode

NONE = ModelControlMode.NONE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "last_good.json"


def outcome(server: InferenceServer) -> BaseException | None:
    return server.start()["m"].exception(TIMEOUT)


def test_the_last_good_version_serves(serve_with: ServeWith, root: Path, file: Path) -> None:
    first = serve_with({"m": fake(versions={1: 10, 2: 20})}, last_good_file=file)
    loaded(first, "m")
    first.close(TIMEOUT)
    assert json.loads(file.read_text())["m"]["version"] == 2
    second = serve_with(
        {"m": fake(versions={3: "garbage"})}, last_good_file=file, model_control_mode=NONE
    )
    assert outcome(second) is None
    assert infer(second) == 20
    rows = index(second)
    assert rows[2][0] == "READY"
    assert rows[3][0] == "UNAVAILABLE"
    assert rows[2][1].startswith("version 3 failed: ")
    assert rows[2][1].endswith("; serving version 2, the last that loaded")
    assert second.load_progress("m").reason, "the load as such failed"


def test_only_at_start(serve_with: ServeWith, root: Path, file: Path) -> None:
    server = serve_with({"m": fake(versions={1: 10})}, last_good_file=file)
    loaded(server, "m")
    server.unload_model("m").result(TIMEOUT)
    write_repository(root, {"m": fake(versions={2: "garbage"})})
    with pytest.raises(TritonError):
        loaded(server, "m")


def test_without_a_file_nothing_stands_in(serve_with: ServeWith) -> None:
    server = serve_with({"m": fake(versions={1: 1, 2: "garbage"})}, model_control_mode=NONE)
    assert isinstance(outcome(server), TritonError)


@pytest.mark.parametrize("now", [{}, {2: 21}, {2: "garbage"}])
def test_what_is_gone_or_changed_is_not_the_last_good_version(
    serve_with: ServeWith, root: Path, file: Path, now: dict[int, float | str]
) -> None:
    first = serve_with({"m": fake(versions={2: 20})}, last_good_file=file)
    loaded(first, "m")
    first.close(TIMEOUT)
    (root / "m" / "2" / "model.fake").unlink()
    (root / "m" / "2").rmdir()
    second = serve_with(
        {"m": fake(versions={**now, 3: "garbage"})}, last_good_file=file, model_control_mode=NONE
    )
    assert "garbage" in str(outcome(second))
    assert index(second)[3][0] == "UNAVAILABLE"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"m": 1}',
        '{"m": {"version": "x", "signature": ""}}',
        '{"m": {"version": 1e400, "signature": ""}}',
        "[" * 100_000,
        "\xff",
    ],
)
def test_a_broken_file_costs_a_warning(
    serve_with: ServeWith, file: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_bytes(content.encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        server = serve_with({"m": fake(1)}, last_good_file=file)
    assert "cannot be read" in caplog.text
    loaded(server, "m")
    assert json.loads(file.read_text())["m"]["version"] == 1, "it is written anew"


def test_a_file_that_cannot_be_written_costs_a_warning(
    serve_with: ServeWith, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve_with({"m": fake(1)}, last_good_file=tmp_path / "nowhere" / "file")
    loaded(server, "m")
    assert "cannot be written" in caplog.text
    assert infer(server) == 1


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    directory = ModelDirectory("m", tmp_path / "m")
    LastGood(file).loaded("m", 1, directory)
    before = file.read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    (tmp_path / "m" / "2").mkdir()
    LastGood(file).loaded("m", 2, directory)
    assert file.read_text() == before
