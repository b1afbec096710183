# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make demo`, told from the start to the end.

A bag of three cameras is made and played; the node, in a process of its own, is brought to active
by its lifecycle services and answers its pipelines; while frames flow a stream is added, one
stream's model is swapped and another model is reloaded.  At the end are two tables, a plot and
pictures in build/demo/, and an exit status: 1 if a frame was lost or answered twice, or a pipeline
found nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from demo import contact_sheet, plot, report
from demo.bag import SECONDS, START_NS, make_bag
from demo.client import Change, Client, DemoError
from demo.node_process import CHECKOUT, read_parameters, running_node, write_parameters
from demo.player import Player
from demo.verdict import StreamRun, problems

PROFILE = CHECKOUT / "config" / "fastdds_shared_memory.xml"
OUT = CHECKOUT / "build/demo"
REPOSITORY = CHECKOUT / "build/model_repository"
SWAPPED, BEFORE, AFTER = "faces", "blazeface", "blazeface_full"
SWAP_AT, RELOAD_AT = 0.45, 0.65
ADDED = "driver"
"""A stream that nobody knew when the node was started."""
ADDED_SETTINGS: dict[str, str | int] = {
    "topic": "/camera/cabin/image_raw",
    "policy": "queue:20",
    "reliability": "reliable",
    "depth": 10,
    "tracker": "norfair",
    "model": "faces_mesh",
}
SETTLE_S = 30.0
DOMAINS = 101
"""The ports of domains above fall into the range that the kernel hands out."""

Streams = dict[str, dict[str, Any]]


def main() -> int:
    """The process's exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the node is stopped too
    # A domain of its own: neither this machine's robots nor another demo hear this one.
    os.environ["ROS_DOMAIN_ID"] = str(os.getpid() % DOMAINS + 1)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(PROFILE))
    try:
        wrong = run()
    except DemoError as error:
        wrong = [str(error)]
    except KeyboardInterrupt:
        return 130
    for problem in wrong:
        print(f"DEMO FAILED: {problem}", file=sys.stderr)
    return 1 if wrong else 0


def run() -> list[str]:
    """All of it; what was wrong."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    parameters = read_parameters(REPOSITORY)
    streams: Streams = parameters["streams"]
    if SWAPPED not in streams:
        raise DemoError(f"no models in {_shown(REPOSITORY)}: run `make models`")
    if "objects" not in streams:
        _say("models", "coco_ssd is not there (it needs npm): going on without objects")
    write_parameters(OUT / "parameters.yaml", parameters)
    frames = make_bag(OUT / "bag")
    _say("bag", f"{_shown(OUT / 'bag')}: {frames} frames of three cameras, {SECONDS:g} s")
    with (
        running_node(OUT / "parameters.yaml", OUT / "node.log") as process,
        Client([*streams, ADDED]) as client,
        Player(client.node, OUT / "bag") as player,
    ):
        client.check = process.check
        return Demo(client, player, streams).run()


