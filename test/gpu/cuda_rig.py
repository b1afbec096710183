# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``pytest --cuda=fake|real``: the fixture `cuda_rig`, a GPU to test with or what stands for one.

``fake`` (the default) puts the rig of `make gpu-rig` into this process: a ``libcuda.so.1`` on host
memory under the real pycuda, and a `tensorrt` that executes by ONNX Runtime (``--tensorrt`` names
the release whose genuine classes it has).  ``real`` touches nothing and uses this machine's GPU.
A test that got a `CudaRig` fails at its end when it broke a rule of CUDA's or TensorRT's, or left
memory, streams, events or graphs behind.  Between tests the fake has no device, so nobody else in
the process takes it for one; nor is there a `tensorrt` to import.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build/gpu"
DEFAULT_RELEASE = "10.3.0"
"""JetPack 6.1's."""
sys.path.append(str(CHECKOUT / "tools"))
from fake_cuda import CompileError, compile_library  # noqa: E402
from get_tensorrt_api import bindings_directory  # noqa: E402

Shape = Sequence[int]
Profile = Mapping[str, tuple[Shape, Shape, Shape]]
LIVE = (
    *("device_allocations", "pinned_allocations", "streams", "events", "graphs"),
    "graph_executables",
)
_fakes: list[ModuleType] = []
"""The `tensorrt` of this process, once it is made."""
_AT_REST = {
    **{"delay_us": 0, "integrated": 0, "memory": 2 << 30, "init_error": 0, "dla_cores": 0},
    "devices": 1,
}


class RigMissing(Exception):
    """Why there is nothing to test on, and what to do."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the GPU tests run on."""
    parser.addoption("--cuda", choices=("fake", "real"), default="fake", help="see cuda_rig.py")
    parser.addoption("--tensorrt", default=DEFAULT_RELEASE, help="release that the fake imitates")


class CudaRig:
    """A GPU; what only the fake can do is refused on a real one (the test is skipped)."""

    def __init__(self, library: ctypes.CDLL | None) -> None:
        self._library = library
        self._before: dict[str, int] = {}
        self._expected = False
        if library is not None:
            self._before = {name: self.count(name) for name in LIVE}

    @property
    def is_fake(self) -> bool:
        return self._library is not None

    def require_fake(self, why: str) -> CudaRig:
        """Skip the rest of this test on a real GPU."""
        if self._library is None:
            pytest.skip(f"--cuda=real: {why}")
        return self

    def set(self, **knobs: int) -> None:
        """Turn knobs: delay_us, integrated, memory, init_error, devices, dla_cores."""
        for name, value in knobs.items():
            assert self._fake().fakecuda_set(name.encode(), value), f"there is no knob {name}"

    def count(self, name: str) -> int:
        """One of the counters: the `LIVE` ones, device_bytes, copies_to_device, copies_to_host,
        pageable_copies, host_functions, graph_launches, enqueued, engines_built,
        timing_cache_hits, primary_references.
        """
        return int(self._fake().fakecuda_count(name.encode()))

    def violations(self) -> list[str]:
        """Rules that were broken so far; who asks has seen them, and the test does not fail."""
        self._expected = True
        return self._violations()

    def _violations(self) -> list[str]:
        found: list[str] = []
        while text := self._fake().fakecuda_violations(len(found)):
            found.append(text.decode())
        return found

    def fault(self, text: str = "a fault of the test's") -> None:
        """From now on every CUDA call fails, as after an illegal memory access."""
        self._expected = True
        self._fake().fakecuda_fault(text.encode())

    def make_plan(
        self,
        onnx: bytes,
        profiles: Sequence[Profile] = (),
        values: Sequence[Profile] = (),
        configure: Any = None,
    ) -> bytes:
        """An engine file, built by TensorRT's own API; `values` are those of shape inputs.

        `configure(trt, config)` may set further things of the builder's configuration.
        """
        import tensorrt as trt  # noqa: PLC0415

        with primary_context():
            logger = trt.Logger(trt.Logger.ERROR)
            builder = trt.Builder(logger)
            flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
            network = builder.create_network(0 if flag is None else 1 << int(flag))
            parser = trt.OnnxParser(network, logger)
            assert parser.parse(onnx), [parser.get_error(i) for i in range(parser.num_errors)]
            config = builder.create_builder_config()
            for index in range(max(len(profiles), len(values))):
                profile = builder.create_optimization_profile()
                for name, limits in (dict(profiles[index]) if profiles else {}).items():
                    profile.set_shape(name, *limits)
                for name, limits in (dict(values[index]) if values else {}).items():
                    profile.set_shape_input(name, *limits)
                config.add_optimization_profile(profile)
            if configure is not None:
                configure(trt, config)
            plan = builder.build_serialized_network(network, config)
            assert plan is not None, "the plan was not built: see the log"
            return bytes(plan)

    def check(self) -> None:
        """Fail for what this test broke or left behind."""
        if not self.is_fake:
            return
        gc.collect()
        broken = self._violations()
        faulted = bool(self._fake().fakecuda_faulted())
        left = {n: self.count(n) - self._before[n] for n in LIVE}
        if self._expected or faulted:  # nothing can be released after a fault
            left = {}
        self._fake().fakecuda_reset()
        self.set(**{**_AT_REST, "devices": 0})
        assert self._expected or not broken, f"rules of CUDA or TensorRT were broken: {broken}"
        assert not any(left.values()), f"left behind on the device: {left}"

    def _fake(self) -> ctypes.CDLL:
        self.require_fake("a real GPU has neither knobs nor counters")
        assert self._library is not None
        return self._library


