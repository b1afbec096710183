# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros replay BAG``: a robot's perception on recorded frames, in one command.

The frames go through the very same streams as on the robot (`FrameStream`: thresholds, regions,
rates, order, trackers), but nothing is played: they are offered as fast as they are answered, none
is dropped for being late, and ROS time is the bag's own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from triton_ros.cli.application import Application
from triton_ros.cli.bag_files import IMAGES, BagReader, BagWriter
from triton_ros.cli.check import repositories_of
from triton_ros.cli.golden import Answer, Tolerance, differences, golden_line, read_golden
from triton_ros.cli.recording import RecordedOutputs, Recorder, golden_answer, json_row
from triton_ros.cli.results import found_in, table
from triton_ros.core.errors import InvalidArgumentError, TritonError
from triton_ros.core.server import InferenceServer
from triton_ros.ros.annotator import Annotator
from triton_ros.ros.frame import Answer as FrameAnswer
from triton_ros.ros.frame_stream import FrameStream
from triton_ros.ros.image_cdr import read_compressed, read_image
from triton_ros.ros.image_stream import check_settings
from triton_ros.ros.parameter_values import problems_of, read_values, streams_of
from triton_ros.ros.stream_settings import STREAM, StreamSettings, stream_settings

NODE = "/triton_ros"
_READERS = {"raw": read_image, "compressed": read_compressed}
_DIFFERENCES = 40
PATIENT: dict[str, Any] = {"policy": "block", "deadline_ms": 0.0, "max_age_ms": 0.0}
"""What a stream has otherwise than on the robot: nobody is in a hurry."""


def run(given: argparse.Namespace, application: Application) -> int:
    """1 if the answers are not the golden ones, or a frame was lost to an error."""
    if given.copy_input and not given.output:
        raise InvalidArgumentError("--copy-input needs --output")
    application.tune_process()
    values, streams = _streams(given)
    golden = read_golden(given.golden) if given.golden else None
    with ExitStack() as stack:
        bag = BagReader(given.bag)
        stack.callback(bag.close)
        _check_topics(bag, streams)
        folders = given.model_repository or repositories_of(values)
        server = stack.enter_context(application.make_server(folders))
        _load(server, streams)
        writer = None
        if given.output:
            writer = BagWriter(given.output)
            stack.callback(writer.close)
        lines = stack.enter_context(given.json.open("w")) if given.json else None
        replayed = Replay(server, streams, writer, lines)
        stack.callback(replayed.close)
        replayed.run(bag, given.copy_input)
    print(replayed.summary(bag))
    if given.record_golden:
        _record(given.record_golden, replayed.answers)
    if golden is None:
        return int(replayed.lost)
    limits = Tolerance(given.iou, given.score, given.least_score)
    found = list(differences(golden, replayed.answers, limits))
    for difference in found[:_DIFFERENCES]:
        print(f"✗ {difference}")
    print(f"{'✗' if found else '✓'} {len(found)} differences from {given.golden}")
    return int(bool(found) or replayed.lost)


def _streams(given: argparse.Namespace) -> tuple[Mapping[str, Any], dict[str, StreamSettings]]:
    """The parameters and the streams that a command line asks for; raises `TritonError`."""
    values = read_values(given.params_file, given.pipelines)
    for problem in problems_of(values):
        raise InvalidArgumentError(problem)
    streams = streams_of(values)
    if bool(given.topic) != bool(given.model):
        raise InvalidArgumentError("--topic and --model go together")
    if given.topic:
        defaults = {name: spec.default for name, spec in STREAM.items()}
        chosen = {"topic": given.topic, "model": given.model}
        streams = {"replay": stream_settings("replay", defaults | chosen)}
    if not streams:
        raise InvalidArgumentError("no streams: --params-file, --pipelines, or --topic and --model")
    return values, streams


def _full(topic: str) -> str:
    """A topic's name as in a bag, for a node without a namespace."""
    return topic.replace("~", NODE, 1) if topic.startswith("~") else f"/{topic.lstrip('/')}"


def _check_topics(bag: BagReader, streams: Mapping[str, StreamSettings]) -> None:
    images = {topic: kind for topic, kind in bag.topics.items() if kind in IMAGES}
    for stream in streams.values():
        if _full(stream.topic) not in images:
            there = ", ".join(sorted(images)) or "none"
            raise InvalidArgumentError(
                f"stream '{stream.name}': {bag.path} has no images on '{_full(stream.topic)}';"
                f" image topics: {there}"
            )


def _load(server: InferenceServer, streams: Mapping[str, StreamSettings]) -> None:
    loads = {s.model: server.load_model(s.model) for s in streams.values()}
    for load in loads.values():
        load.result()
    for stream in streams.values():
        check_settings(server, stream)


