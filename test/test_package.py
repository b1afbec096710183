# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The package's metadata says what is there, and installing it installs all of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from configparser import ConfigParser
from pathlib import Path

import pytest
from source_imports import imports

import triton_ros

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ET.parse(ROOT / "package.xml").getroot()
ROSDEP_KEYS = {
    "aiohttp": "python3-aiohttp",
    "argcomplete": "python3-argcomplete",
    "cv2": "python3-opencv",
    "google": "python3-protobuf",
    "numpy": "python3-numpy",
    "tqdm": "python3-tqdm",
    "yaml": "python3-yaml",
}
"""Imported name -> rosdep key, where they differ."""
WITHOUT_KEY = {"tritonclient", "onnxruntime", "ai_edge_litert", "tensorrt", "pycuda", "cuda"}
WITHOUT_KEY |= {"norfair", "rosbags", "openvino", "tensorflow", "torch", "grpc"}
WITHOUT_KEY |= {"prometheus_client"}
"""Declared as setup.py's extras, because rosdep has no key for them."""
OPTIONAL = {"bond"}
"""Used where it is installed: it comes with Nav2."""


def _declared(*tags: str) -> set[str]:
    return {str(entry.text) for tag in tags for entry in MANIFEST.iter(tag)}


def _imported() -> set[str]:
    """What the installed files import from outside, as rosdep names it."""
    files = [*(ROOT / "triton_ros").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    names = {found.top for path in files for found in imports(path.read_text(), "triton_ros")}
    outside = (
        names - sys.stdlib_module_names - {"triton_ros", "__future__"} - WITHOUT_KEY - OPTIONAL
    )
    return {ROSDEP_KEYS.get(name, name) for name in outside}


def test_every_import_is_declared() -> None:
    assert _imported() - _declared("depend", "exec_depend") == set()


def test_every_declared_dependency_is_imported() -> None:
    assert _declared("depend", "exec_depend") - _imported() == set()


def test_manifest_is_valid() -> None:
    package = pytest.importorskip("catkin_pkg.package")
    warnings: list[str] = []
    manifest = package.parse_package(str(ROOT), warnings=warnings)
    assert (manifest.name, manifest.package_format, warnings) == ("triton_ros", 3, [])
    assert manifest.get_build_type() == "ament_python"
    assert manifest.licenses[0] == "Apache-2.0"


def test_one_version_everywhere() -> None:
    in_setup = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text())
    assert in_setup
    assert in_setup[1] == MANIFEST.findtext("version") == triton_ros.__version__


def test_ros2_run_finds_the_scripts() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    places = {config["develop"]["script_dir"], config["install"]["install_scripts"]}
    assert places == {"$base/lib/triton_ros"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix after the commands that colcon gives an ament_python package."""
    work = tmp_path_factory.mktemp("install")
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(work)]
    command += ["build", "--build-base", str(work / "build"), "install"]
    command += ["--prefix", str(work / "prefix"), "--record", str(work / "log")]
    command += ["--single-version-externally-managed"]
    subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        timeout=100,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
    )
    return work / "prefix"


def test_launch_and_config_are_installed_with_their_folders(installed: Path) -> None:
    share = installed / "share/triton_ros"
    for folder in ("launch", "config"):
        source = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file()}
        source = {p for p in source if "__pycache__" not in p.parts}
        assert source, folder
        found = {p.relative_to(share) for p in (share / folder).rglob("*") if p.is_file()}
        assert found == source


def test_ament_finds_the_installed_package(installed: Path) -> None:
    assert (installed / "share/triton_ros/package.xml").is_file()
    assert (installed / "share/ament_index/resource_index/packages/triton_ros").is_file()
    assert os.access(installed / "lib/triton_ros/triton_ros", os.X_OK)


def test_every_module_is_installed(installed: Path) -> None:
    source = {p.relative_to(ROOT) for p in (ROOT / "triton_ros").rglob("*.py")}
    (packages,) = installed.glob("lib/python*/site-packages")
    assert {p.relative_to(packages) for p in packages.glob("triton_ros/**/*.py")} == source


def test_sources_of_c_are_installed(installed: Path) -> None:
    """They are compiled where they are used."""
    native = ROOT / "triton_ros/backends/shared_library"
    source = {p.relative_to(ROOT) for p in native.rglob("*.[ch]")}
    assert len(source) > 10
    (packages,) = installed.glob("lib/python*/site-packages")
    assert {p.relative_to(packages) for p in packages.glob("triton_ros/**/*.[ch]")} == source


def test_colcon_finds_nothing_else() -> None:
    """Colcon stops at a package, but a checkout may lie where it does not look for one first."""
    nested = {p.parent for p in ROOT.glob("*/**/package.xml") if ".venv" not in p.parts}
    nested = {p for p in nested if "build" not in p.relative_to(ROOT).parts}
    for folder in nested:
        above = [folder, *folder.parents]
        ignored = any((p / "COLCON_IGNORE").exists() for p in above if p != ROOT)
        assert ignored, folder
