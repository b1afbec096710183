# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loads with a configuration or files of their own."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_backend import (
    FILE,
    TIMEOUT,
    FakeBackend,
    Gate,
    Outcomes,
    ensemble,
    fake,
    loaded,
    request,
    step,
    value,
)
from full_disk import full_disk
from lifecycle_checks import Serve, ServeWith, index, infer
from toy_models import write_repository

from triton_ros.core.errors import ConfigError, InvalidArgumentError, NotFoundError, TritonError
from triton_ros.core.server import InferenceServer

ONE = ensemble(step("a", "x:X", "y:Y"))
FILES = {f"file:1/{FILE}": b"7"}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary directories are made; nothing is left there."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place


def text(**config: Any) -> str:
    return json.dumps({"backend": "fake", **config})


def load(server: InferenceServer, name: str = "m", **override: Any) -> None:
    server.load_model(name, **override).result(TIMEOUT)


def refusal(server: InferenceServer, **override: Any) -> TritonError:
    with pytest.raises(TritonError) as caught:
        load(server, **override)
    return caught.value


def batch(server: InferenceServer) -> int:
    return server.describe("m").config.max_batch_size


# --- configuration ------------------------------------------------------------------------------


def test_a_configuration_holds_until_the_files_change(serve: Serve, root: Path) -> None:
    server = serve(m=fake(1, "max_batch_size: 2"))
    loaded(server, "m")
    load(server, config=text(max_batch_size=5))
    assert batch(server) == 5
    loaded(server, "m")
    assert batch(server) == 5, "over plain loads"
    write_repository(root, {"m": fake(2, "max_batch_size: 2")})
    loaded(server, "m")
    assert (batch(server), infer(server)) == (2, 2)


def test_a_configuration_ends_with_an_unload(serve: Serve) -> None:
    server = serve(m=fake(1, "max_batch_size: 2"))
    load(server, config=text(max_batch_size=5))
    server.unload_model("m").result(TIMEOUT)
    loaded(server, "m")
    assert batch(server) == 2


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "Invalid config override: "),
        (text(max_batch_sise=1), "Invalid config override: .*max_batch_sise"),
        (text(name="n"), ".*unexpected directory name 'm' for model 'n', directory name must"),
    ],
)
def test_a_configuration_that_is_refused_changes_nothing(
    serve: Serve, config: str, message: str
) -> None:
    server = serve(m=fake(1, "max_batch_size: 2"))
    load(server, config=text(max_batch_size=5))
    error = refusal(server, config=config)
    assert isinstance(error, ConfigError)
    assert re.match(message, str(error))
    loaded(server, "m")
    assert batch(server) == 5, "the one in force stays"


def test_a_configuration_that_does_not_load_does_not_stay(serve: Serve) -> None:
    server = serve(m=fake(1, "max_batch_size: 2"))
    error = refusal(
        server, config=text(input=[{"name": "z", "dims": [4], "data_type": "TYPE_FP32"}])
    )
    assert "config.pbtxt" not in str(error), "that file does not say so"
    loaded(server, "m")
    assert batch(server) == 2


def test_a_configuration_for_a_model_that_is_not_there(serve: Serve) -> None:
    server = serve(m=fake(1))
    with pytest.raises(NotFoundError):
        load(server, "zebra", config=text())


# --- files --------------------------------------------------------------------------------------


def test_files_replace_the_directory_until_the_unload(serve: Serve, temporary: Path) -> None:
    server = serve(m=fake(versions={3: 1}))
    loaded(server, "m")
    load(server, config=text(), files=FILES)
    assert infer(server) == 7
    assert {v for v, (state, _) in index(server).items() if state == "READY"} == {1}
    loaded(server, "m")
    assert infer(server) == 7, "a plain load uses them again"
    server.unload_model("m").result(TIMEOUT)
    assert list(temporary.iterdir()) == []
    loaded(server, "m")
    assert infer(server) == 1


def test_files_make_a_model_of_a_new_name(serve: Serve, temporary: Path) -> None:
    server = serve(m=fake(1))
    load(server, "new", config=text(), files={f"2/{FILE}": b"5"})
    assert value(server.infer(request("new"), TIMEOUT)) == 5
    assert index(server, "new")[2][0] == "READY"
    server.close(TIMEOUT)
    assert list(temporary.iterdir()) == []


def test_files_are_there_as_long_as_they_serve(
    serve: Serve, backend: FakeBackend, temporary: Path
) -> None:
    server = serve(m=fake(1))
    load(server, config=text(), files=FILES)
    gate = backend.on_execute = Gate("m", offset=7)
    server.submit(request("m"), running := Outcomes())
    gate.wait_entered()
    load(server, config=text(), files={f"file:1/{FILE}": b"8"})
    assert len(list(temporary.iterdir())) == 2
    gate.open()
    assert value(running.one()) == 7
    assert backend.models[0].gone.wait(TIMEOUT)
    for thread in server._lifecycle._exchange.retirement.threads:
        thread.join(TIMEOUT)
    assert len(list(temporary.iterdir())) == 1
    assert infer(server) == 8


