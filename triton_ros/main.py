# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
# PYTHON_ARGCOMPLETE_OK
"""Composition root: hands core its backends and the vision layer, to the node or to a command.

``triton_ros --ros-args --params-file triton.yaml`` starts the node, with or without `launch`.
SIGINT and SIGTERM shut it down through its own lifecycle.  ``triton_ros <command>`` is a tool for
people; see ``triton_ros --help``.  Imports wait until it is known which of the two is wanted: a
shell that completes a word has no time for ROS and OpenCV.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triton_ros.cli import is_command, run_command
from triton_ros.cli.application import Application

if TYPE_CHECKING:
    from triton_ros.core.server import InferenceServer
    from triton_ros.core.server_options import ServerOptions
    from triton_ros.frontends.serving import Frontends, Streams

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node or a command; the process's exit status."""
    given = list(sys.argv if arguments is None else arguments)
    if is_command(given[1:]):
        application = Application(make_server, start_frontends, tune_process)
        return run_command(given[1:], application)
    from triton_ros.ros.interrupt import Interrupt  # noqa: PLC0415 (see above)

    interrupt = Interrupt.at_signals()  # before the imports of ROS, which take a second
    from triton_ros.ros.process import run_node  # noqa: PLC0415 (see above)

    tune_process()
    return run_node(make_server, start_frontends, given, interrupt)


def make_server(
    repositories: Sequence[Path | str], options: ServerOptions | None = None
) -> InferenceServer:
    """A server with every backend and the vision layer, for models in these directories.

    Nothing is loaded yet: `load_model`, or `start` for what `options` want.  Raises `NotFoundError`
    for a directory that is not there.
    """
    from triton_ros.backends.registry import BackendRegistry  # noqa: PLC0415 (see above)
    from triton_ros.core.backend_config import parse_backend_config  # noqa: PLC0415
    from triton_ros.core.server import InferenceServer  # noqa: PLC0415
    from triton_ros.core.server_options import ServerOptions  # noqa: PLC0415
    from triton_ros.vision.processor import load_processor  # noqa: PLC0415

    options = options or ServerOptions()
    registry = BackendRegistry(
        parse_backend_config(options.backend_config),
        options.backend_directory,
        not options.disable_auto_complete_config,
        options.default_max_batch_size,
    )
    folders = [Path(folder) for folder in repositories]
    return InferenceServer(folders, registry.load_backend, load_processor, options=options)


def start_frontends(
    server: InferenceServer, values: Mapping[str, Any], streams: Streams = tuple
) -> Frontends | None:
    """Serve `server` over the network, as `values` (names of `FrontendOptions`) say.

    None if they open no port.  Raises `ConfigError` naming the value that cannot be followed.
    """
    from triton_ros import __version__  # noqa: PLC0415 (see above)
    from triton_ros.backends.tensorrt.shared_regions import CudaRegions  # noqa: PLC0415
    from triton_ros.frontends import serving  # noqa: PLC0415

    return serving.start_frontends(server, values, __version__, streams, CudaRegions())


def tune_process() -> None:
    """Settings that images need and that only the process as a whole can have."""
    # A thread that has a result waits this long for a busy Python thread; the default is 5 ms.
    sys.setswitchinterval(0.0005)
    import cv2  # noqa: PLC0415 (see above)

    # Frames are the parallel work; OpenCV's own pool would only compete with the instances.
    cv2.setNumThreads(1)
    if sys.platform == "linux":
        # Keep freed image buffers instead of returning them to the kernel at every frame.
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
            libc.mallopt(_M_TRIM_THRESHOLD, 512 << 20)


if __name__ == "__main__":
    sys.exit(main())
