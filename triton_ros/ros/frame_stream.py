# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames in, answers out; where they come from and go to is somebody else's matter.

`offer` only enqueues: it reads the header of a serialized message, and hands the frame (pixels
still in those bytes) to the server if the stream may have one more in flight.  Everything else
happens on the instance thread that answers: the next frame is started first, then the answer is
published.  Answers leave in the order of their frames.

While a frame still waits for an instance (other streams may use the same model), a newer frame
takes its place there; that is *newest wins* carried into the model's queue.  A stream whose policy
is *block* does the opposite: `offer` returns when there is room, so that nothing is ever dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from triton_ros.core.errors import TritonError
from triton_ros.core.request import Done, InferenceRequest, Outcome
from triton_ros.core.server import InferenceServer, Ticket
from triton_ros.ros import conversions
from triton_ros.ros.admission import RateLimit, Stamps, age_ns
from triton_ros.ros.drop_reasons import reason_of
from triton_ros.ros.frame import Answer, Frame
from triton_ros.ros.frame_queue import FrameQueue, Sequencer
from triton_ros.ros.image_cdr import FrameHeader
from triton_ros.ros.stream_outputs import StreamOutputs
from triton_ros.ros.stream_settings import StreamSettings
from triton_ros.ros.stream_statistics import StreamStatistics
from triton_ros.vision.image import Image, ImageError

Read: TypeAlias = Callable[[bytes], tuple[FrameHeader, Image]]
OnDrop: TypeAlias = Callable[[str, TritonError], None]
"""Hears of a frame that an error cost: the reason's name, and the error."""


