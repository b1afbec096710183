# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plans of ONNX files: built once, kept, built again when something is different; options."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import toy_models
import toy_onnx
from cuda_rig import CHECKOUT, CudaRig

from triton_ros.backends.tensorrt.backend import TensorRtBackend
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import TritonError, UnavailableError

ONNX = 'default_model_filename: "model.onnx"\n'
BATCHES = f"{ONNX}max_batch_size: 8\n"
Serve = Callable[..., Any]


def parameter(key: str, value: str) -> str:
    return f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'


def accelerator(**parameters: str) -> str:
    given = "".join(
        f'parameters {{ key: "{key}" value: "{value}" }}' for key, value in parameters.items()
    )
    return (
        "optimization { execution_accelerators { gpu_execution_accelerator [ { name: "
        f'"tensorrt" {given} }} ] }} }}\n'
    )


def needs_flag(name: str) -> None:
    """Skip where this release of TensorRT has not this flag of the builder."""
    import tensorrt as trt  # noqa: PLC0415 (the rig puts it there)

    if name and not hasattr(trt.BuilderFlag, name):
        pytest.skip(f"TensorRT {trt.__version__} has no flag {name}")


def rows(count: int) -> np.ndarray[Any, Any]:
    return np.arange(count * 4, dtype=np.float32).reshape(count, 4)


def test_a_plan_is_built_once_and_kept(cuda_rig: CudaRig, serve: Serve, cache: Path) -> None:
    files = {"model.onnx": toy_models.onnx_affine()}
    before = cuda_rig.count("engines_built") if cuda_rig.is_fake else 0
    served = serve(files, BATCHES)
    assert np.array_equal(served.ask(x=rows(3))["y"], rows(3) * 2 + 1)
    assert np.array_equal(served.ask(x=rows(8))["y"], rows(8) * 2 + 1)
    (said,) = served.built
    (plan,) = cache.glob("*.plan")
    assert said.startswith(f"built {plan}")
    served = serve(files, BATCHES)
    assert served.built == (f"found {plan}",)
    if cuda_rig.is_fake:
        assert cuda_rig.count("engines_built") == before + 1
    assert not list(cache.glob("*.part"))
    assert cache.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "change",
    [
        {"config": BATCHES + accelerator(precision_mode="FP16"), "flag": "FP16"},
        {"config": BATCHES + accelerator(max_workspace_size_bytes="1048576")},
        {"config": BATCHES + parameter("builder_optimization_level", "1")},
        {"config": f"{ONNX}max_batch_size: 4\n"},
        {"scale": 3.0},
    ],
    ids=["precision", "workspace", "level", "batch", "file"],
)
def test_what_is_different_is_built_again(
    serve: Serve, cache: Path, change: dict[str, Any]
) -> None:
    needs_flag(change.get("flag", ""))
    serve({"model.onnx": toy_models.onnx_affine()}, BATCHES)
    scale = change.get("scale", 2.0)
    served = serve({"model.onnx": toy_models.onnx_affine(scale)}, change.get("config", BATCHES))
    assert served.built[0].startswith("built")
    assert len(list(cache.glob("*.plan"))) == 2
    assert np.array_equal(served.ask(x=rows(2))["y"], rows(2) * scale + 1)


def test_timings_are_used_by_the_next_build(cuda_rig: CudaRig, serve: Serve, cache: Path) -> None:
    cuda_rig.count("timing_cache_hits")  # only the fake tells
    files = {"model.onnx": toy_models.onnx_affine()}
    serve(files, BATCHES)
    before = cuda_rig.count("timing_cache_hits")
    serve(files, BATCHES + parameter("builder_optimization_level", "1"))
    assert cuda_rig.count("timing_cache_hits") == before + 1
    (timings,) = cache.glob("*.timings")
    timings.write_bytes(b"broken")
    assert serve(files, BATCHES + parameter("builder_optimization_level", "2")).built


