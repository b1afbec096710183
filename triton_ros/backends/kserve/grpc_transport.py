# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One server by gRPC: grpcio with tritonclient's generated messages and stub.

Not tritonclient's own client, which wants an older protobuf, and has no way to hand a deadline and
a cancellation to the one call.  A channel connects by itself and again by itself; `connect_timeout`
bounds each attempt, and calls fail at once while it is known that nobody listens.  What can be
withdrawn is a future that is waited for; what cannot is called plainly, which saves a thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from triton_ros.backends.kserve.exchange import (
    RemoteAnswer,
    RemoteModel,
    RemoteRequest,
    Withdrawal,
)
from triton_ros.backends.kserve.failure import (
    RemoteFailure,
    RemoteTimeout,
    definite,
    withdrawn,
)
from triton_ros.backends.kserve.grpc_codec import answer, infer_request, model
from triton_ros.backends.kserve.settings import Address, RemoteSettings
from triton_ros.backends.support import import_failure
from triton_ros.core.errors import Code, InternalError, TritonError, UnsupportedError

_CODES = {
    "INVALID_ARGUMENT": Code.INVALID_ARG,
    "OUT_OF_RANGE": Code.INVALID_ARG,
    "FAILED_PRECONDITION": Code.INVALID_ARG,
    "NOT_FOUND": Code.NOT_FOUND,
    "ALREADY_EXISTS": Code.ALREADY_EXISTS,
    "UNIMPLEMENTED": Code.UNSUPPORTED,
    "PERMISSION_DENIED": Code.UNAVAILABLE,
    "UNAUTHENTICATED": Code.UNAVAILABLE,
}
"""What a server says of a request; `UNAVAILABLE` is of the moment, and any other its fault."""
_NOT_SENT = "failed to connect"
"""How gRPC's core begins to say that there is no connection."""


def _imports() -> tuple[Any, Any, Any]:
    try:
        import grpc  # noqa: PLC0415 (lazy on purpose)
        from tritonclient.grpc import service_pb2, service_pb2_grpc  # noqa: PLC0415 (lazy)
    except ImportError as error:
        raise import_failure(error, "kserve (protocol grpc)", "grpcio") from error
    except RuntimeError as error:  # what tritonclient says of a grpcio that is missing or too old
        raise UnsupportedError(
            f"the kserve backend (protocol grpc) needs the package 'grpcio': pip install grpcio"
            f" ({error}); protocol http needs none"
        ) from error
    return grpc, service_pb2, service_pb2_grpc


