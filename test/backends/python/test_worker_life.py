# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A worker that crashes, hangs, or is not ready: nobody else is harmed, and it heals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_python import workers
from conformance_loader import Runner
from python_models import DECOUPLED, IO, TIMEOUT, X, ask, body, model, serving
from toy_models import Toy, onnx_affine, write_repository

from triton_ros.backends.python.backend import PythonBackend
from triton_ros.backends.python.settings import model_settings, worker_settings
from triton_ros.backends.python.worker_instance import pause
from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import ConfigError, InternalError, TritonError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer

FRAGILE = """
import ctypes, os, signal
class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = request.inputs()[0].as_numpy()
            if x[0, 0] == 666:
                ctypes.string_at(0)
            if x[0, 0] == 777:
                os._exit(7)
            if x[0, 0] == 888:
                signal.pause()
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", x + 1)]))
        return answers
"""
TWO = "instance_group { count: 2 kind: KIND_CPU }"


def eventually(condition: Callable[[], bool]) -> None:
    """A state that other threads bring about."""
    until = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        threading.Event().wait(0.002)


def runs(process: int) -> bool:
    """Neither gone nor a zombie, which has no command line."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


@pytest.mark.parametrize(
    ("bad", "how"), [(666, "was ended by SIGSEGV"), (777, "ended with status 7")]
)
def test_a_crash_takes_its_own_requests_only(tmp_path: Path, bad: int, how: str) -> None:
    models = {"m": model(FRAGILE), "other": Toy(onnx_affine(), "")}
    with serving(tmp_path, models) as server:
        np.testing.assert_array_equal(ask(server), X + 1)
        for _ in range(3):
            with pytest.raises(InternalError, match=rf"'m_0' is not healthy: .*{how}"):
                ask(server, value=X * 0 + bad)
            np.testing.assert_array_equal(ask(server, "other"), 2 * X + 1)
            np.testing.assert_array_equal(ask(server), X + 1)  # it waits for the new process
        assert server.model_ready("m")
        assert workers() == 1


def test_a_process_that_somebody_kills_is_started_again(tmp_path: Path) -> None:
    text = """
import os
class TritonPythonModel:
    def execute(self, requests):
        y = np.full((1, 4), os.getpid(), np.float64)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]) for _ in requests]
"""
    wide = IO.replace('"y" data_type: TYPE_FP32', '"y" data_type: TYPE_FP64')
    with serving(tmp_path, {"m": model(text, wide)}) as server:
        first = int(ask(server)[0, 0])
        os.kill(first, signal.SIGKILL)
        eventually(lambda: not runs(first) and workers() == 1)  # without being asked for
        second = int(ask(server)[0, 0])
        assert second != first


def test_a_hang_is_ended_by_its_timeout(tmp_path: Path) -> None:
    toy = model(FRAGILE, EXECUTE_TIMEOUT_SECONDS="0.3")
    with serving(tmp_path, {"m": toy}) as server:
        with pytest.raises(InternalError, match=r"did not end 'execute' within 0\.3 s"):
            ask(server, value=X * 0 + 888)
        np.testing.assert_array_equal(ask(server), X + 1)


def test_memory_beyond_the_limit_costs_its_request_only(tmp_path: Path) -> None:
    hungry = body("""
