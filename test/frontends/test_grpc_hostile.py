# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""gRPC's clients and models that do what they should not: nobody else notices."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from frontend_server import (
    IN_PROCESS,
    REPEAT,
    REPEAT_CONFIG,
    Served,
    python_toy,
    serving,
    slow_request,
)
from grpc_wire import WireClient
from http_client import place, wait_for
from toy_models import Toy, onnx_slow
from tritonclient.grpc import service_pb2, service_pb2_grpc

from triton_ros.core.errors import InternalError
from triton_ros.frontends.backlog import MAX_BYTES
from triton_ros.frontends.grpc import frontend, inference
from triton_ros.frontends.grpc.told import MOST_BYTES, told
from triton_ros.frontends.grpc.untaken import Untaken

SERVICE = "/inference.GRPCInferenceService"
ODD_CONFIG = f"""
backend: "python"
input [{{ name: "IN" data_type: TYPE_INT32 dims: [1] }}]
output [{{ name: "OUT" data_type: TYPE_STRING dims: [1] }}]
{IN_PROCESS}
"""
ODD = """
import numpy as np
import triton_python_backend_utils as pb_utils

ERRORS = ["bad \\udcff words", "x" * 100_000, "\u00fc\\n\\0" * 9_000]


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(int(pb_utils.get_input_tensor_by_name(r, "IN").as_numpy()[0]))
                for r in requests]

    def answer(self, number):
        if number < 3:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(ERRORS[number]))
        if number == 3:
            return self.response(5)
        if number in (4, 5):
            return self.response(b"a", {"p": 1 << 70 if number == 4 else "\\udcff"})
        return self.response(b"x" * number)

    def response(self, item, parameters=None):
        tensor = pb_utils.Tensor("OUT", np.array([item], np.object_))
        return pb_utils.InferenceResponse([tensor], parameters=parameters)
"""
UNSENDABLE = (0, 3, 4, 5)
"""Neither these errors nor these answers can be written as they are."""


def ask(model: str, number: int) -> Any:
    message = service_pb2.ModelInferRequest(model_name=model, id=str(number))
    message.inputs.add(name="IN", datatype="INT32", shape=[1])
    message.raw_input_contents.append(np.array([number], np.int32).tobytes())
    return message


def readers() -> list[str]:
    """The server's threads that read streams."""
    return [each.name for each in threading.enumerate() if "gRPC stream" in each.name]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = {
        "odd": python_toy(ODD_CONFIG, ODD),
        "repeat": python_toy(REPEAT_CONFIG, REPEAT),
        "slow": Toy(onnx_slow(20_000)),
    }
    path = tmp_path_factory.mktemp("odd")
    with serving(path, models, max_in_flight=16, max_connections=8) as found:
        yield found


@pytest.fixture
def stub(odd: Served) -> Iterator[Any]:
    with grpc.insecure_channel(odd.grpc) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


# texts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("char", ["x", "%", "\n", "\u00fc", "\u20ac", "\U0001f600", "\udcff"])
def test_texts_are_cut_to_what_clients_take(char: str) -> None:
    short = told(InternalError(char * 100))
    assert short == (char if char != "\udcff" else "?") * 100
    long = told(InternalError(char * 100_000))
    escaped = sum(1 if " " <= c <= "~" and c != "%" else 3 * len(c.encode()) for c in long)
    assert long.endswith("...")
    assert MOST_BYTES - 12 < escaped <= MOST_BYTES + 3


def test_long_texts_arrive_with_their_status(stub: Any) -> None:
    for size in (9_000, 1_000_000):
        with pytest.raises(grpc.RpcError) as error:
            stub.ModelReady(service_pb2.ModelReadyRequest(name="x" * size), timeout=20)
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
        assert error.value.details().startswith("Request for unknown model: 'xxx")


@pytest.mark.parametrize("number", range(6))
def test_what_a_model_says_is_told_to_its_caller_alone(stub: Any, number: int) -> None:
    with pytest.raises(grpc.RpcError) as error:
        stub.ModelInfer(ask("odd", number), timeout=20)
    assert error.value.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)
    assert "exception" not in error.value.details().lower()
    asked = [ask("odd", number), ask("odd", 7)]
    found = {
        each.infer_response.id: each.error_message
        for each in stub.ModelStreamInfer(iter(asked), timeout=20)
    }
    assert found["7"] == ""
    assert found[str(number)]
    if number not in UNSENDABLE:
        assert len(found[str(number)]) > MOST_BYTES, "a stream's messages may be long"


# clients that do not read ------------------------------------------------------------------------


class Clients:
    """Calls of grpc, as far as they are asked; the test ends them."""

    def __init__(self, peer: str = "a") -> None:
        self._peer, self._active = peer, True
        self._callbacks: list[Any] = []

    def peer(self) -> str:
        return self._peer

    def is_active(self) -> bool:
        return self._active

    def add_callback(self, callback: Any) -> bool:
        self._callbacks.append(callback)
        return self._active

    def end(self) -> None:
        self._active = False
        for callback in self._callbacks:
            callback()


