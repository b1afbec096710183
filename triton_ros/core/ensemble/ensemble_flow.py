# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What runs when, in an ensemble's graph: decisions only, no thread, no model is called here.

A `Flow` is the graph for one set of wanted outputs; steps that lead to none of them are left out,
as Triton prunes them.  It is cut into *regions*: region 0 runs once a request, and region ``i + 1``
once for each response of the decoupled step ``i``.  A `Part` is one run of a region.  Triton lets
no step join tensors of two regions, so a part needs nothing from the others.

A tensor of a part is there, absent, or still to come.  A step is due when none of its tensors is
still to come.  It does not run if its condition does not hold or a required input is absent; its
own outputs are absent then.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import EnsembleStep
from triton_ros.core.ensemble.ensemble_values import SequenceMark, Value, fitted, holds
from triton_ros.core.errors import InternalError
from triton_ros.core.model import Model
from triton_ros.core.request import InferenceResponse
from triton_ros.core.tensor import Tensor, TensorSpec


@dataclass(frozen=True, slots=True)
class Port:
    """An input of a step."""

    spec: TensorSpec
    """The model's, without the batch dim."""
    tensor: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A step with what its model says about it."""

    index: int
    step: EnsembleStep
    ports: tuple[Port, ...]
    awaits: frozenset[str]
    """The tensors that have to be known before it is due."""
    batched: bool | None
    """Whether the model's tensors have a batch dim; None where none may be added or dropped."""
    decoupled: bool
    region: int


@dataclass(slots=True, eq=False)
class Job:
    """A step that is due, with the inputs that it takes out of its part."""

    part: Part
    node: Node
    inputs: dict[str, Tensor]
    mark: SequenceMark | None


class Graph:
    """An ensemble's steps over the models that they have now; gives the flow for wanted outputs."""

    def __init__(self, config: ModelConfig, models: Sequence[Model]) -> None:
        self._config = config
        self.outputs = tuple(o.spec.name for o in config.output)
        self.region_of = {i.spec.name: 0 for i in config.input}
        self.nodes = self._nodes(models)
        self.decoupled = any(node.decoupled for node in self.nodes)
        self._flows: dict[frozenset[str], Flow] = {}

    def flow(self, wanted: Sequence[str]) -> Flow:
        """The steps that lead to these outputs (to all of them if none is named)."""
        names = frozenset(wanted or self.outputs)
        if names not in self._flows:
            self._flows[names] = self._flow(names)
        return self._flows[names]

    def _nodes(self, models: Sequence[Model]) -> tuple[Node, ...]:
        """In an order in which they can run."""
        waiting = dict(enumerate(self._config.ensemble))
        nodes: list[Node] = []
        while waiting:
            known = self.region_of.keys()
            index = next((i for i, step in waiting.items() if awaited(step) <= known), None)
            if index is None:
                raise InternalError("its steps wait for each other")
            step = waiting.pop(index)
            region = max((self.region_of[tensor] for tensor in awaited(step)), default=0)
            nodes.append(_node(index, step, models[index], region))
            after = index + 1 if nodes[-1].decoupled else region
            self.region_of.update(dict.fromkeys(step.output_map.values(), after))
        return tuple(nodes)

    def _flow(self, wanted: frozenset[str]) -> Flow:
        needed, nodes = set(wanted), []
        for node in reversed(self.nodes):
            if needed.intersection(node.step.output_map.values()):
                needed |= node.awaits
                nodes.append(node)
        flow = Flow(max(self.region_of[name] for name in wanted), wanted)
        for node in reversed(nodes):
            flow.nodes.setdefault(node.region, []).append(node)
            flow.uses.setdefault(node.region, Counter()).update(node.awaits)
        flow.uses.setdefault(flow.sink, Counter()).update(wanted)
        return flow


@dataclass(slots=True)
class Flow:
    """The needed steps by region; `sink` is the region that makes the outputs."""

    sink: int
    wanted: frozenset[str]
    nodes: dict[int, list[Node]] = field(default_factory=dict)
    uses: dict[int, Counter[str]] = field(default_factory=dict)
    """By region and tensor: how many take it."""