class primary_context:
    """The first device's primary context, current in this thread."""

    def __enter__(self) -> None:
        import pycuda.driver as cuda  # noqa: PLC0415

        cuda.init()
        self._context = cuda.Device(0).retain_primary_context()
        self._context.push()

    def __exit__(self, *exception: object) -> None:
        self._context.pop()
        self._context.detach()


def load_fake(release: str = DEFAULT_RELEASE) -> ctypes.CDLL:
    """Put the fake driver and the fake `tensorrt` into this process; raises `RigMissing`."""
    bindings = require_bindings(release)
    library = load_driver()
    _fakes[:] = [importlib.import_module("fake_tensorrt").install(bindings)]
    return library


def require_bindings(release: str) -> Path:
    """The genuine bindings of a release; raises `RigMissing`."""
    bindings = bindings_directory(BUILD, release)
    if not bindings.is_dir():
        raise RigMissing(f"the GPU rig is not built (TensorRT {release}): run `make gpu-rig`")
    return bindings


def load_driver() -> ctypes.CDLL:
    """Put the fake driver into this process; raises `RigMissing`."""
    path = require_driver()
    if importlib.util.find_spec("pycuda") is None:
        raise RigMissing("pycuda is not installed: run `make gpu-rig`")
    library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    library.fakecuda_set.argtypes = [ctypes.c_char_p, ctypes.c_long]
    library.fakecuda_count.restype = ctypes.c_long
    library.fakecuda_count.argtypes = [ctypes.c_char_p]
    library.fakecuda_violations.restype = ctypes.c_char_p
    library.fakecuda_violations.argtypes = [ctypes.c_size_t]
    library.fakecuda_fault.argtypes = [ctypes.c_char_p]
    return library


def require_driver() -> Path:
    """The compiled ``libcuda.so.1``, brought up to date; raises `RigMissing`."""
    includes = sorted((BUILD / "headers").glob("nvidia/*/include"))
    if not includes:
        raise RigMissing("the GPU rig is not built (CUDA's headers): run `make gpu-rig`")
    try:
        return compile_library(BUILD, includes)
    except CompileError as error:
        raise RigMissing(str(error)) from error


def _require_real() -> None:
    for name in ("pycuda.driver", "tensorrt"):
        try:
            module: ModuleType = importlib.import_module(name)
        except ImportError as error:
            pytest.skip(f"--cuda=real: {error}")
        if name == "pycuda.driver":
            try:
                module.init()
            except module.Error as error:
                pytest.skip(f"--cuda=real: {error}")


@pytest.fixture(scope="session")
def _cuda_library(request: pytest.FixtureRequest) -> ctypes.CDLL | None:
    if request.config.getoption("--cuda") == "real":
        _require_real()
        return None
    try:
        library = load_fake(request.config.getoption("--tensorrt"))
        del sys.modules["tensorrt"]
        library.fakecuda_set(b"devices", 0)
        return library
    except RigMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def cuda_rig(_cuda_library: ctypes.CDLL | None) -> Iterator[CudaRig]:
    """A GPU, or what stands for one."""
    rig = CudaRig(_cuda_library)
    if not rig.is_fake:
        yield rig
        return
    rig.set(**_AT_REST)
    sys.modules["tensorrt"] = _fakes[0]
    yield rig
    rig.check()
    del sys.modules["tensorrt"]
