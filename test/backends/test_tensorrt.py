# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What only TensorRT has: profiles, shapes and sizes on the host, DLA cores, devices, graphs."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import toy_models
import toy_onnx
from cuda_rig import CHECKOUT, CudaRig
from tensorrt_use import IMAGES, LARGE, SMALL, Use, check, expected, images

from triton_ros.core.config.model_config import InstanceGroup, InstanceKind
from triton_ros.core.config.optimization_config import Optimization, SecondaryDevice
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    UnavailableError,
    UnsupportedError,
)

# --- shapes and profiles ------------------------------------------------------------------------


def test_any_shape_that_the_profile_allows(cuda_rig: CudaRig, use: Use) -> None:
    model = use.model(cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES]))
    assert model.signature.batchable
    assert model.signature.max_batch_size == 8
    instance = use.instance(model)
    check(instance, (1, 3, 16, 16), (8, 3, 64, 64), (3, 3, 40, 20), (1, 3, 16, 16))
    with pytest.raises(InvalidArgumentError, match=r"\[9, 3, 16, 16\].*to \[8, 3, 64, 64\]"):
        instance.execute({"images": images(9, 3, 16, 16)})
    check(instance, (2, 3, 20, 20))


def test_the_profile_that_was_tuned_for_the_nearest_shape(cuda_rig: CudaRig, use: Use) -> None:
    plan = cuda_rig.make_plan(toy_onnx.convolution(), [SMALL, LARGE])
    group = InstanceGroup(profile=("0", "1"))
    instance = use.of(plan, instance_group=(group,))
    chosen = [
        instance._choose({"images": images(*s)}).profile
        for s in ((1, 3, 16, 16), (2, 3, 32, 32), (8, 3, 100, 100))
    ]
    assert chosen == [0, 0, 1]
    check(instance, (1, 3, 16, 16), (8, 3, 100, 100), (2, 3, 32, 32))
    with pytest.raises(InvalidArgumentError, match=r"no profile allows.*profile 0 .*; profile 1"):
        instance.execute({"images": images(8, 3, 16, 16)})


def test_a_profile_that_is_not_there_names_those_that_are(cuda_rig: CudaRig, use: Use) -> None:
    plan = cuda_rig.make_plan(toy_onnx.convolution(), [SMALL, LARGE])
    for name in ("2", "large"):
        with pytest.raises(ConfigError, match=rf"profile '{name}' is none .*accepted: 0, 1"):
            use.model(plan, instance_group=(InstanceGroup(profile=(name,)),))


def test_a_batch_that_the_profile_does_not_take_is_refused(cuda_rig: CudaRig, use: Use) -> None:
    plan = cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES])
    with pytest.raises(ConfigError, match=r"max_batch_size 9, but .* 8 or less"):
        use.model(plan, max_batch_size=9)


def test_fixed_shapes_need_no_profile(cuda_rig: CudaRig, use: Use) -> None:
    onnx = toy_onnx.convolution(static=True)
    model = use.model(cuda_rig.make_plan(onnx))
    assert not model.signature.batchable
    value = images(1, 3, 32, 32)
    got = use.instance(model).execute({"images": value})["logits"]
    np.testing.assert_allclose(got, expected(onnx, images=value)[0], rtol=1e-3, atol=1e-4)


def test_sizes_that_depend_on_data(cuda_rig: CudaRig, use: Use) -> None:
    onnx = toy_onnx.non_zero()
    instance = use.of(cuda_rig.make_plan(onnx, [{"x": ((1,), (8,), (4096,))}]))
    for value in (np.zeros(16), np.ones(4096), np.arange(10) % 3, np.ones(1)):
        x = value.astype(np.float32)
        got = instance.execute({"x": x})["where"]
        np.testing.assert_array_equal(got, expected(onnx, x=x)[0])


