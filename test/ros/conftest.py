# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process and a client for it, in a domain of their own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ros_client import Client, Launch, Run
from ros_process import DISCOVERY, NodeProcess, claim_domain

os.environ.update(DISCOVERY)  # before anything of ROS is started


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """``launch(parameters, *arguments, name="/triton_ros")`` starts a node until the module ends.

    In a domain of its own, or in that of another with ``beside=run``.
    """
    folder, numbers = tmp_path_factory.mktemp("node"), itertools.count()
    with ExitStack() as running:

        def start(
            parameters: Mapping[str, Any],
            *arguments: str,
            name: str = "/triton_ros",
            beside: Run | None = None,
        ) -> Run:
            place = folder / str(next(numbers))
            domain = beside.domain if beside else running.enter_context(claim_domain())
            node = NodeProcess(domain, place, parameters, *arguments)
            running.callback(_end, node)
            client = Client(domain, name)
            running.callback(client.close)
            return Run(node, client, domain)

        yield start


def _end(node: NodeProcess) -> None:
    status, _ = node.stop()
    print(f"--- node, exit {status} ---\n{node.log}")
    assert status == 0, node.log


@pytest.fixture
def client(run: Run) -> Client:
    """Of the node that a module's `run` starts."""
    return run.client


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty model repository."""
    return tmp_path_factory.mktemp("models")
