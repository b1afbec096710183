# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What `make fuzz` runs for hours, for a moment: seeds, and seeds that are damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.guarded import GuardedMemory
from fuzz.target import Checker, FindingError, Limits, Target
from fuzz.targets import TARGETS
from triton_ros.core.errors import InvalidArgumentError

ROOT = Path(__file__).resolve().parents[2]


@cache
def seeds(name: str) -> tuple[bytes, ...]:
    return tuple(TARGETS[name].seeds())


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_get_past_the_door(name: str) -> None:
    checker = Checker(TARGETS[name])
    for seed in seeds(name):
        checker.check(seed)
    assert checker.taken > len(seeds(name)) // 3


EDIT = st.tuples(
    st.sampled_from(["copy", "drop", "put", "join"]), st.integers(0), st.binary(max_size=6)
)


def damaged(data: bytes, edits: list[tuple[str, int, bytes]], other: bytes) -> bytes:
    for edit, place, new in edits:
        at = place % (len(data) + 1)
        length = len(new) + place % 7
        data = {
            "copy": data[:at] + data[at : at + length] * 2 + data[at + length :],
            "drop": data[:at] + data[at + length :],
            "put": data[:at] + new + data[at + len(new) :],
            "join": data[:at] + other[place % (len(other) + 1) :],
        }[edit]
    return data


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0),
    other=st.integers(0),
    edits=st.lists(EDIT, min_size=1, max_size=4),
)
def test_damaged_seeds_do_no_more_than_be_refused(
    name: str, seed: int, other: int, edits: list[tuple[str, int, bytes]]
) -> None:
    known = seeds(name)
    data = damaged(known[seed % len(known)], edits, known[other % len(known)])
    Checker(TARGETS[name]).check(data[: TARGETS[name].longest])


# the net has no holes ----------------------------------------------------------------------------


def target(run: object) -> Target:
    return Target("t", run, lambda: iter([b""]), limits=Limits(cpu_s=0.2, memory_mb=20))  # type: ignore[arg-type]


def refuse(data: bytes) -> None:
    raise InvalidArgumentError("no")


def test_what_is_allowed() -> None:
    checker = Checker(target(lambda data: None))
    checker.check(b"")
    assert (checker.taken, checker.refused) == (1, 0)
    checker = Checker(target(refuse))
    checker.check(b"")
    assert (checker.taken, checker.refused) == (0, 1)


def test_other_exceptions_are_findings() -> None:
    with pytest.raises(KeyError):
        Checker(target(lambda data: {}["x"])).check(b"")


def test_time_is_a_finding() -> None:
    def slow(data: bytes) -> None:
        end = time.thread_time() + 0.3
        while time.thread_time() < end:
            pass

    with pytest.raises(FindingError, match=r"took .* s of CPU time"):
        Checker(target(slow)).check(b"")


@pytest.mark.parametrize("trace", [True, False])
def test_memory_is_a_finding(trace: bool) -> None:
    """In a process of its own where the resident size is what is looked at."""
    if trace:
        with pytest.raises(FindingError, match="0 bytes took 40 MB"):
            Checker(target(lambda data: np.ones(40 << 20, np.uint8))).check(b"")
        return
    code = (
        "import numpy as np\nfrom fuzz.target import *\n"
        "run = lambda data: np.ones(int(data) << 20, np.uint8)\n"
        "checker = Checker(Target('t', run, iter, limits=Limits(memory_mb=20)))\n"
        "checker.check(b'10')\n"
        "try:\n    checker.check(b'60')\nexcept FindingError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "2 bytes took " in done.stdout


@pytest.mark.parametrize("outside", ["memory.at_end(b'abc')[2:]", "memory.at_begin(b'abc')"])
def test_a_byte_outside_ends_the_process(outside: str) -> None:
    back = 1 if "end" in outside else -1
    code = (
        "import ctypes, numpy as np\nfrom fuzz.guarded import GuardedMemory\n"
        "memory = GuardedMemory(100)\n"
        f"address = np.frombuffer({outside}, np.uint8).ctypes.data\n"
        "print(ctypes.string_at(address, 1), flush=True)\n"
        f"ctypes.string_at(address + {back}, 1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.stdout.strip() in (b"b'c'", b"b'a'")
    assert done.returncode == -signal.SIGSEGV


def test_guarded_memory_holds_what_was_put() -> None:
    memory = GuardedMemory(8192)
    for size in (0, 1, 4096, 8192):
        data = os.urandom(size)
        assert bytes(memory.at_end(data)) == data == bytes(memory.at_begin(data))
    with pytest.raises(ValueError, match="8193 bytes, there is room for 8192"):
        memory.at_end(bytes(8193))


# the command -------------------------------------------------------------------------------------


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fuzz.run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_input_can_be_run_again(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(seeds("trace_settings")[1])
    assert command("trace_settings", "--input", path).stdout == "trace_settings: taken\n"


def test_unknown_targets_are_named() -> None:
    done = command("nope")
    assert done.returncode == 2
    assert "no target is named nope; there are raw_image, compressed_image" in done.stderr
