# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to a real V2 server and back, by both protocols: everything that V2 has in a request."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kserve_server import Remote, Seen

from triton_ros.core.control.model_state import ModelState
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    TritonError,
    UnavailableError,
    UnsupportedError,
)
from triton_ros.core.request import InferenceRequest

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TIMEOUT = 30
TENSORS = (
    'input { name: "x" data_type: TYPE_FP32 dims: [4] }'
    ' output { name: "y" data_type: TYPE_FP32 dims: [4] }'
)


def test_a_remote_model_is_completed_and_answers_as_if_it_were_here(
    near: Any, remote: Remote
) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol)
    config = near.server.describe("affine").config
    assert [(i.spec.name, i.spec.datatype, i.spec.dims) for i in config.input] == [
        ("x", "FP32", (4,))
    ]
    assert config.max_batch_size == 4
    assert near.server.describe("affine").instance_count == 4
    y = near.ask("affine").outputs["y"]
    np.testing.assert_array_equal(y, 3 * X + 5)
    assert y.flags.writeable
    assert near.server.model_ready("affine")
    assert near.counters("affine") == {"circuits_open": 0, "circuits_opened": 0}


def test_another_name_and_version_of_the_remote(near: Any, far: Any, protocol: str) -> None:
    with Remote(far, protocol) as remote:
        near.load("mine", url=remote.url, protocol=protocol, remote_model="affine")
        np.testing.assert_array_equal(near.ask("mine").outputs["y"], 3 * X + 5)
        near.load(
            "mine", url=remote.url, protocol=protocol, remote_model="affine", remote_version=2
        )
        np.testing.assert_array_equal(near.ask("mine").outputs["y"], 3 * X + 5)
        assert [s.version for s in remote.seen] == ["", "2"]
        with pytest.raises(NotFoundError, match=r"'mine'.*'affine' at 127.*version 1"):
            near.load(
                "mine", url=remote.url, protocol=protocol, remote_model="affine", remote_version=1
            )
        with pytest.raises(NotFoundError, match=r"'mine'.*'none' at 127"):
            near.load("mine", url=remote.url, protocol=protocol, remote_model="none")
        np.testing.assert_array_equal(near.ask("mine").outputs["y"], 3 * X + 5)


def test_everything_that_a_request_says_arrives(near: Any, remote: Remote) -> None:
    near.load("echo", url=remote.url, protocol=remote.protocol)
    parameters = {"text": "grün", "count": 7, "flag": True, "ratio": 0.5, "big": (1 << 63) + 1}
    answer = near.ask(
        "echo", id="request 1", priority=2, timeout_us=1_000_000, parameters=parameters
    )
    (seen,) = remote.seen
    assert seen.id == "request 1"
    assert dict(seen.parameters) == {
        **parameters,
        "kserve_hops": 1,
        "priority": 2,
        "timeout": 1_000_000,
    }
    assert {k: type(seen.parameters[k]) for k in parameters} == {
        k: type(v) for k, v in parameters.items()
    }
    assert answer.id == "request 1"
    assert dict(answer.parameters) == {"echo": True}
    np.testing.assert_array_equal(answer.outputs["y"], X)
    if remote.protocol == "grpc":  # JSON's integers have no end
        with pytest.raises(InvalidArgumentError, match=r"'huge'.*64 bits"):
            near.ask("echo", parameters={"huge": 1 << 64})


def test_only_wanted_outputs_are_asked_for(near: Any, remote: Remote) -> None:
    near.load("add_sub", url=remote.url, protocol=remote.protocol)
    a = np.ones((1, 16), np.float32)
    answer = near.ask("add_sub", {"INPUT0": a, "INPUT1": a}, outputs=("OUTPUT1",))
    assert remote.seen[-1].outputs == ("OUTPUT1",)
    assert list(answer.outputs) == ["OUTPUT1"]
    np.testing.assert_array_equal(answer.outputs["OUTPUT1"], 0 * a)
    assert set(near.ask("add_sub", {"INPUT0": a, "INPUT1": a}).outputs) == {"OUTPUT0", "OUTPUT1"}


