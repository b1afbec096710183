# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What each layer may import.  The table below is the architecture; the code has to follow it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from source_imports import Import, imports

PACKAGE = Path(__file__).resolve().parent.parent / "triton_ros"
RUNTIMES = {
    *("onnxruntime", "tensorrt", "pycuda", "cuda", "tensorflow", "tflite_runtime"),
    *("ai_edge_litert", "torch", "openvino", "tritonclient"),
}
MESSAGES = {
    *("builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "lifecycle_msgs"),
    *("rcl_interfaces", "sensor_msgs", "std_msgs", "std_srvs", "vision_msgs"),
}
NETWORK = {"http", "urllib", "socket", "socketserver", "ssl", "xmlrpc", "ftplib", "smtplib"}
WEB = {
    *("aiohttp", "fastapi", "google", "grpc", "h11", "prometheus_client", "starlette", "uvicorn"),
}


@dataclass(frozen=True)
class Layer:
    """Who a layer's files may name: outside packages, and folders of this package."""

    outside: frozenset[str] = frozenset()
    siblings: frozenset[str] = frozenset()
    network: bool = False
    runtimes: bool = False
    """Exactly one runtime a file, and only where it is used: inside functions."""


LAYERS = {
    "core": Layer(frozenset({"numpy"}), frozenset({"core"})),
    "backends": Layer(
        frozenset({"numpy"}), frozenset({"core", "backends"}), network=True, runtimes=True
    ),
    "vision": Layer(frozenset({"numpy", "cv2", "yaml"}), frozenset({"core", "vision"})),
    "frontends": Layer(frozenset(WEB | {"numpy"}), frozenset({"core", "frontends"}), network=True),
    "ros": Layer(
        frozenset(MESSAGES | {"ament_index_python", "cv_bridge", "numpy", "rclpy"}),
        frozenset({"core", "vision", "ros"}),
    ),
    "cli": Layer(
        frozenset(
            MESSAGES
            | {"ament_index_python", "argcomplete", "cv2", "numpy", "rclpy", "rosbags", "tqdm"}
        ),
        frozenset({"core", "vision", "ros", "cli"}),
    ),
}
CORE = {
    "config": {"control", "ensemble", "execution", "scheduling", "telemetry"},
    "telemetry": {"config", "control", "ensemble", "execution", "scheduling"},
    "scheduling": {"control", "ensemble", "model", "server"},
    "execution": {"control", "ensemble", "model", "server"},
    "ensemble": {"control", "server"},
    "control": {"server"},
}
"""What the parts of core do not know: values first, then who runs them, then who loads them."""

EXTRA = {
    "core/config/config_pbtxt.py": ("google.protobuf", "tritonclient.grpc.model_config_pb2"),
    "core/config/config_json.py": ("google.protobuf",),
    "backends/kserve/grpc_transport.py": ("grpc",),
    "frontends/grpc/frontend.py": ("tritonclient.grpc.service_pb2",),
    "vision/tracking.py": ("norfair",),
    "ros/bond.py": ("bond",),
}
"""Modules that one file alone may import, beyond its layer."""


def violations(path: str, source: str) -> list[str]:
    """What `source`, standing at `path` under triton_ros/, imports against the table."""
    if path in {"main.py", "__init__.py"}:
        return []
    layer = LAYERS.get(path.partition("/")[0])
    if layer is None:
        return [f"{path}: no layer; the table knows main.py and {', '.join(LAYERS)}"]
    package = ".".join(["triton_ros", *Path(path).parent.parts])
    found = imports(source, package)
    wrong = [f"{path}:{i.line}: {why}" for i in found if (why := _refused(i, path, layer))]
    used = sorted({i.top for i in found if i.top in RUNTIMES})
    if layer.runtimes and len(used) > 1:
        wrong.append(f"{path}: one runtime a file, this has {' and '.join(used)}")
    return wrong


def _refused(found: Import, path: str, layer: Layer) -> str:
    """Why this import is against the rules; empty when it is not."""
    if any(f"{found.module}.".startswith(f"{extra}.") for extra in EXTRA.get(path, ())):
        return ""
    if found.top == "triton_ros":
        sibling = found.module.split(".")[1] if "." in found.module else ""
        allowed = sibling in layer.siblings or sibling.startswith("__version")
        return "" if allowed else f"imports {found.module}, not one of {sorted(layer.siblings)}"
    if found.top in sys.stdlib_module_names:
        refused = found.top in NETWORK and not layer.network
        return f"imports {found.module}: this layer does no network" if refused else ""
    if found.top in RUNTIMES and layer.runtimes:
        return "" if found.lazy else f"imports {found.module} at the top; only inside functions"
    allowed = found.top in layer.outside
    return "" if allowed else f"imports {found.module}, not one of {sorted(layer.outside)}"


def test_package_follows_the_table() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 20, "the walk does not see the package"
    wrong = [
        line
        for path in files
        for line in violations(path.relative_to(PACKAGE).as_posix(), path.read_text())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/a.py", "import rclpy"),
        ("core/a.py", "import cv2"),
        ("core/a.py", "import http.server"),
        ("core/a.py", "def f():\n    from std_msgs.msg import Header"),
        ("core/a.py", "class A:\n    def f(self):\n        import onnxruntime"),
        ("core/a.py", "from google.protobuf import text_format"),
        ("core/a.py", "import importlib\nimportlib.import_module('yaml')"),
        ("core/a.py", "from triton_ros import vision"),
        ("core/a.py", "from triton_ros.ros import node"),
        ("core/a.py", "from ..backends import registry"),
        ("core/a.py", "from triton_ros.main import main"),
        ("core/config/config_pbtxt.py", "import tritonclient.http"),
        ("core/sub/a.py", "from ...vision import image"),
        ("backends/onnxruntime.py", "import onnxruntime"),
        ("backends/a.py", "def f():\n    import onnxruntime\n    import torch"),
        ("backends/a.py", "from triton_ros.vision import image"),
        ("backends/a.py", "def f():\n    import rclpy"),
        ("vision/a.py", "import rclpy"),
        ("vision/a.py", "def f():\n    from sensor_msgs.msg import Image"),
        ("vision/a.py", "from triton_ros.ros.qos import qos"),
        ("vision/heads/a.py", "import torch"),
        ("ros/a.py", "def f():\n    import onnxruntime"),
        ("ros/a.py", "from triton_ros.backends import registry"),
        ("ros/a.py", "import http.client"),
        ("ros/a.py", "import grpc"),
        ("ros/a.py", "import cv2"),
        ("ros/a.py", "from triton_ros.cli import replay"),
        ("vision/a.py", "import norfair"),
        ("cli/a.py", "import onnxruntime"),
        ("cli/a.py", "from triton_ros.backends import registry"),
        ("frontends/a.py", "import rclpy"),
        ("frontends/a.py", "from triton_ros.ros import node"),
        ("plugins/a.py", "import os"),
        ("helper.py", "import os"),
    ],
)
def test_planted_violations_are_seen(path: str, source: str) -> None:
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("main.py", "import rclpy, onnxruntime\nfrom triton_ros.backends import registry"),
        ("core/a.py", "import numpy as np\nfrom triton_ros.core.errors import TritonError"),
        ("core/a.py", "from .errors import TritonError"),
        ("core/config/config_pbtxt.py", "def f():\n    from google.protobuf import text_format"),
        (
            "core/config/config_pbtxt.py",
            "def f():\n    from tritonclient.grpc.model_config_pb2 import ModelConfig",
        ),
        ("backends/a.py", "def f():\n    import onnxruntime\n    from onnxruntime import x"),
        ("vision/a.py", "import cv2, yaml\nfrom triton_ros.core.tensor import Array"),
        ("ros/a.py", "import rclpy\nfrom triton_ros.vision.image import Image"),
        ("frontends/http.py", "import http.server\nfrom triton_ros.core import server"),
    ],
)
def test_what_the_table_allows(path: str, source: str) -> None:
    assert violations(path, source) == []


@pytest.mark.parametrize("part", CORE)
def test_parts_of_core_do_not_know_those_above_them(part: str) -> None:
    files = sorted((PACKAGE / "core" / part).glob("*.py"))
    assert len(files) > 1
    for file in files:
        for found in imports(file.read_text(), f"triton_ros.core.{part}"):
            names = found.module.split(".")
            above = names[:2] == ["triton_ros", "core"] and names[2] in CORE[part]
            assert not above, f"{file.name}:{found.line} imports {found.module}"
