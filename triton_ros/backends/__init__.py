# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One file a runtime; each implements `triton_ros.core.backend` and imports its runtime lazily.

`registry.BackendRegistry` finds them by name; `support` holds what they say in the same words.
"""