def test_texts_of_any_length_and_language(near: Any, remote: Remote) -> None:
    near.load("text", url=remote.url, protocol=remote.protocol)
    x = np.array([["", "grün", b"bytes", "x" * 100_000]], np.object_)
    found = near.ask("text", x).outputs["y"]
    assert [i if isinstance(i, bytes) else i.encode() for i in found[0]] == [
        *(b"", "grün".encode(), b"bytes", b"x" * 100_000)
    ]


def test_the_remotes_own_refusal_is_the_answer_and_is_not_asked_twice(
    near: Any, remote: Remote
) -> None:
    near.load("failing", url=remote.url, protocol=remote.protocol, retries=5)
    with pytest.raises(
        TritonError, match=r"'failing'.*at 127\.0\.0\.1.*out of data bounds"
    ) as error:
        near.ask("failing", np.array([[99]], np.int64))
    assert error.value.code.value == "INTERNAL"
    assert len(remote.seen) == 1
    assert near.counters("failing") == {"circuits_open": 0, "circuits_opened": 0}
    assert near.server.describe("failing").statistics.fail.count == 1
    good = near.ask("failing", np.array([[2]], np.int64))
    assert good.outputs["y"].tolist() == [[30.0]]


class Together:
    """Lets requests go when so many are there at once."""

    def __init__(self, count: int) -> None:
        self.barrier = threading.Barrier(count)

    def __call__(self, seen: Seen) -> None:
        self.barrier.wait(TIMEOUT)


def test_a_batch_goes_as_requests_side_by_side(near: Any, remote: Remote) -> None:
    """The remote batches: three that wait for each other there would never come one by one."""
    batching = (
        "instance_group { count: 1 } dynamic_batching {"
        " max_queue_delay_microseconds: 20000000 preferred_batch_size: 3 }"
    )
    near.load("echo", f"{batching} max_batch_size: 3", url=remote.url, protocol=remote.protocol)
    remote.before = Together(3)
    answers = _together(near, "echo", 3)
    assert [float(a.outputs["y"][0, 0]) for a in answers] == [0.0, 1.0, 2.0]
    assert [s.inputs["x"].shape for s in remote.seen] == [(1, 4)] * 3


def _together(near: Any, name: str, count: int) -> list[Any]:
    answers: dict[int, Any] = {}
    arrived = threading.Semaphore(0)
    for number in range(count):
        x = np.full((1, 4), number, np.float32)

        def done(outcome: Any, number: int = number) -> None:
            answers[number] = outcome
            arrived.release()

        near.server.submit(InferenceRequest(name, {"x": x}), done)
    for _ in range(count):
        assert arrived.acquire(timeout=TIMEOUT), answers
    return [answers[number] for number in range(count)]


def test_no_more_are_under_way_than_wanted(near: Any, remote: Remote) -> None:
    near.load("echo", url=remote.url, protocol=remote.protocol, max_in_flight=2)
    third = threading.Barrier(3)
    met: list[bool] = []

    def before(seen: Seen) -> None:
        try:
            third.wait(0.3)
        except threading.BrokenBarrierError:
            met.append(False)
        else:
            met.append(True)

    remote.before = before
    answers = _together(near, "echo", 4)
    assert met == [False] * 4, "a third one was there"
    assert [float(a.outputs["y"][0, 0]) for a in answers] == [0.0, 1.0, 2.0, 3.0]


