# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the conformance suite has to know of a backend: how to write its toys, and its own words.

Each backend has a ``case_<name>.py`` beside this file with its `CASES`; the suite finds them.
"""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from toy_models import Dims

from triton_ros.core.tensor import DATATYPES


@dataclass(frozen=True)
class Made:
    """A toy: its files below the version directory, and what they cannot say of themselves."""

    files: Mapping[str, bytes]
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Of the `ModelConfig`."""

    def write(self, version_dir: Path) -> None:
        """Put the files where they belong, over what is there."""
        for name, data in self.files.items():
            (version_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (version_dir / name).write_bytes(data)


class Identity(Protocol):
    """``y = x`` of a datatype."""

    def __call__(self, datatype: str = "FP32") -> Made: ...


class Affine(Protocol):
    """``y = scale * x + offset``, FP32."""

    def __call__(self, scale: float = 2.0, offset: float = 1.0, dims: Dims = ("N", 4)) -> Made: ...


def alive(*class_names: str) -> Callable[[], int]:
    """Counts the living objects of these classes: what a runtime holds while a model is loaded."""

    def count() -> int:
        gc.collect()
        return sum(type(thing).__name__ in class_names for thing in gc.get_objects())

    return count


@dataclass(frozen=True)
class Case:
    """A backend, and how to write its toys (inputs `x`, output `y`, a variable batch dim)."""

    backend: str
    filename: str
    """The file that makes it a model; the one that the suite damages.  Empty where none does."""
    package: str
    """What the error of a missing runtime tells people to install; empty where nothing can miss."""
    modules: tuple[str, ...]
    """What is imported for it, the runtime's own first; empty where nothing is."""
    alive: Callable[[], int]
    """How many things of the runtime's are held now."""
    identity: Identity
    affine: Affine
    add_sub: Callable[[], Made]
    slow: Callable[[], Made] | None = None
    """FP32 x [N,4] to y, in 0.1 s or more; None where nothing can be slow."""
    failing: Callable[[], Made] | None = None
    """``y = [10, 20, 30, 40][x]`` for INT64 x [N,1]; any other index fails the execution."""
    datatypes: Sequence[str] = DATATYPES
    """Those that it serves; the others are refused."""
    computed_as: Mapping[str, str] = field(default_factory=dict)
    """Datatypes that the runtime computes in a narrower one: larger values are lost."""
    strings_are_text: bool = True
    """Its BYTES are UTF-8 only."""
    has_bf16: bool = True
    """Its files can say BF16, which nobody serves."""
    checks_inputs: bool = True
    """Also without a server, which has checked them already."""
    names_its_file: bool = True
    """`default_model_filename` names `filename`; else nothing does."""
    thread_parameter: str = ""
    runs_on: Sequence[str] = ("KIND_AUTO", "KIND_CPU")
    """The kinds of instance groups that it accepts."""
    fixture: str = ""
    """A fixture that it needs, which may skip the test."""
    refuses_gpu: bool = True
    """Says itself that there is no GPU (where core does not know)."""
    name: str = ""
    """Where a backend has several cases."""
    missing: str = ""
    """Why the case cannot run on this machine; empty where it can."""

    @property
    def id(self) -> str:
        return self.name or self.backend


def missing(module: str, hint: str) -> str:
    """Why a case is skipped: a runtime is not installed."""
    if importlib.util.find_spec(module.partition(".")[0]):
        return ""
    return f"{module} is not installed: {hint}"


def one_file(filename: str, write: Callable[..., bytes]) -> Callable[..., Made]:
    """A toy of one file that says everything of itself."""

    def make(*arguments: Any, **keywords: Any) -> Made:
        return Made({filename: write(*arguments, **keywords)})

    return make


def as_pbtxt(fields: Mapping[str, Any]) -> str:
    """The fields of a `Made` as a configuration's text."""
    lines = []
    for name, value in fields.items():
        if name == "parameters":
            lines += [
                f'parameters {{ key: "{k}" value: {{ string_value: "{v}" }} }}'
                for k, v in value.items()
            ]
        elif name in ("input", "output"):
            lines += [_tensor_pbtxt(name, tensor.spec) for tensor in value]
        elif isinstance(value, bool):
            lines.append(f"{name}: {str(value).lower()}")
        elif isinstance(value, int):
            lines.append(f"{name}: {value}")
        elif isinstance(value, str):
            lines.append(f'{name}: "{value}"')
        elif name != "stated":
            raise TypeError(f"no text for the field {name}")
    return "\n".join(lines)


def _tensor_pbtxt(side: str, spec: Any) -> str:
    kind = "STRING" if spec.datatype == "BYTES" else spec.datatype
    return f'{side} {{ name: "{spec.name}" data_type: TYPE_{kind} dims: {list(spec.dims)} }}'
