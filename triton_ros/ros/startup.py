# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loading the models of a start: all at once, each on its own, awaited for a limited time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from functools import partial

from rclpy.impl.rcutils_logger import RcutilsLogger

from triton_ros.core.server import InferenceServer
from triton_ros.ros.interrupt import Interrupt


def models_to_load(
    server: InferenceServer, asked: Collection[str], used: Iterable[str]
) -> set[str]:
    """What the parameter asks for ('*' for the whole repository) and what the streams use.

    Raises `NotFoundError` or `InvalidArgumentError` for a name that is not in the repository.
    """
    named = {*asked, *used} - {"*"}
    for name in sorted(named):
        server.repository.find(name)
    return named | set(server.repository.names()) if "*" in asked else named


def start_loading(
    server: InferenceServer,
    models: Iterable[str],
    logger: RcutilsLogger,
    on_loaded: Callable[[str], None],
) -> dict[str, Future[None]]:
    """Load in the background; `on_loaded` and the log hear of each from a load thread.

    The futures are done when they have heard.
    """
    heard: dict[str, Future[None]] = {name: Future() for name in sorted(models)}

    def finished(name: str, load: Future[None]) -> None:
        error = None if load.cancelled() else load.exception()
        if error is not None:
            logger.error(f"model '{name}' is not loaded: {error}")
        elif not load.cancelled():
            logger.info(f"model '{name}' is loaded")
            on_loaded(name)
        heard[name].set_result(None)

    for name in heard:
        server.load_model(name).add_done_callback(partial(finished, name))
    return heard


def wait(
    loads: dict[str, Future[None]], limit_s: float, logger: RcutilsLogger, interrupt: Interrupt
) -> None:
    """Until all are done, the time is up or a signal came; what still loads goes on loading."""
    for load in loads.values():
        load.add_done_callback(interrupt.look)
    interrupt.wait_for(lambda: all(load.done() for load in loads.values()), limit_s)
    waiting = [name for name, load in loads.items() if not load.done()]
    if waiting:
        logger.info(f"still loading: {', '.join(waiting)}")
