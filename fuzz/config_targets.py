# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Configurations: config.pbtxt, a load's JSON, vision.yaml, and a pipelines file."""

from __future__ import annotations

import json
import re
import tempfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fuzz.target import FindingError, Script, Target
from triton_ros.core.backend import Signature
from triton_ros.core.config.config_completion import complete
from triton_ros.core.config.config_json import config_from_json, config_json
from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec
from triton_ros.ros.pipelines_file import read_pipelines
from triton_ros.vision.processor import read_processor
from triton_ros.vision.yaml_fields import read_fields, read_mapping

ROOT = Path(__file__).resolve().parent.parent / "config"
LONGEST = 8192
_REPOSITORIES = (ROOT / "model_repository", ROOT / "framework_repository")
_SIGNATURE = Signature(
    (TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 4)),), True
)
REAL = """\
name: "m"
backend: "onnxruntime"
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] reshape { shape: [ -1, 2, 2 ] } }
input [ { name: "r" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true } ]
output { name: "y" data_type: TYPE_INT64 dims: 1 label_filename: "labels.txt" }
batch_input { kind: BATCH_ELEMENT_COUNT target_name: "n" data_type: TYPE_FP32 source_input: "r" }
batch_output { target_name: "y" kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: "r" }
instance_group [ { count: 2 kind: KIND_CPU rate_limiter { resources { name: "R" count: 1 } } } ]
sequence_batching {
  oldest { max_candidate_sequences: 4 preferred_batch_size: [ 2, 8 ] }
  control_input { name: "S" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }
  control_input { name: "C" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } }
  state { input_name: "i" output_name: "o" data_type: TYPE_INT32 dims: [ -1 ]
    initial_state { name: "z" data_type: TYPE_INT32 dims: [ 1 ] zero_data: true } }
}
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""
_MORE = """\
platform: "onnxruntime_onnx"
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ 3, 4 ] }
output { name: "y" data_type: TYPE_FP32 dims: 4 }
version_policy { specific { versions: 3 versions: 1 } }
dynamic_batching {
  preferred_batch_size: [ 2, 4 ] max_queue_delay_microseconds: 100 priority_levels: 2
  default_priority_level: 1 priority_queue_policy { key: 1 value { max_queue_size: 4 } }
}
optimization { graph { level: 1 } execution_accelerators { cpu_execution_accelerator {
  name: "openvino" parameters { key: "a" value: "b" } } } }
model_warmup { name: "w" batch_size: 1 inputs { key: "x" value {
  data_type: TYPE_FP32 dims: [ 3, 4 ] zero_data: true } } }
response_cache { enable: true }
"""


def config_text(data: bytes) -> None:
    """The text of a config.pbtxt, and what is shown of it."""
    text = data.decode("utf-8", "ignore")
    try:
        config = parse_config(text, "m")
    except ConfigError as error:
        found = re.match(r"config\.pbtxt:(\d+)(:\d+)?: ", str(error))
        if not found or not 1 <= int(found[1]) <= text.count("\n") + 1:
            raise FindingError(f"no line that there is: {error}") from error
        raise
    _shown(config)


def config_override(data: bytes) -> None:
    """The JSON of a load."""
    try:
        config = config_from_json(data.decode("utf-8", "replace"), "m")
    except ConfigError as error:
        if not str(error).startswith("Invalid config override: "):
            raise FindingError(f"whose error is this: {error}") from error
        raise
    _shown(config)


def _shown(config: ModelConfig) -> None:
    """What is accepted can be shown, and what is shown is accepted."""
    shown = config_json(_completed(config))
    again = config_json(config_from_json(shown, "m"))
    if _sorted(again) != _sorted(shown):
        raise FindingError(f"it is shown in two ways: {shown} {again}")


def _sorted(shown: str) -> str:
    """Protobuf's maps have no order."""
    return json.dumps(json.loads(shown), sort_keys=True)


