# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a PyTorch file of either kind is to its instances, and how its tensors get their names.

PyTorch's files know arguments and positions, a request knows names.  Triton's conventions lead from
one to the other, tried in this order: the names of forward's arguments (or of a dictionary's keys),
``<name>__<index>``, and the order in which the configuration lists them.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from triton_ros.core.backend import Signature
from triton_ros.core.errors import InvalidArgumentError, UnsupportedError

DATATYPES = {
    "torch.bool": "BOOL",
    "torch.uint8": "UINT8",
    "torch.uint16": "UINT16",
    "torch.uint32": "UINT32",
    "torch.uint64": "UINT64",
    "torch.int8": "INT8",
    "torch.int16": "INT16",
    "torch.int32": "INT32",
    "torch.int64": "INT64",
    "torch.float16": "FP16",
    "torch.float32": "FP32",
    "torch.float64": "FP64",
}

Arranged: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional arguments, and those with names."""

_INDEXED = re.compile(r".+__(\d+)$")


class Program(Protocol):
    """A loaded file: its signature, modules to run, and how to talk to one."""

    @property
    def signature(self) -> Signature: ...

    @property
    def wants_copies(self) -> bool:
        """Whether it might write into what it is given, or keep it for later."""
        ...

    def module(self, device: str, share: bool) -> Any:
        """What an instance runs: its own, or one for all on this device."""
        ...

    def arrange(self, tensors: Sequence[Any]) -> Arranged:
        """The arguments of a call from tensors in the signature's order."""
        ...

    def collect(self, answer: Any) -> list[Any]:
        """The tensors of an answer in the signature's order."""
        ...


def file_kind(path: Path) -> str:
    """``script`` or ``export``, by what is in the archive; its name says nothing for sure.

    Raises `InvalidArgumentError` for what is neither, and `UnsupportedError` for machine code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            paths = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidArgumentError(
            f"{path} is not a valid TorchScript or torch.export file: {error}"
        ) from error
    names = [*paths, *(path.partition("/")[2] for path in paths)]  # older ones have no folder
    if any(name.startswith("data/aotinductor/") for name in names):
        raise UnsupportedError(
            f"{path} is an AOTInductor package: machine code for the CPU that it was compiled on,"
            " which holds Python's GIL while it runs and would stop the other models; save the"
            " exported program itself (torch.export.save)"
        )
    if any(name.startswith("code/") for name in names):
        return "script"
    if any(re.fullmatch(r"models/.+\.json|serialized_exported_program\.json", n) for n in names):
        return "export"
    raise InvalidArgumentError(
        f"{path} is neither TorchScript (torch.jit.save) nor a torch.export package"
        " (torch.export.save); a checkpoint has weights only and cannot be run"
    )


def indices(names: Sequence[str]) -> list[int] | None:
    """The indices of names that are all ``<name>__<index>``; None if one is not."""
    found = [_INDEXED.match(name) for name in names]
    numbers = [int(match[1]) for match in found if match]
    return numbers if len(numbers) == len(names) else None


def answer_reader(names: Sequence[str], keys: Sequence[str] | None) -> Callable[[Any], list[Any]]:
    """Picks the tensors with these names, in this order, from what a module answers.

    `keys` are those of an answer that is a dictionary, if they are known.
    """
    positions = indices(names)
    places = positions if positions is not None else list(range(len(names)))
    if keys is not None and all(name in keys for name in names):
        return lambda answer: [answer[name] for name in names]

    def read(answer: Any) -> list[Any]:
        if isinstance(answer, Mapping):
            missing = [name for name in names if name not in answer]
            if missing and positions is None:
                raise LookupError(f"it answers {', '.join(answer)}, and not {', '.join(missing)}")
            if not missing:
                return [answer[name] for name in names]
        flat = flatten(answer)
        if max(places, default=-1) >= len(flat):
            raise LookupError(f"it answers {len(flat)} tensors, the configuration wants more")
        return [flat[place] for place in places]

    return read


def flatten(answer: Any) -> list[Any]:
    """The tensors of nested tuples, lists and dictionaries, in order."""
    if isinstance(answer, Mapping):
        return [tensor for value in answer.values() for tensor in flatten(value)]
    if isinstance(answer, (tuple, list)):
        return [tensor for value in answer for tensor in flatten(value)]
    return [answer]