class GrpcTransport:
    """See `exchange.Transport`."""

    def __init__(self, settings: RemoteSettings, address: Address) -> None:
        self._grpc, self._messages, stubs = _imports()
        self._settings = settings
        self._what = f"model '{settings.model}': remote '{settings.remote_model}' at {address}"
        self._key = {"name": settings.remote_model, "version": settings.remote_version}
        self._metadata = tuple(settings.headers.items())
        self._compression = {
            "none": self._grpc.Compression.NoCompression,
            "gzip": self._grpc.Compression.Gzip,
            "deflate": self._grpc.Compression.Deflate,
        }[settings.compression]
        self._address = str(address)
        self._stubs = stubs
        self._connect()

    def infer(
        self, request: RemoteRequest, deadline: float, withdrawal: Withdrawal
    ) -> RemoteAnswer:
        """See `exchange.Transport`."""
        response = self._call(
            self._stub.ModelInfer, self._message(request), deadline, withdrawal=withdrawal
        )
        return self._answer(response)

    def stream(
        self, request: RemoteRequest, deadline: float, withdrawal: Withdrawal
    ) -> Iterator[RemoteAnswer]:
        """A stream of its own: its end is the end of the request's responses."""
        call = self._stub.ModelStreamInfer(
            iter([self._message(request)]), **self._options(deadline)
        )
        withdrawal.stops(call.cancel)
        try:
            for response in call:
                if response.error_message:
                    raise definite(Code.INTERNAL, f"{self._what}: {response.error_message}")
                yield self._answer(response.infer_response)
        except self._grpc.RpcError as error:
            raise self._translated(error, withdrawal) from error
        finally:
            withdrawal.stops(None)
            call.cancel()  # where the receiver stops early

    def describe(self, deadline: float) -> RemoteModel:
        """See `exchange.Transport`."""
        messages = self._messages
        metadata = self._call(
            self._stub.ModelMetadata, messages.ModelMetadataRequest(**self._key), deadline
        )
        config = None
        try:
            config = self._call(
                self._stub.ModelConfig, messages.ModelConfigRequest(**self._key), deadline
            ).config
        except RemoteFailure:
            raise
        except TritonError as error:  # a server of metadata only
            if error.code not in (Code.UNSUPPORTED, Code.NOT_FOUND):
                raise
        return model(metadata, config)

    def ready(self, deadline: float) -> None:
        """See `exchange.Transport`; waits for a connection, if there is time.

        Without an answer in time there is a new channel: the old one's connection may be one that
        only this side still believes in (a network that was away), which TCP takes minutes to see.
        """
        request = self._messages.ModelReadyRequest(**self._key)
        try:
            response = self._call(self._stub.ModelReady, request, deadline, wait_for_ready=True)
        except RemoteTimeout:
            old = self._channel
            self._connect()
            old.close()
            raise
        if not response.ready:
            raise RemoteFailure(f"{self._what}: it is not ready", sent=False)

    def close(self) -> None:
        """See `exchange.Transport`."""
        self._channel.close()

    def _connect(self) -> None:
        self._channel = self._make_channel(self._address)
        self._stub = self._stubs.GRPCInferenceServiceStub(self._channel)

    def _make_channel(self, target: str) -> Any:
        wait_ms = int(self._settings.connect_timeout_s * 1e3)
        options = [
            ("grpc.max_receive_message_length", self._settings.max_response_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.min_reconnect_backoff_ms", wait_ms),  # how long a connection may take
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.use_local_subchannel_pool", 1),  # no state of other models' channels
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),  # we do that, and count it
        ]
        tls = self._settings.tls
        if tls is None:
            return self._grpc.insecure_channel(target, options)
        ca, key, cert = (
            path.read_bytes() if path else None
            for path in (tls.ca_file, tls.key_file, tls.cert_file)
        )
        credentials = self._grpc.ssl_channel_credentials(ca, key, cert)
        return self._grpc.secure_channel(target, credentials, options)

    def _message(self, request: RemoteRequest) -> Any:
        return infer_request(self._messages, self._key["name"], self._key["version"], request)

    def _answer(self, response: Any) -> RemoteAnswer:
        try:
            return answer(response)
        except InternalError as error:
            raise definite(Code.INTERNAL, f"{self._what}: {error}") from error

    def _options(self, deadline: float) -> dict[str, Any]:
        return {
            "timeout": max(0.0, deadline - time.monotonic()),
            "metadata": self._metadata,
            "compression": self._compression,
        }

    def _call(
        self,
        method: Any,
        request: Any,
        deadline: float,
        wait_for_ready: bool = False,
        withdrawal: Withdrawal | None = None,
    ) -> Any:
        options = {"wait_for_ready": wait_for_ready, **self._options(deadline)}
        try:
            if withdrawal is None or not withdrawal.possible:
                return method(request, **options)
            call = method.future(request, **options)
            withdrawal.stops(call.cancel)
            return call.result()
        except (self._grpc.RpcError, self._grpc.FutureCancelledError) as error:
            raise self._translated(error, withdrawal) from error
        except ValueError as error:  # the channel was exchanged a moment ago
            raise RemoteFailure(f"{self._what}: {error}", sent=False) from error
        finally:
            if withdrawal is not None:
                withdrawal.stops(None)

    def _translated(self, error: Any, withdrawal: Withdrawal | None) -> TritonError:
        if withdrawal is not None and withdrawal.cancelled:
            return withdrawn(self._what)
        name = error.code().name if isinstance(error, self._grpc.RpcError) else "CANCELLED"
        details = (error.details() or name) if isinstance(error, self._grpc.RpcError) else name
        message = f"{self._what}: {details}"
        if name == "DEADLINE_EXCEEDED":
            return RemoteTimeout(f"{self._what}: it did not answer in time")
        if name in ("UNAVAILABLE", "CANCELLED"):
            return RemoteFailure(message, sent=not details.startswith(_NOT_SENT))
        return definite(_CODES.get(name, Code.INTERNAL), message)