def test_shapes_as_inputs_stay_on_the_host(cuda_rig: CudaRig, use: Use) -> None:
    onnx = toy_onnx.reshape()
    limits = {"x": ((1, 4), (2, 4), (8, 4))}
    plan = cuda_rig.make_plan(onnx, [limits], [{"shape": ((1, 1), (2, 4), (32, 32))}])
    model = use.model(plan)
    assert not model.signature.batchable, "a shape has no batch"
    instance = use.instance(model)
    x = images(4, 4)
    kind = next(s for s in model.signature.inputs if s.name == "shape").dtype
    for shape in ([2, 8], [16, 1], [8, 2]):
        got = instance.execute({"x": x, "shape": np.array(shape, kind)})["y"]
        np.testing.assert_array_equal(got, x.reshape(shape))


def test_several_datatypes_at_once(cuda_rig: CudaRig, use: Use) -> None:
    limits = {name: ((1, 4), (2, 4), (8, 4)) for name in ("a", "b")}
    instance = use.of(cuda_rig.make_plan(toy_onnx.several(), [limits]))
    a, b = images(5, 4), images(5, 4)
    got = instance.execute({"a": a, "b": b})
    np.testing.assert_allclose(got["sum"], a + b, rtol=1e-3, atol=1e-5)
    assert got["greater"].dtype == np.bool_
    np.testing.assert_array_equal(got["greater"], a > b)


# --- instances ----------------------------------------------------------------------------------


def test_instances_execute_at_the_same_time(cuda_rig: CudaRig, use: Use) -> None:
    if cuda_rig.is_fake:
        cuda_rig.set(delay_us=200)
    model = use.model(
        cuda_rig.make_plan(toy_models.onnx_affine(), [{"x": ((1, 4), (2, 4), (8, 4))}])
    )
    instances = [use.instance(model) for _ in range(3)]
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(40):
            x = np.full((1 + turn % 8, 4), 100 * number + turn, np.float32)
            if not np.array_equal(instances[number].execute({"x": x})["y"], 2 * x + 1):
                wrong.append(f"{number}: {turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


def test_nothing_is_allocated_while_it_serves(cuda_rig: CudaRig, use: Use) -> None:
    instance = use.of(cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES]))
    before = [cuda_rig.count(n) for n in ("device_allocations", "pinned_allocations", "events")]
    check(instance, (8, 3, 64, 64), (1, 3, 16, 16), (5, 3, 64, 20))
    after = [cuda_rig.count(n) for n in ("device_allocations", "pinned_allocations", "events")]
    assert after == before


def test_a_full_device_is_said_at_the_load(cuda_rig: CudaRig, use: Use) -> None:
    plan = cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES])
    cuda_rig.set(memory=cuda_rig.count("device_bytes") + 300_000)
    with pytest.raises(
        UnavailableError, match=r"'toy': no \d+ bytes for tensor 'images'.*are free"
    ):
        use.of(plan)


@pytest.mark.parametrize("side", ["input", "output"])
def test_pinned_memory_is_the_configurations_choice(cuda_rig: CudaRig, use: Use, side: str) -> None:
    plan = cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES])
    before = cuda_rig.count("pageable_copies")
    check(use.of(plan), (1, 3, 16, 16))
    assert cuda_rig.count("pageable_copies") == before
    fields: dict[str, Any] = {f"{side}_pinned_memory": False}
    check(use.of(plan, optimization=Optimization(**fields)), (1, 3, 16, 16))
    assert cuda_rig.count("pageable_copies") == before + 1


def test_on_a_jetson_nothing_is_copied(cuda_rig: CudaRig, use: Use) -> None:
    cuda_rig.set(integrated=1)
    instance = use.of(cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES]))
    before = [cuda_rig.count(n) for n in ("copies_to_device", "copies_to_host")]
    check(instance, (8, 3, 64, 64), (1, 3, 16, 16))
    assert [cuda_rig.count(n) for n in ("copies_to_device", "copies_to_host")] == before


