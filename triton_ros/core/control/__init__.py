# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is on disk and what serves: repository, loading, exchange, leases."""
