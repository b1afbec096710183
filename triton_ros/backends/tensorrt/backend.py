# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT's port: plans, on the GPUs and DLA cores that the instance groups name.

CUDA is asked for its devices before TensorRT, which ends the process where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from triton_ros.backends.support import (
    check_heeded,
    import_failure,
    model_file,
    warn_of_unknown_parameters,
)
from triton_ros.backends.tensorrt.build_options import (
    PARAMETERS,
    build_options,
    refuse_build_options,
)
from triton_ros.backends.tensorrt.builder import Source, Stage
from triton_ros.backends.tensorrt.cuda_driver import CudaDriver, CudaError
from triton_ros.backends.tensorrt.cuda_python_driver import CudaPythonDriver
from triton_ros.backends.tensorrt.device_owner import DeviceOwners
from triton_ros.backends.tensorrt.engine import Log
from triton_ros.backends.tensorrt.model import TensorRtModel
from triton_ros.backends.tensorrt.plan_cache import PlanCache
from triton_ros.backends.tensorrt.plans import OnnxPlans, PlanFile, Plans
from triton_ros.backends.tensorrt.pycuda_driver import PycudaDriver
from triton_ros.backends.tensorrt.settings import load_plugins, read_settings
from triton_ros.core.backend_config import EMPTY, BackendSettings
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import UnsupportedError

DEFAULT_FILE = "model.plan"
ONNX = ".onnx"
OPTIMIZATION = (
    *("cuda.busy_wait_events", "cuda.graphs"),
    "execution_accelerators.gpu_execution_accelerator",
)
GROUP = ("profile", "secondary_devices")


_DRIVERS: Mapping[str, Callable[[], CudaDriver]] = {
    "pycuda": PycudaDriver,
    "cuda-python": CudaPythonDriver,
}


class TensorRtBackend:
    """Loads ``model.plan``, or builds one of an ONNX file that `default_model_filename` names."""

    def __init__(self, settings: BackendSettings = EMPTY, driver: CudaDriver | None = None) -> None:
        """Raises `UnsupportedError`, saying what is missing of TensorRT, CUDA and devices."""
        chosen = read_settings(settings)
        driver = driver or _DRIVERS[chosen.driver]()
        try:
            count = driver.device_count()
        except CudaError as error:
            raise UnsupportedError(
                f"the tensorrt backend: no NVIDIA GPU can be used on this machine: {error}"
            ) from error
        if not count:
            raise UnsupportedError("the tensorrt backend: this machine has no NVIDIA GPU")
        try:
            import tensorrt  # noqa: PLC0415 (lazy on purpose)
        except ImportError as error:
            raise import_failure(error, "tensorrt", "tensorrt") from error
        self._trt: Any = tensorrt
        self._log = Log(tensorrt)
        self._owners = DeviceOwners(driver)
        load_plugins(tensorrt, self._log.logger, chosen)
        self._cache = PlanCache(chosen.cache)
        self._host_code = chosen.version_compatible

    def load(self, config: ModelConfig, version_dir: Path) -> TensorRtModel:
        """See `core.backend.Backend.load`."""
        return self.load_in_stages(config, version_dir, lambda stage: None)

    def load_in_stages(self, config: ModelConfig, version_dir: Path, stage: Stage) -> TensorRtModel:
        """See `core.backend.LoadsInStages`."""
        check_heeded(config, "tensorrt", OPTIMIZATION, GROUP)
        warn_of_unknown_parameters(config, PARAMETERS)
        path = model_file(config, version_dir, DEFAULT_FILE)
        plans: Plans
        if path.suffix == ONNX:
            source = Source(config.name, path, path.read_bytes(), build_options(config))
            plans = OnnxPlans(self._trt, self._log, self._cache, source, stage)
        else:
            refuse_build_options(config, path.name)
            plans = PlanFile(path)
        return TensorRtModel(
            self._trt, self._log, self._owners, config, plans, host_code=self._host_code
        )
