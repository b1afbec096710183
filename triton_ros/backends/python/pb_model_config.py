# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What `auto_complete_config` may change of a configuration, with Triton's checks and words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Entry = dict[str, Any]


class ModelConfig:
    """The configuration as Triton's JSON."""

    def __init__(self, model_config: str) -> None:
        self._model_config: Entry = json.loads(model_config)

    def as_dict(self) -> Entry:
        return self._model_config

    def set_max_batch_size(self, max_batch_size: int) -> None:
        """Raises `ValueError` where the configuration states a larger one."""
        stated = self._model_config.get("max_batch_size", 0)
        if stated > max_batch_size:
            raise ValueError(
                f"configuration specified max_batch_size {stated}, but in auto-complete-config"
                f" function for model '{self._name}' specified max_batch_size {max_batch_size}"
            )
        self._model_config["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self) -> None:
        """Raises `ValueError` where the configuration has another scheduler."""
        for other in ("sequence_batching", "ensemble_scheduling"):
            if other in self._model_config:
                raise ValueError(
                    f"Configuration specified scheduling_choice as '{other}', but"
                    f" auto-complete-config function for model '{self._name}' tries to set"
                    " scheduling_choice as 'dynamic_batching'"
                )
        self._model_config.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, transaction_policy_dict: Entry) -> None:
        """``{"decoupled": bool}``; raises `ValueError` where the configuration says otherwise."""
        if set(transaction_policy_dict) - {"decoupled"}:
            raise ValueError(
                f"model transaction property in auto-complete-config function for model"
                f" '{self._name}' contains property other than 'decoupled'."
            )
        policy = self._model_config.setdefault("model_transaction_policy", {})
        for key, value in transaction_policy_dict.items():
            if policy.get(key, value) != value:
                raise ValueError(
                    f"trying to change decoupled property in auto-complete-config for model"
                    f" '{self._name}', which is already set to '{policy[key]}'."
                )
            policy[key] = value

    def add_input(self, input: Entry) -> None:
        """`name`, `data_type`, `dims` and perhaps `optional`; raises `ValueError`."""
        self._add("input", input, ("name", "data_type", "dims", "optional"))

    def add_output(self, output: Entry) -> None:
        """`name`, `data_type` and `dims`; raises `ValueError`."""
        self._add("output", output, ("name", "data_type", "dims"))

    @property
    def _name(self) -> str:
        return str(self._model_config["name"])

    def _add(self, side: str, entry: Entry, properties: Sequence[str]) -> None:
        function = f"in auto-complete-config function for model '{self._name}'"
        if set(entry) - set(properties):
            listed = ", ".join(f"'{name}'" for name in properties[:-1])
            raise ValueError(
                f"{side} '{entry.get('name', '')}' {function} contains property other than"
                f" {listed} and '{properties[-1]}'."
            )
        for name in properties[:3]:
            if name not in entry:
                raise ValueError(
                    f"{side} '{entry.get('name', '')}' {function} is missing '{name}' property."
                )
        known = self._model_config.setdefault(side, [])
        for current in known:
            if current["name"] == entry["name"]:
                self._merge(side, current, entry)
                return
        known.append(dict(entry))

    def _merge(self, side: str, current: Entry, entry: Entry) -> None:
        """What the configuration states has to agree."""
        stated = current.get("data_type", "TYPE_INVALID")
        if stated not in ("TYPE_INVALID", entry["data_type"]):
            raise ValueError(
                f"unable to load model '{self._name}', configuration expects datatype {stated} for"
                f" {side} '{entry['name']}', model provides {entry['data_type']}"
            )
        for name in ("dims", "optional"):
            if name in entry and current.get(name) and current[name] != entry[name]:
                raise ValueError(
                    f"model '{self._name}', tensor '{entry['name']}': the model expects {name}"
                    f" {entry[name]} but the model configuration specifies {name} {current[name]}"
                )
        current.update(entry)


def _named(entries: Sequence[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((entry for entry in entries if entry["name"] == name), None)


def get_input_config_by_name(model_config: dict[str, Any], name: str) -> dict[str, Any] | None:
    return _named(model_config.get("input", ()), name)


def get_output_config_by_name(model_config: dict[str, Any], name: str) -> dict[str, Any] | None:
    return _named(model_config.get("output", ()), name)


def using_decoupled_model_transaction_policy(model_config: dict[str, Any]) -> bool:
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled", False))
