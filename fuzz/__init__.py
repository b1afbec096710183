# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bad input: what reads bytes of strangers, and the command that feeds it millions of them."""
