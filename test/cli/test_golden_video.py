# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recorded video through every shipped example pipeline, by the command that a team would use.

A bag of some frames of each clip (see tools/get_media.py) is replayed and compared with
``test/data/golden_video.jsonl``.  No clip at hand has text that can be read, so `signs` has a
photographed page and painted boards instead: see test/ros/test_bag.py.  To record anew:

    RECORD_GOLDEN=1 python -m pytest test/cli/test_golden_video.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_files import Run

from demo import bag as bags
from demo import video
from triton_ros.cli.golden import Tolerance, read_golden

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = ROOT / "build/model_repository"
GOLDEN = ROOT / "test/data/golden_video.jsonl"
CABIN, STREET = "/camera/cabin/image_raw", "/camera/street/image_raw"
MODELS = {
    "objects": ("coco_ssd", "street"),
    "passengers": ("coco_ssd", "cabin"),
    "faces": ("blazeface", "cabin"),
    "faces_full": ("blazeface_full", "cabin"),
    "mesh": ("faces_mesh", "cabin"),
    "person": ("person_if_face", "cabin"),
    "pixels": ("person_segmentation", "cabin"),
}

pytestmark = pytest.mark.skipif(
    not (REPOSITORY.is_dir() and video.MEDIA.is_dir()),
    reason="no build/model_repository or build/media: run `make models`",
)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of each clip, spread over it."""
    path = tmp_path_factory.mktemp("bag") / "bag"
    kind = "sensor_msgs/msg/Image"
    rate = 8 / bags.SECONDS
    cabin = bags.Camera(CABIN, "cabin", kind, rate, video="cabin.mp4", step=14)
    street = bags.Camera(STREET, "street", kind, rate, video="street.mp4", step=5)
    bags.make_bag(path, (cabin, street))
    return path


@pytest.fixture
def pipelines(tmp_path: Path) -> Path:
    """All example pipelines whose models are there (coco_ssd needs npm)."""
    there = {name: row for name, row in MODELS.items() if (REPOSITORY / row[0]).is_dir()}
    row = "  {}: {{model: {}, cameras: {}}}".format
    lines = [row(name, model, camera) for name, (model, camera) in there.items()]
    path = tmp_path / "pipelines.yaml"
    path.write_text(
        f"model_repository: ['{REPOSITORY}']\n"
        f"cameras: {{cabin: {{topic: {CABIN}}}, street: {{topic: {STREET}}}}}\n"
        "pipelines:\n" + "\n".join(lines) + "\n"
    )
    return path


def test_the_pipelines_see_what_they_saw(
    run: Run, bag: Path, pipelines: Path, tmp_path: Path
) -> None:
    if os.environ.get("RECORD_GOLDEN"):
        done = run("replay", bag, "--pipelines", pipelines, "--record-golden", GOLDEN)
        pytest.skip(f"recorded {GOLDEN.name}: {done.stdout}")
    there = pipelines.read_text()
    golden = tmp_path / "golden.jsonl"
    lines = GOLDEN.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if f"  {json.loads(line)['stream']}: " in there]
    golden.write_text("".join(kept), encoding="utf-8")
    done = run("replay", bag, "--pipelines", pipelines, "--golden", golden)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ 0 differences" in done.stdout


def test_the_golden_file_shows_every_pipeline_at_work() -> None:
    golden = read_golden(GOLDEN)
    assert golden.keys() == MODELS.keys()
    for stream, answers in golden.items():
        clear = [f for a in answers for f in a.found if f.score >= Tolerance().least_score]
        assert len(clear) >= 2, stream
