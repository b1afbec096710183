# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every method of tritonclient's four clients: it takes this server for a Triton."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from frontend_server import Served
from google.protobuf.json_format import MessageToDict
from toy_models import onnx_affine
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, shared_memory

X = np.arange(16, dtype=np.float32)[None]
KINDS = ("http", "grpc", "http.aio", "grpc.aio")
MODULES = {
    "http": tritonclient.http,
    "grpc": tritonclient.grpc,
    "http.aio": tritonclient.http.aio,
    "grpc.aio": tritonclient.grpc.aio,
}
CUDA_HANDLE = bytes(64)
INTEGERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


class Client:
    """One of the four as if it were synchronous."""

    def __init__(self, kind: str, served: Served) -> None:
        self.kind = kind
        self.module: Any = MODULES[kind]
        self._loop = asyncio.new_event_loop() if kind.endswith("aio") else None
        self._address = served.http if kind.startswith("http") else served.grpc
        self.client = self.run(self._made)

    def _made(self) -> Any:
        client = self.module.InferenceServerClient(self._address)

        async def later() -> Any:
            return client

        return later() if self._loop else client

    def run(self, call: Any, *arguments: Any, **named: Any) -> Any:
        """The result of a call, also of a coroutine's."""
        if self._loop is None:
            return call(*arguments, **named)

        async def wait() -> Any:
            found = call(*arguments, **named)
            return await found if inspect.isawaitable(found) else found

        return self._loop.run_until_complete(wait())

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        return lambda *arguments, **named: self.run(method, *arguments, **named)

    @property
    def is_grpc(self) -> bool:
        return self.kind.startswith("grpc")

    def inputs(self, **arrays: Any) -> list[Any]:
        """Inputs of a request."""
        return [self.input(name, array) for name, array in arrays.items()]

    def input(self, name: str, array: Any, datatype: str = "") -> Any:
        kinds = {"f4": "FP32", "i4": "INT32", "O": "BYTES"}
        kind = datatype or kinds[array.dtype.str[1:] if array.dtype.kind != "O" else "O"]
        found = self.module.InferInput(name, list(array.shape), kind)
        found.set_data_from_numpy(array)
        return found

    def output(self, name: str, **more: Any) -> Any:
        return self.module.InferRequestedOutput(name, **more)

    def close(self) -> None:
        self.run(self.client.close)
        if self._loop:
            self._loop.close()


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, served: Served) -> Iterator[Client]:
    found = Client(request.param, served)
    yield found
    found.close()


def plain(client: Client, answer: Any) -> Any:
    """An answer as HTTP has it: gRPC's messages as dicts, in their own names."""
    if not client.is_grpc:
        return answer
    return MessageToDict(answer, preserving_proto_field_name=True)


def test_health_and_metadata(client: Client) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("add_sub") and client.is_model_ready("add_sub", "1")
    found = plain(client, client.get_server_metadata())
    assert found["name"] == "triton"
    assert {"binary_tensor_data", "statistics", "trace", "logging"} <= set(found["extensions"])
    model = plain(client, client.get_model_metadata("add_sub"))
    assert (model["name"], model["versions"]) == ("add_sub", ["1"])
    shapes = [[int(dim) for dim in tensor["shape"]] for tensor in model["inputs"]]
    assert shapes == [[-1, 16], [-1, 16]]
    config = plain(client, client.get_model_config("add_sub"))
    config = config.get("config", config)
    assert (config["backend"], int(config["max_batch_size"])) == ("onnxruntime", 4)


def test_inference(client: Client) -> None:
    outputs = [client.output("OUTPUT0"), client.output("OUTPUT1")]
    found = client.infer(
        "add_sub", client.inputs(INPUT0=X, INPUT1=X), outputs=outputs, request_id="7", timeout=10**6
    )
    np.testing.assert_array_equal(found.as_numpy("OUTPUT0"), X + X)
    np.testing.assert_array_equal(found.as_numpy("OUTPUT1"), X - X)
    response = found.get_response()
    assert (response.id if client.is_grpc else response["id"]) == "7"
    everything = client.infer("add_sub", client.inputs(INPUT0=X, INPUT1=X), model_version="1")
    np.testing.assert_array_equal(everything.as_numpy("OUTPUT0"), X + X)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression(client: Client, algorithm: str) -> None:
    named: dict[str, Any] = {"compression_algorithm": algorithm}
    if not client.is_grpc:
        names = ("request_compression_algorithm", "response_compression_algorithm")
        named = dict.fromkeys(names, algorithm)
    found = client.infer("add_sub", client.inputs(INPUT0=X, INPUT1=X), **named)
    np.testing.assert_array_equal(found.as_numpy("OUTPUT0"), X + X)


