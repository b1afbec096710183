# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The node's process: initialises ROS, spins, and shuts the node down at a signal."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from triton_ros.ros.interrupt import Interrupt
from triton_ros.ros.network import StartFrontends
from triton_ros.ros.node import MakeServer, TritonNode

RCLError = rclpy_implementation.RCLError
UnknownROSArgsError = rclpy_implementation.UnknownROSArgsError
THREADS_END_S = 0.5


def run_node(
    make_server: MakeServer,
    start_frontends: StartFrontends,
    arguments: Sequence[str],
    interrupt: Interrupt,
) -> int:
    """Run the node until the interrupt; the process's exit status."""
    if problem := _init_ros(arguments):
        return _refused(problem)
    try:
        node = TritonNode(make_server, start_frontends, interrupt)
    except RCLError as error:  # the middleware's: no security in it, or a keystore that is none
        rclpy.shutdown()
        return _refused(str(error))
    executor = _make_executor()
    executor.add_node(node)
    try:
        if node.get_parameter("autostart").value and not interrupt.is_set:
            _autostart(node)
        _spin(executor, interrupt)
        node.shut_down()
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
    _end_process_if_stuck()
    interrupt.ignore_signals()
    return 0


def _refused(problem: str) -> int:
    print(f"triton_ros: {problem.splitlines()[0]}", file=sys.stderr)
    return 1


def _init_ros(arguments: Sequence[str]) -> str:
    """What is wrong with the command line or the parameter files; "" for nothing."""
    try:
        rclpy.init(args=list(arguments), signal_handler_options=SignalHandlerOptions.NO)
    except UnknownROSArgsError as error:
        return f"unknown after --ros-args: {error}"
    except RCLError as error:
        return str(error)
    return ""


def _autostart(node: TritonNode) -> None:
    if node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
        node.trigger_activate()


def _make_executor() -> Executor:
    try:
        # A third of the CPU per message of the others; they busy-wait or scan all entities.
        from rclpy.experimental.events_executor import EventsExecutor  # noqa: PLC0415  (from Kilted on)
    except ImportError:
        return SingleThreadedExecutor()
    executor: Executor = EventsExecutor()
    return executor


def _spin(executor: Executor, interrupt: Interrupt) -> None:
    """Until SIGINT or SIGTERM."""
    interrupted: Future[None] = Future(executor=executor)
    interrupt.then(lambda: interrupted.set_result(None))
    while not interrupt.is_set:
        # Without a timeout `EventsExecutor` never sleeps (rclpy 9.1), nor lets other threads run.
        executor.spin_until_future_complete(interrupted, timeout_sec=3600.0)


def _end_process_if_stuck() -> None:
    """Leave although a model still loads or runs; Python would wait for its thread.

    Everything of ROS has been taken down before, so nothing is left behind.
    """
    deadline = time.monotonic() + THREADS_END_S
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in others:
        thread.join(max(0.0, deadline - time.monotonic()))
    stuck = [thread.name for thread in others if thread.is_alive()]
    if stuck:
        print(f"triton_ros: ends without waiting for {', '.join(stuck)}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
