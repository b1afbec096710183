# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Poll mode: what changes in the repository is loaded and unloaded.

A model that changed is left alone until it was quiet for a while, so a half-written upload is not
loaded; then its content is compared, so a `touch` is no change.  A load that failed is tried again
when the files change or are touched (an ensemble's, also when another model loaded; that of a name
that was in two roots, also when it is in one only).  A model that vanished is
unloaded when it stayed away for as long, so `rm -r` and a copy in its place is one change.

A root that vanished, or that is another, empty directory than it was (the mount point of a disk
that is gone) says nothing about its models: they serve on, and a warning is logged.

`poll_once` decides; the thread only waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from triton_ros.core.control.model_repository import ModelRepository
from triton_ros.core.control.model_signature import ModelSignature, content_digest, take_signature
from triton_ros.core.errors import TritonError
from triton_ros.core.execution.executor import Clock

_LOG = logging.getLogger(__name__)

Act = Callable[[str], "Future[None]"]


@dataclass(slots=True)
class _Seen:
    """A model as it was when it was last loaded (or tried to), and what came since."""

    path: Path
    signature: ModelSignature | None = None
    """None for a model that was never loaded."""
    digest: str | None = None
    """Of the content that belongs to `signature`; None if that is gone."""
    noticed: ModelSignature | None = None
    """What it is now, since `noticed_ns`, if that is not `signature`."""
    noticed_ns: int = 0
    gone_ns: int | None = None
    action: Future[None] | None = None
    loads_before: int = 0
    """How many loads had succeeded, in all, when this model's last one failed."""
    in_two: bool = False
    """Whether more than one root had the model then."""


