# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a model's plans come from: one file for every device, or an ONNX file and the cache."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from triton_ros.backends.tensorrt.builder import Source, Stage, build_plan
from triton_ros.backends.tensorrt.device_owner import DeviceOwner
from triton_ros.backends.tensorrt.engine import Log
from triton_ros.backends.tensorrt.onnx_files import weight_files
from triton_ros.backends.tensorrt.plan_cache import PlanCache, key_of

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """An engine file."""

    data: bytes
    path: Path
    key: str = ""
    """Under which it came from the cache, if it did."""


class Plans(Protocol):
    """One model's."""

    built: list[str]
    """What was built, or was found built, in words."""

    def get(self, owner: DeviceOwner, dla_core: int | None) -> Plan:
        """The plan for a device."""
        ...

    def replace(self, plan: Plan) -> bool:
        """After TensorRT refused it: whether `get` would give another one."""
        ...


class PlanFile:
    """A plan as it lies in the repository."""

    def __init__(self, path: Path) -> None:
        self.built: list[str] = []
        self._plan = Plan(path.read_bytes(), path)

    def get(self, owner: DeviceOwner, dla_core: int | None) -> Plan:
        return self._plan

    def replace(self, plan: Plan) -> bool:
        return False


class OnnxPlans:
    """Built for each kind of device that is asked for, unless the cache has it."""

    def __init__(self, trt: Any, log: Log, cache: PlanCache, source: Source, stage: Stage) -> None:
        """Raises `InvalidArgumentError` for weights outside the version's directory."""
        self._trt, self._log = trt, log
        self._cache = cache
        self._source = source
        self._stage = stage
        self.built: list[str] = []
        files = weight_files(source.model, source.path, source.data)
        self._content = [hashlib.sha256(source.data).digest(), *map(_digest, files)]

    def get(self, owner: DeviceOwner, dla_core: int | None) -> Plan:
        """Reads or builds it, in the caller's thread: the device's other work goes on."""
        device = owner.device
        place = (self._trt.__version__, device.name, str(device.compute_capability))
        kind = "GPU" if dla_core is None else "DLA"
        key = key_of([*self._content, *place, kind, repr(self._source.options)])
        path = self._cache.path(key, "plan")
        found = self._cache.read(key)
        if found is None:
            with self._cache.building:
                found = self._cache.read(key)  # somebody else's build may have been the same
                if found is None:
                    return self._build(owner, dla_core, key, key_of(place))
        self.built.append(f"found {path}")
        return Plan(found, path, key)

    def replace(self, plan: Plan) -> bool:
        """One that was just built is not built again."""
        if not plan.key:
            return False
        _LOG.warning("TensorRT refuses %s, which is built again", plan.path)
        self._cache.forget(plan.key)
        return True

    def _build(self, owner: DeviceOwner, dla_core: int | None, key: str, timings: str) -> Plan:
        start = time.monotonic()
        known = self._cache.read(timings, "timings") or b""
        with owner.current():
            data, timed = build_plan(
                self._trt, self._log, self._source, dla_core, known, self._stage
            )
        seconds = time.monotonic() - start
        self._cache.write(timings, timed, "timings")
        self._cache.write(key, data)
        path = self._cache.path(key, "plan")
        where = owner.device.name if dla_core is None else f"the DLA of {owner.device.name}"
        text = f"built {path} for {where} in {seconds:.1f} s"
        _LOG.info("model '%s': %s", self._source.model, text)
        self.built.append(text)
        return Plan(data, path)


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()
