# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the whole TensorRT backend: plugins, plans of other releases, the cache."""

from __future__ import annotations

import _ctypes
import shutil
from pathlib import Path
from typing import Any

import pytest
import toy_models
from cuda_rig import CudaRig

from triton_ros.backends.tensorrt.backend import TensorRtBackend
from triton_ros.core.backend import BackendModel
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import ConfigError

LIMITS = {"x": ((1, 4), (2, 4), (8, 4))}


def load(rig: CudaRig, directory: Path, backend: TensorRtBackend) -> BackendModel:
    plan = rig.make_plan(toy_models.onnx_affine(), [LIMITS])
    (directory / "model.plan").write_bytes(plan)
    return backend.load(ModelConfig("toy", max_batch_size=8), directory)


def test_tensorrts_own_plugins_are_there(
    cuda_rig: CudaRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorrt as trt  # noqa: PLC0415 (the rig puts it there)

    asked: list[str] = []
    monkeypatch.setattr(trt, "init_libnvinfer_plugins", lambda log, space: asked.append(space))
    TensorRtBackend()
    assert asked == [""]


def test_libraries_of_plugins_are_loaded(cuda_rig: CudaRig, tmp_path: Path) -> None:
    libraries = [tmp_path / "one.so", tmp_path / "two.so"]
    for library in libraries:
        shutil.copy(_ctypes.__file__, library)
    TensorRtBackend({"plugins": ";".join(map(str, libraries))})
    mapped = Path("/proc/self/maps").read_text()
    assert all(str(library) in mapped for library in libraries)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"plugins": "relative.so"}, "'relative.so' must be the absolute path"),
        ({"plugins": "/nowhere/plugin.so"}, "must be the absolute path of a library"),
        ({"plugins": "/etc/passwd"}, "cannot be loaded"),
        ({"version-compatible": "yes"}, "must be true or false, got 'yes'"),
        ({"cuda-driver": "cupy"}, "must be one of pycuda, cuda-python, got 'cupy'"),
        ({"plan-cache": "/tmp"}, "'tensorrt,plan-cache' is not a setting"),
    ],
)
def test_what_is_refused(cuda_rig: CudaRig, settings: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TensorRtBackend(settings)


@pytest.mark.parametrize("allowed", [True, False])
def test_code_in_plans_is_the_users_choice(
    cuda_rig: CudaRig, tmp_path: Path, allowed: bool
) -> None:
    backend = TensorRtBackend({"version-compatible": str(allowed).lower()})
    model: Any = load(cuda_rig, tmp_path, backend)
    assert [each.runtime.engine_host_code_allowed for each in model._engines] == [allowed]
    model.finalize()


def test_the_cache_is_below_the_users(cuda_rig: CudaRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    backend = TensorRtBackend()
    assert backend._cache.path("key", "plan") == Path("/somewhere/triton_ros/plans/key.plan")


def test_memory_is_of_plans_buffers_and_contexts(cuda_rig: CudaRig, tmp_path: Path) -> None:
    model: Any = load(cuda_rig, tmp_path, TensorRtBackend())
    plan = (tmp_path / "model.plan").stat().st_size
    (alone,) = model.memory_usage
    assert (alone.kind, alone.byte_size) == ("GPU", plan)
    instance = model.instance(InstanceGroup(), 0)
    (used,) = model.memory_usage
    scratch = model._engines[0].scratch
    assert scratch > 0
    assert used.byte_size == plan + scratch + 2 * 256, "an input and an output of 8 x 4 floats"
    instance.finalize()
    assert model.memory_usage[0].byte_size == plan
    model.finalize()
