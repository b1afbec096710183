# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros check``: everything that can be wrong before the robot leaves the lab.

All problems are told, not only the first.  Loading the models is the true test of them (of the
files, of ensembles, of vision.yaml against a model's own dims), so it is done unless it is refused.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from triton_ros.cli.application import Application
from triton_ros.core.control.model_repository import ModelRepository
from triton_ros.core.errors import InvalidArgumentError, TritonError
from triton_ros.core.server import InferenceServer
from triton_ros.ros.image_stream import check_settings
from triton_ros.ros.parameter_spec import entries
from triton_ros.ros.parameter_values import problems_of, read_values, streams_of
from triton_ros.ros.stream_settings import StreamSettings


def run(given: argparse.Namespace, application: Application) -> int:
    """Prints every problem, one a line; 1 if there is any."""
    if not (given.model_repository or given.params_file or given.pipelines):
        raise InvalidArgumentError("give --model-repository, --params-file or --pipelines to check")
    application.tune_process()
    problems: list[str] = []
    values, streams = _read(given, problems)
    good = 0
    try:
        folders = given.model_repository or repositories_of(values)
        repository = ModelRepository(folders)
        names = repository.names()
    except (OSError, TritonError) as error:
        problems.append(f"model repository: {error}")
        names = ()
    if names and given.no_load:
        problems += _unread(repository, names)
        problems += _unknown_models(streams.values(), names)
    elif names:
        with application.make_server(folders) as server:
            bad = list(_unloadable(server, names))
            good = len(names) - len(bad)
            problems += [*bad, *_unusable(server, streams.values())]
    for problem in dict.fromkeys(problems):
        print(f"✗ {problem}")
    what = f"{len(names)} models" + ("" if given.no_load else f", {good} good")
    print(f"{'✗' if problems else '✓'} {what}, {len(streams)} streams, {len(problems)} problems")
    return int(bool(problems))


def _read(
    given: argparse.Namespace, problems: list[str]
) -> tuple[Mapping[str, Any], Mapping[str, StreamSettings]]:
    try:
        values = read_values(given.params_file, given.pipelines)
    except TritonError as error:
        problems.append(str(error))
        return {}, {}
    wrong = list(problems_of(values))
    problems += wrong
    try:
        return values, {} if wrong else streams_of(values)
    except TritonError as error:
        problems.append(str(error))
        return values, {}


def repositories_of(values: Mapping[str, Any]) -> list[Path]:
    """The model repositories of parameters; raises `InvalidArgumentError` for none."""
    found = [
        Path(os.path.expanduser(root)) for root in entries(list(values.get("model_repository", [])))
    ]
    if not found:
        raise InvalidArgumentError("there is no model repository: --model-repository DIR")
    return found


def _unread(repository: ModelRepository, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            repository.find(name).read_config()
        except TritonError as error:
            yield f"model '{name}': {error}"


def _unknown_models(streams: Iterable[StreamSettings], names: Iterable[str]) -> Iterator[str]:
    known = set(names)
    for stream in streams:
        if stream.model not in known:
            yield f"stream '{stream.name}': there is no model '{stream.model}'"


def _unloadable(server: InferenceServer, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            server.load_model(name).result()
        except TritonError as error:
            yield f"model '{name}': {error}"


def _unusable(server: InferenceServer, streams: Iterable[StreamSettings]) -> Iterator[str]:
    for stream in streams:
        try:
            check_settings(server, stream)
        except TritonError as error:
            yield f"stream '{stream.name}': {error}"
