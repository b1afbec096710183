# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The gRPC server, from `start` to `close`; every RPC behind the same guard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from triton_ros.core.errors import ConfigError, TritonError, missing_package
from triton_ros.frontends.data_plane import DataPlane
from triton_ros.frontends.error_mapping import grpc_status
from triton_ros.frontends.grpc.call_threads import CallThreads
from triton_ros.frontends.grpc.control import CALLS, health
from triton_ros.frontends.grpc.inference import InferenceCalls, unexpected
from triton_ros.frontends.grpc.told import host_of, told
from triton_ros.frontends.options import FrontendOptions
from triton_ros.frontends.restriction import Api, Restrictions
from triton_ros.frontends.tls import server_context

_LOG = logging.getLogger(__name__)
SERVICE, HEALTH = "inference.GRPCInferenceService", "grpc.health.v1.Health"
KEY_PREFIX = "triton-grpc-protocol-"
_UNLIMITED = -1
_SERVING, _NOT_SERVING = 1, 2
_HANDSHAKE_MS = 10_000
_IDLE_MS = 75_000
"""How long a connection may be without a call; a client opens another when it needs one."""
_ALIVE_MS, _SILENT_MS = 60_000, 30_000
"""How often a client with a call is asked whether it is there, and how long it may take to say so:
one that is gone without a word (out of the network's reach) ends its streams, and frees them."""


