# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Prometheus metrics: Triton's names for models, and ours for streams and frontends."""
