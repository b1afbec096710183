# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One server for the tests of a file, for those that do not care for its options."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from frontend_server import Keys, Served, make_keys, serving, toys


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Toy models over every protocol, shared memory allowed."""
    with serving(tmp_path_factory.mktemp("models"), toys(), allow_client_shm=True) as found:
        yield found


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """For TLS."""
    return make_keys(tmp_path_factory.mktemp("keys"))
