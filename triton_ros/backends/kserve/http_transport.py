# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One server by HTTP/1.1: the standard library's client over our own connections.

Not tritonclient's, whose gevent connections belong to the thread that made them, and which has no
deadline for a whole exchange and no cancellation.
"""

from __future__ import annotations

import http.client
import ssl
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

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
from triton_ros.backends.kserve.http_codec import (
    answer,
    error_text,
    has_binary,
    infer_body,
    model,
    parsed,
)
from triton_ros.backends.kserve.http_connection import Connection, ConnectionPool
from triton_ros.backends.kserve.settings import Address, RemoteSettings
from triton_ros.core.errors import Code, ConfigError, InternalError, TritonError, UnsupportedError

_CODES = {
    400: Code.INVALID_ARG,
    401: Code.UNAVAILABLE,
    403: Code.UNAVAILABLE,
    404: Code.NOT_FOUND,
    405: Code.UNSUPPORTED,
    409: Code.ALREADY_EXISTS,
    413: Code.INVALID_ARG,
    422: Code.INVALID_ARG,
    501: Code.UNSUPPORTED,
}
_OF_THE_MOMENT = (429, 499, 502, 503, 504)
_JSON_SIZE = "Inference-Header-Content-Length"
_WINDOW_BITS = {"gzip": 31, "deflate": 15}
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    data: memoryview
    json_size: int | None


class HttpTransport:
    """See `exchange.Transport`."""

    def __init__(self, settings: RemoteSettings, address: Address) -> None:
        self._settings = settings
        self._what = f"model '{settings.model}': remote '{settings.remote_model}' at {address}"
        self._binary = {"binary": True, "json": False}.get(settings.http_data)
        self._path = f"/v2/models/{quote(settings.remote_model, safe='')}"
        if settings.remote_version:
            self._path += f"/versions/{settings.remote_version}"
        self._pool = ConnectionPool(
            address.host, address.port, settings.connect_timeout_s, _context(settings)
        )

    def infer(
        self, request: RemoteRequest, deadline: float, withdrawal: Withdrawal
    ) -> RemoteAnswer:
        """See `exchange.Transport`."""
        if self._binary is None:
            self._binary = self._knows_binary(deadline)
        head, parts = infer_body(request, self._binary)
        headers = {"Content-Type": "application/json"}
        if parts:
            headers = {"Content-Type": "application/octet-stream", _JSON_SIZE: str(len(head))}
        reply = self._ask(
            "POST", f"{self._path}/infer", [head, *parts], headers, deadline, withdrawal
        )
        try:
            return answer(reply.data, reply.json_size)
        except InternalError as error:
            raise definite(Code.INTERNAL, f"{self._what}: {error}") from error

    def stream(
        self, request: RemoteRequest, deadline: float, withdrawal: Withdrawal
    ) -> Iterator[RemoteAnswer]:
        """V2 has no stream of tensors over HTTP."""
        raise UnsupportedError(f"{self._what}: a decoupled model needs protocol grpc")

    def describe(self, deadline: float) -> RemoteModel:
        """See `exchange.Transport`."""
        try:
            metadata = parsed(self._ask("GET", self._path, [], {}, deadline).data)
            config = None
            try:
                config = parsed(self._ask("GET", f"{self._path}/config", [], {}, deadline).data)
            except RemoteFailure:
                raise
            except TritonError as error:  # a server of metadata only
                if error.code not in (Code.UNSUPPORTED, Code.NOT_FOUND, Code.INVALID_ARG):
                    raise
            return model(metadata, config)
        except InternalError as error:
            raise definite(Code.INTERNAL, f"{self._what}: {error}") from error

    def ready(self, deadline: float) -> None:
        """See `exchange.Transport`."""
        try:
            self._ask("GET", f"{self._path}/ready", [], {}, deadline)
        except RemoteFailure:
            raise
        except TritonError as error:
            raise RemoteFailure(f"{self._what}: it is not ready ({error})", sent=False) from error

    def close(self) -> None:
        """See `exchange.Transport`."""
        self._pool.close()

    def _knows_binary(self, deadline: float) -> bool:
        """Asked with the first inference, because at the load the server may have been down."""
        try:
            return has_binary(parsed(self._ask("GET", "/v2", [], {}, deadline).data))
        except RemoteFailure:
            raise
        except TritonError:  # it does not tell: JSON is what every server knows
            return False

    def _ask(
        self,
        method: str,
        path: str,
        body: Sequence[Any],
        headers: dict[str, str],
        deadline: float,
        withdrawal: Withdrawal | None = None,
    ) -> _Reply:
        """The reply, whose status is 200; raises what any other means."""
        connection = self._pool.take()
        try:
            reply = self._exchange(
                connection, method, path, body, headers, deadline, withdrawal or Withdrawal()
            )
        except BaseException:
            connection.close()
            raise
        if reply.status == 200:
            return reply
        message = f"{self._what}: {reply.status} {error_text(reply.data)}"
        if reply.status in _OF_THE_MOMENT:
            raise RemoteFailure(message)
        raise definite(_CODES.get(reply.status, Code.INTERNAL), message)

    def _exchange(
        self,
        connection: Connection,
        method: str,
        path: str,
        body: Sequence[Any],
        headers: dict[str, str],
        deadline: float,
        withdrawal: Withdrawal,
    ) -> _Reply:
        sent = False
        try:
            timed = connection.open(deadline)
            withdrawal.stops(timed.cut)
            sent = True
            self._send(connection, method, path, body, headers)
            response = connection.getresponse()
            reply = _Reply(response.status, self._body(response), _size_of_json(response))
            response.close()  # the next one on this connection may come
            if response.will_close:
                connection.close()
            else:
                self._pool.give(connection)
            return reply
        except (OSError, http.client.HTTPException) as error:
            if withdrawal.cancelled:
                raise withdrawn(self._what) from error
            if isinstance(error, TimeoutError):
                where = "it did not answer in time" if sent else "no connection in time"
                raise RemoteTimeout(f"{self._what}: {where}", sent) from error
            raise RemoteFailure(f"{self._what}: {_in_words(error)}", sent) from error
        finally:
            withdrawal.stops(None)

    def _send(
        self,
        connection: Connection,
        method: str,
        path: str,
        body: Sequence[Any],
        headers: dict[str, str],
    ) -> None:
        compression = self._settings.compression
        if body and compression != "none":
            body = [_compressed(body, _WINDOW_BITS[compression])]
            headers = {**headers, "Content-Encoding": compression}
        if compression != "none":
            headers = {**headers, "Accept-Encoding": compression}
        if body:
            headers = {**headers, "Content-Length": str(sum(len(part) for part in body))}
        headers = {**headers, **self._settings.headers}
        connection.request(method, path, iter(body) if body else None, headers)

    def _body(self, response: http.client.HTTPResponse) -> memoryview:
        """All of it, in memory that is ours alone; no more than is allowed."""
        most = self._settings.max_response_bytes
        length = response.length
        if length is not None and length <= most:
            data, at = bytearray(length), 0
            while at < length:
                got = response.readinto(memoryview(data)[at:])
                if not got:
                    raise http.client.IncompleteRead(b"", length)
                at += got
        else:
            data = bytearray()
            while len(data) <= most and (chunk := response.read(_CHUNK)):
                data += chunk
        if (length or 0) > most or len(data) > most:
            raise self._too_much()
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding in _WINDOW_BITS:
            return memoryview(self._decompressed(data, _WINDOW_BITS[encoding]))
        return memoryview(data)

    def _decompressed(self, data: bytearray, bits: int) -> bytearray:
        most = self._settings.max_response_bytes
        stream = zlib.decompressobj(bits)
        try:
            found = bytearray(stream.decompress(data, most + 1))
        except zlib.error as error:
            raise definite(
                Code.INTERNAL, f"{self._what}: its response cannot be decompressed: {error}"
            ) from error
        if len(found) > most:
            raise self._too_much()
        if not stream.eof:
            raise definite(Code.INTERNAL, f"{self._what}: its response ends too early")
        return found

    def _too_much(self) -> TritonError:
        return definite(
            Code.INTERNAL,
            f"{self._what}: its response is larger than max_response_mb"
            f" {self._settings.max_response_bytes >> 20}",
        )


def _context(settings: RemoteSettings) -> ssl.SSLContext | None:
    tls = settings.tls
    if tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"model '{settings.model}': its tls files cannot be used: {error}"
        ) from error
    return context


def _compressed(body: Sequence[Any], bits: int) -> bytes:
    stream = zlib.compressobj(1, zlib.DEFLATED, bits)  # the fastest: it is done for each frame
    return b"".join([*(stream.compress(part) for part in body), stream.flush()])


def _size_of_json(response: http.client.HTTPResponse) -> int | None:
    text = response.headers.get(_JSON_SIZE)
    return int(text) if text is not None and text.isdecimal() else None


def _in_words(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended within the response"
    return str(error) or type(error).__name__
