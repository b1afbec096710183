# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``dump_api.py RELEASE``: the surfaces of the genuine bindings and of the fake, as JSON.

A process each, because libnvinfer.so.10 of two releases cannot be loaded side by side.  Classes
have members (property or method, with their parameter names), enums have values.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from typing import Any

from cuda_rig import load_driver, require_bindings
from fake_tensorrt import load_fakes
from genuine import load_genuine

_CONSTRUCTED = {"Runtime", "Builder", "OnnxParser"}
"""What a caller constructs; the rest comes from methods."""
_OVERLOAD = re.compile(r"^(?:\d+\. )?(\w+)\((.*)\)(?: ->.*)?$")


def surface(names: dict[str, object]) -> dict[str, Any]:
    """``{name: {kind, members | values | parameters}}`` of every public name."""
    return {name: _described(name, thing) for name, thing in names.items() if name[0] != "_"}


def surface_of_fakes(fakes: dict[str, object]) -> dict[str, Any]:
    """``{class: {member: parameters, or None for a property}}``; of Python classes, own members."""
    return {
        name: {
            member: _parameters(thing) if inspect.isfunction(thing) else None
            for member, thing in vars(fake).items()
            if member[0] != "_" or (member == "__init__" and name in _CONSTRUCTED)
        }
        for name, fake in fakes.items()
        if inspect.isclass(fake)
    }


def _parameters(function: Any) -> list[str]:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]


def _described(name: str, thing: object) -> dict[str, Any]:
    if inspect.isclass(thing):
        values = getattr(thing, "__members__", None)
        described: dict[str, Any] = {"kind": "class" if values is None else "enum"}
        if values is not None:
            described["values"] = {key: int(value) for key, value in values.items()}
        described["members"] = {
            member: _member(thing, member)
            for member in sorted(dir(thing))
            if member[0] != "_" or member == "__init__"
        }
        return described
    if callable(thing):
        return {"kind": "function", "parameters": _overloads(thing, name)}
    return {"kind": "value"}


def _member(owner: type, name: str) -> dict[str, Any]:
    static = inspect.getattr_static(owner, name)
    if isinstance(static, property):
        return {"kind": "property", "writable": static.fset is not None}
    if not callable(static) and not isinstance(static, staticmethod):
        return {"kind": "value"}
    return {"kind": "method", "parameters": _overloads(getattr(owner, name), name)}


def _overloads(function: object, name: str) -> list[list[str]]:
    """The parameter names of each overload that pybind11 lists, without ``self``."""
    lines = (inspect.getdoc(function) or "").splitlines()
    matches = [found for line in lines if (found := _OVERLOAD.match(line.strip()))]
    return [_names(found[2]) for found in matches if found[1] == name and "*args" not in found[2]]


def _names(text: str) -> list[str]:
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{<") - (character in ")]}>")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    names = [re.split("[:=]", part)[0].strip() for part in parts]
    return [name for name in names if name and name != "self"]


if __name__ == "__main__":
    load_driver()
    genuine = load_genuine(require_bindings(sys.argv[1]))
    fakes = load_fakes(genuine)
    both = {"genuine": surface(vars(genuine)), "fake": surface_of_fakes(fakes)}
    print(json.dumps(both))
