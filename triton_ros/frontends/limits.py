# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How many requests a second one client may make: a token bucket for each address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_CLIENTS = 4096
"""Addresses that are remembered; the one that was quiet the longest is forgotten."""


class RateLimit:
    """Lets `rate` requests a second through, and a burst of a second's worth (at least one).

    A rate of 0 lets everything through.  Thread-safe.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(rate, 1.0)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens left, and when that was."""

    @property
    def limits(self) -> bool:
        """Whether anything is ever held back."""
        return self._rate > 0

    def wait_s(self, client: str) -> float:
        """0 if the client's request may pass (it is counted then), else seconds until one may."""
        if not self._rate:
            return 0.0
        now = self._clock()
        with self._lock:
            tokens, then = self._buckets.pop(client, (self._burst, now))
            tokens = min(self._burst, tokens + (now - then) * self._rate)
            passes = tokens >= 1.0
            self._buckets[client] = (tokens - passes, now)
            if len(self._buckets) > MOST_CLIENTS:
                self._buckets.popitem(last=False)
        return 0.0 if passes else (1.0 - tokens) / self._rate
