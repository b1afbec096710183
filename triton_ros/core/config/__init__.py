# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model's configuration may say: typed values, their rules, and the ways in and out."""
