# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: an execution recorded once and launched as one, by cuda-bindings.

pycuda has no graphs; NVIDIA's own bindings work on the same streams.  A recording holds for the
shapes and addresses that it was made with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from triton_ros.backends.support import import_failure
from triton_ros.backends.tensorrt.cuda_driver import CudaError


class CudaGraphs:
    """Records and launches; raises `UnsupportedError` where cuda-bindings is not installed."""

    def __init__(self) -> None:
        try:
            import cuda.bindings.driver  # noqa: PLC0415 (lazy on purpose)
        except ImportError as error:
            raise import_failure(error, "tensorrt (CUDA graphs)", "cuda-bindings") from error
        self._driver: Any = cuda.bindings.driver

    def record(self, stream: int, enqueue: Callable[[], bool]) -> Any:
        """What `enqueue` puts into the stream, to be launched; None where it refuses to.

        Only this thread's calls are recorded, so others may go on.  Raises `CudaError`.
        """
        driver = self._driver
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        handle = driver.CUstream(stream)
        self._checked(driver.cuStreamBeginCapture(handle, mode))
        try:
            enqueued = enqueue()
        finally:
            error, graph = driver.cuStreamEndCapture(handle)
        if not enqueued or error:
            return None
        try:
            return self._checked(driver.cuGraphInstantiate(graph, 0))
        finally:
            self._checked(driver.cuGraphDestroy(graph))

    def launch(self, recorded: Any, stream: int) -> None:
        """Enqueue a recording; raises `CudaError`."""
        self._checked(self._driver.cuGraphLaunch(recorded, self._driver.CUstream(stream)))

    def drop(self, recorded: Any) -> None:
        """Of a recording that does not run."""
        self._checked(self._driver.cuGraphExecDestroy(recorded))

    def _checked(self, answer: tuple[Any, ...]) -> Any:
        """The driver's functions answer an error and what they are for."""
        error, *results = answer
        if error:
            raise CudaError(f"{error.name} (CUDA graphs)")
        return results[0] if results else None
