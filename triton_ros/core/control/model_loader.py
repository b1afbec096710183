# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a version directory to a `BackedModel` that is warm and ready to serve.

Whatever fails on the way, what was already acquired is released again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from triton_ros.core.backend import (
    Backend,
    BackendModel,
    LoadsInStages,
    ModelInstance,
    RequestInstance,
    Signature,
)
from triton_ros.core.config.config_completion import complete, complete_backend, complete_groups
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.control.instance_places import (
    CPU_THREADS,
    Place,
    checked_policy,
    count_gpus,
    difference,
    places,
    resolve_groups,
)
from triton_ros.core.control.load_progress import Stage, no_stage
from triton_ros.core.control.model_repository import ModelDirectory
from triton_ros.core.errors import InternalError, InvalidArgumentError, NotFoundError, TritonError
from triton_ros.core.execution.executor import Clock, Executor
from triton_ros.core.execution.request_execution import MakeCalls
from triton_ros.core.execution.warmup import warm_up
from triton_ros.core.model import BackedModel
from triton_ros.core.processing import Processor
from triton_ros.core.response_cache import ModelCache, ResponseCache
from triton_ros.core.scheduling.batcher import Batcher
from triton_ros.core.scheduling.dynamic_batcher import DynamicBatcher
from triton_ros.core.scheduling.host_policy import HostPolicy, parse_host_policies
from triton_ros.core.scheduling.instance_pool import active
from triton_ros.core.scheduling.ordered_delivery import OrderedDelivery
from triton_ros.core.scheduling.rate_limiter import GLOBAL, RateLimiter, parse_resources
from triton_ros.core.scheduling.scheduler import Scheduler
from triton_ros.core.scheduling.sequence_batcher import make_sequence_batcher
from triton_ros.core.scheduling.timer import Timer
from triton_ros.core.server_options import ServerOptions
from triton_ros.core.telemetry.memory_usage import MemoryMeter
from triton_ros.core.telemetry.statistics import StatisticsCollector

LoadBackend = Callable[[str], Backend]
LoadProcessor = Callable[[ModelConfig, Path], Processor | None]
Instance = ModelInstance | RequestInstance


def no_processor(config: ModelConfig, model_dir: Path) -> Processor | None:
    """For a server that serves raw tensors only."""
    return None


@dataclass(frozen=True, slots=True)
class InstanceChange:
    """Instances of a served version that were exchanged: the new ones work, the old ones too."""

    model: BackedModel
    config: ModelConfig
    added: tuple[Executor, ...]
    removed: tuple[Executor, ...]

    def keep(self) -> None:
        """Retire the old ones."""
        self.model.config = self.config
        self.model.instances.retire(self.removed)

    def undo(self) -> None:
        """Retire the new ones."""
        self.model.instances.retire(self.added)


@contextmanager
def _translated() -> Iterator[None]:
    """A foreign error (a runtime's, the file system's) becomes one of ours, once."""
    try:
        yield
    except TritonError:
        raise
    except Exception as error:
        raise InternalError(f"{type(error).__name__}: {error}") from error


