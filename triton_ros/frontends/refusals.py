# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What network clients were refused because they may not have it, in the log.

Keys, rates, sizes, paths, slices of memory, patience: whoever runs the server wants to know that
somebody tries, and who.  What is merely wrong (a shape, an unknown model) is told to its client
alone.  A client must not fill the log either: of each kind the first is written, and then one line
a period with how many there were.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from triton_ros.core.config.config_pbtxt import readable
from triton_ros.core.errors import TritonError

PERIOD_S = 10.0
_LONGEST = 300
_LOG = logging.getLogger(__name__)


class Refusals:
    """Tells the log; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}
        """By what was asked and why it was refused, which no client can invent: when that was last
        written, and how often it happened since.
        """

    def tell(self, asked: str, client: str | None, kind: str, why: str = "") -> None:
        """`asked` and `kind` are words of ours; `why` may have a client's in it."""
        now = self._clock()
        with self._lock:
            then, more = self._said.get((asked, kind), (now - PERIOD_S, 0))
            if now - then < PERIOD_S:
                self._said[asked, kind] = then, more + 1
                return
            self._said[asked, kind] = now, 0
        others = f" (and {more} more in the {now - then:.0f} s before)" if more else ""
        what = readable(f"{kind}: {why}" if why else kind, _LONGEST)
        _LOG.warning("%s of %s is refused: %s%s", asked, client or "somebody", what, others)

    def tell_error(self, asked: str, client: str | None, error: TritonError) -> None:
        """An error that a client gets, if it is of that sort."""
        if error.forbidden:
            self.tell(asked, client, type(error).__name__.lstrip("_"), str(error))
