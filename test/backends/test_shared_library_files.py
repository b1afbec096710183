# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a C backend's library is found, what is refused, and how the host is built."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conformance_case import as_pbtxt
from toy_models import Toy, write_model
from toy_shared_library import FILENAME, NO_COMPILER, SOURCES, library, toy_config, toy_fields

from triton_ros.backends.registry import BackendRegistry
from triton_ros.backends.shared_library import build
from triton_ros.backends.shared_library.library_files import find_library, private_copy
from triton_ros.core.backend import BackendModel
from triton_ros.core.config.config_lines import PlacedError, place_of
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    UnsupportedError,
)
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server_options import ServerOptions
from triton_ros.main import make_server

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)


@pytest.fixture
def version_dir(tmp_path: Path) -> Path:
    path = tmp_path / "models/toy/1"
    path.mkdir(parents=True)
    return path


def load(version_dir: Path, directory: Path | None = None, name: str = "toy") -> BackendModel:
    registry = BackendRegistry(backend_directory=directory)
    return registry.load_backend(name).load(toy_config("identity"), version_dir)


# --- finding ------------------------------------------------------------------------------------


def test_the_version_s_library_comes_before_the_model_s_before_the_backend_directory_s(
    version_dir: Path, tmp_path: Path
) -> None:
    places = [tmp_path / "backends/toy", version_dir.parent, version_dir]
    for number, place in enumerate(places):
        place.mkdir(parents=True, exist_ok=True)
        (place / FILENAME).write_bytes(library() + bytes(number + 1))
        found = find_library("toy", version_dir, tmp_path / "backends")
        assert found is not None
        assert found.path == place / FILENAME


def test_a_name_without_a_library_says_where_it_was_looked_for(
    version_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(PlacedError) as caught:
        load(version_dir, tmp_path / "backends")
    message = str(caught.value)
    for place in (version_dir, version_dir.parent, tmp_path / "backends/toy"):
        assert str(place / FILENAME) in message
    assert re.search("model 'toy': backend 'toy' does not exist; .*onnxruntime", message)
    assert place_of(caught.value) == ("backend",)
    with pytest.raises(PlacedError, match="no backend_directory is set"):
        load(version_dir)


@pytest.mark.parametrize("name", ["../toy", "a/b", "", ".", "toy\0"])
def test_a_name_is_no_path(version_dir: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "backends").mkdir()
    (version_dir / FILENAME).write_bytes(library())
    with pytest.raises(PlacedError, match="does not exist"):
        load(version_dir, tmp_path / "backends", name)


def test_a_link_out_of_the_repository_is_refused(version_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.so").write_bytes(library())
    (version_dir / FILENAME).symlink_to(tmp_path / "outside.so")
    with pytest.raises(InvalidArgumentError, match="is a link that leads out of"):
        load(version_dir)


def test_settings_of_a_backend_without_a_library_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="backend 'toy' does not exist"):
        BackendRegistry({"toy": {"a": "b"}}, tmp_path)


# --- what is no library -------------------------------------------------------------------------


def patched(at: int, value: bytes) -> bytes:
    data = bytearray(library())
    data[at : at + len(value)] = value
    return bytes(data)


def no_backend() -> bytes:
    return patched_text(
        b"TRITONBACKEND_ModelInstanceExecute", b"TRITONBACKEND_ModelInstanceExecutf"
    )


def patched_text(old: bytes, new: bytes) -> bytes:
    return library().replace(old, new)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: b"", "it is empty"),
        (lambda: b"#!/bin/sh\n" + bytes(100), "it is no ELF file"),
        (lambda: patched(4, b"\x01"), "another word size or byte order"),
        (lambda: patched(18, struct.pack("<H", 183)), "it is for AArch64, this process is x86-64"),
        (lambda: patched(16, struct.pack("<H", 1)), "no shared library"),
        (lambda: library()[: len(library()) // 2], "truncated or damaged"),
        (lambda: library()[:64], "truncated or damaged"),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the patches are for a little-endian machine")
def test_a_file_that_is_no_library_is_refused_with_the_reason(
    version_dir: Path, data: object, message: str
) -> None:
    if "x86-64" in message and build.platform.machine() != "x86_64":
        pytest.skip("this machine is AArch64 itself")
    assert callable(data)
    (version_dir / FILENAME).write_bytes(data())
    with pytest.raises(InvalidArgumentError, match=rf"{FILENAME} is not a library.*{message}"):
        load(version_dir)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("int nothing;", "does not export TRITONBACKEND_ModelInstanceExecute"),
        (
            "extern int nobody_has_this(void);\n"
            "int TRITONBACKEND_ModelInstanceExecute(void) { return nobody_has_this(); }\n",
            "undefined symbol: nobody_has_this",
        ),
        (
            '#include "triton/core/tritonbackend.h"\n'
            "TRITONSERVER_Error *TRITONBACKEND_Initialize(TRITONBACKEND_Backend *b) { (void)b;\n"
            '  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, "no licence"); }\n'
            "TRITONSERVER_Error *TRITONBACKEND_ModelInstanceExecute(\n"
            "    TRITONBACKEND_ModelInstance *i, TRITONBACKEND_Request **r, const uint32_t n)\n"
            "{ (void)i; (void)r; (void)n; return NULL; }\n",
            "no licence",
        ),
    ],
)
def test_a_library_that_cannot_be_used_is_refused(
    version_dir: Path, source: str, message: str
) -> None:
    file = version_dir / "a.c"
    file.write_text(source)
    build.build_backend([file], version_dir / FILENAME)
    for _ in range(2):
        with pytest.raises((InvalidArgumentError, InternalError), match=message):
            load(version_dir)


