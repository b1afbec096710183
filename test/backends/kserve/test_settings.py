# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of a remote model: what is understood, and how the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from triton_ros.backends.kserve.settings import NAMES, Address, RemoteSettings, warn_of_open_secrets
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError


def _settings(path: Path, **parameters: str) -> RemoteSettings:
    given = {name.replace("header_", "header_env."): value for name, value in parameters.items()}
    return RemoteSettings.of(ModelConfig("m", parameters={"url": "h:1", **given}), path)


def test_the_defaults(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    assert settings.addresses == (Address("h", 1),)
    assert (settings.protocol, settings.remote_model, settings.remote_version) == ("grpc", "m", "")
    assert (settings.timeout_s, settings.attempt_timeout_s, settings.connect_timeout_s) == (5, 5, 1)
    assert (settings.retries, settings.retry_on) == (1, "unavailable")
    assert (settings.breaker_failures, settings.breaker_open_ns) == (5, 2_000_000_000)
    assert (settings.max_in_flight, settings.max_hops) == (16, 4)
    assert (settings.compression, settings.tls, settings.headers) == ("none", None, {})


def test_several_servers_of_all_kinds_of_names(tmp_path: Path) -> None:
    settings = _settings(tmp_path, url="robot-2.local:8001, 10.0.0.7:8001,[::1]:9")
    assert [str(a) for a in settings.addresses] == [
        "robot-2.local:8001",
        "10.0.0.7:8001",
        "[::1]:9",
    ]


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("url", "", "<host>:<port>"),
        ("url", "http://h:8000", "without http://"),
        ("url", "h", "<host>:<port>"),
        ("url", "h:0", "<host>:<port>"),
        ("url", "h:65536", "<host>:<port>"),
        ("url", "h:1,", "<host>:<port>"),
        ("url", "h:1,h:1", "different"),
        ("url", "u@h:1", "<host>:<port>"),
        ("protocol", "GRPC", "grpc, http"),
        ("remote_version", "newest", "integer"),
        ("remote_version", "0", "integer"),
        ("remote_version", "1/infer", "integer"),
        ("fallback_model", "m", "another model"),
        ("timeout_ms", "0", "1 or more"),
        ("timeout_ms", "1.5", "integer"),
        ("connect_timeout_ms", "0", "1 or more"),
        ("retries", "-1", "integer of 0 or more"),
        ("retry_on", "always", "unavailable, connection"),
        ("breaker_open_ms", "0", "1 or more"),
        ("max_in_flight", "0", "1 or more"),
        ("max_response_mb", "0", "1 or more"),
        ("compression", "brotli", "none, gzip, deflate"),
        ("http_data", "json", "protocol is http"),
        ("tls", "yes", "false, true"),
        ("tls_ca_file", "ca.pem", "tls true"),
        ("timeout", "100", "accepted: url.*timeout_ms"),
        ("header_Authorization", "T", "lower case"),
        ("header_host", "T", "cannot be set"),
        ("header_grpc-timeout", "T", "cannot be set"),
        ("header_key-bin", "T", "binary"),
        ("header_a b", "T", "cannot be set"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    tmp_path: Path, name: str, value: str, accepted: str
) -> None:
    shown = name.replace("header_", "header_env.")
    with pytest.raises(ConfigError, match=rf"'m'.*{shown}.*({accepted})"):
        _settings(tmp_path, **{name: value})


def test_a_secret_comes_from_the_environment_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROBOT_TOKEN", "Bearer s3cret")
    settings = _settings(tmp_path, header_authorization="ROBOT_TOKEN")
    assert settings.headers == {"authorization": "Bearer s3cret"}
    assert "s3cret" not in repr(settings)
    for wrong in ("s3cret\r\nx: y", "s3crèt", ""):
        monkeypatch.setenv("ROBOT_TOKEN", wrong)
        with pytest.raises(
            ConfigError, match=r"variable 'ROBOT_TOKEN', which must be set"
        ) as error:
            _settings(tmp_path, header_authorization="ROBOT_TOKEN")
        assert not wrong or wrong not in str(error.value)


def test_a_secret_that_goes_in_the_open_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ROBOT_TOKEN", "s3cret")
    for fields in (
        {"url": "127.0.0.1:1"},
        {"url": "robot-2:1", "tls": "true"},
        {"url": "robot-2:1"},
    ):
        warn_of_open_secrets(_settings(tmp_path, **fields, header_key="ROBOT_TOKEN"))
    warn_of_open_secrets(_settings(tmp_path, url="robot-2:1"))
    assert [r.getMessage() for r in caplog.records] == [
        "model 'm': the header key goes to robot-2:1 without encryption: parameters['tls']"
    ]


def test_tls_files_are_the_models_own(tmp_path: Path) -> None:
    model = tmp_path / "m"
    model.mkdir()
    (tmp_path / "outside.pem").write_text("")
    (model / "ca.pem").write_text("")
    (model / "link.pem").symlink_to(tmp_path / "outside.pem")
    settings = _settings(model, tls="true", tls_ca_file="ca.pem")
    assert settings.tls is not None
    assert settings.tls.ca_file == (model / "ca.pem").resolve()
    for outside in ("../outside.pem", str(tmp_path / "outside.pem"), "link.pem", ".", "none.pem"):
        with pytest.raises(ConfigError, match=r"tls_ca_file.*in the model's directory"):
            _settings(model, tls="true", tls_ca_file=outside)
    with pytest.raises(ConfigError, match=r"tls_cert_file.*tls_key_file.*together"):
        _settings(model, tls="true", tls_cert_file="ca.pem")


def test_queue_parameters_are_cores(tmp_path: Path) -> None:
    assert "queue_when_full" not in NAMES
    _settings(tmp_path, queue_when_full="oldest")
