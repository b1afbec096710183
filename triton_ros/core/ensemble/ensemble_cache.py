# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An ensemble's answers in the response cache, which are good as long as its steps' models are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from triton_ros.core.request import InferenceRequest, InferenceResponse, Outcome
from triton_ros.core.response_cache import ModelCache, ResponseCache
from triton_ros.core.tensor import Array

Put = Callable[[Outcome], None]


class EnsembleCache:
    """The answers of one load of an ensemble."""

    def __init__(self, cache: ResponseCache, name: str, version: int) -> None:
        self._open = partial(cache.model, name, version)
        self._answers: ModelCache = self._open()

    def renew(self) -> ModelCache:
        """The model of a step was exchanged: forget all answers, those to come from it as well.

        The place of the answers from now on.
        """
        old, self._answers = self._answers, self._open()
        old.close()
        return self._answers

    def close(self) -> None:
        """Forget all of it."""
        self._answers.close()


def look(answers: ModelCache, request: InferenceRequest) -> tuple[dict[str, Array] | None, Put]:
    """The cached outputs, if there are any, and where the outcome goes otherwise."""
    key = answers.key(request.inputs, request.outputs, request.parameters)
    if key is None:
        return None, lambda outcome: None

    def put(outcome: Outcome) -> None:
        if isinstance(outcome, InferenceResponse):
            answers.put(key, outcome.outputs)

    return answers.get(key), put
