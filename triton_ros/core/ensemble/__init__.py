# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Graphs of models that pass tensors on."""
