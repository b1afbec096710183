# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros infer MODEL FILE...``: pictures and videos through a model, in this process."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from triton_ros.cli.application import Application
from triton_ros.cli.results import found_in, table
from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import InferenceRequest, Parameter
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array
from triton_ros.vision.draw import annotate
from triton_ros.vision.image import Image

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def run(given: argparse.Namespace, application: Application) -> int:
    """Prints what was found in each frame; writes annotated copies where asked to."""
    application.tune_process()
    if given.every < 1:
        raise InvalidArgumentError(f"--every is {given.every}; accepted: 1 or more")
    several = len(given.file) > 1
    with application.make_server(given.model_repository) as server:
        server.load_model(given.model).result()
        _check_takes_images(server, given.model)
        for path in given.file:
            output = given.output
            if output is not None and (several or output.is_dir()):
                output.mkdir(parents=True, exist_ok=True)
                output = output / path.name
            _run_file(server, given, path, output)
    return 0


def _check_takes_images(server: InferenceServer, model: str) -> None:
    names = [spec.name for spec in server.describe(model).interface.inputs]
    if names != ["IMAGE"]:
        raise InvalidArgumentError(
            f"model '{model}' takes {', '.join(names)}; accepted: a model that takes IMAGE alone"
        )


def _run_file(
    server: InferenceServer, given: argparse.Namespace, path: Path, output: Path | None
) -> None:
    parameters = {
        name: value
        for name in ("score_threshold", "iou_threshold", "max_detections")
        if (value := getattr(given, name)) is not None
    }
    with Output(output, path) as written:
        for number, bgr in _frames(path, given.every):
            outputs = _infer(server, given.model, bgr, parameters)
            _print(path, number, found_in(outputs), given.json)
            if output is not None:
                written.add(annotate(bgr, outputs))


def _infer(
    server: InferenceServer, model: str, bgr: Array, parameters: Mapping[str, Parameter]
) -> dict[str, Array]:
    height, width = bgr.shape[:2]
    image = Image.raw(np.ascontiguousarray(bgr), height, width, "bgr8")
    request = InferenceRequest(model, {"IMAGE": image}, parameters=parameters)
    return server.infer(request).outputs


def _print(path: Path, number: int, found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"file": str(path), "frame": number, "found": found}, ensure_ascii=False))
        return
    print(f"{path} frame {number}: {len(found)} found")
    if found:
        names = [name for name in found[0] if not name.startswith("keypoint")]
        print(table(names, [[_short(row[name]) for name in names] for row in found]))


def _short(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_short(entry) for entry in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _frames(path: Path, every: int) -> Iterator[tuple[int, Array]]:
    """BGR frames with their numbers."""
    if not path.is_file():
        raise InvalidArgumentError(f"there is no file {path}")
    if path.suffix.lower() in PICTURES:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise InvalidArgumentError(f"{path} is no picture that OpenCV can read")
        yield 0, np.asarray(picture)
        return
    video = cv2.VideoCapture(str(path))
    try:
        number = 0
        while (read := video.read())[0]:
            if number % every == 0:
                yield number, np.asarray(read[1])
            number += 1
    finally:
        video.release()
    if number == 0:
        known = " ".join(PICTURES)
        raise InvalidArgumentError(f"{path} is neither a picture ({known}) nor a readable video")


class Output:
    """An annotated picture or video at `path`; like `source`, unless its name says otherwise."""

    def __init__(self, path: Path | None, source: Path) -> None:
        self._path = path
        self._rate = 30.0
        self._video: Any = None
        if path is not None and source.suffix.lower() not in PICTURES:
            capture = cv2.VideoCapture(str(source))
            self._rate = capture.get(cv2.CAP_PROP_FPS) or self._rate
            capture.release()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *error: object) -> None:
        if self._video is not None:
            self._video.release()

    def add(self, bgr: Array) -> None:
        """Write a frame; raises `InvalidArgumentError` where that cannot be."""
        assert self._path is not None
        if self._path.suffix.lower() in PICTURES:
            good = cv2.imwrite(str(self._path), bgr)
        else:
            if self._video is None:
                size = bgr.shape[1], bgr.shape[0]
                code = cv2.VideoWriter.fourcc(*"mp4v")
                self._video = cv2.VideoWriter(str(self._path), code, self._rate, size)
            good = self._video.isOpened()
            self._video.write(bgr)
        if not good:
            raise InvalidArgumentError(
                f"{self._path} cannot be written; accepted: {' '.join(PICTURES)} .mp4 .avi"
            )
