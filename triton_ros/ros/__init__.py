# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The ROS skin: messages, parameters, services and topics over `core` and `vision`."""