def test_a_plan_that_tensorrt_refuses_is_built_again(
    serve: Serve, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {"model.onnx": toy_models.onnx_affine()}
    serve(files, BATCHES)
    (plan,) = cache.glob("*.plan")
    plan.write_bytes(b"of another release")
    with caplog.at_level(logging.WARNING):
        served = serve(files, BATCHES)
    assert served.built[-1].startswith("built")
    assert str(plan) in caplog.text
    assert np.array_equal(served.ask(x=rows(1))["y"], rows(1) * 2 + 1)


def test_options_reach_the_builder(
    cuda_rig: CudaRig, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorrt as trt  # noqa: PLC0415 (the rig puts it there)

    needs_flag("FP16")
    made: list[Any] = []
    make = trt.Builder.create_builder_config
    monkeypatch.setattr(
        trt.Builder, "create_builder_config", lambda b: made.append(make(b)) or made[-1]
    )
    options = accelerator(precision_mode="FP16", max_workspace_size_bytes="1048576")
    options += parameter("builder_optimization_level", "2")
    serve({"model.onnx": toy_models.onnx_affine()}, BATCHES + options)
    (config,) = made
    assert config.get_flag(trt.BuilderFlag.FP16)
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 1 << 20
    assert config.builder_optimization_level == 2
    made.clear()


def test_shapes_by_parameters(serve: Serve) -> None:
    """Two profiles; the one that allows the shape is used."""
    shapes = [
        parameter("min_shapes", "x:1x4; x:8x4"),
        parameter("opt_shapes", "x:2x4; x:16x4"),
        parameter("max_shapes", "x:4x4; x:32x4"),
    ]
    group = 'instance_group [ { kind: KIND_GPU profile: [ "0", "1" ] } ]'
    config = f"{ONNX}{''.join(shapes)}{group}"
    served = serve({"model.onnx": toy_models.onnx_affine()}, config)
    for count in (1, 4, 8, 32):
        assert np.array_equal(served.ask(x=rows(count))["y"], rows(count) * 2 + 1)
    with pytest.raises(TritonError, match="no profile allows the shapes 'x'"):
        served.ask(x=rows(5))
    with pytest.raises(TritonError, match="batch-size must be <= 32"):
        served.ask(x=rows(33))


def test_values_of_a_shape_input(serve: Serve) -> None:
    shapes = [
        parameter("min_shapes", "x:1x4,shape:1x1"),
        parameter("opt_shapes", "x:2x4,shape:2x4"),
        parameter("max_shapes", "x:8x4,shape:32x32"),
    ]
    served = serve({"model.onnx": toy_onnx.reshape()}, ONNX + "".join(shapes))
    datatype = {i.name: i.dtype for i in served.server.describe("toy").interface.inputs}["shape"]
    answer = served.ask(x=rows(2), shape=np.array([4, 2], datatype))["y"]
    assert np.array_equal(answer, rows(2).reshape(4, 2))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (ONNX + "max_batch_size: 0\n", "state max_batch_size"),
        (BATCHES + parameter("opt_shapes", "x:1y4"), "accepted is <input>:<size>x<size>"),
        (BATCHES + parameter("opt_shapes", "z:1x4"), "names input 'z'"),
        (BATCHES + parameter("opt_shapes", "x:1x5"), "does not fit input 'x'"),
        (BATCHES + parameter("min_shapes", "x:1x4"), "needs opt_shapes beside it"),
        (
            BATCHES + parameter("opt_shapes", "x:1x4") + parameter("min_shapes", "x:2x4"),
            "needs min <= opt <= max",
        ),
        (
            BATCHES + parameter("opt_shapes", "x:1x4") + parameter("max_shapes", "x:2x4;x:4x4"),
            "must name the same inputs in each profile",
        ),
        (BATCHES + accelerator(precision_mode="FP8"), "accepted: precision_mode"),
        (BATCHES + accelerator(max_workspace_size_bytes="big"), "max_workspace_size_bytes"),
        (BATCHES + parameter("builder_optimization_level", "6"), "must be 0 to 5"),
        (BATCHES + parameter("gpu_fallback", "true"), "does nothing without an"),
    ],
)
def test_what_cannot_be_built_is_refused(serve: Serve, config: str, words: str) -> None:
    with pytest.raises(TritonError, match=words):
        serve({"model.onnx": toy_models.onnx_affine()}, config)


@pytest.mark.parametrize("option", ["gpu_fallback", "opt_shapes", "accelerator"])
def test_options_of_a_build_are_refused_for_a_plan(
    cuda_rig: CudaRig, serve: Serve, option: str
) -> None:
    limits = {"x": ((1, 4), (2, 4), (8, 4))}
    plan = cuda_rig.make_plan(toy_models.onnx_affine(), [limits])
    text = accelerator(precision_mode="FP16")
    text = parameter(option, "true") if option != "accelerator" else text
    with pytest.raises(TritonError, match="built already"):
        serve({"model.plan": plan}, f"max_batch_size: 8\n{text}")


def test_a_file_that_is_none(serve: Serve) -> None:
    with pytest.raises(TritonError, match="is no ONNX file"):
        serve({"model.onnx": b"\xff\xff not an ONNX file"}, BATCHES)