class ModelLoader:
    """Builds served versions; many may load at once.

    Owns what the server's models share: timer, rate limiter and host policies.
    """

    def __init__(
        self,
        load_backend: LoadBackend,
        load_processor: LoadProcessor,
        clock: Clock,
        options: ServerOptions | None = None,
        gpu_count: Callable[[], int] = count_gpus,
        cache: ResponseCache | None = None,
        make_calls: MakeCalls | None = None,
    ) -> None:
        self.cache = cache
        self._make_calls = make_calls
        self._load_backend = load_backend
        self._load_processor = load_processor
        self._clock = clock
        self._options = options or ServerOptions()
        self._gpu_count = gpu_count
        self.timer = Timer(clock)
        self._meter = MemoryMeter()
        self._policies = parse_host_policies(self._options.host_policy)
        self._limiter = _limiter(self._options)

    def close(self) -> None:
        """Stop what the models shared; no model may serve any more."""
        self.timer.close()

    @_translated()
    def load(
        self, directory: ModelDirectory, config: ModelConfig, version: int, stage: Stage = no_stage
    ) -> BackedModel:
        """Load, complete, instantiate, warm up.  Raises `TritonError`, whatever went wrong."""
        start = self._clock()
        gpus = self._gpu_count()
        version_dir = directory.version_dir(version)
        config = resolve_groups(complete_backend(config, version_dir), gpus)
        backend = self._backend(config)
        with ExitStack() as acquired, self._meter.loading(version_dir) as memory:
            stage(f"loading weights of version {version}")
            backend_model = self._weights(backend, config, version_dir, stage)
            acquired.callback(backend_model.finalize)
            config = resolve_groups(self._complete(config, backend_model.signature), gpus)
            labels = directory.labels(config)
            processor = self._load_processor(config, directory.path)
            wanted = self._places(config)
            instances = _instances(wanted, backend_model, acquired, stage)
            self._warm_up(config, wanted, instances, stage, directory)
            statistics = StatisticsCollector()
            executors = self._executors(config, statistics, wanted, instances)
            scheduler = self._scheduler(config, executors, directory.path)
            usage = memory.result(backend_model)
            statistics.loaded((self._clock() - start) / 1e9, usage)
            acquired.pop_all()
        return BackedModel(
            config,
            version,
            scheduler,
            executors,
            backend_model,
            processor,
            statistics,
            self._clock,
            self._cache_of(config, version),
            labels,
        )

    def _complete(self, config: ModelConfig, signature: Signature) -> ModelConfig:
        options = self._options
        return complete(
            config,
            signature,
            default_max_batch_size=options.default_max_batch_size,
            auto_complete=not options.disable_auto_complete_config,
            add_dynamic_batching=options.add_dynamic_batching,
        )

    def _cache_of(self, config: ModelConfig, version: int) -> ModelCache | None:
        if self.cache is None or not config.response_cache:
            return None
        return self.cache.model(config.name, version)

    @_translated()
    def change_instances(
        self,
        model: BackedModel,
        directory: ModelDirectory,
        config: ModelConfig,
        stage: Stage = no_stage,
    ) -> InstanceChange:
        """Make, warm and start the instances that `config` (not completed) asks for and the served
        version lacks.  What is too many goes with `keep`.  Raises `TritonError`.
        """
        asked = model.config.with_changes(instance_group=config.instance_group)
        completed = asked.with_changes(
            instance_group=complete_groups(asked),
            version_policy=config.version_policy,
            source=config.source,
        )
        completed = resolve_groups(completed, self._gpu_count())
        current = {e: Place(e.group, e.device, e.host_policy) for e in model.instances.executors}
        more, less = difference(current.values(), self._places(completed))
        removed = [executor for executor, place in current.items() if _take(less, place)]
        with ExitStack() as acquired:
            instances = _instances(more, model.instances.backend_model, acquired, stage)
            self._warm_up(completed, more, instances, stage, directory)
            taken = {executor.index for executor in current}
            added = self._executors(completed, model.statistics, more, instances, taken)
            model.instances.add(added)
            acquired.pop_all()
        return InstanceChange(model, completed, added, tuple(removed))

    def _places(self, config: ModelConfig) -> tuple[Place, ...]:
        found = places(
            config, self._policies, self._options.rate_limit, self._options.cpu_thread_budget
        )
        if all(place.group.passive for place in found):
            raise PlacedError(
                f"all instance groups are passive for {config.name}; nothing would answer its"
                " requests: at least one must not be passive",
                *("instance_group", 0, "passive"),
            )
        return found

    def _weights_policy(self, config: ModelConfig) -> HostPolicy | None:
        group = config.instance_group[0] if config.instance_group else InstanceGroup()
        return checked_policy(config, 0, group, group.gpus[0] if group.gpus else 0, self._policies)

    def _backend(self, config: ModelConfig) -> Backend:
        try:
            return self._load_backend(config.backend)
        except InvalidArgumentError as error:  # there is none of this name
            raise PlacedError(f"model '{config.name}': {error}", "backend") from error

    def _weights(
        self, backend: Backend, config: ModelConfig, version_dir: Path, stage: Stage
    ) -> BackendModel:
        try:
            with _entered(self._weights_policy(config)):
                if isinstance(backend, LoadsInStages):
                    return backend.load_in_stages(config, version_dir, stage)
                return backend.load(config, version_dir)
        except NotFoundError as error:
            if "default_model_filename" not in config.stated:
                raise
            raise PlacedError(str(error), "default_model_filename") from error

    def _warm_up(
        self,
        config: ModelConfig,
        wanted: Sequence[Place],
        instances: Sequence[Instance],
        stage: Stage,
        directory: ModelDirectory,
    ) -> None:
        for number, (place, instance) in enumerate(zip(wanted, instances, strict=True), 1):
            stage(f"warming up instance {number} of {len(instances)}")
            with _entered(place.host_policy):
                warm_up(config, (instance,), directory.path)

    def _executors(
        self,
        config: ModelConfig,
        statistics: StatisticsCollector,
        wanted: Sequence[Place],
        instances: Sequence[Instance],
        taken: frozenset[int] | set[int] = frozenset(),
    ) -> tuple[Executor, ...]:
        free = (index for index in range(len(instances) + len(taken)) if index not in taken)
        return tuple(
            Executor(
                instance,
                config,
                statistics,
                self._clock,
                index,
                place.group,
                place.device,
                place.host_policy,
                self._make_calls,
            )
            for index, place, instance in zip(free, wanted, instances, strict=False)
        )

    def _scheduler(
        self, config: ModelConfig, executors: tuple[Executor, ...], model_dir: Path
    ) -> Scheduler:
        working = active(executors)
        batcher = _batcher(config, working, model_dir)
        try:
            return Scheduler(
                config.name,
                working,
                batcher,
                self._clock,
                self.timer,
                self._limiter,
                order_of(config),
            )
        except TritonError:  # the rate limiter's, after it let some join
            for executor in working if self._limiter else ():
                for wake in self._limiter.leave(executor) if self._limiter else ():
                    wake()
            raise