def test_json_tensors(client: Client) -> None:
    if client.is_grpc:
        pytest.skip("gRPC has no JSON")
    inputs = client.inputs(INPUT0=X, INPUT1=X)
    for tensor in inputs:
        tensor.set_data_from_numpy(X, binary_data=False)
    outputs = [client.output("OUTPUT0", binary_data=False), client.output("OUTPUT1")]
    found = client.infer("add_sub", inputs, outputs=outputs)
    np.testing.assert_array_equal(found.as_numpy("OUTPUT0"), X + X)
    assert found.get_output("OUTPUT0")["data"] == (X + X).ravel().tolist()
    np.testing.assert_array_equal(found.as_numpy("OUTPUT1"), X - X)


@pytest.mark.parametrize(
    "array",
    [
        np.array([[True, False]]),
        *(
            np.array([[0, 1, 100]], kind)
            for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
        ),
        *(np.array([[0.5, -1.0]], kind) for kind in ("f2", "f4", "f8")),
        np.array([["a", "ü", ""]], np.object_),
    ],
    ids=lambda array: str(array.dtype),
)
def test_every_datatype(client: Client, array: Any) -> None:
    datatype = np_to_triton_dtype(array.dtype)
    found = client.infer(f"identity_{datatype.lower()}", [client.input("x", array, datatype)])
    answer = found.as_numpy("y")
    if datatype == "BYTES":
        assert [text.decode() for text in answer.ravel()] == array.ravel().tolist()
    else:
        np.testing.assert_array_equal(answer, array)


def test_classification(client: Client) -> None:
    scores = np.array([[1, 4, 3, 2], [9, 9, 0, 1]], np.float32)
    outputs = [client.output("y", class_count=2)]
    found = client.infer("classes", client.inputs(x=scores), outputs=outputs).as_numpy("y")
    assert found.tolist() == [
        [b"4.000000:1:dog", b"3.000000:2:cow"],
        [b"9.000000:0:cat", b"9.000000:1:dog"],
    ]


def test_sequences(client: Client) -> None:
    totals = []
    for at, value in enumerate((3, 4, 5)):
        found = client.infer(
            "sum",
            client.inputs(IN=np.array([[value]], np.int32)),
            sequence_id=1000 + KINDS.index(client.kind),
            sequence_start=at == 0,
            sequence_end=at == 2,
        )
        totals.append(int(found.as_numpy("OUT")[0, 0]))
    assert totals == [3, 7, 12]
    with pytest.raises(InferenceServerException, match="must specify the START flag"):
        client.infer("sum", client.inputs(IN=np.array([[1]], np.int32)), sequence_id=77)


def test_parameters_reach_the_model(client: Client) -> None:
    value = np.array([1], np.int32)
    given = {"s": "t", "i": -5, "b": True}
    found = client.infer("seen", client.inputs(IN=value), parameters=given)
    assert json.loads(found.as_numpy("OUT")[0]) == given


def test_model_control(client: Client) -> None:
    client.unload_model("failing")
    rows = plain(client, client.get_model_repository_index())
    rows = rows.get("models", rows) if client.is_grpc else rows
    row = next(row for row in rows if row["name"] == "failing")
    assert row["state"] in ("UNAVAILABLE", "UNLOADING")
    assert not client.is_model_ready("failing")
    client.load_model("failing")
    assert client.is_model_ready("failing")
    config = '{"backend": "onnxruntime", "max_batch_size": 2}'
    client.load_model("failing", config=config)
    loaded = plain(client, client.get_model_config("failing"))
    assert int(loaded.get("config", loaded)["max_batch_size"]) == 2
    client.unload_model("failing", unload_dependents=True)
    client.load_model("failing")
    with pytest.raises(InferenceServerException, match="failed to load 'nope', failed to poll"):
        client.load_model("nope")


def test_files_come_with_a_load(client: Client) -> None:
    files = {"file:1/model.onnx": onnx_affine(3.0, 1.0)}
    client.load_model("failing", config='{"backend": "onnxruntime"}', files=files)
    found = client.infer("failing", client.inputs(x=np.ones((1, 4), np.float32)))
    assert found.as_numpy("y").tolist() == [[4.0] * 4]
    client.unload_model("failing")
    client.load_model("failing")


def test_statistics(client: Client) -> None:
    before = count(client)
    client.infer("add_sub", client.inputs(INPUT0=X, INPUT1=X))
    assert count(client) == before + 1
    everything = plain(client, client.get_inference_statistics())["model_stats"]
    assert {"add_sub", "classes", "repeat"} <= {row["name"] for row in everything}


def count(client: Client) -> int:
    (row,) = plain(client, client.get_inference_statistics("add_sub"))["model_stats"]
    return int(row["inference_stats"]["success"].get("count", 0))


def setting(client: Client, found: Any, name: str) -> Any:
    if not client.is_grpc:
        value = found[name]
        return value[0] if isinstance(value, list) else value
    field = plain(client, found)["settings"][name]
    return field["value"][0] if "value" in field else next(iter(field.values()))


