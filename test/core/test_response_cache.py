# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The response cache: what is the same request, what is kept, and who owns the arrays."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.response_cache import (
    ARRAY_BYTES,
    ENTRY_BYTES,
    CacheSnapshot,
    ModelCache,
    ResponseCache,
    answer_size,
)
from triton_ros.core.tensor import Array

ONE = {"x": np.array([[1, 2], [3, 4]], np.int32)}
ANSWER = {"y": np.arange(4, dtype=np.float32)}


def model(byte_size: int = 1 << 20) -> ModelCache:
    return ResponseCache(byte_size).model("m", 1)


def key_of(cache: ModelCache, *request: Any) -> bytes:
    key = cache.key(*request)
    assert key is not None and len(key) == 32
    return key


def test_an_answer_is_found_again() -> None:
    cache = ResponseCache(1 << 20)
    part = cache.model("m", 1)
    key = key_of(part, ONE)
    assert part.get(key) is None
    assert part.put(key, ANSWER)
    found = part.get(key_of(part, {"x": ONE["x"].copy()}))
    assert found is not None
    np.testing.assert_array_equal(found["y"], ANSWER["y"])
    size = ENTRY_BYTES + ARRAY_BYTES + 1 + 16
    assert cache.snapshot() == CacheSnapshot(
        hits=1, misses=1, insertions=1, entries=1, byte_size=size
    )


def array(values: Any, dtype: Any) -> dict[str, Array]:
    return {"x": np.array(values, dtype)}


