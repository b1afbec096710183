# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make fuzz`: a million inputs for each target, found by coverage (atheris, libFuzzer).

Each target runs in a process of its own, one after the other.  An exception that is no
`TritonError`, a signal, an input that takes too long or too much memory ends it: its input is kept
in ``build/fuzz/<target>/findings`` and run again with

    python -m fuzz.run TARGET --input FILE

What was found interesting stays in ``build/fuzz/<target>/corpus`` for the next time.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fuzz.target import Checker, Target
from fuzz.targets import TARGETS

OUTPUT = Path(__file__).resolve().parent.parent / "build" / "fuzz"
PACKAGE = "atheris"
INPUT_TIMEOUT_S, MEMORY_MB = 60, 4096
"""When libFuzzer itself takes an input for a finding; `Limits` are met before."""
ROUND = 200_000
"""Inputs of a process; the next one has another seed and what was found interesting so far."""
_STATUS = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: \d+ corp: (\d+)/")


@dataclass(slots=True)
class Outcome:
    """What came of a target."""

    target: str
    executions: int = 0
    taken: int = 0
    refused: int = 0
    edges: int = 0
    corpus: int = 0
    seconds: float = 0.0
    peak_mb: int = 0
    findings: list[str] = field(default_factory=list)


def main() -> int:
    """Run the targets that are named, or all; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs of each target")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    parser.add_argument("--input", type=Path, help="run this file's input once, and nothing else")
    parser.add_argument("--fresh", action="store_true", help="without what was found before")
    given = parser.parse_args()
    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target is named {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    chosen = [TARGETS[name] for name in given.targets or TARGETS]
    if given.input:
        return _once(chosen, given.input)
    if importlib.util.find_spec(PACKAGE) is None:
        print(f"needs {PACKAGE}, which `make fuzz` installs", file=sys.stderr)
        return 1
    outcomes = [_fuzz(target, given.runs, given.seed, given.fresh) for target in chosen]
    (OUTPUT / "fuzz.json").write_text(json.dumps([asdict(o) for o in outcomes], indent=1))
    return 1 if any(outcome.findings for outcome in outcomes) else 0


def _once(targets: list[Target], path: Path) -> int:
    for target in targets:
        checker = Checker(target)
        checker.check(path.read_bytes())
        print(f"{target.name}: {'taken' if checker.taken else 'refused'}")
    return 0


def _fuzz(target: Target, runs: int, seed: int, fresh: bool) -> Outcome:
    """All rounds of a target, up to one that finds something."""
    place = OUTPUT / target.name
    if fresh:
        shutil.rmtree(place / "corpus", ignore_errors=True)
    _prepare(target, place)
    print(f"{target.name:18}", end="", flush=True)
    outcome = Outcome(target.name)
    while outcome.executions < runs and not outcome.findings:
        _round(target, place, min(ROUND, runs - outcome.executions), seed, outcome)
        seed += 1
    print(_line(outcome), flush=True)
    return outcome


def _prepare(target: Target, place: Path) -> None:
    for folder in ("corpus", "findings", "seeds"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    seeds = list(target.seeds())
    for number, data in enumerate(seeds):
        (place / "seeds" / f"{number:03}").write_bytes(data)
    words = "".join(f'"{word}"\n' for word in _words(seeds, target.words))
    (place / "words.txt").write_text(words)


def _round(target: Target, place: Path, runs: int, seed: int, outcome: Outcome) -> None:
    """One process; what came of it is added to the outcome."""
    findings, counts, log = place / "findings", place / "counts.json", place / "log.txt"
    known = set(findings.iterdir())
    counts.unlink(missing_ok=True)
    options: dict[str, object] = {
        "runs": runs,
        "seed": seed,
        "max_len": target.longest,
        "timeout": INPUT_TIMEOUT_S,
        "rss_limit_mb": MEMORY_MB,
        "artifact_prefix": f"{findings}/",
        "print_final_stats": 1,
        "reduce_inputs": 0,
    }
    words = place / "words.txt"
    if words.stat().st_size:  # libFuzzer takes none that is empty
        options["dict"] = words
    command = [sys.executable, "-m", "fuzz.worker", target.name, str(counts)]
    command += [f"-{name}={value}" for name, value in options.items()]
    command += [str(place / "corpus"), str(place / "seeds")]
    began = time.monotonic()
    with log.open("wb") as file, tempfile.TemporaryDirectory(dir=_memory()) as scratch:
        variables = {**os.environ, "OPENCV_LOG_LEVEL": "SILENT", "TMPDIR": scratch}
        done = subprocess.run(
            command, env=variables, stdout=file, stderr=subprocess.STDOUT, check=False
        )
    before = outcome.executions
    _read(log.read_text(errors="replace"), counts, outcome)
    outcome.seconds += round(time.monotonic() - began, 1)
    outcome.findings = sorted(str(path) for path in set(findings.iterdir()) - known)
    if not outcome.findings and (done.returncode or outcome.executions == before):
        outcome.findings = [f"it ended with {done.returncode}: {log}"]


def _memory() -> Path | None:
    """Where files cost least."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else None


def _words(seeds: Iterable[bytes], more: Iterable[str]) -> list[str]:
    """What inputs are made of: the seeds' words, and the target's own."""
    found = {word.decode() for data in seeds for word in re.findall(rb"[A-Za-z_0-9.]{3,40}", data)}
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in more)
    return [*sorted(found), *escaped]


def _read(log: str, counts: Path, outcome: Outcome) -> None:
    """What libFuzzer's last lines say."""
    status = _STATUS.findall(log)
    if status:
        outcome.edges, outcome.corpus = int(status[-1][1]), int(status[-1][2])
    if executed := re.findall(r"stat::number_of_executed_units:\s*(\d+)", log):
        outcome.executions += int(executed[-1])
    if peak := re.findall(r"stat::peak_rss_mb:\s*(\d+)", log):
        outcome.peak_mb = max(outcome.peak_mb, int(peak[-1]))
    if counts.exists():
        found = json.loads(counts.read_text())
        outcome.taken += found["taken"]
        outcome.refused += found["refused"]


def _line(outcome: Outcome) -> str:
    found = f"{len(outcome.findings)} findings" if outcome.findings else "nothing found"
    lines = [
        f"{outcome.executions:>9} inputs ({outcome.taken} taken, {outcome.refused} refused),"
        f" {outcome.edges} edges, {outcome.seconds:.0f} s, {outcome.peak_mb} MB: {found}",
        *outcome.findings,
    ]
    return "\n    ".join(lines)


if __name__ == "__main__":
    sys.exit(main())
