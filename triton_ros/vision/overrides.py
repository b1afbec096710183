# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a request may have otherwise than a model's vision.yaml: region and pixel values.

The parameters are texts in the file's own words: ``scale: "1/255"``, ``resize: "crop"``,
``mean: "0.485, 0.456, 0.406"`` (one number, or one a channel); ``region: "x, y, width, height"`` is
in pixels of the frame.  Plans that were asked for are kept, as a camera asks for the same one with
each frame.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn, cast

import numpy as np

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import Parameter
from triton_ros.vision.encodings import Order
from triton_ros.vision.geometry import RESIZES, Resize
from triton_ros.vision.input_plan import COLORS, InputPlan, fill_values
from triton_ros.vision.pixel_writer import channels_of
from triton_ros.vision.yaml_fields import number_of

NUMBERS = ("scale", "mean", "std")
NAMES = ("resize", "color", *NUMBERS, "fill")
_KEPT = 16


class Plans:
    """The plans of one model by what requests override.  Thread-safe."""

    def __init__(self, plan: InputPlan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._derived: dict[tuple[Parameter | None, ...], InputPlan] = {}

    def plan(self, parameters: Mapping[str, Parameter]) -> InputPlan:
        """The model's own plan with a request's overrides; raises `InvalidArgumentError`."""
        key = tuple(parameters.get(name) for name in NAMES)
        if not any(key):
            return self._plan
        with self._lock:
            found = self._derived.get(key)
        if found is None:
            found = derived(self._plan, {n: v for n, v in zip(NAMES, key, strict=True) if v})
            with self._lock:
                while len(self._derived) >= _KEPT:
                    self._derived.pop(next(iter(self._derived)))
                self._derived[key] = found
        return found


def derived(plan: InputPlan, changes: Mapping[str, Parameter]) -> InputPlan:
    """A plan with other pixel values; raises `InvalidArgumentError` saying what is accepted."""
    writer = plan.writer
    color = _choice(changes, "color", COLORS, writer.color)
    if channels_of(cast(Order, color)) != channels_of(writer.color):
        fits = [c for c in COLORS if channels_of(cast(Order, c)) == channels_of(writer.color)]
        _refuse("color", color, " | ".join(fits))
    count = channels_of(writer.color)
    numbers = {name: _numbers(changes, name, count) for name in NUMBERS if name in changes}
    if 0.0 in numbers.get("std", ()):
        _refuse("std", changes["std"], "numbers other than 0")
    writer = replace(writer, color=cast(Order, color), **cast(dict[str, Any], numbers))
    fill = plan.fill_pixels
    if "fill" in changes:
        fill = _numbers(changes, "fill", count)
        if min(fill) < 0 or max(fill) > 255:
            _refuse("fill", changes["fill"], "numbers from 0 to 255")
    return replace(
        plan,
        writer=writer,
        resize=cast(Resize, _choice(changes, "resize", RESIZES, plan.resize)),
        fill_pixels=fill,
        fill=fill_values(writer, np.array(fill)),
    )


def region_of(parameters: Mapping[str, Parameter]) -> tuple[float, ...]:
    """The region that a request asks for; empty for none.  Raises `InvalidArgumentError`."""
    text = parameters.get("region", "")
    if not text:
        return ()
    found = _numbers({"region": text}, "region", 4, alone=False)
    if min(found[:2]) < 0 or min(found[2:]) <= 0:
        _refuse("region", text, "x, y, width, height in pixels of the frame")
    return found


def _choice(
    changes: Mapping[str, Parameter], name: str, accepted: tuple[str, ...], default: str
) -> str:
    value = changes.get(name, default)
    if value not in accepted:
        _refuse(name, value, " | ".join(accepted))
    return str(value)


def _numbers(
    changes: Mapping[str, Parameter], name: str, count: int, alone: bool = True
) -> tuple[float, ...]:
    parts = str(changes[name]).strip("[] ").split(",")
    found = [number for part in parts if (number := number_of(part.strip())) is not None]
    if len(found) == len(parts) == 1 and alone:
        return tuple(found * count)
    if not len(found) == len(parts) == count:
        one = "a number, or " if alone and count > 1 else ""
        _refuse(name, changes[name], f"{one}{count} numbers" if count > 1 else "a number")
    return tuple(found)


def _refuse(name: str, value: object, accepted: str) -> NoReturn:
    raise InvalidArgumentError(f"parameter '{name}' is {value!r}; accepted: {accepted}")
