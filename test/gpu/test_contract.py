# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The API that the TensorRT backend uses is there in every release, and the fake invents none.

The releases' surfaces are read from NVIDIA's own bindings (`dump_api`).  A name that a release has
not must be asked for: ``hasattr(x, "name")`` or ``getattr(x, "name", ...)`` in the same file.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cuda_rig import CHECKOUT, RigMissing, require_bindings, require_driver
from get_tensorrt_api import RELEASES

BACKEND = CHECKOUT / "triton_ros/backends/tensorrt"
VERSIONS = [release.version for release in RELEASES]
Surfaces = dict[str, dict[str, Any]]
OURS = {
    *(("config", "max_batch_size"), ("self", "max_batch_size"), ("spec", "dims"), ("self", "dims")),
    *(("options", "precision"), ("digest", "update"), ("file", "read"), ("file", "write")),
    *(("_cache", "read"), ("_cache", "write")),
    *(("_owners", "release"), ("_buffers", "release")),
    *(("host", "free"), ("device", "free"), ("allocation", "free"), ("_allocation", "free")),
    *(("_memory", "free"), ("owners", "release")),
}
"""Members of the backend's own objects, and of pycuda's, that TensorRT has or had by that name."""


@pytest.fixture(scope="session")
def surfaces() -> Surfaces:
    """Of every release: ``genuine`` and ``fake``."""
    try:
        require_driver()
        for version in VERSIONS:
            require_bindings(version)
    except RigMissing as missing:
        pytest.skip(str(missing))
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(VERSIONS, pool.map(_dumped, VERSIONS), strict=True))


def _dumped(version: str) -> dict[str, Any]:
    here = Path(__file__).parent
    command = [sys.executable, str(here / "dump_api.py"), version]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


# --- What the backend uses -----------------------------------------------------------------------


def complaints(source: str, genuine: dict[str, dict[str, Any]]) -> list[str]:
    """What `source` uses without asking although a release has it not."""
    tree = ast.parse(source)
    asked = set(_asked(tree))
    members = {v: _members(surface) for v, surface in genuine.items()}
    known = set[str]().union(*members.values())
    wrong = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr in asked:
            continue
        chain = _chain(node)
        if chain[:1] == ["trt"]:
            lacking = [v for v, surface in genuine.items() if not _has(surface, chain[1:])]
            name = ".".join(chain)
        elif (_last(node.value), node.attr) in OURS:
            continue
        else:
            lacking = [v for v in genuine if node.attr in known - members[v]]
            name = f".{node.attr}"
        if lacking:
            wrong.append(f"line {node.lineno}: {name} is not in {', '.join(lacking)}")
    return wrong


def _asked(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        is_question = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if is_question and node.func.id in {"hasattr", "getattr"} and len(node.args) > 1:
            values = [n for n in ast.walk(node.args[1]) if isinstance(n, ast.Constant)]
            yield from (str(value.value) for value in values)


def _chain(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Attribute):
        left = _chain(node.value)
        return [*left, node.attr] if left else []
    if isinstance(node, ast.Name):
        return ["trt" if node.id in {"trt", "tensorrt", "_trt"} else node.id]
    return []


def _last(node: ast.expr) -> str:
    """The name right before an attribute."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _has(surface: dict[str, Any], names: list[str]) -> bool:
    described = surface.get(names[0]) if names else {}
    if described is None:
        return names[0].startswith("__")
    rest = names[1:2]
    return not rest or rest[0] in {**described.get("members", {}), **described.get("values", {})}


def _members(surface: dict[str, Any]) -> set[str]:
    return {name for each in surface.values() for name in each.get("members", {})}


@pytest.mark.skipif(not BACKEND.is_dir(), reason="there is no TensorRT backend in this checkout")
def test_the_backend_uses_what_every_release_has(surfaces: Surfaces) -> None:
    genuine = {version: both["genuine"] for version, both in surfaces.items()}
    wrong = [
        f"{path.name}: {complaint}"
        for path in sorted(BACKEND.glob("*.py"))
        for complaint in complaints(path.read_text(), genuine)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "lacking"),
    [
        ("flag = trt.BuilderFlag.FP16", "11.4"),
        ("flag = trt.BuilderFlag.STRICT_TYPES", "10.3.0"),
        ("kind = trt.DataType.INT64", "8.6.1"),
        ("kind = trt.DataType.FLOAT46", "8.6.1"),
        ("size = engine.device_memory_size", "11.4"),
        ("config.progress_monitor = monitor", "8.6.1"),
        ("engine.num_bindings", "10.3.0"),
    ],
)
def test_planted_slips_are_seen(surfaces: Surfaces, source: str, lacking: str) -> None:
    genuine = {version: both["genuine"] for version, both in surfaces.items()}
    (complaint,) = complaints(source, genuine)
    assert lacking in complaint


@pytest.mark.parametrize(
    "source",
    [
        "flag = trt.BuilderFlag.FP16 if hasattr(trt.BuilderFlag, 'FP16') else None",
        "flag = getattr(trt.BuilderFlag, 'FP16', None)",
        "ok = context.set_input_shape(name, shape)",
        "kind = trt.TensorIOMode.INPUT",
        "version = trt.__version__",
        "path.mkdir()",
    ],
)
def test_what_may_be_used(surfaces: Surfaces, source: str) -> None:
    genuine = {version: both["genuine"] for version, both in surfaces.items()}
    assert complaints(source, genuine) == []


# --- What the fake claims ------------------------------------------------------------------------


def test_the_fake_is_a_part_of_the_real(surfaces: Surfaces) -> None:
    compared, wrong = 0, []
    fakes: dict[str, dict[str, list[str] | None]] = surfaces[VERSIONS[0]]["fake"]
    for owner, members in fakes.items():
        for name, parameters in members.items():
            found = [
                real
                for both in surfaces.values()
                if (real := both["genuine"].get(owner, {}).get("members", {}).get(name))
            ]
            compared += len(found)
            wrong += [] if found else [f"{owner}.{name} is in no release"]
            wrong += [f"{owner}.{name}: {c}" for real in found if (c := _differs(parameters, real))]
    assert compared > 300, "the walk does not see the fake"
    assert not wrong, "\n".join(wrong)


def _differs(parameters: list[str] | None, real: dict[str, Any]) -> str:
    """How a member of the fake is unlike the real one; empty when it is not."""
    if (parameters is None) != (real["kind"] == "property"):
        return f"is a {real['kind']}"
    if parameters is None or not real["parameters"]:
        return ""
    same = any(overload[: len(parameters)] == parameters for overload in real["parameters"])
    return "" if same else f"has the parameters {real['parameters']}, not {parameters}"


@pytest.mark.parametrize(
    ("parameters", "real"),
    [
        (None, {"kind": "method", "parameters": [["name"]]}),
        (["name"], {"kind": "property"}),
        (["shape", "name"], {"kind": "method", "parameters": [["name", "shape"]]}),
    ],
)
def test_a_fake_that_differs_is_seen(parameters: list[str] | None, real: dict[str, Any]) -> None:
    assert _differs(parameters, real)
