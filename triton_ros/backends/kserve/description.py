# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the model is: the remote's metadata, or the configuration while nobody answers."""

from __future__ import annotations

import time

from triton_ros.backends.kserve.exchange import RemoteModel
from triton_ros.backends.kserve.failure import RemoteFailure
from triton_ros.backends.kserve.routes import Route, Routes
from triton_ros.backends.kserve.settings import RemoteSettings
from triton_ros.core.backend import Signature
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import UnavailableError
from triton_ros.core.tensor import TensorSpec


def describe(config: ModelConfig, settings: RemoteSettings, routes: Routes) -> Signature:
    """The signature, from the first server that tells it.

    Those before it, or all, are down: their circuits are open then.  Raises `UnavailableError`
    where neither a server nor the configuration says what the model is, and `ConfigError` where the
    two contradict each other in what core does not compare.
    """
    if config.decoupled and settings.protocol != "grpc":
        raise PlacedError(
            f"model '{config.name}': a decoupled model needs parameters['protocol'] grpc, got"
            f" '{settings.protocol}'",
            "model_transaction_policy",
        )
    failures = []
    for route in routes.routes:
        try:
            remote = route.transport.describe(time.monotonic() + settings.timeout_s)
        except RemoteFailure as error:
            failures.append((route, error))
            continue
        _down(routes, failures)
        _compare(config, remote)
        return _signature(config, remote)
    if not (config.input and config.output):
        raise UnavailableError(
            f"model '{config.name}': no server answers, and the configuration does not state input"
            f" and output: {'; '.join(str(error) for _, error in failures)}"
        )
    _down(routes, failures)
    return _stated(config)


def _down(routes: Routes, failures: list[tuple[Route, RemoteFailure]]) -> None:
    for route, error in failures:
        routes.down(route, error)


def _stated(config: ModelConfig) -> Signature:
    """As the configuration says it."""
    batch = (-1,) if config.max_batch_size else ()

    def whole(spec: TensorSpec, reshape: tuple[int, ...] | None) -> TensorSpec:
        dims = spec.dims if reshape is None else reshape
        return TensorSpec(spec.name, spec.datatype, (*batch, *dims))

    return Signature(
        tuple(whole(i.spec, i.reshape) for i in config.input),
        tuple(whole(o.spec, o.reshape) for o in config.output),
        batchable=bool(batch),
        max_batch_size=config.max_batch_size,
    )


def _signature(config: ModelConfig, remote: RemoteModel) -> Signature:
    stated = _stated(config)
    specs = (*remote.inputs, *remote.outputs)
    if remote.config is not None:
        batchable, most = remote.config.max_batch_size > 0, remote.config.max_batch_size
    else:
        batchable = bool(specs) and all(spec.dims[:1] == (-1,) for spec in specs)
        most = 0
    if not specs:  # a server that serves what it knows nothing of
        return stated
    return Signature(remote.inputs, remote.outputs, batchable, max_batch_size=most)


def _compare(config: ModelConfig, remote: RemoteModel) -> None:
    theirs = remote.config
    if not remote.inputs and not (config.input and config.output):
        raise PlacedError(
            f"model '{config.name}': the remote does not tell its inputs: state input and output",
            "input",
        )
    if theirs is None:
        return
    if config.max_batch_size > theirs.max_batch_size > 0:
        raise PlacedError(
            f"model '{config.name}' has max_batch_size {config.max_batch_size}, and the remote"
            f" takes {theirs.max_batch_size}",
            "max_batch_size",
        )
    if theirs.decoupled and not config.decoupled:
        raise PlacedError(
            f"model '{config.name}': the remote is decoupled: state"
            " model_transaction_policy { decoupled: true }, with protocol grpc",
            "model_transaction_policy",
        )
    if theirs.sequences and config.sequence_batching is None:
        raise PlacedError(
            f"model '{config.name}': the remote keeps sequences: state sequence_batching {'{ }'},"
            " which sends a sequence's requests one after the other",
            "sequence_batching",
        )
