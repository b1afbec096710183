# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a request is answered with: from aiohttp's request to its response.

Everything that may block for a disk or for long JSON runs on a thread; inference is submitted from
the event loop and answered back into it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from concurrent.futures import Future
from contextlib import aclosing

from aiohttp import web

from triton_ros.core.errors import InternalError, TritonError
from triton_ros.core.request import Cancellation
from triton_ros.core.tensor_bytes import Buffer
from triton_ros.frontends.control_json import ENDPOINTS, Asked, NotReadyError
from triton_ros.frontends.data_plane import DataPlane
from triton_ros.frontends.error_mapping import http_status
from triton_ros.frontends.exchange import InferAnswer, InferCall
from triton_ros.frontends.http.bodies import (
    SlowClientError,
    accepted_encoding,
    expected_json_size,
    json_size_of,
    packed,
    read_body,
    unpacked,
)
from triton_ros.frontends.http.routes import Route, find_route
from triton_ros.frontends.http.streams import answers_of, in_loop, send_events
from triton_ros.frontends.inference import refuse_decoupled
from triton_ros.frontends.parameters import forwarded_headers
from triton_ros.frontends.restriction import BEARER_HEADER, Restrictions
from triton_ros.frontends.v2_generate import decode_generate, encode_generated
from triton_ros.frontends.v2_json import (
    HEADER_LENGTH,
    decode_call,
    decode_raw_call,
    encode_answer,
)

_LOG = logging.getLogger(__name__)
_JSON, _BINARY = "application/json", "application/octet-stream"
_INLINE = {"live", "model_ready", "server_metadata"}
"""Endpoints that touch no disk."""
_LARGE = 1 << 16
"""Bytes of JSON or of a packed body that are worth a thread."""
_SLICE = 1 << 20
"""What is written of an answer at once: a slow client keeps no more than that in memory."""
_DECOUPLED = "HTTP end point doesn't support models with decoupled transaction policy"


