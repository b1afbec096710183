# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a robot has without this package: the usual node, to be measured beside it."""
