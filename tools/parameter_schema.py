# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""JSON schemas of parameter files and pipelines files, and README's table of parameters.

    python -m tools.parameter_schema      # writes config/*.schema.json, then the table from them

Editors complete and check files that name their schema (``# yaml-language-server: $schema=...``);
the node's own table of parameters is where all of them come from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from triton_ros.ros.parameter_spec import Spec
from triton_ros.ros.parameters import NODE_SPECS
from triton_ros.ros.pipelines_file import CAMERA, PIPELINE
from triton_ros.ros.stream_settings import STREAM, STREAM_SPECS

CONFIG = Path(__file__).resolve().parent.parent / "config"
PARAMETERS, PIPELINES = CONFIG / "triton.schema.json", CONFIG / "pipelines.schema.json"
Schema: TypeAlias = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string"}
_NAMED: Schema = {"type": "object", "additionalProperties": False}
_NAME = "^[A-Za-z](_?[A-Za-z0-9])*_?$"
# What every node may be given besides.
_OTHERS = {"use_sim_time": {"type": "boolean"}, "qos_overrides": {"type": "object"}}

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- parameters: python -m tools.parameter_schema -->\n", "<!-- end -->"
_FOREIGN = ("streams", "use_sim_time", "qos_overrides")
_WORDS = {"boolean": "bool", "number": "double"}


def of_spec(spec: Spec) -> Schema:
    """One parameter."""
    schema: Schema = {"description": spec.description, "default": spec.default, "live": spec.live}
    if isinstance(spec.default, list):
        numbers = isinstance(spec.default[0], float)
        schema |= {"type": "array", "items": {"type": "number" if numbers else "string"}}
        if numbers:
            schema |= {"minItems": len(spec.default), "maxItems": len(spec.default)}
        return schema
    schema["type"] = _KINDS[type(spec.default)]
    if spec.choices:
        schema["enum"] = list(spec.choices)
    if spec.low is not None:
        schema["minimum"] = spec.low
    if spec.high is not None:
        schema["maximum"] = spec.high
    return schema


def _object(properties: Schema, **more: Any) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


def parameters_schema() -> Schema:
    """Of a parameter file for nodes of any name."""
    stream = _object({spec.name: of_spec(spec) for spec in STREAM_SPECS})
    own = {spec.name: of_spec(spec) for spec in NODE_SPECS}
    streams = {
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {_NAME: stream},
    }
    parameters = _object({**own, "streams": streams, **_OTHERS})
    node = _object({"ros__parameters": parameters}, required=["ros__parameters"])
    return {
        "$schema": _DIALECT,
        "title": "Parameters of triton_ros",
        "type": "object",
        "additionalProperties": node,
    }


def pipelines_schema() -> Schema:
    """Of a pipelines file."""
    camera = _object({name: of_spec(STREAM[name]) for name in CAMERA}, required=["topic"])
    names = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    pipeline = {name: of_spec(STREAM[name]) for name in PIPELINE}
    pipeline["cameras"] = {**names, "description": "whose frames it answers; a stream for each"}
    whole = _object(pipeline, required=["model", "cameras"])
    return {
        "$schema": _DIALECT,
        "title": "Pipelines of triton_ros",
        **_object(
            {
                "model_repository": {**names, "description": "directories, relative to this file"},
                "cameras": {**_NAMED, "patternProperties": {_NAME: camera}},
                "pipelines": {**_NAMED, "patternProperties": {_NAME: whole}},
            },
            required=["cameras", "pipelines"],
        ),
    }


def text_of(schema: Schema) -> str:
    """As it stands in the file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def table() -> str:
    """All parameters as Markdown."""
    schema = json.loads(PARAMETERS.read_text(encoding="utf-8"))
    node = schema["additionalProperties"]["properties"]["ros__parameters"]["properties"]
    (stream,) = node["streams"]["patternProperties"].values()
    rows = [_row(name, own) for name, own in node.items() if name not in _FOREIGN]
    rows += [_row(f"streams.<stream>.{name}", own) for name, own in stream["properties"].items()]
    head = "| parameter | default | accepted | live | |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def _row(name: str, own: Mapping[str, Any]) -> str:
    default = json.dumps(own["default"])
    live = "live" if own["live"] else ""
    return f"| `{name}` | `{default}` | {_accepted(own)} | {live} | {own['description']} |"


def _accepted(own: Mapping[str, Any]) -> str:
    if "enum" in own:
        return " \\| ".join(choice or '""' for choice in own["enum"])
    if own["type"] == "array":
        count = own.get("minItems")
        return f"{count} doubles" if count else "string array"
    kind = _WORDS.get(own["type"], own["type"])
    if "minimum" not in own:
        return str(kind)
    end = f".. {own['maximum']:g}" if "maximum" in own else "or more"
    return f"{kind} {own['minimum']:g} {end}"


def with_table(text: str) -> str:
    """README's text with the table between its marks brought up to date."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PARAMETERS.write_text(text_of(parameters_schema()), encoding="utf-8")
    PIPELINES.write_text(text_of(pipelines_schema()), encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
