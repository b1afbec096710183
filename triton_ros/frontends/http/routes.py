# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which address is what: V2's paths as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from triton_ros.frontends.restriction import Api

GET, POST = ("GET",), ("POST",)
BOTH = ("GET", "POST")

Arguments: TypeAlias = dict[str, Any]
"""Fields of `control_json.Asked`."""


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: its name, the part of the API that it belongs to, and its verbs."""

    name: str
    api: Api
    verbs: tuple[str, ...] = GET


_MODEL = {
    "": Route("model_metadata", Api.METADATA),
    "ready": Route("model_ready", Api.HEALTH),
    "config": Route("model_config", Api.MODEL_CONFIG),
    "stats": Route("statistics", Api.STATISTICS),
    "infer": Route("infer", Api.INFERENCE, POST),
    "generate": Route("generate", Api.INFERENCE, POST),
    "generate_stream": Route("generate_stream", Api.INFERENCE, POST),
}
_MEMORY = {
    "status": ("status", GET),
    "register": ("register", POST),
    "unregister": ("unregister", POST),
}
_FIXED = {
    ("v2",): Route("server_metadata", Api.METADATA),
    ("v2", "health", "live"): Route("live", Api.HEALTH),
    ("v2", "health", "ready"): Route("ready", Api.HEALTH),
    ("v2", "models", "stats"): Route("statistics", Api.STATISTICS),
    ("v2", "repository", "index"): Route("repository_index", Api.MODEL_REPOSITORY, POST),
    ("v2", "trace", "setting"): Route("trace_setting", Api.TRACE, BOTH),
    ("v2", "logging"): Route("logging", Api.LOGGING, BOTH),
}
_CONTROL = {
    name: Route(name, Api.MODEL_REPOSITORY, POST) for name in ("load", "unload", "repository_index")
}
_TRACE = Route("trace_setting", Api.TRACE, BOTH)


def find_route(path: str) -> tuple[Route, Arguments] | None:
    """The endpoint of a path (without its query) and what the path says; None for no endpoint."""
    parts = tuple(unquote(part, errors="replace") for part in path.split("/")[1:])
    if not path.startswith("/") or parts[:1] != ("v2",):
        return None
    if parts in _FIXED:
        return _FIXED[parts], {}
    if "" in parts:  # "//", or a slash at the end
        return None
    finders = {
        "models": _model,
        "repository": _repository,
        "systemsharedmemory": _memory,
        "cudasharedmemory": _memory,
    }
    finder = finders.get(parts[1])
    return finder(parts[1:]) if finder else None


def _model(parts: tuple[str, ...]) -> tuple[Route, Arguments] | None:
    if len(parts) < 2:
        return None
    given, rest = {"name": parts[1]}, parts[2:]
    if rest[:1] == ("versions",):
        if len(rest) < 2 or not (rest[1].isascii() and rest[1].isdigit()):
            return None
        given["version"], rest = rest[1], rest[2:]
    if rest == ("trace", "setting"):
        return None if "version" in given else (_TRACE, given)
    route = _MODEL.get("/".join(rest)) if len(rest) < 2 else None
    return (route, given) if route else None


def _repository(parts: tuple[str, ...]) -> tuple[Route, Arguments] | None:
    """``repository[/NAME]/index`` and ``repository[/NAME]/models/M/load|unload``."""
    rest, given = parts[1:], {}
    if rest and rest[0] != "models" and (rest[1:] == ("index",) or len(rest) == 4):
        given["repository"], rest = rest[0], rest[1:]
    if rest == ("index",):
        return _CONTROL["repository_index"], given
    if len(rest) == 3 and rest[0] == "models" and rest[2] in ("load", "unload"):
        return _CONTROL[rest[2]], {**given, "name": rest[1]}
    return None


def _memory(parts: tuple[str, ...]) -> tuple[Route, Arguments] | None:
    kind, rest = parts[0].removesuffix("sharedmemory"), parts[1:]
    given = {"kind": kind, "region": ""}
    if len(rest) == 3 and rest[0] == "region":
        given["region"], rest = rest[1], rest[2:]
    if len(rest) != 1 or rest[0] not in _MEMORY:
        return None
    action, verbs = _MEMORY[rest[0]]
    return Route(f"memory_{action}", Api.SHARED_MEMORY, verbs), given