size = int(requests[0].inputs()[0].as_numpy()[0, 0])
more = np.ones(size, np.uint8)
y = np.full((1, 4), os.getpid() * int(more[0]), np.float32)
return [pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]) for _ in requests]""")
    toy = model(f"import os\n{hungry}", MEMORY_LIMIT_BYTES=str(1 << 30))
    with serving(tmp_path, {"m": toy, "other": Toy(onnx_affine(), "")}) as server:
        before = ask(server, value=X * 0 + (1 << 20))
        with pytest.raises(InternalError, match="Unable to allocate 2"):
            ask(server, value=X * 0 + (1 << 31))
        np.testing.assert_array_equal(ask(server, "other"), 2 * X + 1)
        np.testing.assert_array_equal(ask(server, value=X * 0 + (1 << 20)), before)
        assert server.describe("m").counters["restarts"] == 0


@pytest.mark.parametrize("junk", [r"\x04\0\0\0junk", r"\xff" * 8, r"\x0e\0\0\0{\"free\":[7,9]}"])
def test_a_process_that_talks_nonsense_is_ended(tmp_path: Path, junk: str) -> None:
    text = FRAGILE.replace(
        "        answers = []",
        "        if requests[0].inputs()[0].as_numpy()[0, 0] == 999:\n"
        "            for name in os.listdir('/proc/self/fd'):\n"
        "                place = f'/proc/self/fd/{name}'\n"
        "                if os.path.islink(place) and 'socket:' in os.readlink(place):\n"
        f'                    os.write(int(name), b"{junk}")\n'
        "            signal.pause()\n"
        "        answers = []",
    )
    with serving(tmp_path, {"m": model(text)}) as server:
        with pytest.raises(InternalError, match="sent what cannot be read"):
            ask(server, value=X * 0 + 999)
        np.testing.assert_array_equal(ask(server), X + 1)


def test_one_instance_crashes_the_other_serves(tmp_path: Path) -> None:
    with serving(tmp_path, {"m": model(FRAGILE, IO + TWO)}) as server:
        assert workers() == 2
        failures: list[str] = []

        def crash() -> None:
            try:
                ask(server, value=X * 0 + 777)
            except TritonError as error:
                failures.append(str(error))

        thread = threading.Thread(target=crash)
        thread.start()
        for number in range(50):
            np.testing.assert_array_equal(ask(server, value=X * 0 + number), X * 0 + number + 1)
        thread.join(TIMEOUT)
        assert len(failures) == 1
        eventually(lambda: workers() == 2)


def test_one_that_cannot_be_started_again_is_not_ready_until_it_can(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    text = FRAGILE + (
        "    def initialize(self, args):\n"
        f"        assert not os.path.exists({str(broken)!r}), 'no camera'\n"
    )
    with serving(tmp_path / "models", {"m": model(text)}) as server:
        broken.touch()
        with pytest.raises(InternalError):
            ask(server, value=X * 0 + 777)
        eventually(lambda: not server.model_ready("m"))
        (row,) = server.repository_index()
        assert "no camera" in row.reason
        with pytest.raises(TritonError, match="no camera"):
            ask(server)
        broken.unlink()
        eventually(lambda: server.model_ready("m"))
        np.testing.assert_array_equal(ask(server), X + 1)


def test_pauses_grow_and_end() -> None:
    assert [pause(n) for n in range(5)] == [0.0, 0.0, 0.2, 0.4, 0.8]
    assert max(pause(n) for n in range(1000)) == 30.0


def test_a_decoupled_models_requests_fail_with_its_process(tmp_path: Path) -> None:
    text = """
import os
class TritonPythonModel:
    def execute(self, requests):
        sender = requests[0].get_response_sender()
        x = requests[0].inputs()[0].as_numpy()
        sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("y", x)]))
        if x[0, 0] == 1:
            os._exit(9)
        sender.send(flags=1)