class FrameStream:
    """One stream's data path; `offer` is for one thread at a time, the rest for any.

    `now_ns` is ROS time, which stamps are compared with.
    """

    def __init__(
        self,
        server: InferenceServer,
        outputs: StreamOutputs,
        settings: StreamSettings,
        now_ns: Callable[[], int],
        on_drop: OnDrop,
    ) -> None:
        self.settings = settings
        self.statistics = StreamStatistics()
        self._server = server
        self._outputs = outputs
        self._now_ns = now_ns
        self._on_drop = on_drop
        self._queue: FrameQueue[Frame] = FrameQueue(settings.queueing.depth, 1)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._open = self._patient = False
        self._started = self._left = 0
        self._newest: Ticket | None = None
        self._leaving: Sequencer[Answer] = Sequencer()
        self._publishing = threading.Lock()
        self._rate = RateLimit()
        self._stamps = Stamps()

    # control ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Take frames."""
        with self._lock:
            self._open = self._patient = True

    def let_go(self) -> None:
        """Let nobody wait in `offer` until `open`; what waits here stays."""
        with self._changed:
            self._patient = False
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more frames, forget those that wait here; those that run are answered."""
        with self._changed:
            self._open = self._patient = False
            waiting = self._queue.clear()
            self._changed.notify_all()
        for _ in waiting:
            self.statistics.dropped("deactivated")

    @property
    def idle(self) -> bool:
        """Whether every frame that was started has been answered."""
        with self._lock:
            return self._left == self._started

    def drain(self, limit_s: float) -> int:
        """Wait until the frames that run are answered; how many are not, after `limit_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._left == self._started, limit_s)
            return self._started - self._left

    def finish(self) -> None:
        """Wait until the frames that wait and run are answered; for as long as it takes."""
        with self._changed:
            self._changed.wait_for(lambda: not self._queue.waiting and self._left == self._started)

    def apply(self, settings: StreamSettings) -> None:
        """Use other settings from the next frame on; frames in flight keep theirs."""
        if settings.model != self.settings.model:
            self._outputs.begin_anew()
        self.settings = settings
        self.resize()

    def resize(self) -> None:
        """Let as many frames run as the model has instances, or the settings say."""
        settings = self.settings
        in_flight = settings.in_flight or self._instances(settings.model)
        with self._changed:
            self._queue.depth = settings.queueing.depth
            self._queue.in_flight = in_flight
            self._changed.notify_all()

    def _instances(self, model: str) -> int:
        try:
            return self._server.describe(model).instance_count
        except TritonError:
            return 1

    # data path -------------------------------------------------------------------------------

    def offer(self, raw: bytes, read: Read) -> None:
        """A serialized message; `read` takes it apart.  Waits only where the policy is *block*."""
        received_ns = time.monotonic_ns()
        self.statistics.received()
        try:
            header, image = read(raw)
        except ImageError as error:
            self._drop(error.reason, error)
            return
        frame = Frame(header, image, received_ns)
        if not self._admits(frame):
            return
        policy = self.settings.queueing
        if policy.blocks:
            if not self._wait_for_room():
                self.statistics.dropped("resubscribed" if self._open else "deactivated")
                return
        elif policy.newest_wins and self._supersede(frame):
            return
        with self._lock:
            start, dropped = self._queue.arrive(frame)
        for _ in dropped:
            self.statistics.dropped("superseded")
        if start:
            self._start(start)

    def _admits(self, frame: Frame) -> bool:
        """Whether the stream wants the frame; if so, its deadline is known."""
        settings = self.settings
        stamp_ns, now_ns = frame.header.stamp_ns, self._now_ns()
        age = age_ns(stamp_ns, now_ns)
        limits_ms = [settings.deadline_ms] if settings.deadline_ms else []
        if settings.max_age_ms and stamp_ns:
            limits_ms.append(settings.max_age_ms - age / 1e6)
        with self._lock:
            anew = self._stamps.began_anew(stamp_ns)
            if anew:
                self._outputs.begin_anew()
                self.statistics.began_anew()
            old = bool(limits_ms) and limits_ms[-1] <= 0
            wanted = not old and self._rate.allows(now_ns, settings.max_rate_hz)
        if not wanted:
            self.statistics.dropped("too_old" if old else "rate_limited")
        elif limits_ms:
            frame.deadline_ns = frame.received_ns + round(min(limits_ms) * 1e6)
        return wanted

    def _wait_for_room(self) -> bool:
        """False when nobody may wait any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._patient or self._queue.has_room)
            return self._patient

    def _supersede(self, frame: Frame) -> bool:
        """Take the place of the newest started frame, if it has not begun to run."""
        with self._lock:
            ticket = self._newest
            if ticket is None or not self._queue.full:
                return False
            older = self._queue.clear()  # whatever comes of it, this frame goes before them
            self._queue.running += 1  # the superseded one gives it back when it is answered
            frame.number = self._started
            self._started += 1
        for _ in older:
            self.statistics.dropped("superseded")
        replaced = self._server.replace(ticket, self._request(frame), self._done(frame))
        if replaced is None:
            with self._lock:
                self._queue.running -= 1
            self._leave(frame.number, None)
            return False
        with self._lock:
            self._newest = replaced
        return True

    def _start(self, frame: Frame) -> None:
        with self._lock:
            frame.number = self._started
            self._started += 1
        ticket = self._server.submit(self._request(frame), self._done(frame))
        with self._lock:
            self._newest = ticket

    def _request(self, frame: Frame) -> InferenceRequest:
        settings = self.settings
        return InferenceRequest(
            settings.model,
            {"IMAGE": frame.image},
            parameters=settings.request_parameters,
            priority=settings.priority,
            deadline_ns=frame.deadline_ns,
        )

    def _done(self, frame: Frame) -> Done:
        def done(outcome: Outcome) -> None:
            with self._changed:
                following = self._queue.finished()
                self._changed.notify_all()
            if following:
                self._start(following)
            self._leave(frame.number, self._answer(frame, outcome))

        return done

    def _answer(self, frame: Frame, outcome: Outcome) -> Answer | None:
        if isinstance(outcome, TritonError):
            self._drop(reason_of(outcome), outcome)
            return None
        try:
            return self._outputs.prepare(frame, outcome)
        except Exception as error:  # a frame that never leaves would hold back all that follow
            self._drop("model_error", conversions.unfit(outcome, error))
            return None

    def _leave(self, number: int, answer: Answer | None) -> None:
        with self._publishing:
            for ready in self._leaving.arrive(number, answer):
                self._publish(ready)
        with self._changed:
            self._left += 1
            self._changed.notify_all()

    def _publish(self, answer: Answer) -> None:
        try:
            sent = self._outputs.publish(answer, self.settings)
        except Exception as error:  # of a tracker or the middleware; the next frame may be fine
            self._drop("model_error", conversions.unfit(answer.response, error))
            return
        if not sent:
            self.statistics.dropped("deactivated")
            return
        self.statistics.answered(
            answer.count,
            time.monotonic_ns() - answer.frame.received_ns,
            answer.response.timing.batch_size,
        )

    def _drop(self, reason: str, error: TritonError) -> None:
        self._on_drop(reason, error)
