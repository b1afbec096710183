# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which layers a deep learning accelerator would take; neighbours on it become one loadable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fake_tensorrt.bindings import trt
from fake_tensorrt.parser import ILayer, INetworkDefinition

if TYPE_CHECKING:
    from fake_tensorrt.builder import IBuilderConfig

_DLA_OPERATORS = {
    *("Conv", "ConvTranspose", "Relu", "Sigmoid", "Tanh", "LeakyRelu", "Clip", "Add", "Sub", "Mul"),
    *("Max", "Min", "MaxPool", "AveragePool", "GlobalAveragePool", "BatchNormalization", "Concat"),
}


def runs_on_dla(layer: ILayer) -> bool:
    return layer._node.op_type in _DLA_OPERATORS


def split_layers(
    network: INetworkDefinition, config: IBuilderConfig
) -> tuple[list[dict[str, str]], str]:
    """The engine's layers, and the name of one that may not run where it would have to."""
    layers: list[dict[str, str]] = []
    run: list[str] = []
    fallback = config.get_flag(trt.BuilderFlag.GPU_FALLBACK)
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        wanted = config.get_device_type(layer) == trt.DeviceType.DLA
        if wanted and runs_on_dla(layer):
            run.append(layer.name)
            continue
        if wanted and not fallback:
            return [], layer.name
        layers += _loadable(run)
        run = []
        layers.append({"Name": layer.name, "LayerType": layer._node.op_type})
    return [*layers, *_loadable(run)], ""


def _loadable(run: list[str]) -> list[dict[str, str]]:
    name = f"{{ForeignNode[{run[0]}...{run[-1]}]}}" if run else ""
    return [{"Name": name, "LayerType": "DLA"}] if run else []
