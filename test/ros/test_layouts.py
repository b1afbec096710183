# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The layouts for Foxglove and RViz name topics that a stream `front` has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from triton_ros.ros.output_kinds import MAPS
from triton_ros.ros.stream_timing import STAGES

CONFIG = Path(__file__).resolve().parents[2] / "config"
OURS = {"detections", "keypoints", "annotated", "annotated/compressed", "label_info"}
OURS |= {name.lower() for name in MAPS} | {f"timing/{stage}_ms" for stage in STAGES}


def topics(text: str) -> set[str]:
    return set(re.findall(r"/triton_ros/front/([a-z_/]+)", text))


def test_foxglove() -> None:
    text = (CONFIG / "foxglove_layout.json").read_text()
    layout = json.loads(text)
    named = re.findall(r'"(?:first|second)": "([^"]+)"', json.dumps(layout["layout"]))
    assert set(named) == set(layout["configById"])
    assert {"annotated/compressed", "timing/total_ms"} <= topics(text) <= OURS


def test_rviz() -> None:
    text = (CONFIG / "triton.rviz").read_text()
    displays = yaml.safe_load(text)["Visualization Manager"]["Displays"]
    assert {d["Class"] for d in displays} == {"rviz_default_plugins/Image"}
    assert {"annotated"} <= topics(text) <= OURS
