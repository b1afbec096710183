# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The rig notices what is wrong: each mistake, put into a correct user of TensorRT, is found.

A mistake is a replacement in the source.  What a GPU would forgive by luck (a missing
synchronisation), and what it would not (a host pointer), both have to make the run fail.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cuda_rig import DEFAULT_RELEASE, RigMissing, require_bindings, require_driver

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
    "buffers do not grow": ("kept is None or kept[1].nbytes < size", "kept is None", ""),
    "a view is returned": (".reshape(shape).copy()", ".reshape(shape)", "wrong result"),
    "a host pointer": (
        "self.context.set_tensor_address(name, int(device))\n            results",
        "self.context.set_tensor_address(name, pinned.ctypes.data)\n            results",
        "illegal memory access",
    ),
    "an address that is not aligned": (_OUTPUT, _OUTPUT.replace(")\n", " + 4)\n"), "aligned"),
    "no cast": ("np.ascontiguousarray(values[name], self.dtype(name))", "values[name]", ""),
    "shapes are not set": (
        "not self.context.set_input_shape(name, value.shape)",
        "not name",
        "",
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
}  # fmt: skip
"""What is replaced, by what, and a word of the objection (empty: there are several)."""


@pytest.fixture(scope="module")
def noticed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """For each fault, and for none (``""``): the exit code of the run, and what was objected."""
    try:
        require_driver()
        require_bindings(DEFAULT_RELEASE)
    except RigMissing as missing:
        pytest.skip(str(missing))
    directory = tmp_path_factory.mktemp("planted")
    source = USER.read_text()
    paths = {"": USER}
    for index, (fault, (old, new, _)) in enumerate(FAULTS.items()):
        assert source.count(old) == 1, f"{fault} cannot be planted: reference_user.py has changed"
        paths[fault] = directory / f"user_{index}.py"
        paths[fault].write_text(source.replace(old, new))
    command = [sys.executable, str(HERE / "planted_run.py"), *map(str, paths.values())]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert answer.returncode == 0, answer.stderr
    return dict(zip(paths, json.loads(answer.stdout).values(), strict=True))


def test_the_rig_has_no_objection_to_a_correct_user(noticed: dict[str, tuple[int, str]]) -> None:
    code, said = noticed[""]
    assert (code, said.strip()) == (0, "")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(noticed: dict[str, tuple[int, str]], fault: str) -> None:
    code, said = noticed[fault]
    killed = code < 0
    assert code == 1 or killed, f"nobody noticed: {said}"
    assert killed or FAULTS[fault][2] in said
