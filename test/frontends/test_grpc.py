# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""gRPC as such: streams, cancellation, deadlines, limits, health, TLS, and how it stops."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from frontend_server import Keys, Served, serving, slow_request
from google.protobuf import wrappers_pb2
from http_client import wait_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_models import Toy, onnx_add_sub, onnx_identity, onnx_slow
from tritonclient.grpc import service_pb2, service_pb2_grpc

from triton_ros.core.server_options import ServerOptions

ONE_AT_A_TIME = "instance_group [{ count: 1 kind: KIND_CPU }]"
SERVICE = "inference.GRPCInferenceService"
METHODS = ("ModelInfer", "ModelConfig", "RepositoryModelLoad")


def int32(values: list[int], name: str = "IN", shape: Any = None) -> Any:
    kind = service_pb2.ModelInferRequest.InferInputTensor
    return kind(name=name, datatype="INT32", shape=shape or [len(values)])


def repeat(values: list[int], id: str = "", **parameters: bool) -> Any:
    message = service_pb2.ModelInferRequest(model_name="repeat", id=id, inputs=[int32(values)])
    message.raw_input_contents.append(np.array(values, np.int32).tobytes())
    for name, value in parameters.items():
        message.parameters[name].bool_param = value
    return message


def add(value: int, sequence: int, start: bool = False, end: bool = False) -> Any:
    message = service_pb2.ModelInferRequest(model_name="sum", id=str(value))
    message.inputs.append(int32([value], shape=[1, 1]))
    message.raw_input_contents.append(np.array([value], np.int32).tobytes())
    message.parameters["sequence_id"].int64_param = sequence
    message.parameters["sequence_start"].bool_param = start
    message.parameters["sequence_end"].bool_param = end
    return message


def value(response: Any) -> int:
    return int(np.frombuffer(response.infer_response.raw_output_contents[0], np.int32)[0])


def final(response: Any) -> bool:
    return bool(response.infer_response.parameters["triton_final_response"].bool_param)


@pytest.fixture
def stub(served: Served) -> Iterator[Any]:
    with grpc.insecure_channel(served.grpc) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def refused(call: Any, *arguments: Any, **named: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **named)
    return error.value


# streams -----------------------------------------------------------------------------------------


def test_a_stream_of_many_answers(stub: Any) -> None:
    responses = list(stub.ModelStreamInfer(iter([repeat([1, 2, 3], "a")]), timeout=20))
    assert [value(each) for each in responses] == [1, 2, 3]
    assert {each.infer_response.id for each in responses} == {"a"}
    finals = [
        each.infer_response.parameters["triton_final_response"].bool_param for each in responses
    ]
    assert finals == [False, False, False]


def test_the_last_empty_answer_comes_to_who_asks_for_it(stub: Any) -> None:
    asked = repeat([5], "a", triton_enable_empty_final_response=True)
    first, last = stub.ModelStreamInfer(iter([asked]), timeout=20)
    assert value(first) == 5
    assert not last.infer_response.outputs and not last.error_message
    assert final(last)


def test_many_requests_in_one_stream(stub: Any) -> None:
    asked = [repeat(list(range(n)), str(n)) for n in range(20)]
    found: dict[str, list[int]] = {}
    for each in stub.ModelStreamInfer(iter(asked), timeout=20):
        found.setdefault(each.infer_response.id, []).append(value(each))
    assert found == {str(n): list(range(n)) for n in range(1, 20)}


def test_sequences_in_a_stream_keep_their_order(stub: Any) -> None:
    asked = [add(1, 9, start=True), *(add(n, 9) for n in range(2, 9)), add(9, 9, end=True)]
    responses = list(stub.ModelStreamInfer(iter(asked), timeout=20))
    assert [each.error_message for each in responses] == [""] * 9
    assert [value(each) for each in responses] == [1, 3, 6, 10, 15, 21, 28, 36, 45]
    assert all(final(each) for each in responses)


