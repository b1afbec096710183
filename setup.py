# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The package as colcon (ament_python) and pip install it."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "triton_ros"
SHARE = f"share/{NAME}"


def tree(folder: str) -> list[tuple[str, list[str]]]:
    """`data_files` of a folder with its structure; a model repository is a tree of folders."""
    files: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files.setdefault(f"{SHARE}/{path.parent.as_posix()}", []).append(path.as_posix())
    return list(files.items())


setup(
    name=NAME,
    version="0.1.0",
    description="Triton-style inference serving for ROS 2, in Python",
    author="triton_ros maintainers",
    author_email="maintainers@triton-ros.example",
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    # The host of C backends is compiled where it is used, and so are its examples.
    package_data={
        NAME: [
            f"backends/shared_library/{files}"
            for files in ("native/*.[ch]", "native/include/triton/core/*.h", "examples/*.c")
        ]
        + ["py.typed"]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        *tree("launch"),
        *tree("config"),
    ],
    # ROS's custom: what the node imports is declared in package.xml and installed by rosdep, from
    # the distribution's own packages.  Pip must not put other versions of them beside.
    install_requires=["setuptools"],
    # What rosdep has no key for, by the backend that wants it.
    extras_require={
        "config": ["protobuf", "tritonclient"],
        "onnxruntime": ["onnxruntime"],
        "kserve": ["grpcio", "protobuf", "tritonclient"],
        "frontends": ["aiohttp>=3.9", "grpcio", "prometheus_client", "protobuf", "tritonclient"],
        "tflite": ["ai-edge-litert"],
        "openvino": ["openvino"],
        "tensorflow": ["tensorflow"],
        "pytorch": ["torch"],
        "gpu": ["tensorrt", "pycuda"],
        "cuda-graphs": ["cuda-bindings"],
        "tracking": ["norfair-enough"],
        "replay": ["rosbags", "tqdm"],
    },
    python_requires=">=3.10",
    entry_points={"console_scripts": [f"{NAME} = {NAME}.main:main"]},
    zip_safe=False,
)
