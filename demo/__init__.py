# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make demo`: two cameras from a bag, three pipelines, a model swapped while frames flow."""
