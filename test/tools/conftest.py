# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The programs in tools/ import each other by plain names, as scripts do; so do their tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
