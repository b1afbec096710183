# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The example backends: built with the one command, served, and compared with numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_models import Toy, write_model
from toy_shared_library import NO_COMPILER

from triton_ros.backends.registry import BackendRegistry
from triton_ros.backends.shared_library import build
from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array, numpy_dtype

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)

TIMEOUT = 30
Run = Callable[..., dict[str, Array]]

NMS = """
input [ { name: "boxes" data_type: TYPE_FP32 dims: [-1, 4] },
        { name: "scores" data_type: TYPE_FP32 dims: [-1, -1] } ]
output [ { name: "indices" data_type: TYPE_INT32 dims: [-1] },
         { name: "classes" data_type: TYPE_INT32 dims: [-1] },
         { name: "kept" data_type: TYPE_FP32 dims: [-1, 4] },
         { name: "confidences" data_type: TYPE_FP32 dims: [-1] },
         { name: "count" data_type: TYPE_INT32 dims: [1] } ]
"""


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("backends")
    build.build_examples(directory)
    return directory


@pytest.fixture
def serve(backends: Path, tmp_path: Path) -> Iterator[Callable[[str], Run]]:
    with InferenceServer(
        [tmp_path], BackendRegistry(backend_directory=backends).load_backend
    ) as server:

        def start(config: str) -> Run:
            write_model(tmp_path / "model", Toy(config=config))
            server.load_model("model").result(TIMEOUT)
            return lambda **inputs: server.infer(InferenceRequest("model", inputs), TIMEOUT).outputs

        yield start


def scaler(datatype: str, **parameters: Any) -> str:
    return f"""backend: "scaler" max_batch_size: 4
        input {{ name: "x" data_type: TYPE_{datatype} dims: [-1] }}
        output {{ name: "y" data_type: TYPE_{datatype} dims: [-1] }} {as_parameters(parameters)}"""


def as_parameters(parameters: dict[str, Any]) -> str:
    return "\n".join(
        f'parameters {{ key: "{k}" value: {{ string_value: "{v}" }} }}'
        for k, v in parameters.items()
    )


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_scaler_scales_and_shifts(serve: Callable[[str], Run], datatype: str) -> None:
    run = serve(scaler(datatype, scale=0.5, offset=-3))
    x = np.random.default_rng(0).normal(size=(3, 7)).astype(numpy_dtype(datatype))
    np.testing.assert_allclose(run(x=x)["y"], 0.5 * x - 3, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "int16", "int32", "int64", "uint64"])
def test_scaler_rounds_and_keeps_integers_in_range(serve: Callable[[str], Run], dtype: str) -> None:
    run = serve(scaler(dtype.upper(), scale=1.5, offset=-2))
    info = np.iinfo(dtype)
    x = np.array([[0, 1, 2, 3, info.max, info.min]], dtype)
    expected = [max(value, info.min) for value in (-2, 0, 1, 2)]  # -0.5 is rounded to even
    assert run(x=x)["y"][0].tolist() == [*expected, info.max, info.min]


def test_scaler_without_parameters_is_the_identity(serve: Callable[[str], Run]) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(serve(scaler("FP32"))(x=x)["y"], x)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (scaler("FP32", scale="much"), r"'scale'\] must be a number, got 'much'"),
        (scaler("FP32", offset="1,5"), r"'offset'\] must be a number, got '1,5'"),
        ('backend: "nms"' + NMS + as_parameters({"iou": 2}), r"'iou'\].* of 0 to 1, got '2'"),
        ('backend: "nms"' + NMS + as_parameters({"max": 0}), r"'max'\].* of 1 to .*, got '0'"),
        ('backend: "nms"' + NMS + as_parameters({"score": ""}), r"'score'\].*, got ''"),
    ],
)
def test_a_wrong_parameter_is_refused(
    serve: Callable[[str], Run], config: str, message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"model 'model': parameters.*{message}"):
        serve(config)


def test_scaler_refuses_what_is_no_number(serve: Callable[[str], Run]) -> None:
    run = serve(scaler("BOOL"))
    with pytest.raises(InvalidArgumentError, match="FP32, FP64 or an integer, got 'BOOL'"):
        run(x=np.array([[True]]))


# --- non-maximum suppression --------------------------------------------------------------------


def plain_nms(boxes: Array, scores: Array, iou: float, score: float) -> list[tuple[int, int]]:
    """Box and class of what is left, the best first."""
    order = sorted(
        ((-scores[b, c], b, c) for b, c in np.argwhere(scores >= np.float32(score))),
    )
    kept: list[tuple[int, int]] = []
    for _, box, cls in order:
        if all(c != cls or overlap(boxes[b], boxes[box]) <= iou for b, c in kept):
            kept.append((int(box), int(cls)))
    return kept


def overlap(a: Array, b: Array) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    both = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(both / (areas - both))


def random_boxes(count: int, classes: int, seed: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    corners = generator.uniform(0, 50, (count, 2))
    sizes = generator.uniform(5, 30, (count, 2))
    boxes = np.hstack([corners, corners + sizes]).astype(np.float32)
    return boxes, generator.random((count, classes)).astype(np.float32)


@pytest.mark.parametrize("iou", [0.2, 0.5])
@pytest.mark.parametrize("score", [0.1, 0.6])
def test_nms_keeps_what_numpy_keeps(serve: Callable[[str], Run], iou: float, score: float) -> None:
    run = serve('backend: "nms"' + NMS + as_parameters({"iou": iou, "score": score, "max": 500}))
    boxes, scores = random_boxes(60, 3, 1)
    expected = plain_nms(boxes, scores, iou, score)
    found = run(boxes=boxes, scores=scores)
    count = int(found["count"].item())
    got = list(zip(found["indices"][:count].tolist(), found["classes"][:count], strict=True))
    assert got == expected
    assert 3 < count < 180
    np.testing.assert_array_equal(found["kept"][:count], boxes[[b for b, _ in expected]])
    np.testing.assert_array_equal(found["confidences"][:count], [scores[b, c] for b, c in expected])
    assert set(found["indices"][count:].tolist()) == {-1}


def test_nms_takes_batches_and_stops_at_its_maximum(serve: Callable[[str], Run]) -> None:
    run = serve('backend: "nms" max_batch_size: 4' + NMS + as_parameters({"max": 2}))
    made = [random_boxes(20, 2, seed) for seed in (1, 2)]
    found = run(boxes=np.stack([b for b, _ in made]), scores=np.stack([s for _, s in made]))
    assert found["indices"].shape == (2, 2)
    for row, (boxes, scores) in enumerate(made):
        expected = plain_nms(boxes, scores, 0.5, 0.25)[:2]
        assert found["indices"][row].tolist() == [b for b, _ in expected]
        assert found["count"][row].tolist() == [2]


def test_nms_refuses_boxes_without_scores(serve: Callable[[str], Run]) -> None:
    run = serve('backend: "nms"' + NMS)
    boxes, scores = random_boxes(5, 2, 1)
    with pytest.raises(InvalidArgumentError, match="as many scores as boxes"):
        run(boxes=boxes, scores=scores[:4])
