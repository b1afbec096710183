# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a C backend's library says of all its models, and the API's values that are its own."""

from __future__ import annotations

import ctypes as c
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_case import as_pbtxt
from toy_models import Toy, write_model
from toy_shared_library import FILENAME, NO_COMPILER, library, toy_fields, wait_until

from triton_ros.backends.registry import BackendRegistry
from triton_ros.backends.shared_library.host import host
from triton_ros.core.errors import InvalidArgumentError, UnsupportedError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)

TIMEOUT = 30
TWO = "instance_group [ { count: 2 kind: KIND_CPU } ]"
INCLUDE = '#include "triton/core/tritonbackend.h"'
DEVICE_BLOCKING = f"""{INCLUDE}
TRITONSERVER_Error *TRITONBACKEND_Initialize(TRITONBACKEND_Backend *backend)
{{
  return TRITONBACKEND_BackendSetExecutionPolicy(
      backend, TRITONBACKEND_EXECUTION_DEVICE_BLOCKING);
}}
"""
PREFERS_THREE = f"""{INCLUDE}
TRITONSERVER_Error *TRITONBACKEND_GetBackendAttribute(
    TRITONBACKEND_Backend *backend, TRITONBACKEND_BackendAttribute *attributes)
{{
  (void)backend;
  return TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
      attributes, TRITONSERVER_INSTANCEGROUPKIND_CPU, 3, NULL, 0);
}}
"""
Serve = Callable[..., InferenceServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """``serve(code, kind, config)``: a server with the toy, whose library has more code."""
    with InferenceServer([tmp_path], BackendRegistry().load_backend) as server:

        def start(code: str, kind: str, config: str, **parameters: Any) -> InferenceServer:
            fields = as_pbtxt(toy_fields(kind, dims=(1,), **parameters))
            directory = write_model(
                tmp_path / "toy", Toy(config=f'backend: "toy"\n{fields}\n{config}')
            )
            (directory / FILENAME).write_bytes(library(code) if code else library())
            server.load_model("toy").result(TIMEOUT)
            return server

        yield start


def two_at_once(server: InferenceServer) -> list[float]:
    found: list[float] = []

    def ask() -> None:
        request = InferenceRequest("toy", {"x": np.zeros((1, 1), np.float32)})
        found.append(server.infer(request, TIMEOUT).outputs["y"].item())

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    return found


def test_instances_execute_at_once(serve: Serve) -> None:
    assert two_at_once(serve("", "meet", TWO, scale=20)) == [2, 2]


def test_unless_the_backend_wants_one_at_a_time_on_a_device(serve: Serve) -> None:
    server = serve(DEVICE_BLOCKING, "meet", TWO, scale=0.2)
    assert max(two_at_once(server)) < 2


def test_but_sequences_do_anyway(serve: Serve) -> None:
    """As in Triton: a sequence must not wait for another's device."""
    model = serve(DEVICE_BLOCKING, "affine", f"{TWO}\nsequence_batching {{ }}")
    request = InferenceRequest(
        "toy", {"x": np.ones((1, 1), np.float32)}, correlation_id=1, sequence_start=True
    )
    assert model.infer(request, TIMEOUT).outputs["y"].item() == 3


def test_preferred_instances_are_made_where_nothing_is_said(serve: Serve) -> None:
    assert serve(PREFERS_THREE, "affine", "").describe("toy").instance_count == 3
    assert serve(PREFERS_THREE, "affine", TWO).describe("toy").instance_count == 2


def test_a_request_is_executed_again_when_the_backend_says_so(serve: Serve) -> None:
    config = "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
    config += "sequence_batching { iterative_sequence: true }"
    server = serve("", "reschedule", config)
    request = InferenceRequest(
        "toy", {"x": np.ones((1, 1), np.float32)}, correlation_id=1, sequence_start=True
    )
    assert server.infer(request, TIMEOUT).outputs["y"].item() == 1
    wait_until(lambda: server.describe("toy").statistics.execution_count == 2)


# --- the API's own values -----------------------------------------------------------------------


def call(name: str, *arguments: Any) -> None:
    """A function of the API that returns an error; raises it."""
    function = getattr(c.CDLL(host().library._name), name)
    function.restype = c.c_void_p
    host().check(function(*arguments), name)


def test_what_is_not_offered_says_so_by_its_name() -> None:
    for name in ("TRITONSERVER_ServerNew", "TRITONSERVER_MetricsFormatted"):
        with pytest.raises(UnsupportedError, match=f"{name} is not offered here"):
            call(name)


@pytest.mark.parametrize(
    ("kind", "change", "value"),
    [(0, ("MetricIncrement", 2.5), 2.5), (1, ("MetricSet", -3.0), -3.0)],
)
def test_metrics_keep_what_they_are_given(
    kind: int, change: tuple[str, float], value: float
) -> None:
    family, metric, found = c.c_void_p(), c.c_void_p(), c.c_double()
    call("TRITONSERVER_MetricFamilyNew", c.byref(family), kind, b"name", b"what")
    call("TRITONSERVER_MetricNew", c.byref(metric), family, None, c.c_uint64(0))
    call(f"TRITONSERVER_{change[0]}", metric, c.c_double(change[1]))
    call("TRITONSERVER_MetricValue", metric, c.byref(found))
    assert found.value == value
    with pytest.raises(UnsupportedError, match="only a histogram"):
        call("TRITONSERVER_MetricObserve", metric, c.c_double(1))
    if kind == 0:
        with pytest.raises(InvalidArgumentError, match="cannot be incremented by -1"):
            call("TRITONSERVER_MetricIncrement", metric, c.c_double(-1))
    call("TRITONSERVER_MetricDelete", metric)
    call("TRITONSERVER_MetricFamilyDelete", family)


def test_memory_is_cpu_memory() -> None:
    buffer = c.c_void_p()
    call(
        "TRITONBACKEND_MemoryManagerAllocate",
        None,
        c.byref(buffer),
        0,
        c.c_int64(0),
        c.c_uint64(99),
    )
    assert buffer.value is not None
    assert buffer.value % 64 == 0
    call("TRITONBACKEND_MemoryManagerFree", None, buffer, 0, c.c_int64(0))
    for kind, name in ((1, "CPU_PINNED"), (2, "GPU")):
        with pytest.raises(UnsupportedError, match=f"{name} cannot be allocated"):
            call(
                "TRITONBACKEND_MemoryManagerAllocate",
                *(None, c.byref(buffer), kind, c.c_int64(0), c.c_uint64(9)),
            )
