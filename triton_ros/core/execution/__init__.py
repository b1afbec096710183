# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One batch through one instance: merge, execute, split, answer."""