def _completed(config: ModelConfig) -> ModelConfig:
    """By a file, where it leaves the tensors to that."""
    if config.input or config.output or config.is_ensemble:
        return config.with_changes(stated=config.stated | {"max_batch_size"})
    return complete(config, _SIGNATURE)


def _files(name: str) -> Iterator[bytes]:
    for root in _REPOSITORIES:
        for path in sorted(root.rglob(name)):
            yield path.read_bytes()


def _texts() -> Iterator[bytes]:
    yield from (REAL.encode(), _MORE.encode(), b"")
    for text in _files("config.pbtxt"):
        yield re.sub(rb'^name: "[^"]*"\n', b"", text, flags=re.MULTILINE)


def _overrides() -> Iterator[bytes]:
    for text in _texts():
        yield config_json(_completed(parse_config(text.decode(), "m"))).encode()
    yield b'{"maxBatchSize": 4, "instanceGroup": [{"kind": "KIND_CPU", "count": "2"}]}'


def vision_file(data: bytes) -> None:
    """A vision.yaml, of models of several shapes."""
    script = Script(data)
    config = _MODELS[script.one_of(len(_MODELS))]
    path = _folder() / "vision.yaml"
    path.write_bytes(script.rest())
    read_processor(read_fields(path), config, path.parent)


def pipelines_file(data: bytes) -> None:
    """A pipelines file, and the same as a parameter file."""
    path = _folder() / "pipelines.yaml"
    path.write_bytes(data)
    if zlib.crc32(data) % 4:
        read_pipelines(path)
    else:
        read_mapping(path)


def _folder() -> Path:
    return Path(_made().name)


@lru_cache(maxsize=1)
def _made() -> tempfile.TemporaryDirectory[str]:
    """Gone with the process; one that is killed has its `TMPDIR` from `fuzz.run`, which is gone."""
    made = tempfile.TemporaryDirectory(prefix="triton_ros_fuzz_")
    Path(made.name, "labels.txt").write_text("cat\ndog\n")
    return made


def _model(inputs: tuple[TensorSpec, ...], *outputs: TensorSpec, batch: int = 0) -> ModelConfig:
    return ModelConfig(
        "m",
        max_batch_size=batch,
        input=tuple(map(InputConfig, inputs)),
        output=tuple(map(OutputConfig, outputs)),
    )


def _of(name: str, *dims: int, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name, datatype, dims)


_OUTPUTS = (
    *(_of("output0", 6, 84), _of("output1", 32, 16, 16), _of("packed", 40, 84)),
    *(_of("boxes", 84, 4), _of("scores", 84, 2), _of("classes", 84), _of("count", 1)),
    *(_of("map", 64, 64), _of("class_map", 2, 16, 16), _of("size_map", 2, 16, 16)),
    *(_of("points", 1, 468, 3), _of("regressors", 224, 16), _of("classificators", 224, 1)),
    *(_of("masks", 84, 1, 28, 28), _of("steps", 40, 4), _of("angle", 2)),
    *(_of("raw_boxes", 64, 4), _of("raw_scores", 64, 2)),
)
_SIZES = _of("sizes", 2, datatype="INT64")
_MODELS = (
    _model((_of("images", 3, 64, 64),), *_OUTPUTS, batch=8),
    _model((_of("images", -1, -1, 3, datatype="UINT8"), _SIZES), *_OUTPUTS),
    _model((_of("x", 1, 3, 48, -1),), *(_of(o.name, 1, *o.dims) for o in _OUTPUTS)),
    _model((_of("images", 3, 64, 64),), _of("output0", 6, 84)),
)
"""What a file is held against decides what of it is looked at."""
_INPUTS = (
    "{resize: letterbox, scale: 1/255, fill: 114, mean: [0.5, 0.5, 0.5], region: [0, 0, 1, 0.5]}",
    "{tensor: images, multiple_of: 32, longest: 640, color: bgr, size_inputs: {sizes: source_wh}}",
    "{regions: {height: 48, widths: [160, 320], margin: 0.1, square: true}, layout: nchw}",
    "{resize: crop, crop_fraction: 0.9, color: rgb}",
)
_HEADS = (
    *("{type: yolo, output: output0, format: v8, iou_threshold: 0.45}", "{type: raw}"),
    "{type: yolo_seg, output: packed, protos: output1, format: v8, mask_threshold: 0.5}",
    "{type: yolo_pose, output: packed, format: v8, points: 17, values: 2}",
    "{type: detections, format: tf_od, boxes: boxes, scores: classes, classes: classes}",
    "{type: detr, format: rf_detr, boxes: boxes, scores: scores, background: last}",
    "{type: ssd, boxes: raw_boxes, scores: raw_scores, anchors: {strides: [16], sizes: [32, 64],"
    " ratios: [1, 2, 0.5], extra: true, variances: [0.1, 0.2]}, nms: agnostic}",
    "{type: blazeface, regressors: regressors, scores: classificators, strides: [8, 16, 16, 16],"
    " anchors_per_stride: 2}",
    "{type: centernet, heatmap: class_map, size: size_map, offset: size_map}",
    "{type: mask_rcnn, boxes: boxes, scores: classes, classes: classes, masks: masks}",
    *("{type: classification, output: angle, activation: softmax}", "{type: flip, output: angle}"),
    *("{type: segmentation, output: class_map}", "{type: depth, output: map, kind: inverse}"),
    *("{type: landmarks, output: points, values: 3}", "{type: heatmap, output: class_map}"),
    *("{type: ctc, output: steps, characters: labels.txt}", "{type: db_text, output: map}"),
)


