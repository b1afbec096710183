# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The node's transitions as tables: where each leads, and what its failure is answered as."""

from __future__ import annotations

from rclpy.lifecycle import TransitionCallbackReturn

FAILED = TransitionCallbackReturn.FAILURE
STATES = {
    "configure": "inactive",
    "activate": "active",
    "deactivate": "inactive",
    "cleanup": "unconfigured",
    "shutdown": "finalized",
    "error": "unconfigured",
}
"""Where each transition leads, for /diagnostics."""
FAILURES = {
    "cleanup": (TransitionCallbackReturn.ERROR, "inactive"),
    "shutdown": (FAILED, "finalized"),
    "error": (FAILED, "finalized"),
}
"""What a failure is answered as and where it leads; others: FAILURE, and the state stays.

After a cleanup that failed nothing is left that could be activated: ERROR leads through on_error to
unconfigured.
"""
