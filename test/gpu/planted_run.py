# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``planted_run.py RELEASE FILE[:DIRECTORY[:SCENARIO]]...``: run each FILE's `User` on the rig.

RELEASE is TensorRT's, which the fake is to imitate.  Modules of `triton_ros.backends` that are in
DIRECTORY take the place of the checkout's.  SCENARIO is ``graphs`` or ``cuda-python`` (as
the user is told), or ``integrated`` (a device that shares the host's memory).  What was noticed is
one line of JSON: ``[[exit code, objections], ...]``.

A process each, for some faults end it (a host that reads device memory is killed, as with a GPU);
forked, for imports take longest.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import signal
import sys
import threading
from typing import Any

import numpy as np
import onnxruntime
import toy_onnx
from cuda_rig import LIVE, CudaRig, load_fake

import triton_ros.backends

DELAY_US = 5000
"""Everything that is not waited for is seen not to have happened."""
HANG_SECONDS = 20
"""A fault may also make it wait for ever."""
PROFILE = {"images": ((1, 3, 16, 16), (2, 3, 32, 32), (8, 3, 64, 64))}
SHAPES = ((1, 3, 16, 16), (8, 3, 64, 64), (2, 3, 32, 32), (8, 3, 16, 16))


def objections(path: str, rig: CudaRig) -> list[str]:
    """What the rig, or a comparison with ONNX Runtime, holds against the user in `path`."""
    path, directory, scenario = [*path.split(":"), "", ""][:3]
    if directory:
        triton_ros.backends.__path__.insert(0, directory)
    rig.set(delay_us=DELAY_US, integrated=int(scenario == "integrated"))
    os.environ["SCENARIO"] = scenario
    onnx = toy_onnx.convolution()
    user = _module(path).User(rig.make_plan(onnx, [PROFILE]))
    found = _run(user, onnx)
    try:
        user.close()
    except Exception as error:  # after a fault, nothing works
        found.append(f"{type(error).__name__} at the end: {error}")
    gc.collect()
    left = {n: rig.count(n) for n in (*LIVE, "primary_references") if rig.count(n)}
    return [*found, *rig.violations(), *([f"left behind: {left}"] if left else [])]


def _run(user: Any, onnx: bytes) -> list[str]:
    """From a thread of its own, as the server does; results are looked at only in the end."""
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape) for shape in SHAPES]  # float64: to be cast
    results: list[Any] = []
    errors: list[str] = []

    def work() -> None:
        try:
            results.extend(user.infer({"images": value})["logits"] for value in values)
        except Exception as error:  # whatever it is, it is the objection
            errors.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    for value, result in zip(values, results, strict=False):
        (expected,) = session.run(None, {"images": value.astype(np.float32)})
        if result.shape != expected.shape or not np.allclose(result, expected, atol=1e-4):
            errors.append(f"wrong result for {value.shape}")
    return errors


def _module(path: str) -> Any:
    specification = importlib.util.spec_from_file_location("user_under_test", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _in_a_child(path: str, rig: CudaRig) -> tuple[int, str]:
    """Its exit code (negative: a signal) and what it had to say."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.close(writing)
        code = 2
        signal.alarm(HANG_SECONDS)
        try:
            found = objections(path, rig)
            print("\n".join(found), flush=True)
            code = int(bool(found))
        except Exception as error:  # it could not even be made
            print(f"{type(error).__name__}: {error}", flush=True)
            code = 1
        finally:
            os._exit(code)  # what is left of a broken user is not torn down: that may abort
    os.close(writing)
    with open(reading, errors="replace") as output:
        said = output.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


if __name__ == "__main__":
    fake = CudaRig(load_fake(sys.argv[1]))
    importlib.import_module("pycuda.driver")
    print(json.dumps([_in_a_child(argument, fake) for argument in sys.argv[2:]]))
