# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers of a call as they come, on the event loop; and as server-sent events.

What is refused before it runs is raised and so answered as everything else is.  An error of the
model's is one of its answers: the first one gives the response its status, and later ones can only
be read in the body, as with Triton.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncGenerator
from typing import Any, TypeAlias

from aiohttp import web

from triton_ros.core.errors import TritonError
from triton_ros.core.request import Cancellation
from triton_ros.frontends.backlog import Backlog
from triton_ros.frontends.error_mapping import http_status
from triton_ros.frontends.exchange import InferAnswer, InferCall
from triton_ros.frontends.inference import Inference
from triton_ros.frontends.v2_generate import encode_generated

_LOG = logging.getLogger(__name__)

Answers: TypeAlias = AsyncGenerator["InferAnswer | TritonError", None]


async def answers_of(inference: Inference, call: InferCall) -> Answers:
    """A call's answers, without the empty one that says that it was the last.

    Raises the `TritonError` of a call that is refused.  Closing it withdraws the call.
    """
    loop, here = asyncio.get_running_loop(), threading.get_ident()
    queue: asyncio.Queue[InferAnswer | TritonError] = asyncio.Queue()
    token, backlog = Cancellation(), Backlog()
    refused: list[TritonError] = []

    def arrived(found: InferAnswer | TritonError) -> None:
        if isinstance(found, TritonError) and threading.get_ident() == here:
            refused.append(found)  # by `submit` itself: a model's thread is another
            return
        if not backlog.added(found) and not token.cancelled:
            found = Backlog.refusal()
            token.cancel()
        in_loop(loop, queue.put_nowait, found)

    inference.submit(call, token, arrived, arrived)
    try:
        if refused:
            raise refused[0]
        while True:
            found = await queue.get()
            backlog.sent(found)
            if isinstance(found, TritonError) or found.outputs or not found.final:
                yield found
            if isinstance(found, TritonError) or found.final:
                return
    finally:
        token.cancel()


async def send_events(request: web.BaseRequest, answers: Answers) -> web.StreamResponse:
    """Server-sent events, one for each answer."""
    first = await anext(answers, None)
    status, event = (200, b"") if first is None else _event(first)
    kind = {"Content-Type": "text/event-stream; charset=utf-8"}
    response = web.StreamResponse(status=status, headers=kind)
    response.enable_chunked_encoding()
    await response.prepare(request)
    if event:
        await response.write(event)
    async for answer in answers:
        await response.write(_event(answer)[1])
    await response.write_eof()
    return response


def _event(answer: InferAnswer | TritonError) -> tuple[int, bytes]:
    """The status that it would have alone, and its event."""
    status, error = 200, answer
    if not isinstance(answer, TritonError):
        try:
            return status, b"data: %s\n\n" % encode_generated(answer)
        except TritonError as failed:  # what JSON cannot have
            error = failed
    assert isinstance(error, TritonError)
    return http_status(error), b"data: %s\n\n" % json.dumps({"error": str(error)}).encode()


def in_loop(loop: asyncio.AbstractEventLoop, call: Any, found: object) -> None:
    """From any thread; a loop that is closed has nobody who waits."""
    try:
        loop.call_soon_threadsafe(call, found)
    except RuntimeError:
        _LOG.debug("an answer came after the end")
