# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which instances may execute at the same time: Triton's rate limiter, for all models of a server.

An instance needs resources (its `rate_limiter`) while it executes; one without needs none and is
never held up.  Of the instances that wait, one with a smaller number of executions times priority
goes first.  Two things differ from Triton, whose limiter can stand still for ever (server #8358):

- An instance whose resources are not free does not keep others from starting.  So that it is not
  passed over for ever, after `PATIENCE` times nobody else may take what it waits for.
- A model that calls models lends them what it holds.  While such a request waits in a model's
  queue, that model's instances may run on the caller's resources.

Decisions only; the lock is here because many schedulers ask.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from triton_ros.core.config.scheduling_config import RateLimiterConfig, Resource
from triton_ros.core.errors import ConfigError

GLOBAL = -1
"""The device of resources that all devices share."""

ANY = -2
"""In the server's counts: each device, or the one pool of a global resource."""

PATIENCE = 16
"""How often an instance is passed over before what it waits for is kept for it."""

Wakes: TypeAlias = list[Callable[[], None]]
"""Who should ask again.  Each takes its scheduler's lock, so call them while holding none."""

Need: TypeAlias = Counter[tuple[str, int]]
"""Units by resource and device."""


@dataclass(eq=False, slots=True)
class Grant:
    """What an instance holds while it executes."""

    key: Hashable
    own: Need
    """Taken from what was free."""
    lent_by: list[tuple[Grant, Need]] = field(default_factory=list)
    available: Need = field(default_factory=Counter)
    """What it could still lend: all that it holds, less what it lent."""


@dataclass(slots=True)
class _Waiter:
    need: Need
    wake: Callable[[], None]
    passed: int = 0


@dataclass(slots=True)
class _Member:
    need: Need
    priority: int
    executions: int = 0

    @property
    def weight(self) -> int:
        return self.executions * self.priority


class RateLimiter:
    """Grants resources; `resources` are the server's own counts, by name and device.

    A resource that is not listed has as many units as the instance that needs most of it.
    """

    def __init__(self, resources: Mapping[tuple[str, int], int] | None = None) -> None:
        self._lock = threading.Lock()
        self._stated = dict(resources or {})
        self._members: dict[Hashable, _Member] = {}
        self._used: Need = Counter()
        self._waiting: dict[Hashable, _Waiter] = {}
        self._borrowers: set[Grant] = set()

    def join(self, key: Hashable, config: RateLimiterConfig, device: int) -> None:
        """An instance begins to exist.  Raises `ConfigError` if it could never run."""
        need = needs(config.resources, device)
        with self._lock:
            for (name, at), count in need.items():
                self._check(name, at, count)
            self._members[key] = _Member(need, max(config.priority, 1))

    def leave(self, key: Hashable) -> Wakes:
        """An instance is gone."""
        with self._lock:
            self._members.pop(key, None)
            self._waiting.pop(key, None)
            return self._wakes()

    def start(
        self, key: Hashable, lenders: Iterable[Grant], wake: Callable[[], None]
    ) -> Grant | None:
        """What the instance needs, now; None if it has to wait.  `wake` is called when asking again
        is worth it.
        """
        with self._lock:
            member = self._members[key]
            grant = self._fit(key, member.need, lenders)
            if grant is None or (not grant.lent_by and self._others_first(key, member)):
                self._waiting.setdefault(key, _Waiter(member.need, wake))
                return None
            self._waiting.pop(key, None)
            self._take(grant)
            for waiter in self._waiting.values():
                if _overlap(waiter.need, grant.own):
                    waiter.passed += 1
            return grant

    def finish(self, grant: Grant, executed: bool = True) -> Wakes:
        """Give back what was granted; `executed` False if there was nothing to run after all."""
        with self._lock:
            self._hand_over(grant)
            self._used -= grant.own  # a Counter drops what is not positive
            for lender, amount in grant.lent_by:
                lender.available += amount
            grant.available = Counter()  # a call that still waits names it, but it has nothing
            member = self._members.get(grant.key)
            if member and executed:
                member.executions += 1
            return self._wakes()

    def idle(self, key: Hashable) -> Wakes:
        """The instance has nothing to run any more, so nobody need let it go first."""
        with self._lock:
            return self._wakes() if self._waiting.pop(key, None) else []

    def _check(self, name: str, device: int, count: int) -> None:
        other = [at for at in self._devices(name) if (at == GLOBAL) != (device == GLOBAL)]
        if other:
            raise ConfigError(
                f"rate_limiter: resource '{name}' is used both as a global one and as one of a"
                " device"
            )
        limit = self._limit((name, device))
        if limit is not None and count > limit:
            raise ConfigError(
                f"rate_limiter: resource '{name}' count {count} is more than the server's {limit}"
            )

    def _devices(self, name: str) -> set[int]:
        needs = [key for member in self._members.values() for key in member.need]
        return {device for known, device in [*self._stated, *needs] if known == name} - {ANY}

    def _limit(self, key: tuple[str, int]) -> int | None:
        return self._stated.get(key, self._stated.get((key[0], ANY)))

    def _capacity(self, key: tuple[str, int]) -> int:
        limit = self._limit(key)
        if limit is not None:
            return limit
        return max((member.need[key] for member in self._members.values()), default=0)

    def _fit(self, key: Hashable, need: Need, lenders: Iterable[Grant]) -> Grant | None:
        grant = Grant(key, Counter())
        missing: Need = Counter()
        for resource, count in need.items():
            free = max(self._capacity(resource) - self._used[resource], 0)
            own = min(free, count)
            if own:
                grant.own[resource] = own
            if count > own:
                missing[resource] = count - own
        for lender in lenders if missing else ():
            lent = missing & lender.available
            if lent:
                grant.lent_by.append((lender, lent))
                missing -= lent
        return None if missing else grant

    def _take(self, grant: Grant) -> None:
        self._used += grant.own
        grant.available = Counter(grant.own)
        for lender, amount in grant.lent_by:
            lender.available -= amount
            grant.available += amount
        if grant.lent_by:
            self._borrowers.add(grant)

    def _hand_over(self, grant: Grant) -> None:
        """Who borrowed from a grant that ends (nobody waited for the call) keeps what it has."""
        self._borrowers.discard(grant)
        for borrower in self._borrowers:
            loans = [amount for lender, amount in borrower.lent_by if lender is grant]
            borrower.lent_by = [loan for loan in borrower.lent_by if loan[0] is not grant]
            for loan in loans:
                own = loan & grant.own
                grant.own -= own
                borrower.own += own
                loan.subtract(own)
                for lender, amount in grant.lent_by:
                    part = loan & amount
                    loan.subtract(part)
                    amount.subtract(part)
                    borrower.lent_by.append((lender, part))

    def _others_first(self, key: Hashable, member: _Member) -> bool:
        """Whether somebody who waits for the same has a better claim, and could use it (soon)."""
        own = self._waiting.get(key)
        passed = own.passed if own else 0
        for other, waiter in self._waiting.items():
            if other == key or not _overlap(waiter.need, member.need):
                continue
            if max(waiter.passed, passed) >= PATIENCE:
                first = waiter.passed > passed
            else:
                first = self._members[other].weight < member.weight
                first = first and self._fit(other, waiter.need, ()) is not None
            if first:
                return True
        return False

    def _wakes(self) -> Wakes:
        return list(dict.fromkeys(waiter.wake for waiter in self._waiting.values()))


def parse_resources(settings: Sequence[str]) -> dict[tuple[str, int], int]:
    """The server's counts from Triton's words: ``<name>:<count>`` or ``<name>:<count>:<device>``.

    Raises `ConfigError` that names the setting.
    """
    found: dict[tuple[str, int], int] = {}
    for setting in settings:
        name, *numbers = setting.split(":")
        if not name or len(numbers) not in (1, 2) or not all(n.isdecimal() for n in numbers):
            raise ConfigError(
                f"rate_limit_resource '{setting}': accepted are <name>:<count> and"
                " <name>:<count>:<device>"
            )
        found[name, int(numbers[1]) if len(numbers) == 2 else ANY] = int(numbers[0])
    return found


def needs(resources: Sequence[Resource], device: int) -> Need:
    """The units that an instance on a device needs."""
    need: Need = Counter()
    for resource in resources:
        need[resource.name, GLOBAL if resource.is_global else device] += resource.count
    return need


def _overlap(a: Need, b: Need) -> bool:
    return not a.keys().isdisjoint(b)
