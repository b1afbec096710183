# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""HTTP as such: paths, verbs, bodies of every kind, clients that are slow, rude or gone."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from typing import Any

import numpy as np
import pytest
from frontend_server import Served
from http_client import INFER, INPUTS, Answer, X, ask, chunks, place
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_ros.frontends.http.routes import find_route

# paths and verbs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name", "given"),
    [
        ("/v2", "server_metadata", {}),
        ("/v2/health/live", "live", {}),
        ("/v2/models/stats", "statistics", {}),
        ("/v2/models/a", "model_metadata", {"name": "a"}),
        ("/v2/models/a%2Fb%20c", "model_metadata", {"name": "a/b c"}),
        ("/v2/models/a/versions/3/infer", "infer", {"name": "a", "version": "3"}),
        ("/v2/models/versions/versions/3", "model_metadata", {"name": "versions", "version": "3"}),
        ("/v2/models/a/trace/setting", "trace_setting", {"name": "a"}),
        ("/v2/repository/index", "repository_index", {}),
        ("/v2/repository/r/index", "repository_index", {"repository": "r"}),
        ("/v2/repository/models/m/load", "load", {"name": "m"}),
        ("/v2/repository/r/models/m/unload", "unload", {"repository": "r", "name": "m"}),
        (
            "/v2/systemsharedmemory/region/r/register",
            "memory_register",
            {"kind": "system", "region": "r"},
        ),
        ("/v2/cudasharedmemory/status", "memory_status", {"kind": "cuda", "region": ""}),
    ],
)
def test_paths(path: str, name: str, given: dict[str, str]) -> None:
    found = find_route(path)
    assert found is not None
    assert (found[0].name, found[1]) == (name, given)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/v1", "v2", "/v2/", "/v2/models", "/v2/models/", "/v2//models/a", "/v2/health"),
        *("/v2/models/a/", "/v2/models/a/versions", "/v2/models/a/versions/x", "/v2/models/a/nope"),
        *("/v2/models/a/versions/1/trace/setting", "/v2/models/a/b/infer", "/v2/repository/models"),
        *("/v2/repository/models/load", "/v2/systemsharedmemory/region/r/s/status", "/v2/other"),
        *("/v2/models/a/versions/-1", "/v2/systemsharedmemory/x", "/v2/models/a/infer/x"),
    ],
)
def test_what_is_no_path(path: str, served: Served) -> None:
    assert find_route(path) is None
    if path.startswith("/"):
        found = ask(served.http, "GET", path)
        assert (found.status, found.json) == (404, {"error": "Not Found"})


@settings(max_examples=500, deadline=None)
@given(st.text() | st.lists(st.sampled_from(["v2", "models", "versions", "1", "infer", ""])))
def test_any_path_is_one_or_none(path: str | list[str]) -> None:
    find_route(path if isinstance(path, str) else "/" + "/".join(path))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", INFER), ("POST", "/v2"), ("PUT", INFER), ("DELETE", "/v2/models/add_sub")],
)
def test_wrong_verbs(served: Served, method: str, path: str) -> None:
    found = ask(served.http, method, path)
    assert (found.status, found.json) == (405, {"error": "Method Not Allowed"})
    assert found.headers["Allow"] in ("GET", "POST")


# bodies ------------------------------------------------------------------------------------------


def sums(answer: Answer) -> None:
    assert answer.status == 200, answer.body
    assert answer.json["outputs"][0]["data"] == [2.0 * x for x in X]


def test_inference_in_plain_json(served: Served) -> None:
    sums(ask(served.http, "POST", INFER, {"inputs": INPUTS}))
    found = ask(served.http, "POST", "/v2/models/add_sub/versions/1/infer", {"inputs": INPUTS})
    sums(found)
    assert found.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("pad", [0, 1, 63])
def test_large_binary_tensors_both_ways(served: Served, pad: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (1, 3 << 20), np.uint8)
    entry = {"name": "x", "datatype": "UINT8", "shape": list(pixels.shape)}
    head = {"id": "i" * pad, "inputs": [{**entry, "parameters": {"binary_data_size": 3 << 20}}]}
    head["parameters"] = {"binary_data_output": True}
    text = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    path = "/v2/models/identity_uint8/infer"
    found = ask(served.http, "POST", path, text + pixels.tobytes(), headers)
    assert (found.status, found.headers["Content-Type"]) == (200, "application/octet-stream")
    size = int(found.headers["Inference-Header-Content-Length"])
    assert json.loads(found.body[:size])["outputs"][0]["parameters"] == {
        "binary_data_size": 3 << 20
    }
    assert found.body[size:] == pixels.tobytes()


