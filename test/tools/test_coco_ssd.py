# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The converter on a tiny graph model of the same make, against plain numpy; then the real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from coco_ssd import ConversionError, convert, load_tfjs

SIZE = 9
CLASSES = 3
MODELS = Path(__file__).resolve().parents[2] / "build" / "model_repository"


class Tiny:
    """A network with every operation that COCO-SSD has, on 9x9 pictures, and two feature maps."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)

        def normal(*shape: int) -> np.ndarray[Any, Any]:
            return random.normal(size=shape).astype(np.float32)

        self.weights: dict[str, np.ndarray[Any, Any]] = {
            "conv/w": normal(3, 3, 3, 4),
            "conv/scale": normal(4),
            "conv/shift": normal(4),
            "dw/w": normal(3, 3, 4, 2),
            "bn/gamma": normal(8),
            "bn/beta": normal(8),
            "bn/mean": normal(8),
            "bn/variance": np.abs(normal(8)) + 0.5,
            "res/w": normal(1, 1, 8, 8),
            "minus_one": np.array(-1, np.int32),
            "four": np.array(4, np.int32),
            "classes": np.array(CLASSES, np.int32),
            "axis": np.array(1, np.int32),
        }
        for level, channels in ((0, 4), (1, 8)):
            self.weights[f"box{level}/w"] = 0.1 * normal(1, 1, channels, 8)
            self.weights[f"box{level}/b"] = normal(8)
            self.weights[f"class{level}/w"] = 0.1 * normal(1, 1, channels, 2 * CLASSES)
            self.weights[f"class{level}/b"] = normal(2 * CLASSES)
        count = 2 * (5 * 5 + 3 * 3)
        corners = np.sort(random.uniform(size=(count, 2, 2)).astype(np.float32), axis=1)
        self.weights["Postprocessor/ExpandDims"] = corners.reshape(1, count, 4)
        self.nodes = self._nodes()

    def _nodes(self) -> list[dict[str, Any]]:
        stride2 = {"strides": [1, 2, 2, 1]}
        nodes = [
            node("conv", "Conv2D", "Preprocessor/sub", "conv/w", **stride2),
            node("conv/mul", "Mul", "conv", "conv/scale"),
            node("conv/add", "Add", "conv/mul", "conv/shift"),
            node("conv/relu", "Relu6", "conv/add"),
            node("dw", "DepthwiseConv2dNative", "conv/relu:0", "dw/w", **stride2),
            node("bn", "FusedBatchNorm", "dw", *(f"bn/{n}" for n in BN)),
            node("res", "Conv2D", "bn", "res/w"),
            node("sum", "AddN", "bn", "res"),
        ]
        heads: dict[str, list[str]] = {"box": [], "class": []}
        for level, source in ((0, "conv/relu"), (1, "sum")):
            for kind, width in (("box", "four"), ("class", "classes")):
                name = f"{kind}{level}"
                nodes += [
                    node(f"{name}/conv", "Conv2D", source, f"{name}/w"),
                    node(f"{name}/bias", "BiasAdd", f"{name}/conv", f"{name}/b"),
                    node(f"{name}/stack", "Pack", "batch", "minus_one", width),
                    node(f"{name}/reshape", "Reshape", f"{name}/bias", f"{name}/stack"),
                ]
                heads[kind].append(f"{name}/reshape")
        nodes.append(node("concat", "ConcatV2", *heads["box"], "axis"))
        nodes.append(node("concat_1", "ConcatV2", *heads["class"], "axis"))
        return nodes

    def files(self, shards: int = 3) -> dict[str, bytes]:
        """As the network is published: the weights cut into shards anywhere."""
        data = b"".join(weight.tobytes() for weight in self.weights.values())
        size = -(-len(data) // shards)
        pieces = {f"shard{i}": data[i * size : (i + 1) * size] for i in range(shards)}
        entries = [
            {"name": name, "shape": list(weight.shape), "dtype": str(weight.dtype)}
            for name, weight in self.weights.items()
        ]
        document = {
            "modelTopology": {"node": self.nodes},
            "weightsManifest": [{"paths": list(pieces), "weights": entries}],
        }
        return {"model.json": json.dumps(document).encode(), **pieces}

    def reader(self) -> Callable[[str], bytes]:
        return self.files().__getitem__


BN = ("gamma", "beta", "mean", "variance")


def node(name: str, op: str, *inputs: str, strides: list[int] | None = None) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if "Conv" in op:
        numbers = [str(n) for n in strides or [1, 1, 1, 1]]
        attributes = {"strides": {"list": {"i": numbers}}, "padding": {"s": list(b"SAME")}}
    if op == "FusedBatchNorm":
        attributes = {"epsilon": {"f": 0.001}}
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def same_conv(x: Any, w: Any, stride: int, *, depthwise: bool = False) -> Any:
    """TensorFlow's convolution with SAME padding, written out; x [N,H,W,C]."""
    n, height, width, channels = x.shape
    kernel = w.shape[0]
    rows, columns = -(-height // stride), -(-width // stride)
    spare = max((rows - 1) * stride + kernel - height, 0)
    x = np.pad(
        x, ((0, 0), (spare // 2, spare - spare // 2), (spare // 2, spare - spare // 2), (0, 0))
    )
    made = channels * w.shape[3] if depthwise else w.shape[3]
    out = np.zeros((n, rows, columns, made), np.float64)
    for i in range(rows):
        for j in range(columns):
            patch = x[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            subscripts = "nhwc,hwcm->ncm" if depthwise else "nhwc,hwcm->nm"
            out[:, i, j] = np.einsum(subscripts, patch, w).reshape(n, made)
    return out


def expected(weights: dict[str, Any], images: Any) -> tuple[Any, Any]:
    """Boxes and scores by numpy in float64."""
    w = weights
    x = images.astype(np.float64) * 2 / 255 - 1
    first = np.clip(same_conv(x, w["conv/w"], 2) * w["conv/scale"] + w["conv/shift"], 0, 6)
    deep = same_conv(first, w["dw/w"], 2, depthwise=True)
    deep = (deep - w["bn/mean"]) / np.sqrt(w["bn/variance"] + 0.001) * w["bn/gamma"] + w["bn/beta"]
    deep = deep + same_conv(deep, w["res/w"], 1)
    heads = {}
    for kind, width in (("box", 4), ("class", CLASSES)):
        parts = [
            (same_conv(source, w[f"{kind}{i}/w"], 1) + w[f"{kind}{i}/b"]).reshape(
                len(images), -1, width
            )
            for i, source in enumerate((first, deep))
        ]
        heads[kind] = np.concatenate(parts, axis=1)
    anchors = w["Postprocessor/ExpandDims"][0].astype(np.float64)
    size = anchors[:, 2:] - anchors[:, :2]
    centre = (anchors[:, 2:] + anchors[:, :2]) / 2 + heads["box"][..., :2] / 10 * size
    half = np.exp(heads["box"][..., 2:] / 5) * size / 2
    boxes = np.concatenate([centre - half, centre + half], axis=-1)
    return boxes, 1 / (1 + np.exp(-heads["class"][..., 1:]))


def session(tiny: Tiny) -> Any:
    model = convert(load_tfjs(tiny.reader()), SIZE)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("batch", [1, 3])
def test_answers_are_those_of_the_graph_model(batch: int) -> None:
    tiny = Tiny()
    images = np.random.default_rng(1).integers(0, 256, (batch, SIZE, SIZE, 3)).astype(np.uint8)
    boxes, scores = session(tiny).run(["boxes", "scores"], {"images": images})
    want_boxes, want_scores = expected(tiny.weights, images)
    assert boxes.shape == (batch, 68, 4)
    assert scores.shape == (batch, 68, CLASSES - 1)
    np.testing.assert_allclose(scores, want_scores, atol=1e-4)
    np.testing.assert_allclose(boxes, want_boxes, rtol=1e-3, atol=1e-4)


def test_signature_is_a_batch_of_pictures() -> None:
    made = session(Tiny())
    assert [(i.name, i.type, i.shape) for i in made.get_inputs()] == [
        ("images", "tensor(uint8)", ["N", SIZE, SIZE, 3])
    ]
    assert [(o.name, o.shape) for o in made.get_outputs()] == [
        ("boxes", ["N", 68, 4]),
        ("scores", ["N", 68, CLASSES - 1]),
    ]


def test_an_unknown_operation_is_named_with_its_node() -> None:
    tiny = Tiny()
    next(n for n in tiny.nodes if n["name"] == "conv/relu")["op"] = "Swish"
    with pytest.raises(ConversionError, match=r"'conv/relu' is Swish"):
        convert(load_tfjs(tiny.reader()), SIZE)


def test_a_node_that_is_missing_is_named() -> None:
    tiny = Tiny()
    tiny.nodes = [n for n in tiny.nodes if n["name"] != "dw"]
    with pytest.raises(ConversionError, match=r"'dw' is not in the graph"):
        convert(load_tfjs(tiny.reader()), SIZE)


def test_a_shard_that_is_too_short_is_refused() -> None:
    files = Tiny().files()
    files["shard2"] = files["shard2"][:-8]
    with pytest.raises(ConversionError, match="past the end"):
        load_tfjs(files.__getitem__)


def test_quantised_weights_are_refused() -> None:
    files = Tiny().files()
    document = json.loads(files["model.json"])
    document["weightsManifest"][0]["weights"][0]["quantization"] = {"dtype": "uint8"}
    files["model.json"] = json.dumps(document).encode()
    with pytest.raises(ConversionError, match=r"'conv/w' is quantised"):
        load_tfjs(files.__getitem__)


@pytest.mark.parametrize(
    ("picture", "coco_id", "at_least"),
    [("astronaut", 1, 0.6), ("chelsea", 17, 0.85), ("coffee", 47, 0.85)],
    ids=["astronaut is a person", "chelsea is a cat", "coffee is in a cup"],
)
def test_the_real_model_sees_what_is_there(picture: str, coco_id: int, at_least: float) -> None:
    path = MODELS / "coco_ssd" / "1" / "model.onnx"
    if not path.is_file():
        pytest.skip(f"{path.relative_to(MODELS.parents[1])} is absent: run `make models`")
    data = pytest.importorskip("skimage.data")
    image = cv2.resize(getattr(data, picture)(), (300, 300))
    real = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    boxes, scores = real.run(["boxes", "scores"], {"images": image[None]})
    best, found = np.unravel_index(scores[0].argmax(), scores[0].shape)
    assert found + 1 == coco_id
    assert scores[0].max() >= at_least
    y0, x0, y1, x1 = boxes[0, best]
    assert -0.05 < y0 < y1 < 1.05
    assert -0.05 < x0 < x1 < 1.05
