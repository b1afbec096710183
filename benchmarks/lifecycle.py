# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.lifecycle`: the node's life, over and over, and in any order.

Cameras publish at 30 Hz all the time, to one stream of an ONNX detector and one of a detector in a
Python worker.  First many rounds of configure, activate, deactivate and cleanup by the node's own
services: in every active phase frames are answered, and what the node holds after a round (memory,
threads, descriptors, shared-memory maps, worker processes) does not grow.  Then transitions at
random, one by one and several at once without waiting, until every one has been asked for in every
state: the table says which are refused.  Then SIGINT and SIGTERM at random moments; see
`benchmarks.lifecycle_signals`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.append(str(CHECKOUT / "test"))  # the tests' client, node process and toys

from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions  # noqa: E402
from ros_client import RELIABLE, Client, picture  # noqa: E402
from ros_process import NodeProcess, claim_domain, environment  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from toy_fragile import fragile_detector  # noqa: E402
from toy_models import write_repository  # noqa: E402
from toy_vision import toy_detector  # noqa: E402
from vision_msgs.msg import Detection2DArray  # noqa: E402

from benchmarks.held import Sample, drift, sample  # noqa: E402

OUTPUT = CHECKOUT / "build" / "bench" / "lifecycle.json"
TOLERANCE, HERTZ = 0.02, 30.0
STREAMS = ("front", "worker")
TABLE: Mapping[str, Mapping[str, str]] = {
    "unconfigured": {"configure": "inactive", "shutdown": "finalized"},
    "inactive": {"activate": "active", "cleanup": "unconfigured", "shutdown": "finalized"},
    "active": {"deactivate": "inactive", "shutdown": "finalized"},
    "finalized": {},
}
"""Where each transition leads from each state; all others are refused."""
ROUND = (
    ("configure", "inactive"),
    ("activate", "active"),
    ("deactivate", "inactive"),
    ("cleanup", "unconfigured"),
)
OWN = ("create", "destroy", "transition_success", "transition_failure", "transition_error", "typo")
"""Names and numbers that are the node's own affair, or nobody's."""
NUMBERS = (0, 8, 10, 12, 21, 30, 42, 50, 60, 97, 98, 99, 255)


class Cameras:
    """Publish whenever the client spins, whoever listens; and hear the answers."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._newest = 0
        self._publishers = [
            client.node.create_publisher(Image, f"/{name}", RELIABLE) for name in STREAMS
        ]
        self._answered: dict[str, int] = dict.fromkeys(STREAMS, 0)
        for name in STREAMS:
            client.node.create_subscription(
                Detection2DArray,
                client.path(f"{name}/detections"),
                lambda message, name=name: self._hear(name, message),
                RELIABLE,
            )
        client.node.create_timer(1 / HERTZ, self._send)
        self._since = 0
        self.answers = 0
        self.frame = picture()

    def _send(self) -> None:
        self._newest = self.frame.header.stamp.nanosec = self._client.next_stamp()
        for publisher in self._publishers:
            publisher.publish(self.frame)

    def _hear(self, name: str, message: Detection2DArray) -> None:
        self.answers += 1
        if message.header.stamp.nanosec > self._since:
            self._answered[name] += 1

    def until_answered(self, frames: int) -> None:
        """So many frames a stream that are sent from now on."""
        self._since = self._newest
        self._answered = dict.fromkeys(STREAMS, 0)
        self._client.until(
            lambda: min(self._answered.values()) >= frames,
            f"{frames} frames a stream are answered, so far {self._answered}",
        )


@dataclass
class Rig:
    """A node, its client, and the cameras."""

    node: NodeProcess
    client: Client
    cameras: Cameras

    @property
    def pid(self) -> int:
        """The node's."""
        return self.node.process.pid


def write_models(root: Path) -> Path:
    """A detector in the node's process and one in a worker; the repository."""
    models = {"toy": toy_detector(), "worker": fragile_detector()}
    return write_repository(root, models)


def parameters(repository: Path, **more: Any) -> dict[str, Any]:
    """The node's."""
    models = dict(zip(STREAMS, ("toy", "worker"), strict=True))
    return {
        "model_repository": [str(repository)],
        "streams": {
            name: {"topic": f"/{name}", "model": model, "reliability": "reliable"}
            for name, model in models.items()
        },
        **more,
    }


@contextmanager
def running(folder: Path, **more: Any) -> Iterator[Rig]:
    """A node in a domain of its own, unconfigured; ends well afterwards."""
    repository = write_models(folder / "models")
    with claim_domain() as domain:
        node = NodeProcess(domain, folder, parameters(repository, **more))
        client = Client(domain)
        try:
            yield Rig(node, client, Cameras(client))
        finally:
            client.close()
            status, seconds = node.stop()
        assert status == 0, f"exit status {status} after {seconds:.1f} s\n{node.log}"


