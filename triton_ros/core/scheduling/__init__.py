# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which requests run when, on which instance: queues and batchers decide, the scheduler waits."""