def test_answers_count_until_they_are_taken() -> None:
    untaken = Untaken(100)
    one, other, gone = Clients("a"), Clients("b"), Clients("a")
    untaken.hold(one, 99)
    assert untaken.wait(one)
    untaken.hold(other, 150)
    assert untaken.wait(one), "another connection's"
    gone.end()
    untaken.hold(gone, 1000)
    assert untaken.total == 249
    one.end()
    other.end()
    assert untaken.total == 0
    assert not untaken.waiting


@pytest.fixture
def untaken(monkeypatch: pytest.MonkeyPatch) -> list[Untaken]:
    """Of the servers that are made from here on, with a low limit."""
    made: list[Untaken] = []

    def make() -> Untaken:
        made.append(Untaken(300_000))
        return made[-1]

    monkeypatch.setattr(inference, "Untaken", make)
    return made


def test_a_client_that_reads_no_answers_waits_and_nobody_else(
    tmp_path: Path, untaken: list[Untaken]
) -> None:
    models = {"odd": python_toy(ODD_CONFIG, ODD)}
    request = ask("odd", 200_000).SerializeToString()
    with serving(tmp_path, models) as served, WireClient(served.grpc) as client:
        count = lambda: served.server.describe("odd").statistics.success.count  # noqa: E731
        path = f"{SERVICE}/ModelInfer"
        first = client.call(path, request)
        wait_for(lambda: count() == 1 and untaken[0].total > 200_000)
        second = client.call(path, request)
        wait_for(lambda: count() == 2 and untaken[0].total > 400_000)
        waiting = client.call(path, request)
        wait_for(lambda: untaken[0].waiting == 1)
        with grpc.insecure_channel(served.grpc) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            stub.ModelInfer(ask("odd", 200_000), timeout=20)
        assert (count(), untaken[0].waiting) == (3, 1)
        client.cancel(waiting)
        wait_for(lambda: untaken[0].waiting == 0)
        client.call(path, request)
        wait_for(lambda: untaken[0].waiting == 1)
        client.open_window(first, 400_000)
        wait_for(lambda: count() == 4)
        client.open_window(second, 400_000)
        client.socket.close()
        wait_for(lambda: untaken[0].total == 0)
        assert served.in_flight == 0


def test_a_stream_that_is_not_read_ends_at_a_limit(odd: Served, stub: Any) -> None:
    """Errors with long texts are answers, too."""
    unknown = service_pb2.ModelInferRequest(model_name="x" * 1_000_000).SerializeToString()
    sent: list[int] = []
    limit = MAX_BYTES // 1_000_000

    def requests() -> Iterator[bytes]:
        for _ in range(1_000):
            sent.append(1)
            yield unknown

    with grpc.insecure_channel(odd.grpc, [("grpc.max_receive_message_length", -1)]) as channel:
        stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(requests(), timeout=60)
        wait_for(lambda: len(sent) > limit // 2 and not readers())  # the server reads no further
        assert len(sent) < 2 * limit
        found = [service_pb2.ModelStreamInferResponse.FromString(each) for each in stream]
    assert found[-1].error_message.startswith("the stream was ended: its client reads")


def test_one_stream_has_a_share_of_what_may_be_under_way(odd: Served, stub: Any) -> None:
    """Its requests beyond that wait, and none is refused."""
    most, texts = 0, []
    for each in stub.ModelStreamInfer(iter([slow_request()] * 64), timeout=60):
        most = max(most, odd.in_flight)
        texts.append(each.error_message)
    assert texts == [""] * 64
    assert 0 < most <= 16 // inference._SHARE


# connections -------------------------------------------------------------------------------------


def test_connections_beyond_the_limit_are_closed(tmp_path: Path) -> None:
    with serving(tmp_path, {}, max_connections=3) as served, ExitStack() as clients:
        for _ in range(3):
            assert clients.enter_context(WireClient(served.grpc)).socket.recv(9)
        with WireClient(served.grpc) as more:
            assert more.read_all() == b""
        clients.close()
        with grpc.insecure_channel(served.grpc) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            live = service_pb2.ServerLiveRequest()
            assert stub.ServerLive(live, wait_for_ready=True, timeout=20).live


def test_clients_that_are_gone_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream of a client that answers nothing ends, and so does a connection without a call."""
    for name in ("_IDLE_MS", "_ALIVE_MS", "_SILENT_MS"):
        monkeypatch.setattr(frontend, name, 300)
    with serving(tmp_path, {"repeat": python_toy(REPEAT_CONFIG, REPEAT)}) as served:
        with WireClient(served.grpc) as client:
            request = ask("repeat", 1).SerializeToString()
            client.call(f"{SERVICE}/ModelStreamInfer", request, end=False)
            assert b"ping timeout" in client.read_all()
        wait_for(lambda: not readers())
        with WireClient(served.grpc) as client:
            assert b"connection idle" in client.read_all()


def test_what_is_no_http2_and_calls_without_a_message(odd: Served) -> None:
    begun = b"PRI * HTTP/2.0\r\n\r\nSM\xff"
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\xff", begun):
        with socket.create_connection(place(odd.grpc)) as client:
            client.sendall(data)
            while client.recv(1 << 10):
                pass
    with grpc.insecure_channel(odd.grpc) as channel:
        none = channel.stream_stream(f"{SERVICE}/ModelInfer")(iter([]), timeout=20)
        with pytest.raises(grpc.RpcError) as error:
            list(none)
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