def test_a_stream_goes_on_after_an_error(stub: Any) -> None:
    unknown = service_pb2.ModelInferRequest(model_name="nope", id="b")
    damaged = repeat([1], "c")
    damaged.raw_input_contents[0] = b"abc"
    found = {}
    for each in stub.ModelStreamInfer(iter([repeat([1], "a"), unknown, damaged]), timeout=20):
        found[each.infer_response.id] = each.error_message
    assert found["a"] == ""
    assert found["b"] == "Request for unknown model: 'nope' is not found"
    assert "input byte size mismatch" in found["c"]


def test_a_stream_ends_with_an_error_where_that_is_wanted(stub: Any) -> None:
    unknown = service_pb2.ModelInferRequest(model_name="nope")
    metadata = (("triton_grpc_error", "true"),)
    error = refused(list, stub.ModelStreamInfer(iter([unknown]), metadata=metadata, timeout=20))
    assert error.code() == grpc.StatusCode.NOT_FOUND


def test_an_empty_stream_is_one(stub: Any) -> None:
    assert list(stub.ModelStreamInfer(iter([]), timeout=20)) == []


def test_a_client_answers_while_it_asks(stub: Any) -> None:
    """Each request is made from the answer to the one before."""
    asked: queue.Queue[Any] = queue.Queue()
    asked.put(repeat([1]))
    seen = []
    for each in stub.ModelStreamInfer(iter(asked.get, None), timeout=20):
        seen.append(value(each))
        asked.put(repeat([seen[-1] + 1]) if len(seen) < 10 else None)
    assert seen == list(range(1, 11))


# calls that end early ----------------------------------------------------------------------------


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Served]:
    """Small limits, and a model that takes its time."""
    models = {
        "add_sub": Toy(onnx_add_sub()),
        "identity": Toy(onnx_identity("UINT8", ("N", None))),
        "slow": Toy(onnx_slow(300_000), ONE_AT_A_TIME),
    }
    limits = {"grpc_max_message_size": 10_000, "max_connections": 4}
    with serving(tmp_path, models, **limits) as found:
        yield found


