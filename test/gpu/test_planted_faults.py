# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The rig notices what is wrong: each mistake, put into a correct user of TensorRT, is found.

A mistake is a replacement in the source.  What a GPU would forgive by luck (a missing
synchronisation), and what it would not (a host pointer), both have to make the run fail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cuda_rig import CHECKOUT, DEFAULT_RELEASE, RigMissing, require_bindings, require_driver
from get_tensorrt_api import RELEASES

HERE = Path(__file__).parent
USER = HERE / "reference_user.py"
_ENQUEUE = (
    "            if not self.context.execute_async_v3(self.stream.handle):\n"
    '                raise RuntimeError("it was not enqueued")\n'
)
_COPY_BACK = (
    "            for device, pinned, _ in results.values():\n"
    "                cuda.memcpy_dtoh_async(pinned, device, self.stream)\n"
)
_PUSH = "        self.primary.push()\n        try:\n"
_POP = "        finally:\n            self.primary.pop()\n"
_OUTPUT = (
    "                self.context.set_tensor_address(name, int(device))\n                results"
)
FAULTS = {
    "no synchronisation": ("            self.done.synchronize()\n", "", "wrong result"),
    "no push": (_PUSH, "        try:\n", "invalid device context"),
    "no pop": (_POP, "        finally:\n            pass\n", "a thread ended with a CUDA context"),
    "no address of an output": (_OUTPUT, "                results", "not enqueued"),
    "buffers do not grow": ("kept is None or kept[1].nbytes < size", "kept is None", "broadcast"),
    "a view is returned": (".reshape(shape).copy()", ".reshape(shape)", "wrong result"),
    "a host pointer": (
        "self.context.set_tensor_address(name, int(device))\n            results",
        "self.context.set_tensor_address(name, pinned.ctypes.data)\n            results",
        "illegal memory access",
    ),
    "an address that is not aligned": (_OUTPUT, _OUTPUT.replace(")\n", " + 4)\n"), "aligned"),
    "no cast": (
        "np.ascontiguousarray(values[name], self.dtype(name))",
        "values[name]",
        "wrong result",
    ),
    "shapes are not set": (
        "not self.context.set_input_shape(name, value.shape)",
        "not name",
        "OverflowError",
    ),
    "the copy before the execution": (
        _ENQUEUE + _COPY_BACK,
        _COPY_BACK + _ENQUEUE,
        "wrong result",
    ),
    "the wrong stream": (
        "self.context.execute_async_v3(self.stream.handle)",
        "self.context.execute_async_v3(vars(self).setdefault('other', cuda.Stream()).handle)",
        "wrong result",
    ),
    "the default stream": (
        "self.context.execute_async_v3(self.stream.handle)",
        "self.context.execute_async_v3(0)",
        "default stream",
    ),
    "a buffer is freed too early": (
        _ENQUEUE,
        "            self.buffers.pop(self.inputs[0])\n" + _ENQUEUE,
        "illegal memory access: the engine read input images",
    ),
    "buffers are not released": ("        self.buffers.clear()\n", "", "'device_allocations': 2"),
    "the context is not released": (
        "self.context = self.engine = self.runtime = None",
        "self.runtime = None",
        "left behind",
    ),
    "an event a run": (
        "self.done.record(self.stream)",
        "self.events = [*getattr(self, 'events', []), cuda.Event()]\n"
        "            self.done.record(self.stream)",
        "left behind: a context was destroyed with 0 streams and 4 events",
    ),
}
"""What is replaced, by what, and a word of the objection."""


@dataclass(frozen=True)
class Fault:
    """In which file of the backend what is replaced by what, and a word of the objection."""

    file: str
    old: str
    new: str
    objection: str
    scenario: str = ""
    """Of `planted_run`."""


def _other(old: str, new: str, objection: str) -> Fault:
    return Fault("cuda_python_driver.py", old, new, objection, "cuda-python")