class GrpcFrontend:
    """KServe V2 over gRPC for one data plane."""

    def __init__(self, plane: DataPlane, options: FrontendOptions) -> None:
        self._grpc, self._messages = _modules()
        self._plane = plane
        self._options = options
        self._restricted = Restrictions(
            "grpc_restricted_protocol", options.grpc_restricted_protocol, KEY_PREFIX
        )
        # As many threads as calls: none waits for another's, so health answers always.
        self._threads = CallThreads(options.max_connections, "triton_ros gRPC")
        self._server: Any = None
        self.port = 0

    def start(self) -> None:
        """Listen.  Raises `ConfigError` for an address, a port or a certificate that cannot be."""
        options = self._options
        server = self._grpc.server(
            self._threads,
            handlers=(_Handlers(self._methods()),),
            options=[
                ("grpc.max_receive_message_length", options.grpc_max_message_size),
                ("grpc.max_send_message_length", _UNLIMITED),
                ("grpc.so_reuseport", 0),  # else a second server would share the port
                # each is a file descriptor, of which cameras need some too
                ("grpc.max_allowed_incoming_connections", options.max_connections),
                ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
                ("grpc.max_connection_idle_ms", _IDLE_MS),
                ("grpc.keepalive_time_ms", _ALIVE_MS),
                ("grpc.http2.ping_timeout_ms", _SILENT_MS),
            ],
            maximum_concurrent_rpcs=options.max_connections,
        )
        self.port = self._listen(server)
        server.start()
        self._server = server

    def close(self, timeout: float) -> None:
        """Refuse what is new, give what is under way `timeout` seconds, then cut it off."""
        if self._server is not None:
            self._server.stop(timeout).wait()
        self._threads.close()

    def _listen(self, server: Any) -> int:
        options = self._options
        host = options.grpc_address
        address = f"[{host}]:{options.grpc_port}" if ":" in host else f"{host}:{options.grpc_port}"
        context = server_context(options)  # refuses what grpc would not even mention
        try:
            if context is None:
                port = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, self._credentials())
        except RuntimeError as error:
            raise _refused(options, str(error)) from error
        if not port:
            raise _refused(options, "cannot listen")
        return int(port)

    def _credentials(self) -> Any:
        options = self._options
        assert options.server_cert is not None and options.server_key is not None
        root = options.root_cert.read_bytes() if options.root_cert else None
        pair = (options.server_key.read_bytes(), options.server_cert.read_bytes())
        return self._grpc.ssl_server_credentials(
            [pair], root_certificates=root, require_client_auth=root is not None
        )

    # methods ---------------------------------------------------------------------------------

    def _methods(self) -> dict[str, Any]:
        grpc, messages = self._grpc, self._messages
        calls = InferenceCalls(messages, self._plane)
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        found = {
            f"/{SERVICE}/ModelInfer": unary(partial(self._unary, Api.INFERENCE, calls.infer)),
            f"/{SERVICE}/ModelStreamInfer": stream(partial(self._stream, calls.stream)),
            f"/{HEALTH}/Check": unary(
                partial(self._unary, Api.HEALTH, self._health),
                request_deserializer=_wrapper("StringValue").FromString,
                response_serializer=_wrapper("Int32Value").SerializeToString,
            ),
        }
        for name, (api, call) in CALLS.items():
            bound = partial(call, messages, self._plane)
            found[f"/{SERVICE}/{name}"] = unary(
                partial(self._unary, api, _without_context(bound)),
                request_deserializer=getattr(messages, f"{name}Request").FromString,
                response_serializer=_serialized,
            )
        return found

    def _health(self, request: Any, context: Any) -> Any:
        serving = health(self._messages, self._plane, request.value)
        return _wrapper("Int32Value")(value=_SERVING if serving else _NOT_SERVING)

    def _unary(self, api: Api, work: Callable[[Any, Any], Any], request: Any, context: Any) -> Any:
        self._admit(api, context)
        try:
            return work(request, context)
        except TritonError as error:
            self._tell(api, context, error)
            self._abort(context, error)
        except Exception as error:  # the boundary: a fault of ours is one call's
            _LOG.exception("gRPC call failed")
            self._abort(context, unexpected(error))

    def _stream(
        self,
        work: Callable[[Iterator[bytes], Any], Iterator[bytes]],
        requests: Iterator[bytes],
        context: Any,
    ) -> Iterator[bytes]:
        self._admit(Api.INFERENCE, context)
        try:
            yield from work(requests, context)
        except TritonError as error:
            self._tell(Api.INFERENCE, context, error)
            self._abort(context, error)
        except Exception as error:  # as above
            _LOG.exception("gRPC stream failed")
            self._abort(context, unexpected(error))

    def _abort(self, context: Any, error: TritonError) -> None:
        context.abort(self._grpc.StatusCode[grpc_status(error)], told(error))

    def _tell(self, api: Api, context: Any, error: TritonError) -> None:
        self._plane.refusals.tell_error(f"gRPC {api.value}", host_of(context), error)

    def _admit(self, api: Api, context: Any) -> None:
        """End the call of an unauthorized client, or of one that asks too often."""
        codes = self._grpc.StatusCode
        host = host_of(context)
        if self._plane.rate.limits and self._plane.rate.wait_s(host):
            self._plane.refusals.tell("gRPC", host, "too many requests")
            context.abort(codes.RESOURCE_EXHAUSTED, "too many requests: max_request_rate")
        if not self._restricted.restricts(api):
            return
        # those whose names end in "-bin" are bytes, which no key is
        metadata = {k: v for k, v in context.invocation_metadata() if isinstance(v, str)}
        header = self._restricted.missing(api, metadata.get)
        if header:
            self._plane.refusals.tell(f"gRPC {api.value}", host, "no key", header)
            context.abort(
                codes.UNAVAILABLE, f"This protocol is restricted, expecting header '{header}'"
            )


class _Handlers:
    """The methods by their paths, as grpc asks for them."""

    def __init__(self, methods: dict[str, Any]) -> None:
        self._methods = methods

    def service(self, details: Any) -> Any:
        """None for a method that there is not: grpc says so."""
        return self._methods.get(details.method)


def _without_context(call: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda request, context: call(request)


def _serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _wrapper(name: str) -> Any:
    """The health service's messages have one field each, as protobuf's own wrappers have."""
    from google.protobuf import wrappers_pb2  # noqa: PLC0415 (gRPC's need alone)

    return getattr(wrappers_pb2, name)


def _refused(options: FrontendOptions, reason: str) -> ConfigError:
    return ConfigError(
        f"grpc_address '{options.grpc_address}', grpc_port {options.grpc_port}: {reason};"
        " accepted: an address of this machine and a port that is free"
    )


def _modules() -> tuple[Any, Any]:
    try:
        import grpc  # noqa: PLC0415 (lazy: HTTP alone does not need it)
    except ImportError as error:
        raise missing_package("allow_grpc", "grpcio") from error
    try:
        from tritonclient.grpc import service_pb2  # noqa: PLC0415
    except ImportError as error:
        raise missing_package("allow_grpc", "tritonclient") from error
    return grpc, service_pb2
