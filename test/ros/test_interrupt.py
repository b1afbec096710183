# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What ends a wait, and what does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from triton_ros.ros.interrupt import Interrupt


def test_a_condition_ends_the_wait() -> None:
    interrupt, done = Interrupt(), threading.Event()

    def work() -> None:
        interrupt.look()  # in vain
        done.set()
        interrupt.look()

    threading.Thread(target=work).start()
    interrupt.wait_for(done.is_set, 60.0)
    assert done.is_set()
    assert not interrupt.is_set


def test_a_signal_ends_the_wait_of_the_main_thread() -> None:
    interrupt = Interrupt()
    before = signal.signal(signal.SIGUSR1, lambda *_: interrupt.set())
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        interrupt.wait_for(lambda: False, 60.0)
        assert interrupt.is_set
        interrupt.wait_for(lambda: False, 60.0)  # and nothing waits any more
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_is_heard_while_the_main_thread_is_not_in_python() -> None:
    program = """
import ctypes, os
from triton_ros.ros.interrupt import Interrupt
interrupt, library = Interrupt.at_signals(), ctypes.CDLL(None)
for action in (lambda: print("heard", interrupt.is_set), lambda: os._exit(7)):
    interrupt.then(action)
print("begins", flush=True)
library.pthread_mutex_lock(mutex := ctypes.create_string_buffer(64))
library.pthread_mutex_lock(mutex)  # for ever, and no signal interrupts it
"""
    command = [sys.executable, "-u", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "heard True\n"
    assert process.returncode == 7


def test_an_action_comes_too_late() -> None:
    interrupt, done = Interrupt(), []
    interrupt.set()
    interrupt.then(lambda: done.append(1))
    assert done


def test_the_limit_ends_the_wait() -> None:
    interrupt = Interrupt()
    interrupt.wait_for(lambda: False, 0.01)
    assert not interrupt.is_set
