# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's toys, as SavedModels and as frozen graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import toy_tensorflow
from conformance_case import Case, Made, alive, missing

_WHY = missing("tensorflow", "make frameworks")
_GRAPH = "model.graphdef"


def _saved(build: Callable[..., toy_tensorflow.Build]) -> Callable[..., Made]:
    def make(*arguments: Any, **keywords: Any) -> Made:
        return Made(toy_tensorflow.saved_model(build(*arguments, **keywords)))

    return make


def _frozen(build: Callable[..., toy_tensorflow.Build]) -> Callable[..., Made]:
    def make(*arguments: Any, **keywords: Any) -> Made:
        return Made({_GRAPH: toy_tensorflow.graph_def(build(*arguments, **keywords))})

    return make


def _case(name: str, filename: str, write: Callable[..., Callable[..., Made]]) -> Case:
    return Case(
        name=name,
        backend="tensorflow",
        filename=filename,
        package="tensorflow",
        modules=("tensorflow",),
        alive=alive("Session"),
        thread_parameter="TF_NUM_INTRA_THREADS",
        identity=write(toy_tensorflow.identity),
        affine=write(toy_tensorflow.affine),
        slow=write(toy_tensorflow.slow),
        failing=write(toy_tensorflow.failing),
        add_sub=write(toy_tensorflow.add_sub),
        strings_are_text=False,
        missing=_WHY,
    )


CASES = [
    _case("savedmodel", "model.savedmodel/saved_model.pb", _saved),
    _case("graphdef", _GRAPH, _frozen),
]
