# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whatever a configuration says, it is read or refused with a place: nothing else ever comes out.

The number of examples is what a few seconds allow; raise it for a long run.
"""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from google.protobuf import json_format, text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.config_targets import REAL
from triton_ros.core.backend import Signature
from triton_ros.core.config.config_completion import complete
from triton_ros.core.config.config_json import config_from_json, config_json
from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.config_schema import schema, supported_fields
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import DATATYPES, TensorSpec


def parses_or_refuses(text: str) -> ModelConfig | None:
    try:
        return parse_config(text, "m")
    except ConfigError as error:
        assert str(error).startswith("config.pbtxt:"), error
        return None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_random_text_is_refused_properly(text: str) -> None:
    parses_or_refuses(text)


WORDS = """name backend max_batch_size input output dims data_type TYPE_FP32 TYPE_STRING TYPE_BF16
-1 0 8 9999999999999999999999 1e400 nan { } [ ] : , ; < > "m" 'x' "\\377" '\\ud800' "\\0" #
instance_group count kind KIND_CPU KIND_AUTO 7 gpus version_policy latest all specific num_versions
versions dynamic_batching preferred_batch_size default_queue_policy max_queue_size true
ensemble_scheduling step model_name input_map output_map key value model_warmup inputs zero_data
random_data parameters string_value optimization"""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=25).map(" ".join))
def test_random_words_of_the_language_are_refused_properly(text: str) -> None:
    parses_or_refuses(text)


def fill(message: Any, random: Random, depth: int = 3) -> Any:
    """A random message of the schema, any field of it; numbers about what is legal."""
    fields = list(message.DESCRIPTOR.fields)
    for field in random.sample(fields, min(len(fields), random.randint(0, 4))):
        target = getattr(message, field.name)
        if field.message_type is None:
            value = scalar(field, random)
            if field.is_repeated:
                target.append(value)
            else:
                setattr(message, field.name, value)
        elif field.message_type.GetOptions().map_entry:
            key, entry = (field.message_type.fields_by_name[name] for name in ("key", "value"))
            if entry.message_type is None:
                target[scalar(key, random)] = scalar(entry, random)
            elif depth:
                fill(target[scalar(key, random)], random, depth - 1)
        elif depth:
            fill(target.add() if field.is_repeated else target, random, depth - 1)
    return message


def scalar(field: Any, random: Random) -> Any:
    unsigned = field.type in (field.TYPE_UINT32, field.TYPE_UINT64)
    return {
        field.TYPE_STRING: random.choice(["", "m", "x", "y", "ensemble", "../z", "a,b"]),
        field.TYPE_BYTES: b"",
        field.TYPE_BOOL: random.random() < 0.5,
        field.TYPE_ENUM: random.randint(0, 15),
        field.TYPE_FLOAT: 1.0,
        field.TYPE_DOUBLE: 1.0,
    }.get(field.type, random.randint(0 if unsigned else -1, 9))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_random_messages_of_the_schema_are_read_or_refused(seed: int) -> None:
    message = fill(schema().ModelConfig(), Random(seed))
    config = parses_or_refuses(text_format.MessageToString(message))
    if config is None:
        return
    assert config.max_batch_size == message.max_batch_size
    assert [i.spec.name for i in config.input] == [i.name for i in message.input]
    counts = [group.count for group in message.instance_group]
    assert [group.count for group in config.instance_group] == counts
    supported = supported_fields()
    assert {field.name for field, _ in message.ListFields()} <= set(supported)


# --- mutated configurations ---------------------------------------------------------------------

TOKENS = re.findall(r'"[^"]*"|[\w-]+|[^\w\s]|\n', REAL)


def test_what_is_mutated_is_sound() -> None:
    assert parse_config(" ".join(TOKENS), "m").sequence_batching is not None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(TOKENS) - 1),
            st.sampled_from(["drop", "copy", "swap"]),
            st.integers(0, len(TOKENS) - 1),
        ),
        max_size=3,
    )
)
def test_a_damaged_configuration_is_refused_with_a_line_that_exists(
    edits: list[tuple[int, str, int]],
) -> None:
    tokens = list(TOKENS)
    for place, edit, other in edits:
        at = place % len(tokens)
        if edit == "drop":
            del tokens[at]
        else:
            tokens[at] = TOKENS[other] if edit == "swap" else f"{tokens[at]} {tokens[at]}"
    text = " ".join(tokens)
    try:
        parse_config(text, "m")
    except ConfigError as error:
        found = re.match(r"config\.pbtxt:(\d+)(:\d+)?: ", str(error))
        assert found, error
        assert 1 <= int(found[1]) <= text.count("\n") + 1


# --- JSON ---------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=30)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "input", "dims", "maxBatchSize", "key"]), inner
            )
        ),
        max_leaves=8,
    ).map(json.dumps)
)
def test_random_json_is_refused_properly(text: str) -> None:
    try:
        config_from_json(text, "m")
    except ConfigError as error:
        assert str(error).startswith("Invalid config override: ")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_json_and_text_say_the_same(seed: int) -> None:
    message = fill(schema().ModelConfig(), Random(seed))
    config = parses_or_refuses(text_format.MessageToString(message))
    if config is None:
        return
    assert config_from_json(json_format.MessageToJson(message), "m") == config
    try:  # what is shown is complete: the batch size is known
        known = config.with_changes(stated=config.stated | {"max_batch_size"})
    except ConfigError:
        return
    shown = config_json(known)
    assert config_json(config_from_json(shown, "m")) == shown


# --- completion ---------------------------------------------------------------------------------

SPECS = st.lists(
    st.builds(
        TensorSpec,
        st.sampled_from("xyrni"),
        st.sampled_from(["FP32", "INT32", *DATATYPES[:2]]),
        st.lists(st.sampled_from([-1, 1, 2, 4]), max_size=3).map(tuple),
    ),
    max_size=4,
    unique_by=lambda spec: spec.name,
).map(tuple)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), SPECS, SPECS, st.booleans(), st.booleans())
def test_any_file_completes_or_contradicts(
    seed: int, inputs: Any, outputs: Any, batchable: bool, auto: bool
) -> None:
    batchable = batchable and all(s.dims[:1] == (-1,) for s in (*inputs, *outputs))
    message = schema().ModelConfig()
    fill(message, Random(seed))
    config = parses_or_refuses(text_format.MessageToString(message)) or ModelConfig("m")
    try:
        done = complete(config, Signature(inputs, outputs, batchable), auto_complete=auto)
    except ConfigError:
        return
    config_json(done)
    assert done.instance_group
    assert complete(done, Signature(inputs, outputs, batchable), auto_complete=auto) == done
