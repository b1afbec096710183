# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""EXECUTION_ENV_PATH: a real environment, as a directory and as an archive, and hostile ones."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from full_disk import full_disk
from python_models import IO, ask, model, serving

from triton_ros.backends.python.environment import cache_directory, interpreter
from triton_ros.core.errors import ConfigError, InternalError, InvalidArgumentError

TEXT = """
import sys
import only_in_the_environment
class TritonPythonModel:
    def execute(self, requests):
        assert "rclpy" not in sys.modules
        y = np.full((1, 4), only_in_the_environment.NUMBER, np.float32)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]) for _ in requests]
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with numpy (by a path file: nothing is fetched) and a module."""
    path = tmp_path_factory.mktemp("environment") / "env"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(path)], check=True, timeout=60
    )
    (site,) = path.glob("lib/python*/site-packages")
    (site / "only_in_the_environment.py").write_text("NUMBER = 42\n")
    numpy = Path(np.__file__).parent
    for name in (numpy.name, f"{numpy.name}.libs"):
        if (numpy.parent / name).exists():
            (site / name).symlink_to(numpy.parent / name)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_directory()


def test_a_model_runs_in_its_own_environment(tmp_path: Path, environment: Path) -> None:
    toy = model(TEXT, IO, EXECUTION_ENV_PATH=str(environment))
    with serving(tmp_path / "models", {"m": toy}) as server:
        assert ask(server).tolist() == [[42.0] * 4]


def test_a_directory_of_the_models_own(tmp_path: Path, environment: Path) -> None:
    folder = tmp_path / "models" / "m"
    folder.mkdir(parents=True)
    environment.rename(folder / "env")
    try:
        toy = model(TEXT, IO, EXECUTION_ENV_PATH="$$TRITON_MODEL_DIRECTORY/env")
        with serving(tmp_path / "models", {"m": toy}) as server:
            assert ask(server).tolist() == [[42.0] * 4]
    finally:
        (folder / "env").rename(environment)


def test_a_full_disk_leaves_no_half_of_an_archive(tmp_path: Path, cache: Path) -> None:
    archive = packed(tmp_path, {"bin/python": "#!/bin/sh\n" + "#" * 9000})
    with full_disk(), pytest.raises(InternalError, match=r"EXECUTION_ENV_PATH.*cannot be unpacked"):
        interpreter("m", str(archive), tmp_path)
    assert list(cache.iterdir()) == []
    assert interpreter("m", str(archive), tmp_path).python.startswith(str(cache))


def test_an_archive_is_unpacked_once(tmp_path: Path, cache: Path) -> None:
    archive = packed(tmp_path, {"bin/python": "#!/bin/sh\n"})
    found = [interpreter("m", str(archive), tmp_path) for _ in range(2)]
    assert found[0].python == found[1].python
    (unpacked,) = cache.iterdir()
    assert Path(found[0].python) == unpacked / "bin/python"
    assert found[0].variables["PATH"].startswith(f"{unpacked}/bin:")
    assert "PYTHONPATH" not in found[0].variables


def packed(tmp_path: Path, files: dict[str, str], **links: str) -> Path:
    archive = tmp_path / "env.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return archive


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize(
    ("files", "links"),
    [
        ({"../outside": "x"}, {}),
        ({"bin/python": "x"}, {"link": "/etc"}),
        ({"bin/python": "x"}, {"link": "../../.."}),
    ],
)
def test_an_archive_that_leaves_its_directory_is_refused(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_hand: bool,
    files: dict[str, str],
    links: dict[str, str],
) -> None:
    if by_hand:  # as on a Python whose tarfile has no filters
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    archive = packed(tmp_path, files, **links)
    with pytest.raises(InvalidArgumentError, match="cannot be unpacked"):
        interpreter("m", str(archive), tmp_path)
    assert list(cache.iterdir()) == []
    assert not (cache / "outside").exists()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("env", "must be absolute, or begin with"),
        ("/nowhere/at/all", "there is no /nowhere/at/all/bin/python"),
        ("$$TRITON_MODEL_DIRECTORY/../other", "leaves the model's directory"),
    ],
)
def test_wrong_paths_say_what_is_accepted(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"'m'.*EXECUTION_ENV_PATH.*{message}"):
        interpreter("m", path, tmp_path)


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "env.tar.gz").write_bytes(b"hello")
    with pytest.raises(InvalidArgumentError, match=r"env\.tar\.gz.*cannot be unpacked"):
        interpreter("m", "$$TRITON_MODEL_DIRECTORY/env.tar.gz", tmp_path)


def test_the_workers_side_needs_nothing_but_numpy() -> None:
    """What it imports is what any interpreter of a model has to have."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import triton_ros.backends.python.worker\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "outside = tops - sys.stdlib_module_names - {'triton_ros', 'numpy'}\n"
        "outside = {name for name in outside if not name.startswith(('_distutils', '__'))}\n"
        "ours = sorted(n for n in sys.modules if n.startswith('triton_ros.core'))\n"
        "print(sorted(outside), ours)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout == "[] []\n"
