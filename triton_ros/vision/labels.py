# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Names of classes and of keypoints, as a model's files give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec
from triton_ros.vision.yaml_fields import Fields


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a text file as they are, an empty last one left out; raises `ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # also a name that no file can have
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    # Not splitlines(): to a recogniser, U+2028 or a form feed is a character like any other.
    lines = text.replace("\r\n", "\n").split("\n")
    return tuple(lines[:-1] if lines[-1] == "" else lines)


def read_labels(
    fields: Fields, config: ModelConfig, model_dir: Path
) -> tuple[tuple[str, ...], str]:
    """The class names, and the words that say where they are from; both empty without."""
    files = {item.label_filename for item in config.output if item.label_filename}
    given = fields.names("labels")
    if given:
        if files:
            fields.fail("labels", f"are given by label_filename in config.pbtxt too: {files.pop()}")
        if not isinstance(given, str):
            return given, "labels"
        fields.beside("labels", given)
        files = {given}
    if len(files) > 1:
        raise ConfigError(f"model '{config.name}': label_filename differs: {sorted(files)}")
    for name in files:
        return tuple(line.strip() for line in read_lines(model_dir / name)), name
    return (), ""


def read_keypoint_names(fields: Fields, outputs: Sequence[TensorSpec]) -> tuple[str, ...]:
    """Names of the points in KEYPOINTS [n, k, 2]: as many as there are, or none."""
    given = fields.names("keypoint_names")
    if not given:
        return ()
    names = given
    if isinstance(names, str):
        names = read_lines(fields.beside("keypoint_names", names))
    points = next((spec for spec in outputs if spec.name == "KEYPOINTS"), None)
    if points is None:
        fields.fail("keypoint_names", "are given, but the head answers no KEYPOINTS")
    if points.dims[1] not in (-1, len(names)):
        fields.fail("keypoint_names", f"are {len(names)}, but there are {points.dims[1]} points")
    return tuple(name.strip() for name in names)
