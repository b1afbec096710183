# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""gRPC's inference: one request and its answer, and streams of both.

A stream has two threads: gRPC's, which sends, and one that reads and submits, so that a client may
send on while answers come.  Answers are sent in the order in which they come.  A request that fails
is answered within the stream; the header ``triton_grpc_error: true`` ends the stream instead.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, TypeAlias

from triton_ros.core.errors import CancelledError, InternalError, TritonError
from triton_ros.core.request import Cancellation
from triton_ros.frontends.backlog import Backlog
from triton_ros.frontends.data_plane import DataPlane
from triton_ros.frontends.exchange import InferAnswer, InferCall
from triton_ros.frontends.grpc.told import host_of, sendable
from triton_ros.frontends.grpc.untaken import Untaken
from triton_ros.frontends.inference import refuse_decoupled
from triton_ros.frontends.parameters import forwarded_headers
from triton_ros.frontends.v2_proto import (
    decode_call,
    encode_answer,
    encode_stream_error,
    encode_streamed,
    refused_call,
)

FINAL = "triton_final_response"
EMPTY_FINAL = "triton_enable_empty_final_response"
IN_BAND_OFF = "triton_grpc_error"
_SHARE = 4
"""One stream has up to this part of `max_in_flight`; its client waits for more, others need not."""
_DECOUPLED = "ModelInfer RPC doesn't support models with decoupled transaction policy"

Arrived: TypeAlias = "tuple[InferCall, InferAnswer | TritonError] | None"
"""An answer to a call; None when the stream is over."""


class InferenceCalls:
    """The handlers; `messages` is the generated module."""

    def __init__(self, messages: Any, plane: DataPlane) -> None:
        self._messages = messages
        self._plane = plane
        pattern = plane.options.grpc_header_forward_pattern
        self._forwarded = re.compile(pattern, re.IGNORECASE) if pattern else None
        self._share = max(1, plane.options.max_in_flight // _SHARE)
        self.untaken = Untaken()

    def infer(self, data: bytes, context: Any) -> bytes:
        """`ModelInfer`.  Raises `TritonError`."""
        call = self._call(data, context)
        refuse_decoupled(self._plane.configuration(call.model_name, call.version), _DECOUPLED)
        token = Cancellation()

        def over() -> None:
            token.cancel()
            self.untaken.wake()

        if not (context.add_callback(over) and self.untaken.wait(context)):
            raise CancelledError("the client is gone")
        answer = encode_answer(self._messages, self._plane.inference.run(call, token))
        self.untaken.hold(context, len(answer))
        return answer

    def stream(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """`ModelStreamInfer`.  Raises `TritonError` only where the client wants that."""
        in_band = dict(context.invocation_metadata()).get(IN_BAND_OFF) != "true"
        stream = _Stream(self._plane, Cancellation(), self._share)
        if not context.add_callback(stream.cancel):
            return
        reader = threading.Thread(
            target=self._read, args=(requests, context, stream), name="triton_ros gRPC stream"
        )
        reader.start()
        try:
            for call, found in stream:
                if in_band and isinstance(found, TritonError):
                    self._plane.refusals.tell_error("gRPC inference", host_of(context), found)
                yield self._response(call, found, in_band)
        finally:
            stream.cancel()

    def _response(self, call: InferCall, found: InferAnswer | TritonError, in_band: bool) -> bytes:
        try:
            if isinstance(found, TritonError):
                raise found
            return encode_streamed(self._messages, _marked(found))
        except TritonError as error:  # of the call, or an answer that cannot be written
            if not in_band:
                raise
            return encode_stream_error(self._messages, sendable(error), call.id)

    def _read(self, requests: Iterator[bytes], context: Any, stream: _Stream) -> None:
        try:
            for data in requests:
                if not stream.wait_for_room():
                    break
                try:
                    call = self._call(data, context)
                except TritonError as error:
                    stream.put(refused_call(self._messages, data), error)
                    continue
                stream.submit(call)
        except Exception:  # grpc's, of which the only one is that the client is gone
            stream.cancel()
        finally:
            stream.no_more()

    def _call(self, data: bytes, context: Any) -> InferCall:
        call = decode_call(self._messages, data)
        if self._forwarded is not None:
            headers = ((k, v) for k, v in context.invocation_metadata() if isinstance(v, str))
            call.headers = forwarded_headers(self._forwarded, headers)
        return call


class _Stream:
    """The calls of one stream and their answers."""

    def __init__(self, plane: DataPlane, token: Cancellation, share: int) -> None:
        self._plane = plane
        self._token = token
        self._share = share
        self._queue: SimpleQueue[Arrived] = SimpleQueue()
        self._backlog = Backlog()
        self._changed = threading.Condition()
        self._open = 1
        """The reader, and the calls that are not answered to the end."""

    def __iter__(self) -> Iterator[tuple[InferCall, InferAnswer | TritonError]]:
        while (arrived := self._queue.get()) is not None:
            self._backlog.sent(arrived[1])
            yield arrived

    def wait_for_room(self) -> bool:
        """Until the stream may have one more call under way; False if it is withdrawn."""
        with self._changed:
            self._changed.wait_for(lambda: self._open <= self._share or self._token.cancelled)
        return not self._token.cancelled

    def submit(self, call: InferCall) -> None:
        """Run a call; its answers arrive."""
        with self._changed:
            self._open += 1

        def answered(found: InferAnswer | TritonError) -> None:
            if _to_be_sent(call, found):
                self.put(call, found)
            self.no_more()

        def on_answer(found: InferAnswer) -> None:
            self.put(call, found)

        self._plane.inference.submit(call, self._token, answered, on_answer)

    def put(self, call: InferCall, found: InferAnswer | TritonError) -> None:
        """Send this when it is its turn."""
        if self._token.cancelled:
            return
        if not self._backlog.added(found):
            self._queue.put((call, Backlog.refusal()))
            self.cancel()
            return
        self._queue.put((call, found))

    def no_more(self) -> None:
        """The reader or one of the calls is done; the last one ends the stream."""
        with self._changed:
            self._open -= 1
            last = not self._open
            self._changed.notify_all()
        if last:
            self._queue.put(None)

    def cancel(self) -> None:
        """Withdraw every call; nothing more is sent."""
        self._token.cancel()
        with self._changed:
            self._changed.notify_all()
        self._queue.put(None)


def _to_be_sent(call: InferCall, found: InferAnswer | TritonError) -> bool:
    """All but the last, empty answer of a decoupled model, for which a client has to ask."""
    if isinstance(found, TritonError) or found.outputs:
        return True
    return call.parameters.get(EMPTY_FINAL) is True


def _marked(answer: InferAnswer) -> InferAnswer:
    answer.parameters[FINAL] = answer.final
    return answer


def unexpected(error: Exception) -> TritonError:
    """A fault of ours, as its client is told."""
    return InternalError(f"internal error: {error!r}")
