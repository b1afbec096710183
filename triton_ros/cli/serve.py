# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros serve``: the server without ROS, as ``tritonserver`` is, until a signal.

The very same server and frontends as the node's; for desks, tests and machines without cameras.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from triton_ros.cli.application import Application
from triton_ros.core.errors import ConfigError
from triton_ros.core.server_options import ModelControlMode, ServerOptions
from triton_ros.ros.frontend_parameters import FRONTEND_SPECS, frontend_values
from triton_ros.ros.interrupt import Interrupt
from triton_ros.ros.server_parameters import SERVER_SPECS, server_options

_SERVER = {spec.name: spec for spec in SERVER_SPECS}


def run(given: argparse.Namespace, application: Application) -> int:
    """Serves until SIGINT or SIGTERM, whatever became of the models."""
    logging.basicConfig(format="%(levelname).1s %(message)s", level=logging.INFO)
    application.tune_process()
    interrupt = Interrupt.at_signals()
    values = _frontend_values(given)
    with application.make_server(given.model_repository, _options(given)) as server:
        loads = server.start()
        for name, load in loads.items():
            load.add_done_callback(partial(_tell, name))
        frontends = application.start_frontends(server, values)
        if frontends is None:
            raise ConfigError(
                "nothing to serve; accepted: --allow-http, --allow-grpc or --allow-metrics true"
            )
        try:
            for protocol, address in frontends.addresses.items():
                print(f"{protocol} on {address}", flush=True)
            interrupt.wait()
            interrupt.ignore_signals()
        finally:
            frontends.close()
    return 0


def _frontend_values(given: argparse.Namespace) -> dict[str, Any]:
    """As checked as the node's parameters."""
    values = {spec.name: getattr(given, spec.name) for spec in FRONTEND_SPECS}
    checked = {spec.name: spec.check(spec.name, values[spec.name]) for spec in FRONTEND_SPECS}
    return frontend_values(checked)


def _options(given: argparse.Namespace) -> ServerOptions:
    values = {spec.name: spec.default for spec in SERVER_SPECS}
    for entry in given.option:
        name, equals, text = entry.partition("=")
        if not equals or name not in _SERVER:
            raise ConfigError(f"--option {entry}: accepted: {', '.join(_SERVER)}, each =VALUE")
        values[name] = _SERVER[name].check(name, _value(text, _SERVER[name].default))
    options = server_options(values)
    if options.model_control_mode is not ModelControlMode.EXPLICIT:
        if given.load_model:
            raise ConfigError("--load-model is for model_control_mode explicit")
        return options
    return replace(options, load_model=tuple(given.load_model or ["*"]))


def _value(text: str, default: object) -> object:
    """In the option's type, if it can be read as that; the text itself is refused otherwise."""
    if isinstance(default, str):
        return text
    if isinstance(default, list):
        return [text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _tell(name: str, load: Future[None]) -> None:
    error = None if load.cancelled() else load.exception()
    if error is not None:
        print(f"triton_ros serve: model '{name}' is not loaded: {error}", file=sys.stderr)
    elif not load.cancelled():
        print(f"model '{name}' is loaded", flush=True)
