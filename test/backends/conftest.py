# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the conformance suite: every test of it runs for every backend."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance_case import Case
from conformance_loader import CASES, Loader
from cuda_rig import CudaRig
from tensorrt_use import Use

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.backend import Backend


def _parameter(case: Case) -> Any:
    return pytest.param(
        case, id=case.id, marks=pytest.mark.skipif(bool(case.missing), reason=case.missing)
    )


@pytest.fixture(params=[_parameter(case) for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    value: Case = request.param
    if value.fixture:
        request.getfixturevalue(value.fixture)
    return value


@pytest.fixture(scope="session")
def imported() -> set[str]:
    """The backends whose runtime has been imported."""
    return set()


@pytest.fixture
def backend(case: Case, imported: set[str]) -> Backend:
    """What its runtime brings along stays: every collection would walk a million objects."""
    made = BackendRegistry().load_backend(case.backend)
    if case.backend not in imported:
        imported.add(case.backend)
        gc.collect()
        gc.freeze()
    return made


@pytest.fixture
def loader(case: Case, backend: Backend, tmp_path: Path) -> Iterator[Loader]:
    made = Loader(case, backend, tmp_path / "toy")
    yield made
    made.close()
    gc.collect()


@pytest.fixture(params=["pycuda", "cuda-python"])
def use(cuda_rig: CudaRig, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Use]:
    """By each library that has CUDA's driver."""
    if request.param == "cuda-python":
        pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is not installed")
    made = Use(tmp_path, request.param)
    yield made
    made.close()
