# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One server for the tests of a file, for those that do not care for its options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from frontend_attacks import CANARY, KEY
from frontend_server import Keys, Served, make_keys, serving, toys

from triton_ros.frontends.shared_memory import DIRECTORY


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Toy models over every protocol, shared memory allowed."""
    with serving(tmp_path_factory.mktemp("models"), toys(), allow_client_shm=True) as found:
        yield found


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """For TLS."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def memory() -> Iterator[Path]:
    """A shared memory object that says where its bytes are, and that `frontend_attacks` knows."""
    path = DIRECTORY / KEY
    path.write_bytes(CANARY)
    yield path
    path.unlink()