class Part:
    """One run of a region; its owner keeps it from being used by two threads at once."""

    def __init__(self, flow: Flow, region: int) -> None:
        self.region = region
        self.running = 0
        self.children: deque[Part] = deque()
        self.ended = False
        self.response: InferenceResponse | None = None
        self._flow = flow
        self._waiting = list(flow.nodes.get(region, ()))
        self._uses = Counter(flow.uses.get(region, ()))
        self._values: dict[str, Value] = {}

    def give(self, inputs: Mapping[str, Tensor], names: Sequence[str], batched: bool) -> None:
        """The request's tensors; those of `names` that it lacks are absent."""
        for name in names:
            self._put(name, Value(inputs.get(name), batched))

    def answer(self, node: Node, response: InferenceResponse, mark: SequenceMark | None) -> None:
        """A step's response; `mark` is the sequence mark of its tensors."""
        for name, tensor in node.step.output_map.items():
            found = response.outputs.get(name)
            fault = f"model '{node.step.model_name}' did not answer '{name}'"
            self._put(tensor, Value(found, node.batched, fault if found is None else "", mark))

    def child(self, region: int) -> Part:
        """A part for one more response of a decoupled step of this one."""
        part = Part(self._flow, region)
        self.children.append(part)
        return part

    def take(self) -> list[Job]:
        """The steps that are due and run; they count as running from now on.

        Raises `TritonError` if a condition cannot be read.
        """
        jobs = []
        again = True
        while again:  # a step that does not run may make others due
            again = False
            due = [node for node in self._waiting if node.awaits <= self._values.keys()]
            for node in due:
                self._waiting.remove(node)
                job = self._job(node)
                if job:
                    jobs.append(job)
                again = again or job is None
        self.running += len(jobs)
        return jobs

    def results(self) -> dict[str, Value]:
        """The wanted outputs, with those that are absent."""
        return {name: self._use(name) for name in self._flow.wanted}

    def drain(self) -> list[InferenceResponse]:
        """The responses that can be sent, in the order of what they were made from."""
        ready: list[InferenceResponse] = []
        while self.children:
            ready += self.children[0].drain()
            if not self.children[0].ended or self.children[0].children:
                return ready
            self.children.popleft()
        if self.ended and self.response:
            ready.append(self.response)
            self.response = None
        return ready

    def _put(self, name: str, value: Value) -> None:
        if self._uses[name]:  # else nobody takes it
            self._values[name] = value

    def _use(self, name: str) -> Value:
        value = self._values[name]
        self._uses[name] -= 1
        if not self._uses[name]:
            del self._values[name]
        return value

    def _job(self, node: Node) -> Job | None:
        values = {name: self._use(name) for name in node.awaits}
        fault = _skipped(node, values)
        if fault is None:
            mark = next((values[p.tensor].mark for p in node.ports if values[p.tensor].mark), None)
            return Job(self, node, _inputs(node, values), mark)
        if fault and node.decoupled:
            raise InternalError(f"step '{node.step.model_name}' cannot run: {fault}")
        for tensor in node.step.output_map.values():
            self._put(tensor, Value(None, fault=fault))
        return None


def awaited(step: EnsembleStep) -> frozenset[str]:
    """The tensors that a step takes, its condition included."""
    return frozenset([*step.input_map.values(), *([step.run_if] if step.run_if else [])])


def processed(step: EnsembleStep, model: Model) -> bool:
    """Whether a step uses the model's processed interface instead of its raw tensors."""
    names = {spec.name for spec in model.interface.inputs}
    raw = {i.spec.name for i in model.config.input}
    return names != raw and not names.isdisjoint(step.input_map)


def _node(index: int, step: EnsembleStep, model: Model, region: int) -> Node:
    config = model.config
    batched: bool | None
    if processed(step, model):
        specs, optional, batched = model.interface.inputs, frozenset[str](), False
    else:
        specs = tuple(i.spec for i in config.input)
        optional = frozenset(i.spec.name for i in config.input if i.optional)
        batched = None if step.fan_out else config.max_batch_size > 0
    ports = tuple(
        Port(spec, step.input_map[spec.name], spec.name in optional)
        for spec in specs
        if spec.name in step.input_map
    )
    return Node(index, step, ports, awaited(step), batched, config.decoupled, region)


def _skipped(node: Node, values: Mapping[str, Value]) -> str | None:
    """None if the step runs; else the fault that keeps it from running, "" if it is none."""
    condition = node.step.run_if
    if condition and not holds(condition, values[condition]):
        return values[condition].fault
    lacking = [p for p in node.ports if values[p.tensor].tensor is None and not p.optional]
    if not lacking:
        return None
    faults = [values[port.tensor].fault for port in lacking]
    return faults[0] if all(faults) else ""  # without the fault it would not have run either


def _inputs(node: Node, values: Mapping[str, Value]) -> dict[str, Tensor]:
    inputs = {}
    for port in node.ports:
        tensor = fitted(values[port.tensor], port.spec, node.batched)
        if tensor is not None:
            inputs[port.spec.name] = tensor
    return inputs