def test_what_the_parser_says(serve: Serve) -> None:
    node = onnx.helper.make_node("Nothing", ["x"], ["y"], domain="nowhere")
    tensors = {"x": ("FP32", ("N", 4))}, {"y": ("FP32", ("N", 4))}
    with pytest.raises(TritonError, match=r"cannot read .*model\.onnx"):
        serve({"model.onnx": toy_models.onnx_model([node], *tensors)}, BATCHES)


def with_weights_in(location: str) -> tuple[bytes, bytes]:
    """A file whose one weight lies at `location`, and that weight."""
    model = onnx.load_from_string(toy_onnx.convolution(static=True))
    weights = b"".join(t.raw_data for t in model.graph.initializer)
    place = 0
    for tensor in model.graph.initializer:
        size = len(tensor.raw_data)
        onnx.external_data_helper.set_external_data(tensor, location, place, size)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        place += size
    return model.SerializeToString(), weights


def test_weights_in_a_file_of_their_own(serve: Serve, cache: Path) -> None:
    data, weights = with_weights_in("weights.bin")
    x = np.ones((1, 3, 32, 32), np.float32)
    first = serve({"weights.bin": weights, "model.onnx": data}, ONNX).ask(images=x)["logits"]
    other = (np.frombuffer(weights, np.float32) * 2).tobytes()
    second = serve({"weights.bin": other, "model.onnx": data}, ONNX).ask(images=x)["logits"]
    assert len(list(cache.glob("*.plan"))) == 2, "other weights are another model"
    assert np.allclose(second, first * 4, rtol=1e-4)


@pytest.mark.parametrize("location", ["../../secret.bin", "/etc/passwd"])
def test_weights_elsewhere_are_refused(serve: Serve, location: str) -> None:
    data, _ = with_weights_in(location)
    with pytest.raises(TritonError, match="outside its directory"):
        serve({"model.onnx": data}, ONNX)


def test_a_link_out_of_the_directory_is_refused(serve: Serve, tmp_path: Path) -> None:
    data, weights = with_weights_in("weights.bin")
    (tmp_path / "secret").write_bytes(weights)
    (tmp_path / "models/toy/1").mkdir(parents=True)
    (tmp_path / "models/toy/1/weights.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(TritonError, match="outside its directory"):
        serve({"model.onnx": data}, ONNX)


def test_a_cache_that_others_may_write_is_refused(serve: Serve, cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o777)
    with pytest.raises(TritonError, match="can be written by others"):
        serve({"model.onnx": toy_models.onnx_affine()}, BATCHES)


def test_a_build_says_where_it_is_and_can_be_ended(cuda_rig: CudaRig, tmp_path: Path) -> None:
    backend = TensorRtBackend({"plan-cache-directory": str(tmp_path / "plans")})
    version = tmp_path / "toy/1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(toy_models.onnx_affine())
    config = ModelConfig(
        "toy", backend="tensorrt", max_batch_size=8, default_model_filename="model.onnx"
    )
    said: list[str] = []

    def stage(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            raise UnavailableError("the server stops")

    import tensorrt  # noqa: PLC0415 (the rig puts it there)

    if not hasattr(tensorrt, "IProgressMonitor"):
        pytest.skip(f"TensorRT {tensorrt.__version__} has no progress monitor")
    with pytest.raises(UnavailableError, match="the server stops"):
        backend.load_in_stages(config, version, stage)
    assert said[0] == "building a plan of model.onnx"
    assert "1 of" in said[1]
    assert "2 of" in said[2]
    assert not list((tmp_path / "plans").glob("*")), "nothing is kept of a build that was ended"


def test_a_precision_that_the_release_takes_from_the_file_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As all of TensorRT 11."""
    import tensorrt as trt  # noqa: PLC0415 (the rig puts it there)

    monkeypatch.setattr(trt, "BuilderFlag", object())
    with pytest.raises(TritonError, match="takes precisions from the file alone"):
        serve(
            {"model.onnx": toy_models.onnx_affine()}, BATCHES + accelerator(precision_mode="FP16")
        )


def test_the_example_of_the_readme(serve: Serve) -> None:
    needs_flag("FP16")
    section = (CHECKOUT / "README.md").read_text().partition("\n### tensorrt\n")[2]
    config = section.split("```")[1].partition('backend: "tensorrt"')[2]
    images = np.ones((3, 3, 64, 64), np.float32)
    answer = serve({"model.onnx": toy_onnx.convolution()}, config).ask(images=images)["logits"]
    assert answer.shape == (3, 4)
