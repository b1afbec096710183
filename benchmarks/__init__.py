# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: the node beside direct calls, as ratios of one run."""
