# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`build/bench/bench.png`: what `bench.json` has, to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

COLORS = {"triton_ros": "tab:green", "spin": "tab:orange", "threads": "tab:red"}
NAMES = {
    "triton_ros": "triton_ros",
    "spin": "cv_bridge node, spin",
    "threads": "cv_bridge node, threads",
}
Rows = list[dict[str, Any]]


def draw(found: dict[str, Any], path: Path) -> None:
    """Every panel whose part was measured."""
    figure, axes = plt.subplots(2, 4, figsize=(22, 10), constrained_layout=True)
    panels: list[tuple[str, Callable[[Axes, Any], None]]] = [
        ("load", latency_under_load),
        ("load", answered_under_load),
        ("load", age_under_load),
        ("efficiency", added_latency),
        ("versus", throughput),
        ("versus", tail_latency),
        ("versus", cpu_per_frame),
        ("swap", swaps),
    ]
    for axis, (part, panel) in zip(axes.flat, panels, strict=True):
        if part in found:
            panel(axis, found[part])
        else:
            axis.set_title(f"{part}: not measured")
    machine = found["machine"]
    figure.suptitle(
        f"triton_ros on {machine['cores']} cores ({machine['cpu']}), cameras, node and peers"
        f" share them; BlazeFace at 640x480 unless stated"
    )
    figure.savefig(path, dpi=80)
    plt.close(figure)


def latency_under_load(axis: Axes, rows: Rows) -> None:
    """Percentiles over what was offered."""
    for count, mine in by_cameras(rows).items():
        offered = [row["cameras"] * row["hertz"] for row in mine]
        (line,) = axis.plot(
            offered, [r["latency_ms"]["p50"] for r in mine], "o-", label=f"{count} cameras, p50"
        )
        late = [row["latency_ms"]["p99"] for row in mine]
        axis.plot(offered, late, "^:", color=line.get_color(), label="p99")
    finish(axis, "latency by stamp, 10/30/60 Hz a camera", "frames/s offered", "ms", log=True)


def answered_under_load(axis: Axes, rows: Rows) -> None:
    """What came back of what was offered."""
    for count, mine in by_cameras(rows).items():
        offered = [row["MEAN_PLAYBACK_FRAME_RATE"] for row in mine]
        axis.plot(offered, [r["MEAN_FRAME_RATE"] for r in mine], "o-", label=f"{count} cameras")
    most = max(row["MEAN_PLAYBACK_FRAME_RATE"] for row in rows)
    axis.plot([0, most], [0, most], "k:", label="all")
    finish(axis, "frames answered (the rest: dropped, counted)", "frames/s offered", "frames/s")


def age_under_load(axis: Axes, rows: Rows) -> None:
    """How old what is known is."""
    for count, mine in by_cameras(rows).items():
        hertz = [row["hertz"] for row in mine]
        ages = [row["newest_result_age_ms"] for row in mine]
        (line,) = axis.plot(hertz, [a["mean"] for a in ages], "o-", label=f"{count} cameras, mean")
        axis.plot(hertz, [a["max"] for a in ages], "^:", color=line.get_color(), label="largest")
    finish(axis, "age of the newest result", "Hz a camera", "ms")


def added_latency(axis: Axes, rows: Rows) -> None:
    """What direct calls, the transport and the node take of a frame."""
    parts = ("direct_ms", "echo_ms", "added_beyond_transport_ms")
    words = ("called directly", "transport (echo)", "the node's own")
    sizes, bottom = [row["size"] for row in rows], [0.0] * len(rows)
    for part, word in zip(parts, words, strict=True):
        values = [row[part] for row in rows]
        axis.bar(sizes, values, bottom=bottom, label=word, width=0.5)
        bottom = [b + v for b, v in zip(bottom, values, strict=True)]
    for index, row in enumerate(rows):
        text = f"added {row['added_ms']:.1f} ms\n{row['over_bare']:.2f} of bare frames/s"
        axis.text(index, bottom[index], text, ha="center", va="bottom")
    axis.set_ylim(0, max(bottom) * 1.25)
    finish(axis, f"COCO-SSD, one camera at {rows[0]['hertz']:g} Hz, median", "", "ms")


def throughput(axis: Axes, rows: Rows) -> None:
    """At saturation."""
    compare(axis, rows, {"frames_per_second": "o-"})
    finish(axis, "throughput at saturation", "cameras", "frames/s")


def tail_latency(axis: Axes, rows: Rows) -> None:
    """At a rate that all follow."""
    late = [{**row, **{name: row[name]["latency_ms"] for name in COLORS}} for row in rows]
    compare(axis, late, {"p50": "o-", "p99": "^:"})
    finish(axis, "latency at 15 Hz a camera", "cameras", "ms", log=True)


def cpu_per_frame(axis: Axes, rows: Rows) -> None:
    """Of the process."""
    compare(axis, rows, {"cpu_ms_saturated": "o-", "cpu_ms_paced": "s:"})
    finish(axis, "CPU of the process a frame (saturated, at 15 Hz)", "cameras", "ms", log=True)


def swaps(axis: Axes, found: dict[str, Any]) -> None:
    """Latency before and during."""
    names = ("p50", "p95", "p99")
    for offset, part in ((-0.2, "before"), (0.2, "during")):
        values = [found[part]["latency_ms"][name] for name in names]
        places = [index + offset for index in range(len(names))]
        label = f"{part}: {found[part]['lost']} of {found[part]['frames']} lost"
        axis.bar(places, values, width=0.4, label=label)
    axis.set_xticks(range(len(names)), names)
    finish(axis, "4 cameras at 30 Hz, a swap a second", "", "ms")


def compare(axis: Axes, rows: Rows, styles: dict[str, str]) -> None:
    """The systems' figures over the number of cameras."""
    mine = [row for row in rows if row["model"] == "blazeface"]
    counts = [row["cameras"] for row in mine]
    for system, color in COLORS.items():
        for name, style in styles.items():
            label = f"{NAMES[system]}, {name}" if len(styles) > 1 else NAMES[system]
            axis.plot(counts, [row[system][name] for row in mine], style, color=color, label=label)
    axis.set_xscale("log", base=2)
    axis.set_xticks(counts, [str(count) for count in counts])


def by_cameras(rows: Rows) -> dict[int, Rows]:
    """Rows in the order of their rates."""
    counts = sorted({row["cameras"] for row in rows})
    return {count: [row for row in rows if row["cameras"] == count] for count in counts}


def finish(axis: Axes, title: str, x: str, y: str, log: bool = False) -> None:
    """Words and lines; `log` is of the vertical axis, with plain numbers."""
    if log:
        axis.set_yscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        axis.yaxis.set_major_formatter(plain)
        axis.yaxis.set_minor_formatter(plain)
    axis.set_title(title)
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