def test_a_device_that_fails_is_an_error_of_the_model(cuda_rig: CudaRig, use: Use) -> None:
    instance = use.of(cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES]))
    cuda_rig.fault()
    for _ in range(2):
        with pytest.raises(InternalError, match=r"'toy'.*CUDA"):
            instance.execute({"images": images(1, 3, 16, 16)})
    use._open.clear()  # nothing can be released any more


# --- devices, DLA -------------------------------------------------------------------------------


def test_two_gpus(cuda_rig: CudaRig, use: Use) -> None:
    cuda_rig.set(devices=2)
    group = InstanceGroup(kind=InstanceKind.KIND_GPU, gpus=(0, 1))
    model = use.model(cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES]), instance_group=(group,))
    instances = [use.instance(model, group, device) for device in (0, 1)]
    for instance in instances:
        check(instance, (2, 3, 20, 20))
    usage = {each.id: each.byte_size for each in model.memory_usage}
    assert sorted(usage) == [0, 1]
    assert min(usage.values()) > 8 * 3 * 64 * 64 * 4


def test_the_cpu_is_refused(cuda_rig: CudaRig, use: Use) -> None:
    group = InstanceGroup(kind=InstanceKind.KIND_CPU)
    with pytest.raises(ConfigError, match=r"does not run on the CPU.*KIND_GPU"):
        use.model(cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES]), instance_group=(group,))


def on_dla(trt: Any, config: Any) -> None:
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = 0
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    if hasattr(trt.BuilderFlag, "FP16"):  # 11 takes precisions from the file
        config.set_flag(trt.BuilderFlag.FP16)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED


def test_a_dla_core_is_used_and_told(
    cuda_rig: CudaRig, use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    cuda_rig.set(dla_cores=2)
    plan = cuda_rig.make_plan(toy_onnx.convolution(static=True), configure=on_dla)
    group = InstanceGroup(secondary_devices=(SecondaryDevice("KIND_NVDLA", 1),))
    with caplog.at_level("INFO"):
        model = use.model(plan, instance_group=(group,))
    assert "on DLA core 1 of GPU 0: layers: 1 on DLA" in caplog.text
    assert model.signature.metadata["layers on DLA"] == "1"
    assert [loaded.runtime.DLA_core for loaded in model._engines] == [1]
    value = images(1, 3, 32, 32)
    got = use.instance(model, group).execute({"images": value})["logits"]
    want = expected(toy_onnx.convolution(static=True), images=value)[0]
    np.testing.assert_allclose(got, want, rtol=1e-2, atol=1e-2)


def test_dla_cores_that_are_not_there(cuda_rig: CudaRig, use: Use) -> None:
    cuda_rig.set(dla_cores=2)
    plan = cuda_rig.make_plan(toy_onnx.convolution(static=True), configure=on_dla)
    group = InstanceGroup(secondary_devices=(SecondaryDevice("KIND_NVDLA", 2),))
    with pytest.raises(UnsupportedError, match="device_id 2: this device has 2 DLA cores"):
        use.model(plan, instance_group=(group,))
    two = tuple(SecondaryDevice("KIND_NVDLA", core) for core in (0, 1))
    with pytest.raises(ConfigError, match="one DLA core, this names 2"):
        use.model(plan, instance_group=(InstanceGroup(secondary_devices=two),))


# --- releases -----------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["8.6.1", "11.4.0.106"])
def test_other_releases_of_tensorrt(cuda_rig: CudaRig, release: str) -> None:
    """A process can have but one: the conformance suite again, in a process of its own."""
    if not cuda_rig.is_fake:
        pytest.skip("a machine has one release of TensorRT")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += ["--tensorrt", release, "-k", "tensorrt", "test/backends/test_conformance.py"]
    ran = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert " passed" in ran.stdout


def test_a_plan_that_is_none_says_so(cuda_rig: CudaRig, use: Use) -> None:
    with pytest.raises(InvalidArgumentError, match=r"model\.plan is no plan that TensorRT"):
        use.model(bytes(1000))