class RepositoryPoller:
    """Watches a repository; `load` and `unload` are called with names, from one thread."""

    def __init__(
        self,
        repository: ModelRepository,
        load: Act,
        unload: Act,
        poll_secs: float,
        quiet_secs: float,
        clock: Clock,
        config_name: str = "",
    ) -> None:
        self._repository = repository
        self._load = load
        self._unload = unload
        self._poll_secs = poll_secs
        self._quiet_ns = round(quiet_secs * 1e9)
        self._clock = clock
        self._config_name = config_name
        self._seen: dict[str, _Seen] = {}
        self._roots = {root: _identity(root) for root in repository.roots}
        self._missing: set[Path] = set()
        self._succeeded = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def expect(self, names: Iterable[str]) -> None:
        """These models are loaded now, by somebody else."""
        for name in names:
            path = self._path(name)
            if path:
                in_two = self._in_two(name)
                self._seen[name] = _Seen(path, take_signature(path), in_two=in_two)

    def loading(self, name: str, load: Future[None]) -> None:
        """The load of a model that was expected."""
        if name in self._seen:
            self._seen[name].action = load

    def start(self) -> None:
        """Poll on a thread until `close`."""
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Do nothing any more; returns when the thread ended (it may be reading a big file), or
        after `timeout` seconds.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join(timeout)

    def poll_once(self) -> float:
        """Look at every model once, and act; the seconds until it is worth looking again."""
        now = self._clock()
        self._look_at_roots()
        found = self._paths()
        waits = [self._poll_secs]
        for name in sorted({*found, *self._seen}):
            seen = self._seen.get(name)
            if seen and seen.action and not seen.action.done():
                continue
            if seen:
                self._note_outcome(seen)
            if name in found:
                seen = self._seen.setdefault(name, _Seen(found[name]))
                left = self._look(name, seen, found[name], now)
            else:
                assert seen is not None
                left = self._look_for(name, seen, now)
            waits.append(left)
        return min(waits)

    # decisions -------------------------------------------------------------------------------

    def _look(self, name: str, seen: _Seen, path: Path, now: int) -> float:
        """At a model that is there; the seconds until it could be loaded."""
        seen.gone_ns, seen.path = None, path
        signature = take_signature(path)
        if signature == seen.signature:
            seen.noticed = None
            if seen.digest is None:
                self._remember(seen, content_digest(path))
            if self._may_work_now(name, seen):
                self._begin_load(name, seen)
            return self._poll_secs
        if signature != seen.noticed:
            seen.noticed, seen.noticed_ns = signature, now
        left = seen.noticed_ns + self._quiet_ns - now
        if left > 0:
            return left / 1e9
        digest = content_digest(path)
        if take_signature(path) != signature:  # it changes while it is read
            return self._quiet_ns / 1e9
        unchanged = digest == seen.digest and not _failed(seen)
        seen.signature, seen.noticed = signature, None
        seen.digest = digest
        if not unchanged:
            self._begin_load(name, seen)
        return self._poll_secs

    def _look_for(self, name: str, seen: _Seen, now: int) -> float:
        """For a model that is not there; the seconds until it could be unloaded."""
        if seen.path.parent in self._missing:
            return self._poll_secs
        if seen.gone_ns is None:
            seen.gone_ns = now
        left = seen.gone_ns + self._quiet_ns - now
        if left > 0:
            return left / 1e9
        del self._seen[name]
        self._act(name, self._unload)
        return self._poll_secs

    def _remember(self, seen: _Seen, digest: str) -> None:
        if take_signature(seen.path) == seen.signature:
            seen.digest = digest

    def _may_work_now(self, name: str, seen: _Seen) -> bool:
        """Whether a load that failed failed for what may be different now."""
        if not _failed(seen):
            return False
        if seen.in_two and not self._in_two(name):
            return True
        if self._succeeded <= seen.loads_before:
            return False
        try:
            return self._repository.find(name).read_config(self._config_name).is_ensemble
        except TritonError:
            return False

    # actions ---------------------------------------------------------------------------------

    def _begin_load(self, name: str, seen: _Seen) -> None:
        seen.loads_before, seen.in_two = self._succeeded, self._in_two(name)
        seen.action = self._act(name, self._load)

    def _act(self, name: str, act: Act) -> Future[None] | None:
        try:
            action = act(name)
        except TritonError as error:  # the server is closing
            _LOG.info("model '%s': %s", name, error)
            return None
        action.add_done_callback(partial(_tell, name))
        return action

    def _note_outcome(self, seen: _Seen) -> None:
        if seen.action and not _failed(seen):
            seen.action = None
            self._succeeded += 1

    # repository ------------------------------------------------------------------------------

    def _paths(self) -> dict[str, Path]:
        found = {}
        for name in self._repository.names():
            path = self._path(name)
            if path:
                found[name] = path
        return found

    def _path(self, name: str) -> Path | None:
        return next(self._places(name), None)

    def _in_two(self, name: str) -> bool:
        return len(list(self._places(name))) > 1

    def _places(self, name: str) -> Iterator[Path]:
        for root in self._repository.roots:
            if root not in self._missing and (root / name).is_dir():
                yield root / name

    def _look_at_roots(self) -> None:
        for root, before in self._roots.items():
            now = _identity(root)
            if now is None or (now != before and not any(root.iterdir())):
                if root not in self._missing:
                    _LOG.warning("model repository '%s' is gone; its models serve on", root)
                self._missing.add(root)
            else:
                self._roots[root] = now
                self._missing.discard(root)

    def _run(self) -> None:
        while True:
            try:
                seconds = self.poll_once()
            except Exception:  # the thread's boundary: a file system that is ill may recover
                _LOG.exception("polling the model repository failed")
                seconds = self._poll_secs
            with self._changed:
                self._changed.wait_for(lambda: self._closed, seconds)
                if self._closed:
                    return


def _failed(seen: _Seen) -> bool:
    action = seen.action
    return bool(action and action.done() and (action.cancelled() or action.exception()))


def _identity(root: Path) -> tuple[int, int] | None:
    try:
        found = root.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _tell(name: str, action: Future[None]) -> None:
    if action.cancelled():
        return
    if error := action.exception():
        _LOG.warning("model '%s': %s", name, error)
    else:
        _LOG.info("model '%s' follows its files", name)