class Replay:
    """The streams of one run, and what came out of them."""

    def __init__(
        self,
        server: InferenceServer,
        streams: Mapping[str, StreamSettings],
        writer: BagWriter | None,
        lines: IO[str] | None,
    ) -> None:
        self.answers: dict[str, list[Answer]] = {name: [] for name in streams}
        self._writer = writer
        self._lines = lines
        self._now_ns = 0
        self._seconds = 0.0
        self._annotator = Annotator(lambda error: None)
        self._streams = {
            name: self._stream(server, replace(settings, **PATIENT))
            for name, settings in streams.items()
        }

    def _stream(self, server: InferenceServer, settings: StreamSettings) -> FrameStream:
        def make(kind: Any, topic: str, qos: Any) -> Recorder:
            return Recorder(_full(topic), self._writer, lambda: self._now_ns)

        outputs = RecordedOutputs(
            server,
            self._annotator,
            settings.name,
            f"{NODE}/{settings.name}",
            make,
            lambda: self._now_ns,
        )
        outputs.on_answer = lambda answer: self._answered(settings.name, answer)
        stream = FrameStream(
            server,
            outputs,
            settings,
            lambda: self._now_ns,
            lambda reason, error: self._dropped(settings.name, reason, error),
        )
        outputs.announce(settings)
        stream.resize()
        stream.open()
        return stream

    def run(self, bag: BagReader, copy_input: bool) -> None:
        """Offer every frame of the bag; returns when the last one is answered."""
        by_topic: dict[str, list[FrameStream]] = {}
        for stream in self._streams.values():
            by_topic.setdefault(_full(stream.settings.topic), []).append(stream)
        begin = time.monotonic()
        for connection, time_ns, raw in _progress(bag):
            self._now_ns = time_ns
            if copy_input and self._writer is not None and self._writer.knows(connection.msgtype):
                self._writer.write_raw(connection.topic, connection.msgtype, raw, time_ns)
            for stream in by_topic.get(connection.topic, ()):
                # The bag says what the topic is; a stream's transport is about subscriptions.
                stream.offer(raw, _READERS[IMAGES[connection.msgtype]])
        for stream in self._streams.values():
            stream.finish()
        self._seconds = time.monotonic() - begin

    def _answered(self, stream: str, answer: FrameAnswer) -> None:
        self.answers[stream].append(golden_answer(answer))
        if self._lines is not None:
            model = self._streams[stream].settings.model
            row = json_row(stream, model, answer, found_in(answer.response.outputs))
            self._lines.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _dropped(self, stream: str, reason: str, error: TritonError) -> None:
        statistics = self._streams[stream].statistics
        if reason not in statistics.snapshot().dropped:
            print(f"stream '{stream}': {error}", file=sys.stderr)
        statistics.dropped(reason, str(error))

    @property
    def lost(self) -> bool:
        """Whether a frame was lost to an error."""
        return any(s.statistics.snapshot().last_error for s in self._streams.values())

    def summary(self, bag: BagReader) -> str:
        """What happened, for people."""
        rows = []
        for name, stream in self._streams.items():
            counted = stream.statistics.snapshot()
            p50, p95, _ = counted.latency_ms
            drops = " ".join(f"{reason}={n}" for reason, n in sorted(counted.dropped.items()))
            rows.append(
                (
                    *(name, stream.settings.model, counted.received, counted.answered),
                    *(counted.detections, f"{p50:.1f}", f"{p95:.1f}", drops or "none"),
                )
            )
        head = ("stream", "model", "frames", "answered", "found", "p50_ms", "p95_ms", "dropped")
        frames = sum(row[2] for row in rows)
        used = {_full(s.settings.topic) for s in self._streams.values()}
        unused = sorted(t for t, kind in bag.topics.items() if kind in IMAGES and t not in used)
        text = f"{table(head, rows)}\n{frames} frames in {self._seconds:.1f} s"
        text += f", {frames / max(self._seconds, 1e-9):.1f} a second"
        return text + (f"\nimage topics without a stream: {', '.join(unused)}" if unused else "")

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._annotator.stop()


def _progress(bag: BagReader) -> Iterator[tuple[Any, int, bytes]]:
    """The bag's messages, with a bar where somebody looks."""
    try:
        from tqdm import tqdm  # noqa: PLC0415 (only bars need it)
    except ImportError:
        yield from bag.messages()
        return
    bar = tqdm(total=bag.count, unit="msg", file=sys.stderr, disable=not sys.stderr.isatty())
    with bar:
        for message in bag.messages():
            yield message
            bar.update()


def _record(path: Path, answers: Mapping[str, list[Answer]]) -> None:
    lines = [golden_line(stream, a) for stream, found in answers.items() for a in found]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
