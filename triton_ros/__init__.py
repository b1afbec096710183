# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton-style model serving as one ROS 2 lifecycle node."""

__version__ = "0.1.0"
