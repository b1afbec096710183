# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is found wrong only while a model loads is told with the line of its configuration, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_backend import FakeBackend, ensemble, fake, serving, step
from lifecycle_checks import Serve, ServeWith, why

from triton_ros.core.control.instance_places import count_gpus
from triton_ros.core.errors import InvalidArgumentError, NotFoundError


def told(root: Path, error: object, field: str) -> str:
    """The message behind ``<file>:<line of the field>:``."""
    path = root / "m" / "config.pbtxt"
    lines = path.read_text().split("\n")
    line = next(number for number, text in enumerate(lines, 1) if field in text)
    start = f"{path}:{line}: "
    assert str(error).startswith(start), error
    return str(error).removeprefix(start)


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        (
            "instance_group {\n kind: KIND_CPU\n host_policy: 'nope' }",
            "host_policy:",
            "model 'm', instance_group '': host_policy 'nope' is not defined; defined are none",
        ),
        (
            "instance_group {\n count: 1\n passive: true }",
            "passive:",
            "all instance groups are passive for m; nothing would answer its requests: at least",
        ),
        (
            "\nversion_policy {\n specific { versions: 7 } }",
            "version_policy",
            "at least one version must be available under the version policy of model 'm'",
        ),
    ],
)
def test_what_this_server_does_not_have(
    serve: Serve, root: Path, text: str, field: str, message: str
) -> None:
    server = serve(m=fake(1, text))
    assert told(root, why(server), field).startswith(message)


def test_a_gpu_that_is_not_there(serve_with: ServeWith, root: Path) -> None:
    missing = count_gpus()
    group = f"instance_group {{\n count: 1\n kind: KIND_GPU\n gpus: {missing} }}"
    error = why(serve_with({"m": fake(1, group)}))
    assert "instance group m_0 of model m " in told(root, error, "gpus" if missing else "kind:")


def test_a_backend_that_is_not_there(root: Path, backend: FakeBackend) -> None:
    def refuse(name: str) -> FakeBackend:
        raise InvalidArgumentError(f"backend '{name}' does not exist")

    backend.load_backend = refuse  # type: ignore[method-assign]
    with serving(root, backend, {"m": fake(1, "\nmax_batch_size: 4")}) as server:
        assert told(root, why(server), "backend") == "model 'm': backend 'fake' does not exist"


@pytest.mark.parametrize("named", [True, False])
def test_a_file_that_is_not_there(
    serve: Serve, root: Path, backend: FakeBackend, named: bool
) -> None:
    def refuse(name: str) -> None:
        raise NotFoundError("x.fake does not exist")

    backend.on_load = refuse
    server = serve(m=fake(1, "\ndefault_model_filename: 'x.fake'" if named else ""))
    error = why(server)
    if named:
        assert told(root, error, "default_model_filename") == "x.fake does not exist"
    else:
        assert isinstance(error, NotFoundError), "no field to blame"


def test_an_ensemble_that_does_not_fit_a_model(serve: Serve, root: Path) -> None:
    whole = ensemble(step("a", "x:X", "y:M"), step("b", "z:M", "y:Y"))
    lines = whole.config.replace("step {", "\nstep {\n")
    server = serve(a=fake(1), b=fake(2), m=replace(whole, config=lines))
    message = told(root, why(server), 'model_name: "b"')
    assert "is mapping to non-existing input z in model b; it has x" in message
