# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A repository of Python models on a server, for the tests of their backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from toy_models import Toy, write_repository

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ServerOptions
from triton_ros.core.tensor import Array

TIMEOUT = 60
X = np.float32([[1, 2, 3, 4]])
DECOUPLED = "model_transaction_policy { decoupled: true }"
IO = """
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: 4 }
output { name: "y" data_type: TYPE_FP32 dims: 4 }
"""


def model(body: str, config: str = IO, **parameters: str) -> Toy:
    """A `model.py` of this text, its imports before it."""
    text = "import numpy as np\nimport triton_python_backend_utils as pb_utils\n" + body
    entries = [
        f'parameters {{ key: "{key}" value: {{ string_value: "{value}" }} }}'
        for key, value in parameters.items()
    ]
    return Toy(
        text.encode(), "\n".join(['backend: "python"', config, *entries]), filename="model.py"
    )


def body(execute: str, extra: str = "") -> str:
    """A class whose `execute` has these lines."""
    lines = "\n".join("        " + line for line in execute.strip().splitlines())
    return f"class TritonPythonModel:\n    def execute(self, requests):\n{lines}\n{extra}"


@contextmanager
def serving(
    path: Path, models: dict[str, Toy], options: ServerOptions | None = None
) -> Iterator[InferenceServer]:
    """A server with these models loaded."""
    write_repository(path, models)
    with InferenceServer([path], BackendRegistry().load_backend, options=options) as server:
        for name in models:
            server.load_model(name).result(TIMEOUT)
        yield server


def ask(server: InferenceServer, name: str = "m", value: Array = X, **fields: object) -> Array:
    """The answer's y."""
    request = InferenceRequest(name, {"x": value})
    for field, given in fields.items():
        setattr(request, field, given)
    return server.infer(request, TIMEOUT).outputs["y"]
