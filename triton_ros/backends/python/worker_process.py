# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A worker process: started, talked to, and ended, whatever the model in it does.

What runs in it is a module's `main`: the Python backend's, or that of C backends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from triton_ros.backends.python.channel import Channel, Message, UnreadableError
from triton_ros.backends.python.environment import Interpreter
from triton_ros.backends.python.listener import Listener
from triton_ros.backends.python.settings import WorkerSettings
from triton_ros.backends.python.shared_tensors import Reader, Writer
from triton_ros.core.errors import InternalError, InvalidArgumentError

_LOG = logging.getLogger(__name__)
_PACKAGE = Path(__file__).resolve().parents[2]
PYTHON_WORKER = "triton_ros.backends.python.worker"


_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}
"""glibc keeps freed arrays, as in the server: else every large one is made of new pages."""


class WorkerDied(Exception):
    """The process is gone; the message says how it ended."""


class WorkerProcess:
    """One process.  `on_message` gets what it says by itself, on a thread of this worker or on one
    that waits for the end of a step.
    """

    def __init__(
        self,
        name: str,
        interpreter: Interpreter,
        settings: WorkerSettings,
        on_message: Callable[[Message], None],
        on_death: Callable[[WorkerProcess], None] = lambda worker: None,
        module: str = PYTHON_WORKER,
    ) -> None:
        """`module` has the `main` of the process."""
        self.name = name
        self.death = ""
        """How it ended; empty while it lives."""
        self._timeout = settings.timeout
        self._on_message, self._on_death = on_message, on_death
        self._news = threading.Condition()
        self._reason = ""
        files = [os.memfd_create(f"triton_ros {name}", os.MFD_CLOEXEC) for _ in range(2)]
        try:
            self.writer = Writer(files[0], settings.size, settings.growth)
            self.reader = Reader(files[1])
            self._process, self._channel = _spawn(interpreter, files, settings, module)
        except BaseException:
            for file in files:
                os.close(file)
            raise
        self._listener = Listener(self._channel, self._handle)
        self._files = files
        self._threads = [
            threading.Thread(target=self._receive, name=f"{name}: messages", daemon=True),
            threading.Thread(target=self._print, name=f"{name}: output", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def adopt(
        self,
        name: str,
        on_message: Callable[[Message], None],
        on_death: Callable[[WorkerProcess], None],
    ) -> bool:
        """Give the process another name and other listeners; False if it is gone."""
        with self._news:
            self.name, self._on_message, self._on_death = name, on_message, on_death
            alive = not self.death
        if not alive:
            self.close()
        return alive

    @property
    def pid(self) -> int:
        return self._process.pid

    def resident_bytes(self) -> int:
        """Memory of the process; 0 once it has ended."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    # talking --------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Raises `WorkerDied`."""
        free = self.reader.released()
        if free:
            message = {**message, "free": free}
        try:
            self._channel.send(message)
        except OSError:
            self._ended()
            raise WorkerDied(self.death) from None

    def step(self, op: str, **fields: Any) -> Message:
        """A step of the model's life; raises `InvalidArgumentError` with what the model said."""
        with self.listening(self._timeout):
            self.send({"op": op, **fields})
            answer = self.wait(op, self._timeout)
        if answer["op"] == "failed":
            raise InvalidArgumentError(answer["error"])
        return answer

    @contextmanager
    def listening(self, timeout: float | None = None) -> Iterator[None]:
        """Around `send` and `wait`: what the process says is read by this thread.

        Raises `WorkerDied`, also if another thread has waited for so long.
        """
        try:
            with self._listener.claimed(timeout):
                yield
        except TimeoutError:
            self.kill(f"was busy for {timeout:g} s and was killed")
            raise WorkerDied(self.death) from None
        except EOFError:
            self._ended()
            raise WorkerDied(self.death) from None
        except UnreadableError as error:  # a model can write into its process' files, too
            self._unreadable(error)
            raise WorkerDied(self.death) from None

    def wait(self, op: str, timeout: float | None) -> Message:
        """The end of a step, while `listening`.  Raises `WorkerDied`, also after a time-out, which
        kills it.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            message = self._listener.next(left)
            if message is None:
                self.kill(f"did not end '{op}' within {timeout:g} s and was killed")
                raise WorkerDied(self.death)
            if message["to"] == op:
                return message

    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> None:
        """Until the condition holds, which `notify` says; raises as `wait` does."""
        with self._news:
            if self._news.wait_for(lambda: condition() or bool(self.death), timeout):
                if condition():
                    return
                raise WorkerDied(self.death)
        self.kill(f"did not answer within {timeout:g} s and was killed")
        raise WorkerDied(self.death)

    def notify(self) -> None:
        """Something changed that `wait_for` waits for."""
        with self._news:
            self._news.notify_all()

    # ending ---------------------------------------------------------------------------------------

    def kill(self, reason: str) -> None:
        """At once, with all that it started; returns when it is gone."""
        self._reason = reason
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._ended()

    def close(self) -> None:
        """Let the model finalize, then end; after the time-out, or if it fails, kill it."""
        if not self.death:
            try:
                self.step("finalize")
            except (WorkerDied, InvalidArgumentError) as error:
                _LOG.warning("%s: %s", self.name, error)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self._timeout if not self.death else 0)
        if self._process.poll() is None:
            self.kill("did not end and was killed")
        self._ended()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(self._timeout)
        self._listener.close()
        for file in self._files:
            os.close(file)
        self._files = []

    def _ended(self) -> None:
        """Note how it ended (waits for that), and wake everybody; the first time only."""
        status = self._process.wait()
        with self._news:
            if self.death:
                return
            self.death = f"process {self.pid} {self._reason or _how(status)}"
            self._news.notify_all()
        self._channel.end()

    # threads --------------------------------------------------------------------------------------

    def _receive(self) -> None:
        try:
            self._listener.watch()
        except UnreadableError as error:
            self._unreadable(error)
        self._ended()
        self._on_death(self)

    def _unreadable(self, error: UnreadableError) -> None:
        self.kill(f"sent what cannot be read ({error}) and was killed")

    def _handle(self, message: Message) -> bool:
        """See `listener.Handle`.  Raises `UnreadableError` for what no worker says."""
        try:
            self.writer.free(message.get("free", ()))
            if "to" in message:
                return False
        except (TypeError, KeyError) as error:
            raise UnreadableError(repr(error)) from error
        try:
            self._on_message(message)
        except Exception:
            _LOG.exception("%s: a message could not be handled", self.name)
        return True

    def _print(self) -> None:
        """What the model prints, line by line."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                _LOG.info("%s: %s", self.name, line.decode(errors="replace").rstrip())


def _spawn(
    interpreter: Interpreter, files: list[int], settings: WorkerSettings, module: str
) -> tuple[subprocess.Popen[bytes], Channel]:
    ours, theirs = socket.socketpair()
    passed = [theirs.fileno(), *files]
    numbers = [*passed, settings.size, settings.growth]
    bootstrap = _PACKAGE / "backends" / "python" / "bootstrap.py"
    command = [interpreter.python, "-uB", str(bootstrap), str(_PACKAGE), module]
    command += map(str, numbers)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=passed,
            env={**_MEMORY, **interpreter.variables},
            start_new_session=True,  # a Ctrl-C is the server's, which then ends its workers
        )
    except OSError as error:
        ours.close()
        raise InternalError(f"cannot start {interpreter.python}: {error}") from error
    finally:
        theirs.close()
    if settings.memory_limit is not None:
        _limit_memory(process.pid, settings.memory_limit)
    return process, Channel(ours)


def _limit_memory(pid: int, limit: int) -> None:
    """An allocation beyond it fails in the process.

    Private memory only: what is shared with the server and the code of libraries do not count.
    """
    with contextlib.suppress(ProcessLookupError):  # it has ended, which is told elsewhere
        resource.prlimit(pid, resource.RLIMIT_DATA, (limit, limit))


def _how(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