def test_cancelled_and_late_calls_are_withdrawn(strict: Served) -> None:
    with grpc.insecure_channel(strict.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        running = stub.ModelInfer.future(slow_request())
        wait_for(lambda: strict.in_flight == 1)
        waiting = stub.ModelInfer.future(slow_request())
        wait_for(lambda: strict.in_flight == 2)
        waiting.cancel()
        wait_for(lambda: strict.in_flight == 1)
        late = stub.ModelInfer.future(slow_request(), timeout=0.05)
        assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        wait_for(lambda: strict.in_flight == 1)
        assert running.result(20).model_name == "slow"
    failed = strict.server.describe("slow").statistics.failures
    assert {reason.value for reason in failed} == {"CANCELED"}


def test_a_stream_that_is_left_withdraws_its_requests(strict: Served) -> None:
    with grpc.insecure_channel(strict.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        blocked = threading.Event()

        def requests() -> Iterator[Any]:
            yield from [slow_request()] * 3
            blocked.wait()

        stream = stub.ModelStreamInfer(requests())
        wait_for(lambda: strict.in_flight == 3)
        stream.cancel()
        wait_for(lambda: strict.in_flight <= 1)
        blocked.set()
    wait_for(lambda: strict.in_flight == 0)


def test_messages_beyond_the_limit_are_refused(strict: Served) -> None:
    with grpc.insecure_channel(strict.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        message = service_pb2.ModelInferRequest(model_name="identity")
        message.inputs.add(name="x", datatype="UINT8", shape=[1, 20_000])
        message.raw_input_contents.append(bytes(20_000))
        error = refused(stub.ModelInfer, message)
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert stub.ServerLive(service_pb2.ServerLiveRequest()).live


def test_calls_beyond_the_limit_are_refused_and_health_answers_before(strict: Served) -> None:
    with grpc.insecure_channel(strict.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        running = [stub.ModelInfer.future(slow_request()) for _ in range(3)]
        wait_for(lambda: strict.in_flight == 3)
        assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
        running.append(stub.ModelInfer.future(slow_request()))
        wait_for(lambda: strict.in_flight == 4)
        error = refused(stub.ServerLive, service_pb2.ServerLiveRequest())
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        for each in running:
            each.cancel()
    wait_for(lambda: strict.in_flight == 0)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=100), st.sampled_from(["ModelInfer", "ModelConfig", "RepositoryModelLoad"])
)
def test_no_bytes_bring_it_down(served: Served, data: bytes, method: str) -> None:
    with grpc.insecure_channel(served.grpc) as channel:
        call = channel.unary_unary(f"/{SERVICE}/{method}")
        try:
            call(data, timeout=20)
        except grpc.RpcError as error:
            assert error.code().name in (
                *("INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE", "UNIMPLEMENTED"),
                *("INTERNAL", "ALREADY_EXISTS"),
            )
            assert method != "ModelInfer" or error.code().name != "INTERNAL"


# the rest ----------------------------------------------------------------------------------------


def test_the_standard_health_service(served: Served) -> None:
    with grpc.insecure_channel(served.grpc) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            wrappers_pb2.StringValue.SerializeToString,
            wrappers_pb2.Int32Value.FromString,
        )
        for service in ("", SERVICE):
            assert check(wrappers_pb2.StringValue(value=service)).value == 1
        error = refused(check, wrappers_pb2.StringValue(value="other"))
        assert error.code() == grpc.StatusCode.NOT_FOUND


def test_unknown_methods(served: Served) -> None:
    with grpc.insecure_channel(served.grpc) as channel:
        error = refused(channel.unary_unary(f"/{SERVICE}/Nope"), b"")
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_tls_and_mutual_tls(tmp_path: Path, keys: Keys) -> None:
    ca = Path(keys.file("ca.pem")).read_bytes()
    own = (Path(keys.file("client.key")).read_bytes(), Path(keys.file("client.pem")).read_bytes())
    live = service_pb2.ServerLiveRequest()
    for mutual in (False, True):
        with serving(tmp_path, {}, **(keys.mutual if mutual else keys.server)) as found:
            plain = grpc.ssl_channel_credentials(ca)
            both = grpc.ssl_channel_credentials(ca, *own)
            with grpc.secure_channel(found.grpc, both if mutual else plain) as channel:
                assert service_pb2_grpc.GRPCInferenceServiceStub(channel).ServerLive(live).live
            with grpc.insecure_channel(found.grpc) as channel:
                refused(service_pb2_grpc.GRPCInferenceServiceStub(channel).ServerLive, live)
            if mutual:
                with grpc.secure_channel(found.grpc, plain) as channel:
                    refused(service_pb2_grpc.GRPCInferenceServiceStub(channel).ServerLive, live)


def test_stopping_finishes_what_runs(tmp_path: Path) -> None:
    models = {"slow": Toy(onnx_slow(300_000), ONE_AT_A_TIME)}
    options = ServerOptions(load_model=("*",), exit_timeout_secs=10.0)
    with (
        serving(tmp_path, models, server_options=options) as found,
        grpc.insecure_channel(found.grpc) as channel,
    ):
        running = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer.future(
            slow_request()
        )
        wait_for(lambda: found.in_flight == 1)
        closing = threading.Thread(target=found.frontends.close)
        closing.start()
        assert running.result(20).model_name == "slow"
        closing.join(30)
        assert not closing.is_alive()


def test_stopping_ends_streams_that_are_open(tmp_path: Path) -> None:
    options = ServerOptions(exit_timeout_secs=0.1)
    with serving(tmp_path, {}, server_options=options) as found:
        channel = grpc.insecure_channel(found.grpc)
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        requests: queue.Queue[Any] = queue.Queue()
        requests.put(service_pb2.ModelInferRequest(model_name="nope"))
        stream = stub.ModelStreamInfer(iter(requests.get, None))
        assert "not found" in next(stream).error_message
        found.frontends.close()
        error = refused(next, stream)
        assert error.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
        requests.put(None)
        channel.close()