def _visions() -> Iterator[bytes]:
    for text in _files("vision.yaml"):
        yield b"\x03" + text
    for at, given in enumerate(_INPUTS):
        for head in _HEADS:
            yield bytes([at]) + f"input: {given}\nhead: {head}\nlabels: labels.txt\n".encode()
            yield bytes([at]) + f"input: {given}\nhead: {head}\n".encode()


def _pipelines() -> Iterator[bytes]:
    yield re.sub(rb" *#[^\n]*", b"", (ROOT / "pipelines.yaml").read_bytes())
    yield (
        b"model_repository: [m]\ncameras:\n  a: {topic: /a}\n  b: {topic: /b, depth: 3}\n"
        b"pipelines:\n  p: {model: m, cameras: [a, b], region: [0.0, 0.0, 1.0, 1.0]}\n"
        b"  q: {model: m, cameras: a, max_rate_hz: 3.0, policy: 'queue:3', tracker: norfair}\n"
    )


_YAML = (
    *("!!int ", "!!float ", "!!bool ", "!!null ", "!!timestamp ", "!!binary ", "!!set ", "!!omap "),
    *("!!str ", "!!seq ", "!!map ", "&a ", "*a", "<<: ", "? ", ": ", "- ", "| ", "> ", "0x", "0b"),
    *(
        ".nan",
        ".inf",
        "1e999",
        "2001-13-99",
        "1:2:3",
        "[[",
        "{{",
        "]]",
        "}}",
        "%YAML 1.1\n",
        "---\n",
    ),
    *("\t", "\u2028", "\ufeff", "\0", "~", "yes"),
)
_TEXT = (
    *("-1", "0x7fffffffffffffff", "18446744073709551615", "1e400", "nan", "inf", "'", '"', "\\377"),
    *("\\ud800", "[", "]", "{", "}", "<", ">", "#", ": ", ";", "/", "../"),
)
_JSON = ("null", "true", "NaN", "1e400", "[[", "{}", "\\ud800", "-9223372036854775809", '":', ",")
TARGETS = (
    Target("config_text", config_text, _texts, LONGEST, words=_TEXT),
    Target("config_override", config_override, _overrides, LONGEST, words=_JSON),
    Target("vision_file", vision_file, _visions, LONGEST, words=_YAML),
    Target("pipelines_file", pipelines_file, _pipelines, 1024, words=_YAML),
)
