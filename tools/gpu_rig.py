# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make gpu-rig`: what the tests of the TensorRT backend need on a machine without a GPU.

 1. CUDA's headers, from NVIDIA's header wheels, and a ``libcuda.so.1`` on host memory compiled
    against them (`test/gpu/fake_cuda`).
 2. The real `tensorrt` module of several releases, without its libraries (`get_tensorrt_api`).
 3. TensorRT-RTX, whose parser and builder are NVIDIA's own code and need no GPU (95 MB): what the
    fake builder answers, and what the backend asks of a builder, is compared with it.
 4. The real pycuda, which PyPI has as source only: built once (a minute and a half of one core)
    against 1, then installed into this environment with cuda-bindings.

All of it lies in ``build/gpu``, and what is there is not made again.  Nothing here executes on a
GPU.  On a machine that has one, none of this is needed: install pycuda and TensorRT there, and run
``pytest --cuda=real``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from fake_cuda import CompileError, compile_library
from fetch import FetchError, Package, fetch
from get_tensorrt_api import get as get_tensorrt_api

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / "build/gpu"
HEADERS = (
    Package(
        kind="pip",
        name="nvidia-cuda-runtime-cu12",
        version="12.6.77",
        filename="nvidia_cuda_runtime_cu12-12.6.77-py3-none-"
        "manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256="ba3b56a4f896141e25e19ab287cd71e52a6a0f4b29d0d31609f60e3b4d5219b7",
    ),
    Package(
        kind="pip",
        name="nvidia-cuda-profiler-api-cu12",
        version="12.6.77",
        filename="nvidia_cuda_profiler_api_cu12-12.6.77-py3-none-"
        "manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256="94f06c42b15b527946ac5cbb649a078a194630c0c8369290cff9f8348a7e5e2b",
    ),
)
"""CUDA 12.6 is JetPack 6.1's."""
PYCUDA = Package(
    kind="sdist",
    name="pycuda",
    version="2026.1",
    filename="pycuda-2026.1.tar.gz",
    sha256="759516160628ba06f32ce7e563e3f5b9214691dc9528a03ea99ea1073f4e14ba",
)
RTX = (
    Package(
        kind="pip",
        name="tensorrt-rtx-cu13-libs",
        version="1.7.1.116",
        filename="tensorrt_rtx_cu13_libs-1.7.1.116-py3-none-manylinux_2_28_x86_64.whl",
        sha256="e3fd45fed001240d63304e77a2d4006319b839994237cb294b6e7ad72acaabcd",
    ),
    Package(
        kind="pip",
        name="tensorrt-rtx-cu13-bindings",
        version="1.7.1.116",
        filename="tensorrt_rtx_cu13_bindings-1.7.1.116-cp311-none-manylinux_2_28_x86_64.whl",
        sha256="6a4d2bf39a98b71238046b9a9dd22d0e6b146be90cd56ac09f1e068933e4e18d",
    ),
)
_SITE_CONFIGURATION = """\
CUDA_INC_DIR = {includes!r}
CUDADRV_LIB_DIR = [{library!r}]
CUDADRV_LIBNAME = ["cuda"]
CUDA_ENABLE_CURAND = False
"""


class RigError(Exception):
    """What a person has to do before this can go on."""


def main() -> int:
    """Make what is missing; 1 with one message when that cannot be."""
    try:
        includes = _headers()
        _say("libcuda.so.1 on host memory")
        library = compile_library(BUILD, includes)
        _say("the Python bindings of TensorRT, without TensorRT")
        get_tensorrt_api(BUILD)
        _say("TensorRT-RTX, a builder that needs no GPU")
        _tensorrt_rtx()
        _install(_pycuda(includes, library.parent))
    except (FetchError, CompileError, RigError) as error:
        print(f"make gpu-rig: {error}", file=sys.stderr)
        return 1
    print("GPU rig ready in build/gpu: no GPU, see README")
    return 0


def _headers() -> list[Path]:
    """The directories with cuda.h and cudaProfiler.h."""
    target = BUILD / "headers"
    for package in HEADERS:
        folder = package.name.removeprefix("nvidia-").removesuffix("-cu12").replace("-", "_")
        if not (target / "nvidia" / folder).is_dir():
            _unpack(fetch(package, BUILD / "downloads"), target / "nvidia", folder)
    return sorted(target.glob("nvidia/*/include"))


def _unpack(wheel: Path, target: Path, folder: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as name:
        with zipfile.ZipFile(wheel) as archive:
            wanted = [n for n in archive.namelist() if "/include/" in n]
            archive.extractall(name, wanted)
        (Path(name) / "nvidia" / folder).rename(target / folder)


def _tensorrt_rtx() -> None:
    """Its two packages side by side, beside `tensorrt_rtx` that only joins them."""
    target = BUILD / "tensorrt_rtx"
    if target.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=BUILD) as name:
        made = Path(name) / "made"
        for package in RTX:
            with zipfile.ZipFile(fetch(package, BUILD / "downloads")) as archive:
                archive.extractall(made)
        made.rename(target)


def _pycuda(includes: list[Path], library: Path) -> Path:
    """The wheel of pycuda for this Python.

    It is linked against the whole fake library: with an empty one the linker would drop the entry
    that makes pycuda load ``libcuda.so.1``, and it would be of no use on a real driver either.
    """
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    wheels = BUILD / "wheels"
    pattern = f"pycuda-{PYCUDA.version}-{tag}-*.whl"
    if not list(wheels.glob(pattern)):
        _say("pycuda from source (a minute and a half of one core)")
        source = fetch(PYCUDA, BUILD / "downloads")
        with tempfile.TemporaryDirectory(dir=BUILD) as name:
            shutil.unpack_archive(source, name)  # its hash is known; Python 3.11.2 has no filters
            project = Path(name) / source.name.removesuffix(".tar.gz")
            configuration = _SITE_CONFIGURATION.format(
                includes=[str(path) for path in includes], library=str(library)
            )
            (project / "siteconf.py").write_text(configuration)
            options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(Path(name) / "out")]
            _pip("wheel", *options, str(project))
            wheels.mkdir(exist_ok=True)
            made = next((Path(name) / "out").glob(pattern))
            shutil.move(made, wheels / made.name)
    return next(wheels.glob(pattern))


def _install(pycuda: Path) -> None:
    requirements = CHECKOUT / "requirements"
    constraints = ["-c", str(requirements / "constraints.txt")]
    _pip("install", *constraints, "-r", str(requirements / "gpu_rig.txt"), str(pycuda))


def _pip(command: str, *arguments: str) -> None:
    options = ["--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-12:])
        raise RigError(f"pip {command} failed\n{tail}")


def _say(what: str) -> None:
    print(f"  {what} ...", flush=True)


if __name__ == "__main__":
    sys.exit(main())
