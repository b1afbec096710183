# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The fixtures that the ROS tests lean on."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import Spawn
from ros_process import DOMAINS, try_claim


def test_a_claimed_domain_is_not_given_again(ros_domain: int) -> None:
    assert 1 <= ros_domain <= DOMAINS
    assert os.environ["ROS_DOMAIN_ID"] == str(ros_domain)
    assert try_claim(ros_domain) is None


def test_spawned_process_is_in_the_domain(ros_domain: int, spawn: Spawn, tmp_path: Path) -> None:
    code = "import os; print(os.environ['ROS_DOMAIN_ID'], os.environ['EXTRA'])"
    assert spawn("-c", code, EXTRA="more").wait(timeout=30) == 0
    assert (tmp_path / "0.log").read_text().split() == [str(ros_domain), "more"]
