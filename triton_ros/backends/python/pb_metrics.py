# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Custom metrics, with Triton's names.  Their values are kept here; nobody scrapes them yet."""

from __future__ import annotations

import threading
from typing import Any

from triton_ros.backends.python.pb_errors import TritonModelException


class MetricFamily:
    """Metrics of one name."""

    COUNTER, GAUGE, HISTOGRAM = 0, 1, 2

    def __init__(self, name: str, description: str, kind: int) -> None:
        self.name, self.description, self.kind = name, description, kind

    def Metric(self, labels: dict[str, str] | None = None, buckets: Any = None) -> Metric:
        """A metric of the family."""
        del buckets
        return Metric(self, labels or {})


class Metric:
    """A number."""

    def __init__(self, family: MetricFamily, labels: dict[str, str]) -> None:
        self._family, self._labels, self._value = family, labels, 0.0
        self._lock = threading.Lock()

    def increment(self, value: float) -> None:
        """Raises `TritonModelException` for a counter that would go down."""
        if value < 0 and self._family.kind == MetricFamily.COUNTER:
            raise TritonModelException("a counter cannot be decremented")
        with self._lock:
            self._value += value

    def set(self, value: float) -> None:
        if self._family.kind != MetricFamily.GAUGE:
            raise TritonModelException("only a gauge can be set")
        with self._lock:
            self._value = value

    def value(self) -> float:
        return self._value