# rounds ---------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    """Processes that a process has started and that still are."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def go_round(rig: Rig, frames: int = 3) -> None:
    """From unconfigured to unconfigured by way of active; frames are answered there."""
    for transition, state in ROUND:
        assert rig.client.change_state(transition), transition
        assert rig.client.state() == state
        if state == "active":
            rig.cameras.until_answered(frames)
    assert not children(rig.pid), "no worker is left"


def rounds(rig: Rig, count: int) -> list[Sample]:
    """What the node holds after each."""
    samples = []
    for _ in range(count):
        go_round(rig)
        samples.append(sample(rig.pid))
    return samples


# transitions in any order ---------------------------------------------------------------------


@dataclass
class Walk:
    """Asks for transitions and compares with the table."""

    rig: Rig
    chance: random.Random
    state: str = "unconfigured"
    asked: set[tuple[str, str]] = field(default_factory=set)
    """State and transition."""
    transitions: int = 0
    refused: int = 0

    def ask(self, names: Iterable[str | int]) -> None:
        """For these, one behind the other without waiting; all answers and the state are right."""
        futures, expected = [], []
        for name in names:
            expected.append(self._expect(name))
            request = ChangeState.Request()
            if isinstance(name, int):
                request.transition.id = name
            else:
                request.transition.label = name
            futures.append(self.rig.client.start_call(ChangeState, "change_state", request))
        self.rig.client.until(lambda: all(f.done() for f in futures), f"{names} are answered")
        assert [future.result().success for future in futures] == expected, (names, self.state)
        assert self.rig.client.state() == self.state, names

    def _expect(self, name: str | int) -> bool:
        self.asked.add((self.state, str(name)))
        following = TABLE[self.state].get(str(name))
        self.transitions += following is not None
        self.refused += following is None
        self.state = following or self.state
        return following is not None

    def available(self) -> None:
        """What the node says it could do now is what the table says."""
        request = GetAvailableTransitions.Request()
        answer = self.rig.client.call(GetAvailableTransitions, "get_available_transitions", request)
        assert {t.transition.label for t in answer.available_transitions} == set(TABLE[self.state])

    def wander(self, at_once: int = 3) -> None:
        """At random until each of `missing` was asked for, then the end."""
        names: list[str | int] = [*(transition for transition, _ in ROUND), *OWN, *NUMBERS]
        wanted = {(state, str(name)) for state in list(TABLE)[:3] for name in names}
        while missing := wanted - self.asked:
            here = [name for name in names if (self.state, str(name)) in missing]
            legal: list[str | int] = [n for n in TABLE[self.state] if n != "shutdown"]
            self.ask([self.chance.choice(here or legal)])
            self.ask(self.chance.choices(names[:6], k=self.chance.randint(1, at_once)))
            if self.state == "active":
                self.rig.cameras.until_answered(1)
        self.available()
        self.ask(["shutdown"])
        for name in names:
            self.ask([name])
        self.available()


def walk(folder: Path, seed: int) -> Walk:
    """One walk through a node's life; it ends it."""
    with running(folder) as rig:
        found = Walk(rig, random.Random(seed))
        found.wander()
    return found


# ----------------------------------------------------------------------------------------------


def _rounds(folder: Path, count: int) -> dict[str, Any]:
    with running(folder) as rig:
        started = time.monotonic()
        samples = rounds(rig, count)
        return {
            "rounds": count,
            "seconds": time.monotonic() - started,
            "answers": rig.cameras.answers,
            "drift": drift(samples),
            "first": asdict(samples[0]),
            "last": asdict(samples[-1]),
            "samples": [asdict(each) for each in samples],
        }


def _walks(folder: Path, count: int) -> dict[str, int]:
    walks = [walk(folder / str(seed), seed) for seed in range(count)]
    return {
        "walks": count,
        "transitions": sum(each.transitions for each in walks),
        "refused": sum(each.refused for each in walks),
    }


def main() -> int:
    """Measure, print, write `build/bench/lifecycle.json`; 1 if something grew or was left."""
    from benchmarks import lifecycle_signals  # noqa: PLC0415 (it is built on this)

    parser = argparse.ArgumentParser(description="The node's life, over and over.")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--walks", type=int, default=10)
    parser.add_argument("--signals", type=int, default=10, help="of each kind at each moment")
    given = parser.parse_args()
    os.environ.update(environment(0))  # the client's side of the tests' discovery
    found: dict[str, Any] = {}
    with TemporaryDirectory() as root:
        if given.rounds:
            found["rounds"] = _rounds(Path(root, "rounds"), given.rounds)
        if given.walks:
            found["walks"] = _walks(Path(root, "walks"), given.walks)
        found["signals"] = lifecycle_signals.all_moments(Path(root, "signals"), given.signals)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(found))
    found.get("rounds", {}).pop("samples", None)
    print(json.dumps(found, indent=1))
    grown = {k: v for k, v in found.get("rounds", {}).get("drift", {}).items() if v > TOLERANCE}
    bad = [each for row in found["signals"].values() for each in row["bad"]]
    print(f"grown: {grown}, bad: {bad}" if grown or bad else "nothing grew, nothing was left")
    return int(bool(grown or bad))


if __name__ == "__main__":
    sys.exit(main())
