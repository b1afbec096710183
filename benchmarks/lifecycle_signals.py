# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM at random moments of the node's life: it ends in time and leaves nothing.

Left behind would be: a process that the node started (they are found by a variable of their
environment), and shared memory of the middleware that it had mapped.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lifecycle import ROUND, Cameras, Rig, parameters, write_models  # isort: skip
from lifecycle_msgs.srv import ChangeState  # what follows is on the path by now
from ros_client import Client, picture
from ros_process import NodeProcess, abandoned, claim_domain
from toy_fragile import Level, fragile_detector
from toy_models import write_model

SOON_S = 5.0
MARK = "TRITON_ROS_LIFECYCLE"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
pause = threading.Event().wait


@dataclass(frozen=True)
class Ending:
    """How the process went."""

    status: int
    seconds: float
    left: list[str]
    log: str
    caught: bool
    """Whether the program had begun; before that (some 60 ms) a signal ends Python itself."""

    @property
    def good(self) -> bool:
        """In time, with status 0 and no traceback, and nothing left."""
        quiet = self.status == 0 and "Traceback" not in self.log
        return (quiet or not self.caught) and self.seconds < SOON_S and not self.left


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process handles a signal itself (Python does so with SIGINT from its start)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(line.split()[1] for line in lines if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def marked(mark: str) -> list[str]:
    """Processes with this mark in their environment, as text."""
    found = []
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            if (
                place.name.isdigit()
                and f"{MARK}={mark}".encode() in (place / "environ").read_bytes()
            ):
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if command:  # else it has ended and waits for its parent to hear of it
                    found.append(f"process {place.name}: {command[:200]}")
    return found


class Life:
    """A node that will get a signal; its client and cameras only where the moment needs them."""

    def __init__(self, domain: int, folder: Path, chance: random.Random, **more: Any) -> None:
        self.chance = chance
        self._domain = domain
        self._client: Client | None = None
        os.environ[MARK] = self._mark = f"{os.getpid()} {folder}"
        try:
            repository = write_models(folder / "models")
            write_model(repository / "late", fragile_detector(initialize_s=1.0))
            own = {"load_models": ["toy", "worker"], **parameters(repository), **more}
            self.node = NodeProcess(domain, folder, own)
        finally:
            del os.environ[MARK]

    def rig(self) -> Rig:
        """With cameras that send."""
        self._client = Client(self._domain)
        return Rig(self.node, self._client, Cameras(self._client))

    def some_seconds(self, most: float) -> None:
        """Wait for a random time."""
        pause(self.chance.uniform(0.0, most))

    def end(self, number: signal.Signals, second_after: float | None = None) -> Ending:
        """Send the signal, and another one after a while."""
        segments = self.node.segments()
        again = threading.Timer(second_after or 0, self._again, [number])
        if second_after is not None:
            again.start()
        caught = catches(self.node.process.pid, signal.SIGTERM)
        status, seconds = self.node.stop(number)
        again.cancel()
        if self._client is not None:
            self._client.close()
        left = marked(self._mark)
        for _ in range(100):  # a worker ends when its server's end of a socket closes
            if not left:
                break
            pause(0.02)
            left = marked(self._mark)
        left += abandoned(segments)
        return Ending(status, seconds, left, self.node.log, caught)

    def _again(self, number: signal.Signals) -> None:
        self.node.process.send_signal(number)


def start_up(life: Life, number: signal.Signals) -> Ending:
    """While Python and ROS are imported, the node is made, and models load."""
    life.some_seconds(2.0)
    return life.end(number)


def loading(life: Life, number: signal.Signals) -> Ending:
    """While a worker initializes its model."""
    while "model 'toy' is loaded" not in life.node.log:
        assert life.node.process.poll() is None, life.node.log
        pause(0.01)
    life.some_seconds(1.0)
    return life.end(number)


def transition(life: Life, number: signal.Signals) -> Ending:
    """While a client leads it round and round, with frames coming."""
    rig = life.rig()
    enough = threading.Timer(life.chance.uniform(0.2, 3.0), lambda: None)
    rig.client.state()
    enough.start()
    while enough.is_alive():
        for name, _ in ROUND:
            request = ChangeState.Request()
            request.transition.label = name
            future = rig.client.start_call(ChangeState, "change_state", request)
            rig.client.until(lambda f=future: f.done() or not enough.is_alive(), "it is answered")
            if not enough.is_alive():
                break
    return life.end(number)


def traffic(life: Life, number: signal.Signals) -> Ending:
    """While frames run and wait, in the node and in the worker."""
    rig = life.rig()
    rig.client.to_active()
    rig.cameras.until_answered(3)
    rig.cameras.frame = picture(level=int(Level.SLOW))
    rig.cameras.until_answered(1)
    life.some_seconds(0.3)
    return life.end(number)


def shutting_down(life: Life, number: signal.Signals) -> Ending:
    """Once more while the first one is being followed; `launch` does that."""
    rig = life.rig()
    rig.client.to_active()
    rig.cameras.until_answered(1)
    return life.end(number, second_after=life.chance.uniform(0.0, 0.5))


Moment = Callable[[Life, signal.Signals], Ending]
MOMENTS: dict[str, tuple[Moment, dict[str, Any]]] = {
    "start_up": (start_up, {"autostart": True}),
    "loading": (loading, {"autostart": True, "load_models": ["toy", "worker", "late"]}),
    "transition": (transition, {}),
    "traffic": (traffic, {}),
    "shutting_down": (shutting_down, {}),
}


@contextmanager
def born(folder: Path, moment: str, seed: int) -> Iterator[Life]:
    """A node for this moment, killed if it still runs afterwards."""
    with claim_domain() as domain:
        life = Life(domain, folder, random.Random(seed), **MOMENTS[moment][1])
        try:
            yield life
        finally:
            if life.node.process.poll() is None:
                life.node.process.kill()
                life.node.process.wait()


def end_at(folder: Path, moment: str, number: signal.Signals, seed: int) -> Ending:
    """A life that a signal ends at such a moment."""
    with born(folder, moment, seed) as life:
        return MOMENTS[moment][0](life, number)


def all_moments(folder: Path, times: int) -> dict[str, dict[str, Any]]:
    """So many of each signal at each moment; how long the slowest took, and all that went wrong."""
    found = {}
    for moment in MOMENTS:
        endings = [
            end_at(folder / f"{moment}_{number.name}_{seed}", moment, number, seed)
            for number in SIGNALS
            for seed in range(times)
        ]
        found[moment] = {
            "endings": len(endings),
            "slowest_s": max((ending.seconds for ending in endings), default=0.0),
            "bad": [
                {"status": e.status, "seconds": e.seconds, "left": e.left, "log": e.log[-2000:]}
                for e in endings
                if not e.good
            ],
        }
    return found