class Refused(Exception):
    """Answered with a status that no `TritonError` has."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers or {}


class Endpoints:
    """Answers requests; all of it on one event loop."""

    def __init__(self, plane: DataPlane) -> None:
        options = plane.options
        self._plane = plane
        self._options = options
        self._restricted = Restrictions("http_restricted_api", options.http_restricted_api)
        pattern = options.http_header_forward_pattern
        self._forwarded = re.compile(pattern, re.IGNORECASE) if pattern else None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The response, whatever comes; only a client that is gone ends otherwise."""
        try:
            return await self._answer(request)
        except Refused as refused:
            return _error(refused.status, str(refused), refused.headers)
        except NotReadyError as error:
            return _error(400, str(error)) if str(error) else web.Response(status=400)
        except TritonError as error:
            self._plane.refusals.tell_error(_asked(request), request.remote, error)
            return _error(http_status(error), str(error))
        except SlowClientError as error:
            self._plane.refusals.tell(_asked(request), request.remote, "slow body", str(error))
            response = _error(408, f"the body of the request came too slowly: {error}")
            response.force_close()
            return response
        except (web.RequestPayloadError, ConnectionError):
            raise
        except Exception as error:  # the boundary: a fault of ours is one request's
            _LOG.exception("HTTP %s", request.method)
            return _error(500, f"internal error: {error!r}")

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        found = find_route(request.rel_url.raw_path)
        if found is None:
            raise Refused(404, "Not Found")
        route, given = found
        self._admit(request, route)
        if request.method not in route.verbs:
            raise Refused(405, "Method Not Allowed", {"Allow": ", ".join(route.verbs)})
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        asked = Asked(post=request.method == "POST", **given)
        if route.name == "infer":
            return await self._infer(request, asked)
        if route.name in ("generate", "generate_stream"):
            return await self._generate(request, asked, route.name == "generate_stream")
        return await self._control(request, route.name, asked)

    def _admit(self, request: web.BaseRequest, route: Route) -> None:
        """Raise what an unauthorized client, or one that asks too often, is answered."""
        wait = self._plane.rate.wait_s(request.remote or "")
        if wait:
            self._plane.refusals.tell("HTTP", request.remote, "too many requests")
            raise Refused(
                429, "too many requests: max_request_rate", {"Retry-After": str(int(wait) + 1)}
            )
        header = self._restricted.missing(route.api, request.headers.get)
        if header:
            bearer = {"WWW-Authenticate": "Bearer"} if header == BEARER_HEADER else {}
            self._plane.refusals.tell(f"HTTP {route.name}", request.remote, "no key", header)
            raise Refused(
                401 if bearer else 403,
                f"This API is restricted, expecting header '{header}'",
                bearer,
            )

    async def _body(self, request: web.BaseRequest, json_size: int | None = None) -> memoryview:
        limit = self._options.http_max_input_size
        timeout_s = self._options.http_header_timeout_secs
        body = await read_body(request, limit, timeout_s, json_size)
        encoding = request.headers.get("Content-Encoding", "")
        if len(body) > _LARGE and encoding:
            return await asyncio.to_thread(unpacked, body, encoding, limit)
        return unpacked(body, encoding, limit)

    # control ---------------------------------------------------------------------------------

    async def _control(
        self, request: web.BaseRequest, name: str, asked: Asked
    ) -> web.StreamResponse:
        endpoint = ENDPOINTS[name]
        if asked.post:
            asked.body = await self._body(request)
        if name in _INLINE:
            reply = endpoint(self._plane, asked)
        else:
            reply = await asyncio.to_thread(endpoint, self._plane, asked)
        if isinstance(reply, Future):
            await _finished(reply)
            reply = None
        body_out = b"" if reply is None else json.dumps(reply).encode()
        return web.Response(body=body_out, content_type=_JSON)

    # inference -------------------------------------------------------------------------------

    async def _infer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        header = request.headers.get(HEADER_LENGTH)
        config = self._plane.configuration(asked.name, asked.version)
        refuse_decoupled(config, _DECOUPLED)
        body = await self._body(request, expected_json_size(header))
        size = json_size_of(header, len(body))
        if size == 0:
            call = decode_raw_call(asked.name, asked.version, body, config)
        elif (len(body) if size is None else size) > _LARGE:
            call = await asyncio.to_thread(decode_call, asked.name, asked.version, body, size)
        else:
            call = decode_call(asked.name, asked.version, body, size)
        call.headers = forwarded_headers(self._forwarded, request.headers.items())
        answer = self._plane.inference.run_quickly(call) or await self._run(call)
        if sum(o.array_size for o in answer.outputs if not o.binary) > _LARGE:
            head, parts = await asyncio.to_thread(encode_answer, answer)
        else:
            head, parts = encode_answer(answer)
        return await self._send(request, head, parts)

    async def _run(self, call: InferCall) -> InferAnswer:
        """The outcome of a call; a client that hangs up meanwhile withdraws it."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[InferAnswer | TritonError] = loop.create_future()
        token = Cancellation()

        def settle(found: InferAnswer | TritonError) -> None:
            if not outcome.done():
                outcome.set_result(found)

        def answered(found: InferAnswer | TritonError) -> None:
            in_loop(loop, settle, found)

        self._plane.inference.submit(call, token, answered)
        try:
            found = await outcome
        except asyncio.CancelledError:
            token.cancel()
            raise
        if isinstance(found, TritonError):
            raise found
        return found

    async def _send(
        self, request: web.BaseRequest, head: bytes, parts: list[memoryview | bytes]
    ) -> web.StreamResponse:
        headers = {HEADER_LENGTH: str(len(head))} if parts else {}
        kind = _BINARY if parts else _JSON
        size = len(head) + sum(map(len, parts))
        encoding = accepted_encoding(request.headers.get("Accept-Encoding", ""))
        if encoding != "identity":
            body = await asyncio.to_thread(packed, [head, *parts], encoding)
            headers["Content-Encoding"] = encoding
            return web.Response(body=body, headers=headers, content_type=kind)
        if size < _LARGE:
            body = b"".join([head, *parts])
            return web.Response(body=body, headers=headers, content_type=kind)
        response = web.StreamResponse(headers={**headers, "Content-Type": kind})
        response.content_length = size
        await response.prepare(request)
        chunks: list[Buffer] = [head, *parts]
        for chunk in chunks:
            whole = memoryview(chunk)
            for at in range(0, len(whole), _SLICE):
                await response.write(whole[at : at + _SLICE])
        await response.write_eof()
        return response

    # generate --------------------------------------------------------------------------------

    async def _generate(
        self, request: web.BaseRequest, asked: Asked, streaming: bool
    ) -> web.StreamResponse:
        config = self._plane.configuration(asked.name, asked.version)
        call = decode_generate(asked.name, asked.version, await self._body(request), config)
        call.headers = forwarded_headers(self._forwarded, request.headers.items())
        async with aclosing(answers_of(self._plane.inference, call)) as answers:
            if streaming:
                return await send_events(request, answers)
            found = [answer async for answer in answers]
        for answer in found:
            if isinstance(answer, TritonError):
                raise answer
        if len(found) != 1 or isinstance(found[0], TritonError):
            raise InternalError(
                "generate expects model to produce exactly 1 response, use generate stream for"
                " model that generates various number of responses"
            )
        return web.Response(body=encode_generated(found[0]), content_type=_JSON)


async def _finished(future: Future[None]) -> None:
    """Wait for a load, which goes on if its client hangs up."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    future.add_done_callback(lambda _: in_loop(loop, lambda _: done.set(), None))
    await done.wait()
    future.result()


def _asked(request: web.BaseRequest) -> str:
    """What a client asked for, in words of ours."""
    found = find_route(request.rel_url.raw_path)
    return f"HTTP {found[0].name}" if found else "HTTP"


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    body = json.dumps({"error": text}).encode()
    return web.Response(status=status, body=body, content_type=_JSON, headers=headers)