def test_who_finds_no_room_in_time_is_told_so(near: Any, remote: Remote) -> None:
    near.load("echo", url=remote.url, protocol=remote.protocol, max_in_flight=1)
    here, gate = threading.Event(), threading.Event()
    remote.before = lambda seen: (here.set(), gate.wait(TIMEOUT), None)[-1]
    first: list[Any] = []
    done = threading.Event()
    near.server.submit(
        InferenceRequest("echo", {"x": X}), lambda outcome: (first.append(outcome), done.set())[-1]
    )
    assert here.wait(TIMEOUT)
    with pytest.raises(UnavailableError, match="max_in_flight 1 requests are with the remote"):
        near.ask("echo", deadline_ns=time.monotonic_ns() + 100_000_000)
    gate.set()
    assert done.wait(TIMEOUT)
    np.testing.assert_array_equal(first[0].outputs["y"], X)


# --- what the remote is -------------------------------------------------------------------------


def test_a_server_of_metadata_only(near: Any, remote: Remote) -> None:
    """As MLServer, TorchServe and OpenVINO Model Server are."""
    remote.has_config = False
    near.load("affine", url=remote.url, protocol=remote.protocol)
    config = near.server.describe("affine").config
    assert config.max_batch_size == 4, "by default: every first dim is variable"
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)


def test_a_server_that_knows_nothing_of_its_model(near: Any, remote: Remote) -> None:
    remote.has_config = False
    remote.metadata = {"name": "affine", "platform": ""}
    with pytest.raises(ConfigError, match="does not tell its inputs: state input and output"):
        near.load("affine", url=remote.url, protocol=remote.protocol)
    near.load("affine", f"max_batch_size: 4 {TENSORS}", url=remote.url, protocol=remote.protocol)
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)


def test_what_the_configuration_says_is_compared(near: Any, remote: Remote) -> None:
    where = {"url": remote.url, "protocol": remote.protocol}
    with pytest.raises(ConfigError, match=r"config.pbtxt:1.*max_batch_size 64.*remote takes 4"):
        near.load("affine", "max_batch_size: 64", **where)
    with pytest.raises(ConfigError, match=r"'x' FP32 \[4\].*FP64|FP64.*'x' FP32 \[4\]"):
        near.load("affine", f"max_batch_size: 4 {TENSORS.replace('FP32', 'FP64')}", **where)
    with pytest.raises(ConfigError, match=r"no file: drop default_model_filename"):
        near.load("affine", 'default_model_filename: "model.onnx"', **where)
    with pytest.raises(ConfigError, match=r"remote keeps sequences: state sequence_batching"):
        near.load("sum", **where)
    with pytest.raises(ConfigError, match=r"remote is decoupled: state model_transaction_policy"):
        near.load("repeat", **where)
    assert not near.server.model_ready("affine")


def test_bf16_is_refused_with_its_tensor(near: Any, remote: Remote) -> None:
    side = [{"name": "x", "datatype": "BF16", "shape": [-1, 4]}]
    remote.metadata = {"name": "m", "platform": "", "inputs": side, "outputs": side}
    with pytest.raises(UnsupportedError, match=r"input 'x' is BF16"):
        near.load("affine", url=remote.url, protocol=remote.protocol)


def test_an_answer_that_was_not_promised_is_an_error(near: Any, remote: Remote) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol)
    for alter, message in (
        (lambda o: {"y": o["y"].astype(np.float64)}, r"float64 for output 'y', .*promised FP32"),
        (lambda o: {"y": o["y"][:, :3]}, r"shape \[2, 3\] for output 'y', .*promised \[-1, 4\]"),
        (lambda o: {"z": o["y"]}, r"nothing for output 'y'"),
    ):
        remote.alter = alter
        with pytest.raises(InternalError, match=f"'affine'.*{message}"):
            near.ask("affine")
    assert len(remote.seen) == 3, "no retry changes that"


# --- sequences ----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [7, "camera"])
def test_sequences_go_with_their_marks(near: Any, remote: Remote, key: int | str) -> None:
    near.load("sum", "sequence_batching {}", url=remote.url, protocol=remote.protocol)
    values = [1.0, 2.0, 4.0]
    answers = [
        near.ask(
            "sum",
            np.full((1, 1), value, np.float32),
            correlation_id=key,
            sequence_start=value == 1.0,
            sequence_end=value == 4.0,
        )
        for value in values
    ]
    assert [float(a.outputs["y"][0, 0]) for a in answers] == [101.0, 103.0, 107.0]
    assert [
        tuple(s.parameters[k] for k in ("sequence_id", "sequence_start", "sequence_end"))
        for s in remote.seen
    ] == [(key, True, False), (key, False, False), (key, False, True)]