def _batcher(config: ModelConfig, executors: Sequence[Executor], model_dir: Path) -> Batcher:
    if config.sequence_batching:
        return make_sequence_batcher(config, [e.index for e in executors], model_dir)
    return DynamicBatcher(config.max_batch_size, config.dynamic_batching)


def order_of(config: ModelConfig) -> OrderedDelivery | None:
    """What keeps a model's answers in the order of their requests, where that is wanted."""
    wanted = config.dynamic_batching is not None and config.dynamic_batching.preserve_ordering
    return OrderedDelivery() if wanted else None


def _limiter(options: ServerOptions) -> RateLimiter | None:
    resources = parse_resources(options.rate_limit_resource) if options.rate_limit else {}
    if options.cpu_thread_budget:
        resources = {**resources, (CPU_THREADS, GLOBAL): options.cpu_thread_budget}
    return RateLimiter(resources) if options.rate_limit or options.cpu_thread_budget else None


def _entered(policy: HostPolicy | None) -> AbstractContextManager[None]:
    return policy.entered() if policy else nullcontext()


def _instances(
    wanted: Sequence[Place], model: BackendModel, acquired: ExitStack, stage: Stage
) -> tuple[Instance, ...]:
    instances = []
    for number, place in enumerate(wanted, 1):
        stage(f"making instance {number} of {len(wanted)}")
        with _entered(place.host_policy):
            instance = model.instance(place.group, place.device)
        acquired.callback(instance.finalize)
        instances.append(instance)
    return tuple(instances)


def _take(places: list[Place], place: Place) -> bool:
    """Whether the place is one of them; it is taken out then."""
    if place not in places:
        return False
    places.remove(place)
    return True