"""
    with serving(tmp_path, {"m": model(text, IO + DECOUPLED)}) as server:
        for _ in range(8):  # the next request is there before everybody knows of the death
            stream = server.infer_stream(InferenceRequest("m", {"x": X}))
            assert next(stream).outputs["y"].tolist() == X.tolist(), "what was sent before is there"
            with pytest.raises(InternalError, match="status 9"):
                next(stream)
            again = server.infer_stream(InferenceRequest("m", {"x": X * 2}))
            assert [r.outputs["y"].tolist() for r in again] == [(X * 2).tolist()]


def test_what_a_model_says_of_itself_is_its_readiness(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    text = FRAGILE + f"    def is_ready(self):\n        return not os.path.exists({str(flag)!r})\n"
    with serving(tmp_path / "models", {"m": model(text)}) as server:
        assert server.model_ready("m")
        flag.touch()
        ask(server)
        eventually(lambda: not server.model_ready("m"))
        flag.unlink()
        eventually(lambda: server.model_ready("m"))  # while it is idle, too


def test_unloading_ends_the_process_even_in_a_hang(tmp_path: Path) -> None:
    toy = model(FRAGILE, EXECUTE_TIMEOUT_SECONDS="0.5")
    with serving(tmp_path, {"m": toy}) as server:
        server.submit(InferenceRequest("m", {"x": X * 0 + 888}), lambda outcome: None)
        assert workers() == 1
        server.unload_model("m").result(TIMEOUT)
        eventually(lambda: workers() == 0)


def test_a_reload_under_load_loses_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, {"m": model(FRAGILE)}) as server:
        stop, wrong = threading.Event(), []

        def load() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    x = X + number % 100
                    if not np.array_equal(ask(server, value=x), x + 1):
                        wrong.append("another answer")
                except TritonError as error:
                    wrong.append(str(error))

        thread = threading.Thread(target=load)
        thread.start()
        for _ in range(3):
            server.load_model("m").result(TIMEOUT)
        stop.set()
        thread.join(TIMEOUT)
        assert not wrong
        eventually(lambda: workers() == 1)


def test_workers_end_with_a_server_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "models/m/1").mkdir(parents=True)
    toy = model(FRAGILE)
    (tmp_path / "models/m/1/model.py").write_bytes(toy.data or b"")
    (tmp_path / "models/m/config.pbtxt").write_text(toy.config or "")
    code = (
        "import sys, pathlib\n"
        "from triton_ros.backends.registry import BackendRegistry\n"
        "from triton_ros.core.server import InferenceServer\n"
        "server = InferenceServer([pathlib.Path(sys.argv[1])], BackendRegistry().load_backend)\n"
        "server.load_model('m').result()\n"
        "print(server._lifecycle and 'ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "models")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    children = [
        int(child)
        for task in Path(f"/proc/{process.pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    assert len(children) == 1
    process.kill()
    process.communicate(timeout=TIMEOUT)
    eventually(lambda: not runs(children[0]))


def test_memory_is_given_back_without_waiting_for_the_garbage(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    toy = model("import gc\ngc.disable()\n" + FRAGILE)
    (tmp_path / "1/model.py").write_bytes(toy.data or b"")
    loaded = PythonBackend().load(ModelConfig("m", max_batch_size=8), tmp_path / "1")
    instance: Any = loaded.instance(InstanceGroup(), 0)
    runner = Runner(instance)
    try:
        for _ in range(20):
            runner.execute({"x": X})
        assert instance._worker.writer.used <= 2
    finally:
        runner.finalize()
        loaded.finalize()


def test_it_is_counted_and_weighed(tmp_path: Path) -> None:
    with serving(tmp_path, {"m": model(FRAGILE)}) as server:
        with pytest.raises(InternalError):
            ask(server, value=X * 0 + 777)
        ask(server)
        (usage,) = server.describe("m").statistics.memory_usage
        assert usage.how == "backend"
        assert usage.byte_size > 5_000_000


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"IN_PROCESS": "perhaps"}, "'IN_PROCESS'.*true or false, got 'perhaps'"),
        ({"EXECUTE_TIMEOUT_SECONDS": "0"}, "seconds, more than 0, got '0'"),
        ({"EXECUTE_TIMEOUT_SECONDS": "soon"}, "seconds, more than 0, got 'soon'"),
        ({"IN_PROCESS": "true", "EXECUTE_TIMEOUT_SECONDS": "1"}, "needs a process of its own"),
        ({"MEMORY_LIMIT_BYTES": "0"}, "bytes, more than 0, got '0'"),
        ({"MEMORY_LIMIT_BYTES": "1GB"}, "bytes, more than 0, got '1GB'"),
        ({"IN_PROCESS": "true", "MEMORY_LIMIT_BYTES": "1"}, "needs a process of its own"),
        ({"IN_PROCESS": "true", "EXECUTION_ENV_PATH": "/a"}, "needs a process of its own"),
        ({"FORCE_CPU_ONLY_INPUT_TENSORS": "1"}, "yes or no, got '1'"),
    ],
)
def test_wrong_parameters_name_what_is_accepted(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        model_settings(ModelConfig("m", parameters=parameters))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shm-default-byte-size": "12"}, "4096 or more, got '12'"),
        ({"stub-timeout-seconds": "0"}, "1 or more, got '0'"),
        ({"shm-size": "1"}, "not a setting of backend python; accepted: shm-default-byte-size"),
    ],
)
def test_wrong_settings_name_what_is_accepted(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        worker_settings(settings)


def test_a_slow_start_is_ended(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1/model.py").write_text("import signal\nsignal.pause()\n")
    backend = PythonBackend({"stub-timeout-seconds": "1"})
    with pytest.raises(InternalError, match=r"'load'.*within 1 s"):
        backend.load(ModelConfig("m"), tmp_path / "1")
    assert workers() == 0


def test_small_regions_grow_with_large_tensors(tmp_path: Path) -> None:
    settings = {"python": {"shm-default-byte-size": "4096", "shm-growth-byte-size": "4096"}}
    config = IO.replace("dims: 4", "dims: -1")
    write_repository(tmp_path, {"m": model(FRAGILE, config)})
    kept: list[Any] = []
    with InferenceServer([tmp_path], BackendRegistry(settings).load_backend) as server:
        server.load_model("m").result(TIMEOUT)
        for size in (10, 100_000, 1_000_000, 10):
            x = np.arange(size, dtype=np.float32)[None]
            kept.append((x, ask(server, value=x)))
    for x, y in kept:  # also after the process is gone
        np.testing.assert_array_equal(y, x + 1)