# --- changes ------------------------------------------------------------------------------------


def test_url_and_version_change_by_a_reload(near: Any, far: Any, protocol: str) -> None:
    with Remote(far, protocol) as one, Remote(far, protocol) as two:
        near.load("affine", url=one.url, protocol=protocol)
        near.ask("affine")
        near.load("affine", url=two.url, protocol=protocol)
        near.ask("affine")
        assert (len(one.seen), len(two.seen)) == (1, 1)
        assert [e.state for e in near.server.repository_index() if e.name == "affine"] == [
            ModelState.READY
        ]


def test_unloading_ends_its_threads_and_connections(near: Any, remote: Remote) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol)
    near.ask("affine")
    near.server.unload_model("affine").result(TIMEOUT)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("kserve_", "probe_"))]


# --- robots that forward to each other ----------------------------------------------------------


def test_two_that_forward_to_each_other_stop_at_max_hops(
    near: Any, tmp_path: Path, protocol: str
) -> None:
    """The near server has a front, too: model `loop` is its own remote."""
    with Remote(near.server, protocol) as front:
        config = f"max_batch_size: 4 {TENSORS} instance_group {{ count: 8 }}"
        where = {"max_hops": 3, "timeout_ms": 20000, "breaker_failures": 0}
        near.load("loop", config, url=front.url, protocol=protocol, **where)
        with pytest.raises(InvalidArgumentError, match=r"3 servers forwarded.*max_hops is 3"):
            near.ask("loop")
        assert [s.parameters["kserve_hops"] for s in front.seen] == [1, 2, 3]


def test_max_hops_0_says_nothing_of_it(near: Any, remote: Remote) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, max_hops=0)
    near.ask("affine")
    assert "kserve_hops" not in remote.seen[0].parameters
    near.load("affine", url=remote.url, protocol=remote.protocol)
    with pytest.raises(InvalidArgumentError, match="kserve_hops' must be 0 or more, got 'many'"):
        near.ask("affine", parameters={"kserve_hops": "many"})


# --- JSON ---------------------------------------------------------------------------------------


def test_json_for_servers_without_the_binary_extension(near: Any, far: Any) -> None:
    with Remote(far, "http") as remote:
        where = {"url": remote.url, "protocol": "http", "http_data": "json"}
        near.load("affine", **where)
        np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)
        assert "inference-header-content-length" not in remote.seen[0].headers
        near.load("text", **where)
        x = np.array([["", "grün", b"bytes", "x"]], np.object_)
        assert near.ask("text", x).outputs["y"].tolist() == [["", "grün", "bytes", "x"]]
        with pytest.raises(InvalidArgumentError, match=r"'x'.*UTF-8"):
            near.ask("text", np.array([[b"\xff", "", "", ""]], np.object_))
        with pytest.raises(InvalidArgumentError, match="NaN"):
            near.ask("affine", X * np.float32("nan"))


def test_how_tensors_go_follows_from_the_servers_extensions(near: Any, far: Any) -> None:
    def is_binary(extensions: tuple[str, ...], **parameters: str) -> bool:
        remote.extensions = extensions
        near.load("affine", url=remote.url, protocol="http", **parameters)
        np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)
        near.server.unload_model("affine").result(TIMEOUT)
        return "inference-header-content-length" in remote.seen[-1].headers

    with Remote(far, "http") as remote:
        assert is_binary(("binary_tensor_data",))
        assert not is_binary(())
        assert is_binary((), http_data="binary")
        assert not is_binary(("binary_tensor_data",), http_data="json")
