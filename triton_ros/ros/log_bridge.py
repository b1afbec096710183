# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What core says through `logging`, in the node's log and so on /rosout.

Core knows no ROS; in mode poll this is where one reads why a model that came was not loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.impl.rcutils_logger import RcutilsLogger

PACKAGE = "triton_ros"


class _Bridge(logging.Handler):
    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        # rclpy wants one severity a line of code, for ever.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


@contextmanager
def bridged(logger: RcutilsLogger) -> Iterator[None]:
    """Pass on what comes during a block."""
    bridge = _Bridge(logger)
    package = logging.getLogger(PACKAGE)
    level = package.level
    package.addHandler(bridge)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.removeHandler(bridge)
        package.setLevel(level)
