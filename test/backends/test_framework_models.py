# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trained models of TensorFlow and PyTorch, served: `make frameworks` fetches them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_case import missing
from skimage import data

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.errors import InternalError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array
from triton_ros.vision.processor import load_processor

BUILD = Path(__file__).resolve().parents[2] / "build"
REPOSITORY = BUILD / "framework_repository"
TIMEOUT = 120
CHUNK, CONTEXT, RATE = 512, 64, 16_000


@pytest.fixture
def server() -> Iterator[InferenceServer]:
    with InferenceServer([REPOSITORY], BackendRegistry().load_backend, load_processor) as server:
        yield server


def needs(model: str, module: str) -> Any:
    reason = missing(module, "make frameworks")
    if not (REPOSITORY / model / "1").is_dir():
        reason = f"build/framework_repository has no {model}: make frameworks"
    return pytest.mark.skipif(bool(reason), reason=reason or "it is there")


@needs("pedestrians", "tensorflow")
def test_a_frozen_graph_of_tensorflow_1_finds_the_astronaut(server: InferenceServer) -> None:
    server.load_model("pedestrians").result(TIMEOUT)
    picture = data.astronaut()
    answer = server.infer(InferenceRequest("pedestrians", {"IMAGE": picture}), TIMEOUT).outputs
    assert answer["LABELS"].tolist() == ["person"]
    assert answer["SCORES"][0] > 0.8
    x0, y0, x1, y1 = answer["BOXES"][0].tolist()
    assert x0 < 100
    assert y0 < 60
    assert x1 > 330
    assert y1 > 480, "her face is at (230, 110), and she fills the picture down to its end"


def _sound() -> Array:
    """Four seconds that begin with a kind of vowels in syllables, and noise."""
    time = np.arange(4 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 1.5 * time)) / RATE
    vowel = sum(
        np.sin(k * phase)
        * (np.exp(-(((k * 120 - 600) / 500) ** 2)) + 0.5 * np.exp(-(((k * 120 - 1700) / 400) ** 2)))
        for k in range(1, 30)
    )
    syllables = (np.sin(2 * np.pi * 3 * time) > 0) & (time % 2 < 1.2)
    noise = np.random.default_rng(0).normal(size=time.size)
    sound: Array = (0.2 * vowel * syllables + 0.005 * noise).astype(np.float32)
    return sound


@needs("voice_activity", "torch")
def test_torchscript_hears_what_its_onnx_twin_hears(server: InferenceServer) -> None:
    """Both come in one package; the ONNX file is given its state and context by hand."""
    onnxruntime = pytest.importorskip("onnxruntime")
    (package,) = (BUILD / "downloads").glob("silero_vad-*.whl")
    with zipfile.ZipFile(package) as wheel:
        twin = onnxruntime.InferenceSession(wheel.read("silero_vad/data/silero_vad.onnx"))
    server.load_model("voice_activity").result(TIMEOUT)
    state, before = np.zeros((2, 1, 128), np.float32), np.zeros((1, CONTEXT), np.float32)
    heard, expected = [], []
    for chunk in _sound().reshape(-1, 1, CHUNK):
        request = InferenceRequest("voice_activity", {"x": chunk, "sr": np.array([RATE])})
        heard.append(server.infer(request, TIMEOUT).outputs["OUTPUT__0"].item())
        feed = {"input": np.hstack([before, chunk]), "state": state, "sr": np.array(RATE)}
        probability, state = twin.run(None, feed)
        before = chunk[:, -CONTEXT:]
        expected.append(probability.item())
    np.testing.assert_allclose(heard, expected, atol=1e-4)
    assert min(heard) < 0.01
    assert max(heard) > 0.5
    with pytest.raises(
        InternalError, match=r"PyTorch: .*Supported sampling rates: \[8000, 16000\]"
    ):
        server.infer(
            InferenceRequest("voice_activity", {"x": chunk, "sr": np.array([44_100])}), TIMEOUT
        )
