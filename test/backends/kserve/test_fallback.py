# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A model of the robot's own that answers while no server does."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
from kserve_server import Fault, Remote
from toy_models import Toy, onnx_affine, onnx_identity, write_model

from triton_ros.core.errors import DeadlineError, NotFoundError, TritonError, UnavailableError
from triton_ros.core.server import InferenceServer

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TIMEOUT = 30
TENSORS = (
    'max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: [4] }'
    ' output { name: "y" data_type: TYPE_FP32 dims: [4] }'
)
QUICK = {"retries": 0, "breaker_failures": 1, "breaker_open_ms": 50, "connect_timeout_ms": 500}


@pytest.fixture
def where(remote: Remote) -> dict[str, Any]:
    """A model whose fallback is `local`: ``y = 10 x``."""
    return {
        **{"url": remote.url, "protocol": remote.protocol, "remote_model": "affine"},
        **{"fallback_model": "local", **QUICK},
    }


def test_the_fallback_answers_while_the_remote_does_not(
    near: Any, remote: Remote, where: dict[str, Any]
) -> None:
    near.server.load_model("local").result(TIMEOUT)
    near.load("m", **where)
    np.testing.assert_array_equal(near.ask("m").outputs["y"], 3 * X + 5)
    remote.stop()
    for _ in range(2):
        answer = near.ask("m", id="i")
        np.testing.assert_array_equal(answer.outputs["y"], 10 * X)
        assert (answer.id, answer.model_name) == ("i", "m")
    assert near.server.model_ready("m"), "somebody answers"
    assert near.counters("m")["fallbacks"] == 2
    statistics = near.server.describe("m").statistics
    assert (statistics.inference_count, statistics.fail.count) == (6, 0)
    remote.start()
    end = time.monotonic() + TIMEOUT
    while near.counters("m")["circuits_open"]:
        assert time.monotonic() < end
        threading.Event().wait(0.005)
    np.testing.assert_array_equal(near.ask("m").outputs["y"], 3 * X + 5)


def test_it_answers_before_the_remote_was_ever_there(
    near: Any, remote: Remote, where: dict[str, Any]
) -> None:
    remote.stop()
    near.server.load_model("local").result(TIMEOUT)
    near.load("m", TENSORS, **where)
    np.testing.assert_array_equal(near.ask("m").outputs["y"], 10 * X)
    remote.start()


def test_a_fallback_that_is_not_loaded_is_named_with_the_failure(
    near: Any, remote: Remote, where: dict[str, Any]
) -> None:
    near.load("m", **where)
    remote.stop()
    with pytest.raises(
        NotFoundError, match=r"'m': remote 'affine' at 127.*fallback_model 'local'.*unknown model"
    ):
        near.ask("m")
    near.server.load_model("local").result(TIMEOUT)
    np.testing.assert_array_equal(near.ask("m").outputs["y"], 10 * X)
    near.server.unload_model("local").result(TIMEOUT)
    with pytest.raises(UnavailableError, match=r"fallback_model 'local'.*not at ready state"):
        near.ask("m")
    remote.start()


def test_what_the_remote_refuses_for_good_is_no_case_for_it(
    near: Any, remote: Remote, where: dict[str, Any]
) -> None:
    near.server.load_model("local").result(TIMEOUT)
    near.load("m", **where)
    remote.before = _raising(Fault(400 if remote.protocol == "http" else "INVALID_ARGUMENT", "bad"))
    with pytest.raises(TritonError, match="bad"):
        near.ask("m")
    assert "fallbacks" not in near.counters("m")


def _raising(fault: Fault) -> Any:
    def before(seen: Any) -> None:
        raise fault

    return before


def test_after_timeout_ms_it_answers_and_after_the_deadline_nobody(
    near: Any, remote: Remote, where: dict[str, Any]
) -> None:
    near.server.load_model("local").result(TIMEOUT)
    near.load("m", timeout_ms=100, **where)
    gate = threading.Event()
    remote.before = lambda seen: (gate.wait(TIMEOUT), None)[-1]
    np.testing.assert_array_equal(near.ask("m").outputs["y"], 10 * X)
    near.load("m", timeout_ms=20_000, **where)
    with pytest.raises(DeadlineError):
        near.ask("m", deadline_ns=time.monotonic_ns() + 100_000_000)
    gate.set()


def test_a_fallback_of_another_shape_says_so_itself(
    near: Any, remote: Remote, where: dict[str, Any]
) -> None:
    write_model(near.path / "local", Toy(onnx_identity("FP32", ("N", 5))))
    near.server.load_model("local").result(TIMEOUT)
    near.load("m", **where)
    remote.stop()
    with pytest.raises(TritonError, match=r"fallback_model 'local'.*'x'"):
        near.ask("m")
    remote.start()


def test_it_may_be_another_remote_model(near: Any, far: Any, protocol: str) -> None:
    with Remote(far, protocol) as one, Remote(far, protocol) as two:
        near.load("second", url=two.url, protocol=protocol, remote_model="affine")
        near.load(
            *("m",),
            **{"url": one.url, "protocol": protocol, "remote_model": "affine"},
            **{"fallback_model": "second", **QUICK},
        )
        one.stop()
        np.testing.assert_array_equal(
            near.ask("m", parameters={"kserve_hops": 2}).outputs["y"], 3 * X + 5
        )
        assert two.seen[0].parameters["kserve_hops"] == 3, "it is still known who forwarded"
        one.start()


def test_two_that_fall_back_to_each_other_end(near: Any, remote: Remote) -> None:
    remote.stop()
    for name, other in (("a", "b"), ("b", "a")):
        near.load(
            *(name, TENSORS),
            **{"url": remote.url, "protocol": remote.protocol, "fallback_model": other, **QUICK},
        )
    with pytest.raises(TritonError, match="'a' calls itself"):
        near.ask("a")
    remote.start()


def test_a_sequence_that_began_at_the_fallback_stays_there(
    near: Any, far: InferenceServer, remote: Remote
) -> None:
    """The fallback keeps no state: what tells is who was asked."""
    write_model(near.path / "rows", Toy(onnx_affine(10.0, 0.0, ("N", 1))))
    near.server.load_model("rows").result(TIMEOUT)
    near.load(
        *("sum", "sequence_batching {}"),
        **{"url": remote.url, "protocol": remote.protocol, "fallback_model": "rows", **QUICK},
    )
    one = np.ones((1, 1), np.float32)
    remote.before = _raising(Fault(503 if remote.protocol == "http" else "UNAVAILABLE"))
    first = near.ask("sum", one, correlation_id=1, sequence_start=True)
    remote.before = lambda seen: None
    end = time.monotonic() + TIMEOUT
    while near.counters("sum")["circuits_open"]:
        assert time.monotonic() < end
        threading.Event().wait(0.005)
    second = near.ask("sum", one, correlation_id=1, sequence_end=True)
    assert [float(a.outputs["y"][0, 0]) for a in (first, second)] == [10.0, 10.0]
    third = near.ask("sum", one, correlation_id=1, sequence_start=True)
    assert float(third.outputs["y"][0, 0]) == 101.0, "a new sequence goes to the remote again"
