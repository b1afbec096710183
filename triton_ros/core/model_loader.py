# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a version directory to a `BackedModel` that is warm and ready to serve.

Whatever fails on the way, what was already acquired is released again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from triton_ros.core.backend import Backend, BackendModel, ModelInstance, RequestInstance
from triton_ros.core.config_completion import complete, complete_backend
from triton_ros.core.dynamic_batcher import DynamicBatcher
from triton_ros.core.errors import InternalError, TritonError
from triton_ros.core.execution import Clock, Executor
from triton_ros.core.model import BackedModel
from triton_ros.core.model_config import ModelConfig
from triton_ros.core.model_repository import ModelDirectory
from triton_ros.core.processing import Processor
from triton_ros.core.scheduler import Scheduler
from triton_ros.core.statistics import StatisticsCollector
from triton_ros.core.timer import Timer
from triton_ros.core.warmup import warm_up

LoadBackend = Callable[[str], Backend]
LoadProcessor = Callable[[ModelConfig, Path], Processor | None]


def no_processor(config: ModelConfig, model_dir: Path) -> Processor | None:
    """For a server that serves raw tensors only."""
    return None


class ModelLoader:
    """Builds served versions; stateless, so many may load at once."""

    def __init__(
        self, load_backend: LoadBackend, load_processor: LoadProcessor, clock: Clock
    ) -> None:
        self._load_backend = load_backend
        self._load_processor = load_processor
        self._clock = clock
        self._timer = Timer(clock)

    def load(self, directory: ModelDirectory, config: ModelConfig, version: int) -> BackedModel:
        """Load, complete, instantiate, warm up.  Raises `TritonError`, whatever went wrong."""
        try:
            return self._load(directory, config, version)
        except TritonError:
            raise
        except Exception as error:  # a runtime's or the file system's: translated here, once
            raise InternalError(f"{type(error).__name__}: {error}") from error

    def _load(self, directory: ModelDirectory, config: ModelConfig, version: int) -> BackedModel:
        version_dir = directory.version_dir(version)
        config = complete_backend(config, version_dir)
        backend = self._load_backend(config.backend)
        with ExitStack() as acquired:
            backend_model = backend.load(config, version_dir)
            acquired.callback(backend_model.finalize)
            config = complete(config, backend_model.signature)
            processor = self._load_processor(config, directory.path)
            instances = _instances(config, backend_model, acquired)
            warm_up(config, instances)
            acquired.pop_all()
        statistics = StatisticsCollector()
        executors = tuple(
            Executor(instance, config, statistics, self._clock, index)
            for index, instance in enumerate(instances)
        )
        batcher = DynamicBatcher(config.max_batch_size, config.dynamic_batching)
        scheduler = Scheduler(config.name, executors, batcher, self._clock, self._timer)
        return BackedModel(
            config,
            version,
            scheduler,
            executors,
            backend_model,
            processor,
            statistics,
            self._clock,
        )


def _instances(
    config: ModelConfig, model: BackendModel, acquired: ExitStack
) -> tuple[ModelInstance | RequestInstance, ...]:
    instances = []
    for group in config.instance_group:
        for device in group.gpus or (0,):
            for _ in range(group.count):
                instance = model.instance(group, device)
                acquired.callback(instance.finalize)
                instances.append(instance)
    return tuple(instances)