@pytest.mark.parametrize(
    "other",
    [
        ({"z": ONE["x"]},),
        ({"x": ONE["x"].reshape(4)},),
        ({"x": ONE["x"].view(np.uint32)},),
        ({"x": ONE["x"].T},),
        ({"x": ONE["x"], "w": ONE["x"]},),
        ({},),
        (ONE, ("y",)),
        (ONE, (), {"score": 1}),
    ],
)
def test_what_makes_another_request(other: tuple[Any, ...]) -> None:
    cache = model()
    assert key_of(cache, ONE) != key_of(cache, *other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((ONE, ("a", "b")), (ONE, ("b", "a"))),
        ((ONE, ("ab",)), (ONE, ("a", "b"))),
        ((ONE, (), {"p": 1}), (ONE, (), {"p": True})),
        ((ONE, (), {"p": 1}), (ONE, (), {"p": "1"})),
        ((ONE, (), {"p": 1, "q": 2}), (ONE, (), {"p": 2, "q": 1})),
        ((ONE, ("p",)), (ONE, (), {"p": ""})),
        ((array(["ab", "c"], object),), (array(["a", "bc"], object),)),
        ((array(["a"], object),), (array([b"a"], object),)),
        ((array([0], np.bool_),), (array([0], np.uint8),)),
        ((array(["\udc80"], object),), (array(["\udc81"], object),)),
        ((array(np.zeros((0, 2)), np.int8),), (array(np.zeros((2, 0)), np.int8),)),
        (({"a": ONE["x"], "b": ONE["x"].T},), ({"b": ONE["x"], "a": ONE["x"].T},)),
    ],
)
def test_requests_that_look_alike(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    cache = model()
    assert key_of(cache, *one) != key_of(cache, *other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (({"a": ONE["x"], "b": ONE["x"]},), ({"b": ONE["x"], "a": ONE["x"]},)),
        ((ONE, (), {"p": 1, "q": 2}), (ONE, (), {"q": 2, "p": 1})),
        ((ONE,), (ONE, (), {})),
        ((ONE,), ({"x": np.asfortranarray(ONE["x"])},)),
        ((ONE,), ({"x": ONE["x"].astype(">i4")},)),
        ((array(["a", "b"], object),), (array(["a", "b"], "U7"),)),
        ((array([b"a"], object),), (array([b"a"], "S3"),)),
        ((array(1.5, np.float32),), (array(1.5, np.float32),)),
    ],
)
def test_the_same_request_in_other_clothes(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    cache = model()
    assert key_of(cache, *one) == key_of(cache, *other)


def test_model_version_and_load_are_in_the_key() -> None:
    cache = ResponseCache(1000)
    parts = [cache.model(*of) for of in (("m", 1), ("m", 2), ("m1", 1), ("m", 11), ("m", 1))]
    assert len({part.key(ONE) for part in parts}) == 5


class Source:
    """A tensor without content."""

    shape = (1,)
    dtype = np.dtype(np.uint8)

    def write(self, out: Array) -> None:
        raise AssertionError("a key must not make tensors")


@pytest.mark.parametrize("value", [Source(), np.array([1, None], object), np.array([1j])])
def test_what_cannot_be_cached_has_no_key(value: Any) -> None:
    assert model().key({"x": value}) is None


def test_a_reloaded_version_never_answers_with_old_results() -> None:
    cache = ResponseCache(1 << 20)
    old = cache.model("m", 1)
    other = cache.model("n", 1)
    running, waiting = key_of(old, ONE), key_of(old, {})
    old.put(running, ANSWER)
    other.put(key_of(other, ONE), ANSWER)
    new = cache.model("m", 1)
    assert new.get(key_of(new, ONE)) is None
    old.close()
    assert not old.put(waiting, ANSWER), "it finished after the reload"
    assert new.get(key_of(new, ONE)) is None
    assert new.get(key_of(new, {})) is None
    assert other.get(key_of(other, ONE)) is not None
    assert cache.snapshot().entries == 1
    old.close()
    other.close()
    assert cache.snapshot().byte_size == 0
    assert cache.snapshot().evictions == 0


def test_nobody_can_change_what_is_kept() -> None:
    cache = model()
    key = key_of(cache, ONE)
    made = np.zeros((2, 3), np.float32)
    cache.put(key, {"y": made, "rows": made[:1]})
    made[...] = 7
    first = cache.get(key)
    assert first is not None
    with pytest.raises(ValueError, match="read-only"):
        first["y"][0, 0] = 9
    with pytest.raises(ValueError, match="WRITEABLE"):
        first["y"].setflags(write=True)
    first["y"].shape = (6,)
    del first["rows"]
    second = cache.get(key)
    assert second is not None
    np.testing.assert_array_equal(second["y"], np.zeros((2, 3)))
    assert second["rows"].shape == (1, 3)


def test_strings_count_with_their_contents() -> None:
    short = answer_size({"y": np.array(["a"], object)})
    long = answer_size({"y": np.array(["a" * 1001], object)})
    assert long - short == 1000


def test_a_row_of_a_batch_is_kept_without_the_batch() -> None:
    cache = ResponseCache(1 << 20)
    part = cache.model("m", 1)
    batch = np.zeros((1000, 4), np.float32)
    part.put(key_of(part, ONE), {"y": batch[2:3]})
    assert cache.snapshot().byte_size == ENTRY_BYTES + ARRAY_BYTES + 1 + 16
    found = part.get(key_of(part, ONE))
    assert found is not None and found["y"].base is not None
    assert found["y"].base.nbytes == 16


def test_an_answer_larger_than_the_budget_is_not_kept() -> None:
    cache = ResponseCache(2000)
    part = cache.model("m", 1)
    kept = key_of(part, {})
    assert part.put(kept, ANSWER)
    assert not part.put(key_of(part, ONE), {"y": np.zeros(2000, np.uint8)})
    assert part.get(kept) is not None, "and nothing made room for it"
    assert cache.snapshot().too_large == 1


@pytest.mark.parametrize("budget", [0, -1])
def test_a_budget_of_nothing_is_refused(budget: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"byte_size is {budget}"):
        ResponseCache(budget)


class Naive:
    """What the cache is to do, in the plainest way: a list, the latest use last."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.held: list[tuple[bytes, int, int]] = []  # key, value, size

    def get(self, key: bytes) -> int | None:
        for entry in self.held:
            if entry[0] == key:
                self.held.remove(entry)
                self.held.append(entry)
                return entry[1]
        return None

    def put(self, key: bytes, value: int, size: int) -> None:
        if size > self.budget:
            return
        self.held = [entry for entry in self.held if entry[0] != key]
        while sum(entry[2] for entry in self.held) + size > self.budget:
            del self.held[0]
        self.held.append((key, value, size))


@given(
    st.integers(1, 6000),
    st.lists(
        st.tuples(st.sampled_from(["get", "put", "close"]), st.integers(0, 5), st.integers(0, 1500))
    ),
)
def test_against_the_naive_model(budget: int, steps: list[tuple[str, int, int]]) -> None:
    cache, naive = ResponseCache(budget), Naive(budget)
    part = cache.model("m", 1)
    for number, (step, which, length) in enumerate(steps):
        key = key_of(part, {"x": np.array([which])})
        if step == "get":
            found, expected = part.get(key), naive.get(key)
            assert (None if found is None else int(found["y"][0])) == expected
        elif step == "put":
            outputs = {"y": np.full(1 + length // 8, number, np.int64)}
            naive.put(key, number, answer_size(outputs))
            part.put(key, outputs)
        elif which == 0:  # a reload
            part.close()
            part, naive.held = cache.model("m", 1), []
        snapshot = cache.snapshot()
        assert snapshot.byte_size == sum(entry[2] for entry in naive.held) <= budget
        assert snapshot.entries == len(naive.held)
        assert snapshot.insertions - snapshot.evictions >= snapshot.entries, (
            "what is held was put, and did not go"
        )


def test_many_threads() -> None:
    cache = ResponseCache(5000)
    part = cache.model("m", 1)
    wrong: list[int] = []

    def use(seed: int) -> None:
        for step in range(200):
            number = (seed * 7 + step) % 12
            key = key_of(part, {"x": np.array([number])})
            found = part.get(key)
            if found is None:
                part.put(key, {"y": np.full(50, number)})
            elif not (found["y"] == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = cache.snapshot()
    assert not wrong
    assert found.hits + found.misses == 800
    assert 0 < found.byte_size <= 5000
    part.close()
    assert (cache.snapshot().entries, cache.snapshot().byte_size) == (0, 0)
