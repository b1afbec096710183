# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trace files: Triton's JSON, one array of entries a file.

Unlike Triton's, a file is complete after every write (the closing bracket is written over by the
next one), so it can be read while the server runs and after it was killed.  A file that cannot be
written costs its traces, never a request: that is logged, once a file.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, TypeAlias

_LOG = logging.getLogger(__name__)

Entry: TypeAlias = dict[str, Any]
"""One object of a trace file."""


class TraceSink(Protocol):
    """Where finished traces go."""

    def save(self, file: str, entries: Sequence[Entry], numbered: bool) -> None:
        """Append to `file`, or write the next ``<file>.<n>``.  Does not raise for a bad file."""
        ...

    def close(self) -> None:
        """Nothing is saved any more."""
        ...


class TraceFiles:
    """Writes trace files; thread-safe.  Files of an earlier run are overwritten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, FileIO] = {}
        self._numbers: Counter[str] = Counter()
        self._failed: set[str] = set()

    def save(self, file: str, entries: Sequence[Entry], numbered: bool) -> None:
        text = ",\n".join(json.dumps(entry) for entry in entries).encode()
        with self._lock:
            try:
                if numbered:
                    number = self._numbers[file]
                    self._numbers[file] += 1
                    Path(f"{file}.{number}").write_bytes(b"[" + text + b"]")
                else:
                    self._append(file, text)
            except OSError as error:
                if file not in self._failed:
                    _LOG.error("failed creating trace file '%s': %s", file, error)
                self._failed.add(file)

    def _append(self, file: str, text: bytes) -> None:
        handle = self._open.get(file)
        if handle is None:
            handle = self._open[file] = open(file, "wb", buffering=0)  # noqa: SIM115 (see `close`)
        end = handle.seek(0, os.SEEK_END)
        last = max(0, end - 1)  # the bracket that closes
        try:
            handle.seek(last)
            _write_all(handle, (b",\n" if end else b"[") + text + b"]")
        except OSError:  # a full disk: what is there stays whole
            handle.seek(last)
            handle.write(b"]" if end else b"")
            handle.truncate(end)
            raise

    def close(self) -> None:
        with self._lock:
            handles = list(self._open.values())
            self._open.clear()
            for handle in handles:
                handle.close()


def _write_all(handle: FileIO, data: bytes) -> None:
    while data:
        data = data[handle.write(data) :]
