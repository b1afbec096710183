# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A `Trigger` service of a model, from the command line."""

from __future__ import annotations

import argparse
import json
import sys

from triton_ros.cli.node_client import connected
from triton_ros.ros.model_services import service_name


def call(given: argparse.Namespace, action: str) -> int:
    """Calls ``~/models/<model>/<action>``; prints the answer, 1 for a refusal."""
    with connected(given) as client:
        service = f"models/{service_name(given.model)}/{action}"
        success, message = client.trigger(service, given.timeout)
    if given.json:
        print(json.dumps({"success": success, "message": message}))
    else:
        print(message, file=sys.stdout if success else sys.stderr)
    return int(not success)
