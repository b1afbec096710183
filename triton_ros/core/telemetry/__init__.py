# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is counted and traced; it decides nothing."""