def test_trace_settings(client: Client) -> None:
    found = client.update_trace_settings(settings={"trace_rate": "5"})
    assert setting(client, found, "trace_rate") == "5"
    client.update_trace_settings(model_name="add_sub", settings={"trace_rate": "7"})
    assert setting(client, client.get_trace_settings("add_sub"), "trace_rate") == "7"
    assert setting(client, client.get_trace_settings(), "trace_rate") == "5"
    client.update_trace_settings(model_name="add_sub", settings={"trace_rate": None})
    client.update_trace_settings(settings={"trace_rate": None})
    assert setting(client, client.get_trace_settings("add_sub"), "trace_rate") == "1000"
    with pytest.raises(InferenceServerException, match="can not be updated through network"):
        client.update_trace_settings(settings={"trace_file": "/tmp/x"})


def test_log_settings(client: Client) -> None:
    found = client.update_log_settings({"log_verbose_level": 2, "log_info": False})
    assert setting(client, found, "log_verbose_level") == 2
    assert setting(client, client.get_log_settings(), "log_info") is False
    client.update_log_settings({"log_verbose_level": 0, "log_info": True})
    with pytest.raises(InferenceServerException, match="can not be updated through network"):
        client.update_log_settings({"log_file": "x"})
    with pytest.raises(InferenceServerException, match="invalid argument for --log_format"):
        client.update_log_settings({"log_format": "x"})


def test_system_shared_memory(client: Client) -> None:
    name = f"test_{client.kind.replace('.', '_')}"
    region = shared_memory.create_shared_memory_region("r", f"/{name}", 192)
    try:
        shared_memory.set_shared_memory_region(region, [X, X])
        client.register_system_shared_memory(name, f"/{name}", 192)
        with pytest.raises(InferenceServerException, match="already in manager"):
            client.register_system_shared_memory(name, f"/{name}", 192)
        inputs = client.inputs(INPUT0=X, INPUT1=X)
        inputs[0].set_shared_memory(name, 64)
        inputs[1].set_shared_memory(name, 64, 64)
        outputs = [client.output("OUTPUT0"), client.output("OUTPUT1")]
        outputs[0].set_shared_memory(name, 64, 128)
        found = client.infer("add_sub", inputs, outputs=outputs)
        written = shared_memory.get_contents_as_numpy(region, np.float32, [1, 16], 128)
        np.testing.assert_array_equal(written, X + X)
        np.testing.assert_array_equal(found.as_numpy("OUTPUT1"), X - X)
        status = plain(client, client.get_system_shared_memory_status(name))
        row = status["regions"][name] if client.is_grpc else status[0]
        assert (row["key"], int(row["byte_size"])) == (f"/{name}", 192)
        client.unregister_system_shared_memory(name)
        client.unregister_system_shared_memory()
        with pytest.raises(InferenceServerException, match="Unable to find shared memory region"):
            client.infer("add_sub", inputs)
    finally:
        shared_memory.destroy_shared_memory_region(region)


def test_cuda_shared_memory_without_cuda_is_refused_in_words(client: Client) -> None:
    handle = base64.b64encode(CUDA_HANDLE)
    with pytest.raises(InferenceServerException, match="CUDA shared memory is not available"):
        client.register_cuda_shared_memory("c", handle, 0, 64)
    status = plain(client, client.get_cuda_shared_memory_status())
    assert not (status.get("regions") if client.is_grpc else status)
    client.unregister_cuda_shared_memory()


@pytest.mark.parametrize(
    ("model", "change", "text"),
    [
        ("nope", {}, "Request for unknown model: 'nope' is not found"),
        ("add_sub", {"model_version": "9"}, "'add_sub' version 9 is not found"),
        ("add_sub", {"inputs": 1}, "expected 2 inputs but got 1 inputs for model 'add_sub'"),
        ("add_sub", {"outputs": "NOPE"}, "unexpected inference output 'NOPE' for model 'add_sub'"),
        ("repeat", {}, "doesn't support models with decoupled transaction policy"),
        ("identity_fp32", {}, "unexpected inference input 'INPUT0' for model 'identity_fp32'"),
    ],
)
def test_errors_have_tritons_words(
    client: Client, model: str, change: dict[str, Any], text: str
) -> None:
    named = dict(change)
    inputs = client.inputs(INPUT0=X, INPUT1=X)[: named.pop("inputs", 2)]
    if "outputs" in named:
        named["outputs"] = [client.output(named["outputs"])]
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, inputs, **named)
    assert text in str(error.value)


def test_requests_that_do_not_wait(served: Served) -> None:
    http = Client("http", served)
    running = [
        http.client.async_infer("add_sub", http.inputs(INPUT0=X, INPUT1=X)) for _ in range(8)
    ]
    for each in running:
        np.testing.assert_array_equal(each.get_result().as_numpy("OUTPUT0"), X + X)
    http.close()
    grpc = Client("grpc", served)
    found: queue.Queue[Any] = queue.Queue()
    for _ in range(8):
        grpc.client.async_infer(
            "add_sub",
            grpc.inputs(INPUT0=X, INPUT1=X),
            lambda result, error: found.put((result, error)),
        )
    for _ in range(8):
        result, error = found.get(timeout=20)
        assert error is None
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), X + X)
    grpc.close()