def test_files_need_a_configuration(serve: Serve) -> None:
    server = serve(m=fake(1))
    error = refusal(server, files=FILES)
    assert isinstance(error, InvalidArgumentError)
    assert "failed to load 'm', failed to poll from model repository" in str(error)
    assert "Load parameter 'config' must be specified" in str(error)


@pytest.mark.parametrize(
    "path", ["../m/x", "../../x", "1/../../x", "/../x", "..", "", ".", "1/../../m2/x"]
)
def test_files_stay_inside(serve: Serve, temporary: Path, path: str) -> None:
    server = serve(m=fake(1))
    if path == "../m/x":  # which is inside
        load(server, config=text(), files={**FILES, f"file:{path}": b""})
        return
    error = refusal(server, config=text(), files={**FILES, f"file:{path}": b""})
    assert isinstance(error, InvalidArgumentError)
    assert f"Invalid file parameter 'file:{path}' with normalized path '/" in str(error)
    assert str(error).endswith("must stay within model directory.")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"file:1": b"", f"file:1/{FILE}": b"7"}, "directory has been created as a file"),
        ({f"file:1/{FILE}": b"7", "file:1": b""}, "directory has been created as a file"),
        ({"file:1/\0": b""}, "Invalid file parameter"),
        ({"file:1/x": b""}, "No such file"),
        ({"file:1/" + "x" * 300: b""}, "a name or path of its files is too long"),
        ({f"file:1/{FILE}": b"garbage"}, "not a model"),
    ],
)
def test_files_that_cannot_be_used_are_removed(
    serve: Serve, temporary: Path, files: dict[str, bytes], message: str
) -> None:
    server = serve(m=fake(1))
    loaded(server, "m")
    assert message in str(refusal(server, config=text(), files=files))
    assert list(temporary.iterdir()) == []
    assert infer(server) == 1


def test_a_full_disk_leaves_nothing_of_the_files(serve: Serve, temporary: Path) -> None:
    server = serve(m=fake(1))
    loaded(server, "m")
    files = {**FILES, "file:1/weights": bytes(9000)}
    with full_disk():
        error = refusal(server, config=text(), files=files)
    assert "model 'm': its files cannot be written: [Errno" in str(error)
    assert list(temporary.iterdir()) == []
    assert infer(server) == 1


def test_a_name_that_leaves_the_repository(serve: Serve, temporary: Path) -> None:
    server = serve(m=fake(1))
    with pytest.raises(InvalidArgumentError, match="path traversal"):
        load(server, "../x", config=text(), files=FILES)
    assert list(temporary.iterdir()) == []


def test_no_directory_is_left_by_a_load_that_shutdown_stopped(
    serve: Serve, backend: FakeBackend, temporary: Path
) -> None:
    server = serve(m=fake(1))
    gate = backend.on_execute = Gate("m")
    loading = server.load_model("m", config=text(), files=FILES)
    gate.wait_entered()
    assert server.close(0.05) == ("load_m",)
    gate.open()
    assert isinstance(loading.exception(TIMEOUT), TritonError)
    assert list(temporary.iterdir()) == []


def test_abandoned_files_are_removed(serve: Serve, backend: FakeBackend, temporary: Path) -> None:
    server = serve(m=fake(1))
    load(server, config=text(), files=FILES)
    gate = backend.on_execute = Gate("m")
    server.submit(request("m"), running := Outcomes())
    gate.wait_entered()
    assert server.close(0.05) == ("unload_m",)
    assert list(temporary.iterdir()) == []
    gate.open()
    assert value(running.one()) == 7


def test_overrides_do_not_close_a_circle(serve: Serve) -> None:
    """Neither ensemble has itself as a step on disk."""
    server = serve(a=fake(1), e=ONE, f=ONE)
    loaded(server, "e", "f")
    load(server, "f", config=through("e"))
    with pytest.raises(TritonError, match="circle"):
        load(server, "e", config=through("f"))


def test_what_serves_does_not_close_a_circle_with_what_is_on_disk(serve: Serve, root: Path) -> None:
    server = serve(a=fake(1), e=ONE, f=ensemble(step("e", "X:X", "Y:Y")))
    loaded(server, "e", "f")
    write_repository(root, {"e": ensemble(step("f", "X:X", "Y:Y")), "f": ONE})
    with pytest.raises(TritonError, match="circle"):
        loaded(server, "e")
    loaded(server, "f", "e")


def through(model: str) -> str:
    """An ensemble of one step."""
    tensor = {"data_type": "TYPE_FP32", "dims": [-1, 4]}
    mapped = {"model_name": model, "input_map": {"X": "X"}, "output_map": {"Y": "Y"}}
    return json.dumps(
        {
            "platform": "ensemble",
            "input": [{"name": "X", **tensor}],
            "output": [{"name": "Y", **tensor}],
            "ensemble_scheduling": {"step": [mapped]},
        }
    )


def test_files_are_no_last_good_version(serve_with: ServeWith, tmp_path: Path) -> None:
    file = tmp_path / "last_good"
    server = serve_with({"m": fake(versions={2: 1})}, last_good_file=file)
    load(server, config=text(), files=FILES)
    assert not file.exists()
