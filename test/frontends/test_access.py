# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who may do what, and how often: keys, model control, rates, forwarded headers, log settings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import grpc
import pytest
from frontend_server import IN_PROCESS, SEEN, SEEN_CONFIG, Served, python_toy, serving
from http_client import INFER, INPUTS, ask
from toy_models import Toy, onnx_add_sub
from tritonclient.grpc import service_pb2, service_pb2_grpc

from triton_ros.core.errors import (
    ConfigError,
    InvalidArgumentError,
    UnavailableError,
    UnsupportedError,
)
from triton_ros.frontends.limits import MOST_CLIENTS, RateLimit
from triton_ros.frontends.log_settings import LogSettings
from triton_ros.frontends.options import FrontendOptions
from triton_ros.frontends.parameters import split_parameters
from triton_ros.frontends.restriction import Api, Restrictions, parse_restrictions

assert IN_PROCESS in SEEN_CONFIG

# options -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"http_port": 65536}, "http_port is 65536; accepted: 0 .. 65535"),
        ({"http_port": "8000"}, "http_port is '8000'; accepted: a number"),
        ({"max_in_flight": 0}, "max_in_flight is 0"),
        ({"max_request_rate": float("nan")}, "max_request_rate is nan"),
        ({"allow_http": 1}, "allow_http is 1; accepted: true, false"),
        ({"http_header_forward_pattern": "("}, "accepted: a regular expression"),
        ({"server_cert": "/nowhere"}, "server_cert and server_key go together"),
        ({"root_cert": "/nowhere"}, "root_cert is for mutual TLS"),
        ({"server_cert": "/no", "server_key": "/no"}, "server_cert is '/no'; accepted: a file"),
        ({"nope": 1}, "unknown option 'nope'; accepted: allow_client_shm"),
        ({"http_restricted_api": ["nope:a=b"]}, "unknown api 'nope'; accepted: health"),
        ({"http_restricted_api": ["trace"]}, "is not '<api>[,<api>]:<header>=<value>'"),
        ({"http_restricted_api": ["trace:a=b", "trace:c=d"]}, "'trace' is restricted twice"),
        ({"grpc_restricted_protocol": ["trace:a=$NO_SUCH"]}, "variable 'NO_SUCH' is not set"),
    ],
)
def test_what_is_wrong_with_an_option_is_named(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        FrontendOptions.of(values)
    assert text in str(error.value)


def test_nothing_listens_and_all_is_on_loopback_unless_asked() -> None:
    options = FrontendOptions()
    assert not options.any and not options.allow_client_shm
    for name in (f.name for f in fields(options) if f.name.endswith("_address")):
        assert getattr(options, name) == "127.0.0.1"


# keys --------------------------------------------------------------------------------------------


def test_keys_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_KEY", "s3cret")
    (key,) = set(
        parse_restrictions("o", ["trace, logging:authorization=Bearer $ROBOT_KEY"]).values()
    )
    assert (key.header, key.value) == ("authorization", "Bearer s3cret")
    assert key.fits("Bearer s3cret")
    assert not key.fits("Bearer s3cre") and not key.fits(None) and not key.fits("ü")


def test_grpc_headers_have_a_prefix_but_for_authorization() -> None:
    found = Restrictions("o", ["trace:key=1", "logging:Authorization=2"], "triton-grpc-protocol-")
    assert found.missing(Api.TRACE, {}.get) == "triton-grpc-protocol-key"
    assert found.missing(Api.TRACE, {"triton-grpc-protocol-key": "1"}.get) == ""
    assert found.missing(Api.LOGGING, {}.get) == "authorization"
    assert found.missing(Api.HEALTH, {}.get) == ""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Keys for inference, trace and logging, and no model control."""
    options: dict[str, Any] = {
        "http_restricted_api": ["inference:key=1", "trace:authorization=Bearer t"],
        "grpc_restricted_protocol": ["inference:key=1", "trace:authorization=Bearer t"],
        "allow_model_control": False,
        "http_header_forward_pattern": "^x-",
        "grpc_header_forward_pattern": "^x-",
    }
    models = {"add_sub": Toy(onnx_add_sub()), "seen": python_toy(SEEN_CONFIG, SEEN)}
    with serving(tmp_path_factory.mktemp("models"), models, **options) as found:
        yield found


def test_http_keys(guarded: Served) -> None:
    for headers in ({}, {"key": "2"}, {"Key": ""}):
        found = ask(guarded.http, "POST", INFER, {"inputs": INPUTS}, headers)
        assert found.status == 403
        assert found.error == "This API is restricted, expecting header 'key'"
    assert ask(guarded.http, "POST", INFER, {"inputs": INPUTS}, {"Key": "1"}).status == 200
    assert ask(guarded.http, "GET", INFER).status == 403, "not even its verbs"
    bearer = ask(guarded.http, "GET", "/v2/trace/setting")
    assert (bearer.status, bearer.headers["WWW-Authenticate"]) == (401, "Bearer")
    named = {"Authorization": "Bearer t"}
    assert ask(guarded.http, "GET", "/v2/trace/setting", headers=named).status == 200
    assert ask(guarded.http, "GET", "/v2/health/live").status == 200


@pytest.mark.parametrize("path", ["/v2/trace/setting", INFER])
def test_http_headers_that_are_no_text_are_wrong_keys_and_no_parameters(
    guarded: Served, path: str
) -> None:
    name = "authorization" if path != INFER else "key"
    found = ask(guarded.http, "GET", path, headers={name: "\xff\xfe"})
    assert found.status == (401 if path != INFER else 403)
    forwarded = {"key": "1", "x-seen": "\xff\xfe"}
    found = ask(guarded.http, "POST", INFER, {"inputs": INPUTS}, forwarded)
    assert found.status == 400
    assert "Header 'x-seen' cannot be forwarded: accepted: a value in UTF-8" in found.error


def test_grpc_keys(guarded: Served) -> None:
    request = service_pb2.ModelInferRequest(model_name="nope")
    with grpc.insecure_channel(guarded.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for call in (stub.ModelInfer, lambda r: list(stub.ModelStreamInfer(iter([r])))):
            with pytest.raises(grpc.RpcError) as error:
                call(request)
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE
            assert error.value.details() == (
                "This protocol is restricted, expecting header 'triton-grpc-protocol-key'"
            )
        with pytest.raises(grpc.RpcError) as error:
            stub.ModelInfer(request, metadata=(("triton-grpc-protocol-key", "1"),))
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
        trace = service_pb2.TraceSettingRequest()
        assert stub.TraceSetting(trace, metadata=(("authorization", "Bearer t"),)).settings
        assert stub.ServerLive(service_pb2.ServerLiveRequest()).live


def test_model_control_can_be_refused_on_the_network_alone(guarded: Served) -> None:
    for action in ("load", "unload"):
        found = ask(guarded.http, "POST", f"/v2/repository/models/add_sub/{action}")
        assert found.status == 503
        assert "allow_model_control is false" in found.error
    with grpc.insecure_channel(guarded.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError, match="allow_model_control is false"):
            stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name="add_sub"))
    guarded.server.load_model("add_sub").result(20)
    assert ask(guarded.http, "POST", "/v2/repository/index").status == 200


def test_headers_are_forwarded_by_their_names(guarded: Served) -> None:
    body = {"inputs": [{"name": "IN", "datatype": "INT32", "shape": [1], "data": [1]}]}
    headers = {"key": "1", "X-Robot": "r2", "y": "no"}
    found = ask(guarded.http, "POST", "/v2/models/seen/infer", body, headers)
    assert found.json["outputs"][0]["data"] == ['{"X-Robot": "r2"}']
    request = service_pb2.ModelInferRequest(model_name="seen")
    request.inputs.add(name="IN", datatype="INT32", shape=[1])
    request.raw_input_contents.append(b"\1\0\0\0")
    metadata = (("triton-grpc-protocol-key", "1"), ("x-robot", "r2"), ("y", "no"))
    with grpc.insecure_channel(guarded.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(request, metadata=metadata)
    assert answer.raw_output_contents[0][4:] == b'{"x-robot": "r2"}'


def test_reserved_names_are_not_forwarded(tmp_path: Path) -> None:
    models = {"add_sub": Toy(onnx_add_sub())}
    with serving(tmp_path, models, http_header_forward_pattern=".*") as found:
        refused = ask(found.http, "POST", INFER, {"inputs": INPUTS}, {"priority": "1"})
        assert refused.status == 400
        assert "is reserved for Triton usage and cannot be forwarded." in refused.error


@pytest.mark.parametrize(
    "path", ["..", "%2e%2e", "..%2fsecret", "a%2f..%2f..%2fsecret", "%2fetc", ".", "%00", "~"]
)
def test_names_never_leave_the_repository(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret/1").mkdir(parents=True)
    with serving(tmp_path / "models", {}) as found:
        loaded = ask(found.http, "POST", f"/v2/repository/models/{path}/load")
        assert loaded.status in (400, 404, 500)
        assert found.server.repository_index() == ()


# rates -------------------------------------------------------------------------------------------


def test_a_rate_lets_bursts_through_and_then_one_after_the_other() -> None:
    now = [100.0]
    limit = RateLimit(4.0, lambda: now[0])
    assert [limit.wait_s("a") for _ in range(4)] == [0.0] * 4
    assert limit.wait_s("a") == 0.25
    assert limit.wait_s("b") == 0.0, "each client has its own"
    now[0] += 0.25
    assert limit.wait_s("a") == 0.0
    assert limit.wait_s("a") == 0.25
    now[0] += 1000
    assert [limit.wait_s("a") for _ in range(5)] == [0.0] * 4 + [0.25]


def test_rates_below_one_and_none() -> None:
    now = [0.0]
    limit = RateLimit(0.5, lambda: now[0])
    assert (limit.wait_s("a"), limit.wait_s("a")) == (0.0, 2.0)
    assert not any(RateLimit(0.0).wait_s("a") for _ in range(1000))


def test_clients_that_were_quiet_the_longest_are_forgotten() -> None:
    limit = RateLimit(1.0, lambda: 0.0)
    for number in range(MOST_CLIENTS + 1):
        assert limit.wait_s(str(number)) == 0.0
    assert limit.wait_s(str(MOST_CLIENTS)) == 1.0
    assert limit.wait_s("0") == 0.0


def test_too_many_requests_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path, {}, max_request_rate=0.001) as found:
        assert ask(found.http, "GET", "/v2").status == 200
        refused = ask(found.http, "GET", "/v2")
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) > 900
        with grpc.insecure_channel(found.grpc) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            with pytest.raises(grpc.RpcError) as error:
                stub.ServerLive(service_pb2.ServerLiveRequest())
            assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


# parameters --------------------------------------------------------------------------------------


def test_the_protocols_own_parameters_are_told_apart() -> None:
    found = split_parameters(
        {
            "sequence_id": "a",
            "sequence_start": True,
            "priority": 3,
            "timeout": 9,
            "binary_data_output": True,
            "triton_enable_empty_final_response": True,
            "free": 1.5,
        }
    )
    assert (found.sequence_id, found.sequence_start, found.sequence_end) == ("a", True, False)
    assert (found.priority, found.timeout, found.binary_data_output) == (3, 9, True)
    assert found.empty_final_response and found.free == {"free": 1.5}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("sequence_id", bad) for bad in (-1, 1.5, True, 1 << 64)),
        *(("priority", bad) for bad in (-1, "1", True)),
        *(("timeout", bad) for bad in (-1, "1", 0.5)),
        *((flag, bad) for flag in ("sequence_start", "sequence_end") for bad in (1, "true")),
        ("binary_data_output", 0),
        ("triton_anything", 1),
    ],
)
def test_parameters_of_the_wrong_type_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        split_parameters({name: value})
    assert name in str(error.value) or "starting with 'triton_'" in str(error.value)


# log settings ------------------------------------------------------------------------------------


def test_log_settings_have_an_effect_that_ends_with_them(caplog: pytest.LogCaptureFixture) -> None:
    package = logging.getLogger("triton_ros")
    log = logging.getLogger("triton_ros.some.module")
    other = logging.getLogger("other")
    handler = caplog.handler
    package.addHandler(handler)
    level = package.level
    package.setLevel(logging.INFO)
    package.propagate = False
    try:
        found = LogSettings()
        found.update({"log_info": False, "log_error": False, "log_file": None})
        for write in (log.debug, log.info, log.warning, log.error):
            write("first %s", write.__name__)
        other.error("other")
        found.update({"log_info": True, "log_warning": False, "log_verbose_level": 1})
        log.debug("second debug")
        log.warning("second warning")
        found.update({"log_format": "ISO8601"})
        log.info("third")
        found.close()
        log.error("fourth")
        log.debug("fourth debug")
    finally:
        package.propagate = True
        package.removeHandler(handler)
        package.setLevel(level)
    texts = [record.getMessage() for record in caplog.records]
    assert texts[:3] == ["first warning", "other", "second debug"]
    assert texts[3].endswith("Z third") and texts[3][:2] == "20"
    assert texts[4:] == ["fourth"]
    assert found.as_json()["log_info"] is True


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ({"log_file": "x"}, UnsupportedError, "log file location can not be updated"),
        ({"log_format": "x"}, UnavailableError, "invalid argument for --log_format, got: x"),
        ({"log_info": 1}, InvalidArgumentError, "log_info is 1; accepted: true, false"),
        ({"log_verbose_level": -1}, InvalidArgumentError, "an unsigned integer"),
        ({"log_verbose_level": True}, InvalidArgumentError, "an unsigned integer"),
        ({"nope": 1}, InvalidArgumentError, "unknown log setting 'nope'; accepted: log_file"),
    ],
)
def test_a_refused_setting_changes_nothing(
    values: dict[str, Any], kind: type[Exception], text: str
) -> None:
    found = LogSettings()
    with pytest.raises(kind) as error:
        found.update({"log_warning": False, **values})
    assert text in str(error.value)
    assert found.as_json() == LogSettings().as_json()
