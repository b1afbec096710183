# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The GPU rig's maker: what is missing is said in one line, what is there is not made again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fake_cuda
import get_tensorrt_api
import gpu_rig
import pytest
from fake_cuda import CompileError, compile_library, library_directory
from fetch import FetchError, Package, fetch

needs_headers = pytest.mark.skipif(
    not (gpu_rig.BUILD / "headers").is_dir(), reason="no CUDA headers: run `make gpu-rig`"
)


def includes() -> list[Path]:
    return sorted((gpu_rig.BUILD / "headers").glob("nvidia/*/include"))


def test_without_a_compiler_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompileError, match=r"g\+\+ is missing: .* apt install g\+\+"):
        compile_library(tmp_path, [])


def test_another_source_is_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = library_directory(tmp_path)
    assert library_directory(tmp_path) == before
    changed = tmp_path / "source"
    changed.mkdir()
    for path in fake_cuda.SOURCE.iterdir():
        (changed / path.name).write_bytes(path.read_bytes())
    with (changed / "state.h").open("a") as header:
        header.write("// changed\n")
    monkeypatch.setattr(fake_cuda, "SOURCE", changed)
    assert library_directory(tmp_path) != before


@needs_headers
def test_a_prototype_that_is_not_cudas_does_not_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "wrong.cpp").write_text(
        '#include <cuda.h>\nextern "C" CUresult cuDeviceGet(CUdevice*, long) { return {}; }\n'
    )
    monkeypatch.setattr(fake_cuda, "SOURCE", source)
    with pytest.raises(CompileError, match="cuDeviceGet"):
        compile_library(tmp_path, includes())
    assert not list((tmp_path / "fake_cuda").iterdir()), "nothing half-made is left"


@needs_headers
def test_what_the_fake_has_not_answers_not_supported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "small.cpp").write_text(
        '#include <cuda.h>\nextern "C" CUresult cuInit(unsigned) { return CUDA_SUCCESS; }\n'
    )
    monkeypatch.setattr(fake_cuda, "SOURCE", source)
    library = compile_library(tmp_path, includes())
    code = (
        f"import ctypes; cuda = ctypes.CDLL({str(library)!r});"
        "print(cuda.cuInit(0), cuda.cuMemAlloc_v2(), cuda.cuGraphLaunch(), cuda.cuProfilerStop())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.split() == [b"0", b"801", b"801", b"801"]


@pytest.mark.parametrize(("name", "value"), [("PYTHON", (2, 7)), ("MACHINE", "vax")])
def test_bindings_are_for_one_python_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(get_tensorrt_api, name, value)
    with pytest.raises(FetchError, match=r"pinned for CPython \d\.\d+ on Linux \w+ only; this is"):
        get_tensorrt_api.get(tmp_path)


def test_every_pin_is_a_full_one() -> None:
    packages = [release.package for release in get_tensorrt_api.RELEASES]
    for package in (*packages, *gpu_rig.HEADERS, gpu_rig.PYCUDA):
        assert len(package.sha256) == 64
        assert package.version in package.filename


def test_a_source_package_is_asked_for_as_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no network")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(FetchError, match="no network"):
        fetch(Package("sdist", "toy", "1", "toy-1.tar.gz", "0" * 64), tmp_path)
    assert "--no-binary=toy" in asked[0]
    assert "--only-binary=:all:" not in asked[0]


def test_a_failure_is_one_line_and_exit_code_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_rig, "BUILD", tmp_path)
    monkeypatch.setattr(gpu_rig, "_headers", lambda: [])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_rig.main() == 1
    assert capsys.readouterr().err.startswith("make gpu-rig: g++ is missing")