def test_raw_requests(served: Served) -> None:
    data = np.arange(4, dtype=np.float32).tobytes()
    headers = {"Inference-Header-Content-Length": "0"}
    found = ask(served.http, "POST", "/v2/models/seen/infer", b"\5\0\0\0", headers)
    assert found.status == 200
    assert found.body.endswith(b"\x02\0\0\0{}")
    refused = ask(served.http, "POST", INFER, data, headers)
    assert refused.status == 400
    assert "Raw request must only have 1 input (found 1)" in refused.error


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_packed_bodies(served: Served, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    body = pack(json.dumps({"inputs": INPUTS}).encode())
    sums(ask(served.http, "POST", INFER, body, {"Content-Encoding": encoding}))
    found = ask(
        served.http, "POST", INFER, {"inputs": INPUTS}, {"Accept-Encoding": f"x, {encoding};q=0.5"}
    )
    assert found.headers["Content-Encoding"] == encoding
    found.body = gzip.decompress(found.body) if encoding == "gzip" else zlib.decompress(found.body)
    sums(found)


@pytest.mark.parametrize(
    ("body", "encoding", "status", "text"),
    [
        (b"no gzip", "gzip", 400, "the body is not gzip"),
        (gzip.compress(b"{}")[:-4], "gzip", 400, "it is truncated, or goes on"),
        (gzip.compress(b"{}") + b"more", "gzip", 400, "it is truncated, or goes on"),
        (gzip.compress(bytes(100 << 20)), "gzip", 400, "Decompressed data size exceeds the"),
        (b"{}", "br", 501, "Unsupported compression type"),
    ],
)
def test_bad_packing(served: Served, body: bytes, encoding: str, status: int, text: str) -> None:
    found = ask(served.http, "POST", INFER, body, {"Content-Encoding": encoding})
    assert found.status == status
    assert text in found.error


def test_chunked_bodies(served: Served) -> None:
    connection = http.client.HTTPConnection(served.http, timeout=20)
    body = json.dumps({"inputs": INPUTS}).encode()
    for size in (1, 100, len(body)):
        connection.request(
            "POST",
            INFER,
            chunks(body, size),
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )
        sums(Answer(connection.getresponse()))
    connection.close()


def test_a_connection_is_kept_and_pipelined(served: Served) -> None:
    head = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(place(served.http)) as client:
        client.sendall(head * 20)
        data = b""
        while data.count(b"200 OK") < 20:
            part = client.recv(1 << 16)
            assert part
            data += part


def test_expect_100_is_answered(served: Served) -> None:
    body = json.dumps({"inputs": INPUTS}).encode()
    head = (
        f"POST {INFER} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}"
    )
    with socket.create_connection(place(served.http)) as client:
        client.settimeout(20)
        client.sendall(head.encode() + b"\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(body)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("header", ["x", "-1", "1e3", str(10**30), "9" * 5000, "100000"])
def test_bad_header_lengths(served: Served, header: str) -> None:
    named = {"Inference-Header-Content-Length": header}
    found = ask(served.http, "POST", INFER, {"inputs": INPUTS}, named)
    assert found.status == 400
    assert "nference" in found.error


# generate ----------------------------------------------------------------------------------------


def events(body: bytes) -> list[Any]:
    parts = body.decode().split("\n\n")
    assert parts.pop() == ""
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def test_generate_and_its_stream(served: Served) -> None:
    path = "/v2/models/repeat/generate"
    one = ask(served.http, "POST", path, {"IN": [5]})
    assert one.json == {"model_name": "repeat", "model_version": "1", "OUT": 5}
    three = ask(served.http, "POST", path + "_stream", {"IN": [1, 2, 3], "id": "a"})
    assert three.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert [event["OUT"] for event in events(three.body)] == [1, 2, 3]
    assert {event["id"] for event in events(three.body)} == {"a"}
    assert ask(served.http, "POST", path + "_stream", {"IN": []}).body == b""
    for numbers in ([], [1, 2]):
        found = ask(served.http, "POST", path, {"IN": numbers})
        assert found.status == 500
        assert "generate expects model to produce exactly 1 response" in found.error
    plain = ask(
        served.http, "POST", "/v2/models/seen/generate", {"IN": 1, "parameters": {"a": "b"}}
    )
    assert json.loads(plain.json["OUT"]) == {"a": "b"}


def test_the_models_own_errors_are_events(served: Served) -> None:
    """Those of the call are not: its stream never begins."""
    path = "/v2/models/failing/generate"
    streamed = ask(served.http, "POST", path + "_stream", {"x": 100})
    assert streamed.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    (event,) = events(streamed.body)
    plain = ask(served.http, "POST", path, {"x": 100})
    assert (plain.status, plain.headers["Content-Type"]) == (500, "application/json")
    assert (streamed.status, event) == (500, plain.json)
    assert events(ask(served.http, "POST", path + "_stream", {"x": 1}).body)[0]["y"] == 20.0


def test_errors_of_generate(served: Served) -> None:
    for path in ("/v2/models/repeat/generate", "/v2/models/repeat/generate_stream"):
        assert ask(served.http, "POST", path, b"{").status == 400
        assert ask(served.http, "POST", path, {"IN": "x"}).status == 400
        assert ask(served.http, "POST", path.replace("repeat", "nope"), {}).status == 404