class Demo:
    """From a node that has just been started to the verdict."""

    def __init__(self, client: Client, player: Player, streams: Streams) -> None:
        self._client, self._player = client, player
        self._streams = {**streams, ADDED: ADDED_SETTINGS}
        self._reloaded = "coco_ssd" if "objects" in streams else "signs"
        self._changes: dict[str, Change] = {}
        self._began = 0.0

    def run(self) -> list[str]:
        """What was wrong; prints and writes everything else."""
        self._bring_up()
        changes = self._play()
        self._settle(changes)
        runs = [self._stream_run(name) for name in self._streams]
        self._print(runs, changes)
        self._client.transition("deactivate")
        self._client.transition("cleanup")
        self._write_pictures()
        return list(problems(runs, {what: change.refusal() for what, change in changes.items()}))

    def _bring_up(self) -> None:
        begin, client = time.monotonic(), self._client
        client.transition("configure", 90.0)
        client.transition("activate")
        client.prepare(self._reloaded)
        added = client.set_stream(ADDED, ADDED_SETTINGS)
        client.wait("the node's topics", lambda: client.listening() and self._matched(), 20.0)
        self._changes[f"{ADDED} added with {ADDED_SETTINGS['model']}"] = added
        ready = f"active after {time.monotonic() - begin:.1f} s"
        _say("node", f"{ready}, watch it with ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}")

    def _matched(self) -> bool:
        topics = [stream["topic"] for stream in self._streams.values()]
        return all(self._player.subscribers(topic) >= topics.count(topic) for topic in set(topics))

    def _play(self) -> dict[str, Change]:
        """Play the bag; the changes that were asked for."""
        changes = self._changes
        self._began = time.monotonic()
        swap, reload = f"{SWAPPED} from {BEFORE} to {AFTER}", f"{self._reloaded} reloaded"
        progress = report.Progress("play    ")
        for left in self._player.play():
            self._client.spin(left)
            share = self._player.share
            if share >= SWAP_AT and swap not in changes:
                changes[swap] = self._client.swap_model(SWAPPED, AFTER)
            if share >= RELOAD_AT and reload not in changes:
                changes[reload] = self._client.load_model(self._reloaded)
            progress.show(share, self._answers())
        self._client.wait("the last frame", lambda: self._player.share >= 1, 1.0)
        progress.show(1.0, self._answers())
        progress.end()
        return changes

    def _answers(self) -> str:
        counted = (f"{name} {len(r.answers)}" for name, r in self._client.results.items())
        return f"answers: {', '.join(counted)}"

    def _settle(self, changes: dict[str, Change]) -> None:
        """Until the last frames and changes are answered; the verdict sees what is missing."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and not self._settled(changes):
            self._client.spin(0.1)

    def _settled(self, changes: dict[str, Change]) -> bool:
        runs = [self._stream_run(name) for name in self._streams]
        return all(change.answer.done() for change in changes.values()) and all(
            len(run.sent) == run.received == run.answered + sum(run.dropped.values())
            and len(run.answers) >= run.answered
            for run in runs
        )

    def _stream_run(self, name: str) -> StreamRun:
        client, status = self._client, f"stream {name}"
        topic = self._streams[name]["topic"]
        models = (BEFORE, AFTER) if name == SWAPPED else ()
        # The added stream's ensemble asks the same detector, once a frame.
        shared = {BEFORE: client.count(f"model {ADDED_SETTINGS['model']}", "inferences")}
        return StreamRun(
            name,
            topic,
            sent=frozenset(self._player.sent[topic]),
            answers=[answer.stamp for answer in client.results[name].answers],
            received=client.count(status, "received"),
            answered=client.count(status, "answered"),
            detections=client.count(status, "detections"),
            dropped=report.numbered(client.diagnostics.get(status, {}), "dropped_"),
            answered_by={
                model: client.count(f"model {model}", "inferences") - shared.get(model, 0)
                for model in models
            },
        )

    def _print(self, runs: list[StreamRun], changes: dict[str, Change]) -> None:
        statuses = self._client.diagnostics
        print("\n" + report.streams_table(runs, statuses))
        print("\n" + report.models_table(statuses) + "\n")
        for what, change in changes.items():
            _say("changed", f"{what}: answered after {change.seconds * 1e3:.0f} ms")
        for run in runs:
            parts = " + ".join(f"{count} by {model}" for model, count in run.answered_by.items())
            if parts:
                _say("swapped", f"{run.name}: {parts} = {run.answered} answers, each frame once")

    def _write_pictures(self) -> None:
        results = self._client.results
        count = contact_sheet.write_pictures(OUT, results, START_NS)
        rows = [
            contact_sheet.make_row(name, _about(name, stream), results[name], START_NS)
            for name, stream in self._streams.items()
        ]
        contact_sheet.draw_sheet(rows).save(OUT / "contact_sheet.png")
        self._plot()
        _say(
            "look at", f"{_shown(OUT / 'contact_sheet.png')} and {count} annotated frames beside it"
        )
        _say("", f"{_shown(OUT / 'latency.png')}: when each frame was answered")

    def _plot(self) -> None:
        sent_at, series = self._player.sent_at, {}
        for name, result in self._client.results.items():
            topic = str(self._streams[name]["topic"])
            series[name] = [
                (sent_at[topic, answer.stamp], came)
                for answer, came in zip(result.answers, result.arrived, strict=True)
            ]
        marks = {what: change.asked for what, change in self._changes.items()}
        plot.draw_latencies(OUT / "latency.png", self._began, series, marks)


def _about(name: str, stream: dict[str, Any]) -> str:
    model = f"{BEFORE}, then {AFTER}" if name == SWAPPED else stream["model"]
    return f"{model} on {stream['topic']}"


def _say(what: str, text: str) -> None:
    print(f"{what:8}{text}", flush=True)


def _shown(path: Path) -> Path:
    return path.relative_to(CHECKOUT)


if __name__ == "__main__":
    sys.exit(main())
