# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models, requests and time: numpy and the standard library only."""
