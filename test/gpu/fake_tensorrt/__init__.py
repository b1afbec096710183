# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A module `tensorrt` that executes on the CPU, to test code that drives TensorRT.

Enums, `Dims`, loggers, the output allocator, the progress monitor and all else that works without
a GPU are NVIDIA's own (`genuine.load_genuine`).  Only what needs one is written here: parser,
builder, runtime, engine, execution context.  Their attributes that the genuine classes of the
release do not have are taken away, so code that needs a method of another release fails here, too.

An engine is a header, its optimisation profiles and the ONNX file.  It runs by ONNX Runtime inside
a host function on the caller's CUDA stream, on the bytes behind the device addresses that it was
given.  What TensorRT's documentation demands of its caller is checked; what breaks it becomes a
`violation` of the rig, and, where a GPU would fault, a sticky CUDA error.
Numbers, speed, memory and error texts are not TensorRT's, and nothing here shows that they are.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from genuine import load_genuine

FAKES = {
    "parser": ("INetworkDefinition", "ITensor", "ILayer", "OnnxParser", "ParserError"),
    "builder": ("Builder", "IBuilderConfig", "IOptimizationProfile"),
    "host_memory": ("IHostMemory", "ITimingCache"),
    "runtime": ("Runtime", "ICudaEngine", "EngineInspector", "init_libnvinfer_plugins"),
    "context": ("IExecutionContext",),
}


def install(directory: Path) -> ModuleType:
    """Make `import tensorrt` give the fake over the genuine bindings in `directory`."""
    genuine = load_genuine(directory)
    made = ModuleType("tensorrt")
    made.__dict__.update({k: v for k, v in vars(genuine).items() if not k.startswith("__")})
    made.__version__ = genuine.__version__
    made.__spec__ = ModuleSpec("tensorrt", None)  # for who looks whether it could be imported
    for name, fake in load_fakes(genuine).items():
        if isinstance(fake, type):
            _hide_what_the_release_has_not(fake, getattr(genuine, name))
        setattr(made, name, fake)
    sys.modules["tensorrt"] = made
    return made


def load_fakes(genuine: ModuleType) -> dict[str, object]:
    """What is imitated, by name, with what any release has."""
    importlib.import_module("fake_tensorrt.bindings").trt = genuine
    return {
        name: getattr(importlib.import_module(f"fake_tensorrt.{file}"), name)
        for file, names in FAKES.items()
        for name in names
    }


def _hide_what_the_release_has_not(fake: type, genuine: type) -> None:
    for name in [n for n in vars(fake) if not n.startswith("_")]:
        if not hasattr(genuine, name):
            delattr(fake, name)
