# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes around the tensors: TLS, headers, compression, the environment; a missing package."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from kserve_server import Remote

from triton_ros.core.errors import ConfigError, UnavailableError, UnsupportedError

X = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_compression_is_of_both_ways(near: Any, remote: Remote, compression: str) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, compression=compression)
    x = np.zeros((4, 4), np.float32)
    np.testing.assert_array_equal(near.ask("affine", x).outputs["y"], x + 5)
    (seen,) = remote.seen
    if remote.protocol == "http":
        assert seen.headers["content-encoding"] == compression
        assert seen.headers["accept-encoding"] == compression
        assert int(seen.headers["content-length"]) < 300
    # gRPC's library takes its own marks of compression off before a server sees them


def test_grpc_compression_is_smaller_on_the_wire(near: Any, far: Any) -> None:
    """A proxy that counts, because gRPC does not show it."""
    sizes = {}
    with Remote(far, "grpc") as remote:
        for compression in ("none", "gzip", "deflate"):
            with CountingProxy(remote.port) as proxy:
                near.load("text", url=f"127.0.0.1:{proxy.port}", compression=compression)
                near.ask("text", np.array([["a" * 100_000, "", "", ""]], np.object_))
                sizes[compression] = proxy.sent
    assert sizes["none"] > 100_000
    assert sizes["gzip"] < 20_000
    assert sizes["deflate"] < 20_000


def test_a_header_comes_from_the_environment_as_it_was_at_the_load(
    near: Any, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"url": remote.url, "protocol": remote.protocol}
    with pytest.raises(ConfigError, match="variable 'FLEET_TOKEN'"):
        near.load("affine", header_env_authorization="FLEET_TOKEN", **where)
    monkeypatch.setenv("FLEET_TOKEN", "Bearer s3cret")
    near.load("affine", header_env_authorization="FLEET_TOKEN", **where)
    near.ask("affine")
    assert remote.seen[0].headers["authorization"] == "Bearer s3cret"
    assert "s3cret" not in near.server.model_config("affine")


class CountingProxy:
    """Hands bytes on and counts those of the client."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.sent = 0

    def __enter__(self) -> CountingProxy:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._target))
        threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()
        self._pump(client, server, True)

    def _pump(self, source: socket.socket, sink: socket.socket, count: bool) -> None:
        try:
            while data := source.recv(65536):
                self.sent += len(data) if count else 0
                sink.sendall(data)
            sink.close()
        except OSError:
            pass


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority (ca.pem), a server's key and certificate for 127.0.0.1, and a client's."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: it makes the keys of the TLS tests")
    path = tmp_path_factory.mktemp("keys")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=path, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run(
        *("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca"),
        *("-addext", "basicConstraints=critical,CA:TRUE"),
    )
    (path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        run("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        run(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-out", f"{name}.pem", "-extfile", "names"),
        )
    return path


def _credentials(protocol: str, keys: Path, mutual: bool) -> Any:
    if protocol == "http":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys / "server.pem", keys / "server.key")
        if mutual:
            context.load_verify_locations(keys / "ca.pem")
            context.verify_mode = ssl.CERT_REQUIRED
        return context
    pair = ((keys / "server.key").read_bytes(), (keys / "server.pem").read_bytes())
    ca = (keys / "ca.pem").read_bytes()
    return grpc.ssl_server_credentials([pair], ca if mutual else None, mutual)


@pytest.mark.parametrize("mutual", [False, True])
def test_tls_with_the_files_of_the_models_directory(
    near: Any, far: Any, protocol: str, keys: Path, mutual: bool
) -> None:
    (near.path / "affine").mkdir()
    for name in ("ca.pem", "client.pem", "client.key"):
        shutil.copy(keys / name, near.path / "affine" / name)
    credentials = _credentials(protocol, keys, mutual)
    with Remote(far, protocol, credentials=credentials) as remote:
        where = {"url": remote.url, "protocol": protocol, "retries": 0, "timeout_ms": 3000}
        ours = {"tls_cert_file": "client.pem", "tls_key_file": "client.key"} if mutual else {}
        near.load("affine", tls=True, tls_ca_file="ca.pem", **ours, **where)
        np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)
        wrong: list[dict[str, Any]] = [{}, {"tls": True}]
        if mutual:
            wrong.append({"tls": True, "tls_ca_file": "ca.pem"})
        for parameters in wrong:
            with pytest.raises(UnavailableError, match=r"no server answers.*127\.0\.0\.1"):
                near.load("affine", **parameters, **where)
        if protocol == "http":
            (near.path / "affine/ca.pem").write_text("no certificate")
            with pytest.raises(ConfigError, match="'affine': its tls files cannot be used"):
                near.load("affine", tls=True, tls_ca_file="ca.pem", **where)


# --- packages -----------------------------------------------------------------------------------


def test_grpc_needs_a_package_and_http_does_not(
    near: Any, far: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Remote(far, "http") as remote:
        monkeypatch.setitem(sys.modules, "grpc", None)
        with pytest.raises(UnsupportedError, match=r"kserve.*pip install grpcio"):
            near.load("affine", url=remote.url)
        near.load("affine", url=remote.url, protocol="http")
        np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)


def test_a_process_without_grpcio_says_what_to_install(tmp_path: Path) -> None:
    """Tritonclient raises its own RuntimeError where it finds no grpc."""
    code = (
        "import sys; sys.modules['grpc'] = None\n"
        "from pathlib import Path\n"
        "from triton_ros.backends.registry import BackendRegistry\n"
        "from triton_ros.core.config.model_config import ModelConfig\n"
        "backend = BackendRegistry().load_backend('kserve')\n"
        "assert 'tritonclient' not in sys.modules\n"
        "try: backend.load(ModelConfig('m', parameters={'url': 'h:1'}), Path('m/1'))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("UnsupportedError")
    assert "pip install grpcio" in done.stdout
