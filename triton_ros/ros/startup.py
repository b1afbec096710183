# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loading the models of a start: all at once, each on its own, awaited for a limited time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial

from rclpy.impl.rcutils_logger import RcutilsLogger

from triton_ros.core.server import InferenceServer


def models_to_load(server: InferenceServer, asked: Iterable[str], used: Iterable[str]) -> set[str]:
    """What the parameter asks for ('*' for the whole repository) and what the streams use."""
    wanted = set(used)
    for name in asked:
        wanted |= set(server.repository.names()) if name == "*" else {name}
    return wanted


def start_loading(
    server: InferenceServer,
    models: Iterable[str],
    logger: RcutilsLogger,
    on_loaded: Callable[[str], None],
) -> dict[str, Future[None]]:
    """Load in the background; `on_loaded` and the log hear of each from a load thread."""

    def finished(name: str, load: Future[None]) -> None:
        error = None if load.cancelled() else load.exception()
        if error is not None:
            logger.error(f"model '{name}' is not loaded: {error}")
        elif not load.cancelled():
            logger.info(f"model '{name}' is loaded")
            on_loaded(name)

    loads = {name: server.load_model(name) for name in sorted(models)}
    for name, load in loads.items():
        load.add_done_callback(partial(finished, name))
    return loads


def wait(loads: dict[str, Future[None]], limit_s: float, logger: RcutilsLogger) -> None:
    """Until all are done or the time is up; what still loads goes on loading."""
    deadline = time.monotonic() + limit_s
    for load in loads.values():
        try:
            load.exception(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            waiting = [name for name, other in loads.items() if not other.done()]
            logger.info(f"still loading: {', '.join(waiting)}")
            return
