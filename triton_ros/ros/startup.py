# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loading the models of a start: all at once, each on its own, awaited for a limited time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from rclpy.impl.rcutils_logger import RcutilsLogger

from triton_ros.core.control.model_repository import ModelRepository
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ModelControlMode, ServerOptions
from triton_ros.ros.interrupt import Interrupt
from triton_ros.ros.parameters import NodeSettings


def plan(settings: NodeSettings, used: Iterable[str]) -> ServerOptions:
    """The server's options, with the models that it loads at start in mode explicit: what the
    parameter asks for ('*' for the whole repository) and what the streams use.

    Raises `NotFoundError` or `InvalidArgumentError` for a name that is not in the repository.
    """
    repository = ModelRepository(settings.model_repository)
    names = {*settings.load_models, *used} - {"*"}
    for name in sorted(names):
        repository.find(name)
    if settings.options.model_control_mode is not ModelControlMode.EXPLICIT:
        return settings.options
    if "*" in settings.load_models:
        names.update(repository.names())
    return replace(settings.options, load_model=tuple(sorted(names)))


def start_loading(
    server: InferenceServer, logger: RcutilsLogger, on_loaded: Callable[[str], None]
) -> dict[str, Future[None]]:
    """Start the server; `on_loaded` and the log hear of each model from a load thread.

    The futures are done when they have heard.
    """
    heard: dict[str, Future[None]] = {}

    def finished(name: str, load: Future[None]) -> None:
        error = None if load.cancelled() else load.exception()
        if error is not None:
            logger.error(f"model '{name}' is not loaded: {error}")
        elif not load.cancelled():
            logger.info(f"model '{name}' is loaded")
            on_loaded(name)
        heard[name].set_result(None)

    for name, load in server.start().items():
        heard[name] = Future()
        load.add_done_callback(partial(finished, name))
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
