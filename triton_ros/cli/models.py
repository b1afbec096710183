# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros models``: of a running node, or what is in a repository."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from triton_ros.cli.application import Application
from triton_ros.cli.results import table
from triton_ros.core.control.model_repository import ModelRepository

_COLUMNS = ("state", "version", "instances", "inferences", "pending", "compute_infer_ms")


def run(given: argparse.Namespace, application: Application) -> int:
    """Prints a table, or JSON."""
    if given.model_repository:
        return _on_disk(given.model_repository, given.json)
    from triton_ros.cli.node_client import connected  # noqa: PLC0415 (a repository needs no ROS)

    with connected(given) as client:
        statuses = client.statuses()
    models = {n.removeprefix("model "): v for n, v in statuses.items() if n.startswith("model ")}
    if given.json:
        print(json.dumps(models, indent=2))
        return 0
    rows = [
        (name, *(values.get(column, "-") for column in _COLUMNS), values["message"])
        for name, values in sorted(models.items())
    ]
    print(table(("model", *_COLUMNS, "message"), rows))
    return 0


def _on_disk(folders: list[Path], as_json: bool) -> int:
    repository = ModelRepository(folders)
    found = {name: list(repository.find(name).versions()) for name in repository.names()}
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    rows = [(name, " ".join(map(str, versions)) or "-") for name, versions in found.items()]
    print(table(("model", "versions"), rows))
    return 0
