# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A compiled class takes no attribute that it does not know; neither do these."""

from __future__ import annotations


class Strict:
    """Public attributes are those of the class, less what the release has not."""

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        object.__setattr__(self, name, value)
