# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The logging extension: what of this package's log is let through.

The settings are a filter on the handlers that the package's records go to (the node's, which leads
to /rosout, and a program's own), so that they hold whoever made those, and are gone with `close`.
``log_verbose_level`` above 0 lets debug records through.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from triton_ros.core.errors import InvalidArgumentError, UnavailableError, UnsupportedError

PACKAGE = "triton_ros"
_FORMATS = ("default", "ISO8601")
_NAMES = (*("log_file", "log_info", "log_warning", "log_error", "log_verbose_level", "log_format"),)


@dataclass(frozen=True, slots=True)
class _Settings:
    info: bool = True
    warning: bool = True
    error: bool = True
    verbose_level: int = 0
    format: str = "default"


class LogSettings:
    """The settings at work, from the first `update` to `close`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settings = _Settings()
        self._restore = ExitStack()

    def as_json(self) -> dict[str, Any]:
        """The extension's answer."""
        now = self._settings
        return {
            "log_file": "",
            "log_info": now.info,
            "log_warning": now.warning,
            "log_error": now.error,
            "log_verbose_level": now.verbose_level,
            "log_format": now.format,
        }

    def update(self, values: Mapping[str, object]) -> None:
        """Change the given ones; None leaves one as it is.  Nothing is changed if one is refused.

        Raises `UnsupportedError` for ``log_file``, `UnavailableError` for an unknown format, and
        `InvalidArgumentError`.
        """
        with self._lock:
            settings = self._settings
            for name, value in values.items():
                if name not in _NAMES:
                    raise InvalidArgumentError(
                        f"unknown log setting '{name}'; accepted: {', '.join(_NAMES)}"
                    )
                if value is not None:
                    settings = _changed(settings, name, value)
            self._settings = settings
            self._apply()

    def close(self) -> None:
        """Everything as it was."""
        with self._lock:
            self._settings = _Settings()
            self._restore.close()

    def _apply(self) -> None:
        self._restore.close()
        package = logging.getLogger(PACKAGE)
        for handler in (*package.handlers, *logging.getLogger().handlers):
            handler.addFilter(self._passes)
            self._restore.callback(handler.removeFilter, self._passes)
        if self._settings.verbose_level:
            levels: list[logging.Logger | logging.Handler] = [package, *package.handlers]
            for each in levels:
                self._restore.callback(each.setLevel, each.level)
                each.setLevel(logging.DEBUG)

    def _passes(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != PACKAGE:
            return True
        now = self._settings
        if now.format == "ISO8601" and not hasattr(record, "stamped"):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
            record.msg, record.args, record.stamped = f"{stamp} {record.getMessage()}", (), True
        if record.levelno >= logging.ERROR:
            return now.error
        if record.levelno >= logging.WARNING:
            return now.warning
        return now.info if record.levelno >= logging.INFO else now.verbose_level > 0


def _changed(settings: _Settings, name: str, value: object) -> _Settings:
    if name == "log_file":
        raise UnsupportedError("log file location can not be updated through network protocol")
    if name == "log_format":
        if value not in _FORMATS:
            raise UnavailableError(
                f"invalid argument for --log_format, got: {value}; accepted: {', '.join(_FORMATS)}"
            )
        return replace(settings, format=str(value))
    if name == "log_verbose_level":
        if type(value) is not int or not 0 <= value < 1 << 32:
            raise InvalidArgumentError(f"{name} is {value!r}; accepted: an unsigned integer")
        return replace(settings, verbose_level=value)
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"{name} is {value!r}; accepted: true, false")
    changed: dict[str, Any] = {name.removeprefix("log_"): value}
    return replace(settings, **changed)