def test_a_library_finds_what_lies_beside_it(version_dir: Path) -> None:
    """Also from its private copy: ``$ORIGIN`` is a directory with links."""
    (version_dir / "libhelper.so").write_bytes(b"beside")
    (version_dir / FILENAME).write_bytes(library())
    found = find_library("toy", version_dir, None)
    assert found is not None
    with private_copy(found) as copy:
        assert copy.parent != version_dir
        assert copy.read_bytes() == library()
        assert (copy.parent / "libhelper.so").read_bytes() == b"beside"
    assert not copy.exists()
    assert (copy.parent / "libhelper.so").exists(), "a library may open it later"


# --- building -----------------------------------------------------------------------------------


def test_the_host_is_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = build.host_library()
    assert first.is_relative_to(tmp_path)
    built = first.stat().st_mtime_ns
    assert (build.host_library(), first.stat().st_mtime_ns) == (first, built)
    assert [p.name for p in first.parent.iterdir()] == [build.HOST], "nothing is left behind"


def test_all_of_it_compiles_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    build.host_library()
    build.build_backend(SOURCES, tmp_path / "toy.so")
    build.build_examples(tmp_path)
    assert capfd.readouterr().err == ""


def test_without_a_compiler_the_error_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match=r"'cc' was not found: apt install gcc"):
        build.host_library()
    monkeypatch.setenv("CC", "mycc")
    with pytest.raises(UnsupportedError, match=r"'mycc' was not found"):
        build.host_library()


def test_what_does_not_compile_says_why(tmp_path: Path) -> None:
    source = tmp_path / "a.c"
    source.write_text("this is no C\n")
    with pytest.raises(InternalError, match=r"x\.so cannot be compiled:\n.*error"):
        build.build_backend([source], tmp_path / "x.so")
    with pytest.raises(InvalidArgumentError, match=r"none\.c does not exist"):
        build.build_backend([tmp_path / "none.c"], tmp_path / "x.so")
    assert not (tmp_path / "x.so").exists()


def test_a_cache_that_cannot_be_written_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UnsupportedError, match="cannot be built"):
        build.host_library()


def test_the_command_builds_a_backend_that_is_linked_to_the_host(tmp_path: Path) -> None:
    target = tmp_path / FILENAME
    command = [sys.executable, "-m", "triton_ros.backends.shared_library.build"]
    done = subprocess.run(
        [*command, "-o", str(target), *map(str, SOURCES)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(target)
    assert build.HOST.encode() in target.read_bytes()
    refused = subprocess.run([*command, "-o", "x"], check=False, capture_output=True, text=True)
    assert refused.returncode
    assert "go together" in refused.stderr


def test_every_symbol_of_the_headers_is_in_the_host() -> None:
    declared = set()
    for header in (build.INCLUDE / "triton/core").glob("*.h"):
        for line in re.findall(
            r"^.*\b(TRITON(?:SERVER|BACKEND)_[A-Z]\w+)\(", header.read_text(), re.M
        ):
            declared.add(line)
    implemented = {
        *("TRITONBACKEND_Initialize", "TRITONBACKEND_Finalize", "TRITONBACKEND_ModelInitialize"),
        *("TRITONBACKEND_ModelFinalize", "TRITONBACKEND_ModelInstanceInitialize"),
        *("TRITONBACKEND_ModelInstanceFinalize", "TRITONBACKEND_ModelInstanceExecute"),
        *("TRITONBACKEND_ModelInstanceReady", "TRITONBACKEND_GetBackendAttribute"),
    }
    data = build.host_library().read_bytes()
    assert len(declared) > 130
    assert [name for name in sorted(declared - implemented) if name.encode() not in data] == []


def test_a_later_version_of_a_library_is_loaded_beside_the_old_one(version_dir: Path) -> None:
    file = version_dir / FILENAME
    file.write_bytes(library())
    old = load(version_dir)
    file.write_bytes(library("int another_content = 1;"))
    new = load(version_dir)
    for model in (old, new):
        model.finalize()
    assert np.array_equal(np.frombuffer(file.read_bytes(), np.uint8)[:4], [127, 69, 76, 70])


def test_a_backend_may_be_in_cpp(version_dir: Path) -> None:
    if not shutil.which("c++"):
        pytest.skip("no C++ compiler is installed: apt install g++")
    source = version_dir / "a.cc"
    source.write_text(
        '#include <string>\n#include "triton/core/tritonbackend.h"\n'
        "TRITONSERVER_Error *TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model *) {\n"
        '  std::string text = std::string("from ") + "C++";\n'
        "  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, text.c_str()); }\n"
        "TRITONSERVER_Error *TRITONBACKEND_ModelInstanceExecute(\n"
        "    TRITONBACKEND_ModelInstance *, TRITONBACKEND_Request **, const uint32_t)\n"
        "{ return nullptr; }\n"
    )
    build.build_backend([source], version_dir / FILENAME)
    with pytest.raises(InternalError, match=r"model 'toy': from C\+\+"):
        load(version_dir)


def test_the_server_s_option_is_the_registry_s_directory(version_dir: Path, tmp_path: Path) -> None:
    write_model(version_dir.parent, Toy(config=f'backend: "toy"\n{as_pbtxt(toy_fields("affine"))}'))
    directory = tmp_path / "backends/toy"
    directory.mkdir(parents=True)
    (directory / FILENAME).write_bytes(library())
    options = ServerOptions(backend_directory=directory.parent)
    with make_server([version_dir.parents[1]], options) as server:
        server.load_model("toy").result(30)
        x = np.ones((1, 4), np.float32)
        answer = server.infer(InferenceRequest("toy", {"x": x}), 30)
    np.testing.assert_array_equal(answer.outputs["y"], 2 * x + 1)
