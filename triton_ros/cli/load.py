# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros load MODEL``: calls the node's service of that name."""

from __future__ import annotations

import argparse

from triton_ros.cli.application import Application
from triton_ros.cli.service_call import call


def run(given: argparse.Namespace, application: Application) -> int:
    """The node's answer; 1 for a refusal."""
    return call(given, "load")