BACKEND = CHECKOUT / "triton_ros/backends/tensorrt"
BACKEND_FAULTS = {
    "no synchronisation": Fault(
        "instance.py",
        "        self._done.record(stream)\n        self._done.synchronize()\n",
        "        self._done.record(stream)\n",
        "wrong result",
    ),
    "no push": Fault("pycuda_driver.py", "self._context.push()", "pass", "invalid device context"),
    "no pop": Fault("pycuda_driver.py", "self._context.pop()", "pass", "a thread ended"),
    "a view is returned": Fault(
        "instance.py",
        "value if self._buffers.is_own(name) else value.copy()",
        "value",
        "wrong result",
    ),
    "a host pointer": Fault(
        "buffers.py",
        "return self._places[name].device.address\n",
        "return self._places[name].host.array.ctypes.data\n",
        "illegal memory access",
    ),
    "an address that is not aligned": Fault(
        "buffers.py",
        "return self._places[name].device.address\n",
        "return self._places[name].device.address + 4\n",
        "not aligned",
    ),
    "shapes are not set": Fault(
        "instance.py", "if context.shapes.get(name) != value.shape", "if 0", "wrong result"
    ),
    "results are copied on another stream": Fault(
        "pycuda_driver.py",
        "memcpy_dtoh_async(target, address, stream)",
        "memcpy_dtoh_async(target, address, vars(self).setdefault('o', self._cuda.Stream()))",
        "wrong result",
    ),
    "inputs are copied on another stream": Fault(
        "pycuda_driver.py",
        "memcpy_htod_async(address, source, stream)",
        "memcpy_htod_async(address, source, vars(self).setdefault('o', self._cuda.Stream()))",
        "wrong result",
    ),
    "executed on the default stream": Fault(
        "instance.py", "execute_async_v3(stream.handle)", "execute_async_v3(0)", "default stream"
    ),
    "buffers are not released": Fault(
        "instance.py", "self._buffers.release()", "pass", "left behind"
    ),
    "contexts are not released": Fault(
        "instance.py", "self._contexts.clear()", "pass", "left behind"
    ),
    "the device is not closed": Fault(
        "pycuda_driver.py", "self._context.detach()", "pass", "'primary_references': 1"
    ),
    "a view is returned where memory is shared": Fault(
        "instance.py",
        "value if self._buffers.is_own(name) else value.copy()",
        "value",
        "wrong result",
        "integrated",
    ),
    "a graph is taken for other shapes": Fault(
        "instance.py",
        "return context.profile, shapes, tuple",
        "return context.profile, tuple",
        "wrong result",
        "graphs",
    ),
    "graphs are not released": Fault(
        "instance.py",
        "self._options.graphs.drop(recorded)",
        "pass",
        "'graph_executables': 4",
        "graphs",
    ),
    "no push by cuda-python": _other(
        'self._call("cuCtxPushCurrent", self._context)', "pass", "invalid device context"
    ),
    "no pop by cuda-python": _other('self._call("cuCtxPopCurrent")', "pass", "a thread ended"),
    "results are copied on another stream by cuda-python": _other(
        "target.nbytes, stream.handle", "target.nbytes, 0", "wrong result"
    ),
    "memory is not freed by cuda-python": _other(
        'self._call("cuMemFree", self._pointer)', "pass", "'device_allocations': 2"
    ),
    "locked memory is not freed by cuda-python": _other(
        'self._call("cuMemFreeHost", self._pointer)', "pass", "'pinned_allocations': 2"
    ),
    "events are not released by cuda-python": _other(
        "self._call.cuda.cuEventDestroy(self._event)", "pass", "and 1 events"
    ),
    "the device is not closed by cuda-python": _other(
        'self._call("cuDevicePrimaryCtxRelease", self._device)', "pass", "'primary_references': 1"
    ),
}

SCENARIOS = ("", "integrated", "graphs", "cuda-python")
Noticed = dict[str, tuple[int, str]]


def run(arguments: dict[str, str], release: str = DEFAULT_RELEASE) -> Noticed:
    """For each argument of `planted_run`: the exit code of the run, and what was objected."""
    try:
        require_driver()
        require_bindings(release)
    except RigMissing as missing:
        pytest.skip(str(missing))
    command = [sys.executable, str(HERE / "planted_run.py"), release, *arguments.values()]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=100, env=environment
    )
    assert answer.returncode == 0, answer.stderr
    return dict(zip(arguments, json.loads(answer.stdout), strict=True))


def planted(source: str, old: str, new: str, fault: str) -> str:
    """The source with its fault."""
    assert source.count(old) == 1, f"'{fault}' cannot be planted: the source has changed"
    return source.replace(old, new)


def check(noticed: tuple[int, str], objection: str) -> None:
    code, said = noticed
    killed = code < 0
    assert code == 1 or killed, f"nobody noticed: {said}"
    assert killed or objection in said


@pytest.fixture(scope="module")
def user_noticed(tmp_path_factory: pytest.TempPathFactory) -> Noticed:
    """For each fault of the reference user, and for none (``""``)."""
    directory = tmp_path_factory.mktemp("user")
    source = USER.read_text()
    arguments = {"": str(USER)}
    for index, (fault, (old, new, _)) in enumerate(FAULTS.items()):
        path = directory / f"user_{index}.py"
        path.write_text(planted(source, old, new, fault))
        arguments[fault] = str(path)
    return run(arguments)


@pytest.fixture(scope="module")
def backend_noticed(tmp_path_factory: pytest.TempPathFactory) -> Noticed:
    """For each fault of the backend, and for none."""
    if not BACKEND.is_dir():
        pytest.skip("there is no TensorRT backend in this checkout")
    directory = tmp_path_factory.mktemp("backend")
    user = str(HERE / "backend_user.py")
    arguments = {scenario: f"{user}::{scenario}" for scenario in SCENARIOS}
    for index, (name, fault) in enumerate(BACKEND_FAULTS.items()):
        package = directory / str(index) / BACKEND.name
        shutil.copytree(BACKEND, package, ignore=shutil.ignore_patterns("__pycache__"))
        path = package / fault.file
        path.write_text(planted(path.read_text(), fault.old, fault.new, name))
        arguments[name] = f"{user}:{package.parent}:{fault.scenario}"
    return run(arguments)


def test_the_rig_has_no_objection_to_a_correct_user(user_noticed: Noticed) -> None:
    code, said = user_noticed[""]
    assert (code, said.strip()) == (0, "")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_rig_has_no_objection_to_the_backend(backend_noticed: Noticed, scenario: str) -> None:
    code, said = backend_noticed[scenario]
    assert (code, said.strip()) == (0, "")


@pytest.mark.parametrize(
    "release", [each.version for each in RELEASES if each.version != DEFAULT_RELEASE]
)
def test_no_release_has_an_objection(release: str) -> None:
    users = {"the user": str(USER)}
    if BACKEND.is_dir():
        users["the backend"] = str(HERE / "backend_user.py")
    for code, said in run(users, release).values():
        assert (code, said.strip()) == (0, "")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_planted_in_the_user_is_noticed(user_noticed: Noticed, fault: str) -> None:
    check(user_noticed[fault], FAULTS[fault][2])


@pytest.mark.parametrize("fault", BACKEND_FAULTS)
def test_a_fault_planted_in_the_backend_is_noticed(backend_noticed: Noticed, fault: str) -> None:
    check(backend_noticed[fault], BACKEND_FAULTS[fault].objection)
