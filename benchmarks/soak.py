# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make soak`: everything at once for a long time, and nothing grows.

The cameras and swaps of `benchmarks.swap`, with clients of HTTP and gRPC (JSON, binary tensors,
shared memory, streams) on the same models.  Both servers take a thread more when a request comes
while all theirs are busy, so a short rush at the start has them take what they will need.  The
node's resident memory, threads, file descriptors and shared-memory maps are looked at every few
seconds.  After a warm-up, its first and its last quarter may differ by 2 % (`benchmarks.held`);
every frame has to be answered.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException, shared_memory

from benchmarks.held import Sample, drift, sample
from benchmarks.processes import CHECKOUT, free_port, ros
from benchmarks.swap import MODELS, serving, swapped

OUTPUT = CHECKOUT / "build" / "bench" / "soak.json"
PERIOD_S, TOLERANCE = 2.0, 0.02
RUSH, RUSH_S = 4, 5.0
PICTURE = np.full((240, 320, 3), 128, np.uint8)


class Clients:
    """Ask over both protocols until told to stop; what is refused while a model is swapped is not
    counted, everything else is.
    """

    def __init__(self, http: str, grpc: str, each: int = 1) -> None:
        self._addresses = {"http": http, "grpc": grpc}
        self._stop = threading.Event()
        self._counting = threading.Lock()
        self.answers = 0
        self.errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._work, args=(protocol, f"soak_{protocol}_{index}"))
            for protocol in self._addresses
            for index in range(each)
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, protocol: str, name: str) -> None:
        module: Any = {"http": tritonclient.http, "grpc": tritonclient.grpc}[protocol]
        turn = 0
        while not self._stop.wait(0.02):
            turn += 1
            client = module.InferenceServerClient(self._addresses[protocol])
            try:
                for _ in range(10):
                    self._ask(module, client, name, turn)
                client.get_inference_statistics()
            except InferenceServerException as error:
                self.errors.append(str(error)[:200])
            finally:
                client.close()

    def _ask(self, module: Any, client: Any, name: str, turn: int) -> None:
        tensor = module.InferInput("IMAGE", list(PICTURE.shape), "UINT8")
        region = None
        if turn % 3:
            tensor.set_data_from_numpy(PICTURE)
        else:
            region = shared_memory.create_shared_memory_region(name, f"/{name}", PICTURE.nbytes)
            shared_memory.set_shared_memory_region(region, [PICTURE])
            client.register_system_shared_memory(name, f"/{name}", PICTURE.nbytes)
            tensor.set_shared_memory(name, PICTURE.nbytes)
        try:
            client.infer(MODELS[turn % 2], [tensor])
            with self._counting:
                self.answers += 1
        finally:
            if region is not None:
                client.unregister_system_shared_memory(name)
                shared_memory.destroy_shared_memory_region(region)


def main() -> int:
    """Measure, print, write `build/bench/soak.json`; 1 if something grew or was lost."""
    parser = argparse.ArgumentParser(description="Everything at once for a long time.")
    parser.add_argument("--minutes", type=float, default=30.0)
    given = parser.parse_args()
    http, grpc = free_port(), free_port()
    network = {"allow_http": True, "http_port": http, "allow_grpc": True, "grpc_port": grpc}
    samples: list[Sample] = []
    done = threading.Event()
    with ros(), serving(**network, allow_client_shm=True) as (cameras, node):

        def look() -> None:
            while not done.wait(PERIOD_S):
                samples.append(sample(node.pid))

        addresses = (f"127.0.0.1:{http}", f"127.0.0.1:{grpc}")
        with Clients(*addresses, each=RUSH) as rush:
            time.sleep(RUSH_S)
        looking = threading.Thread(target=look)
        with Clients(*addresses) as clients:
            looking.start()
            started = time.monotonic()
            figures = swapped(cameras, given.minutes * 60)
            done.set()
            looking.join()
    grown = drift(samples)
    errors = [*rush.errors, *clients.errors]
    good = all(value <= TOLERANCE for value in grown.values())
    good = good and not (figures["lost"] or figures["refused"] or errors)
    found = {
        "minutes": (time.monotonic() - started) / 60,
        "frames": figures,
        "answers_to_clients": clients.answers,
        "errors": errors[:5],
        "drift": grown,
        "first": asdict(samples[0]),
        "last": asdict(samples[-1]),
    }
    print(json.dumps(found, indent=1))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps({**found, "samples": [asdict(s) for s in samples]}))
    print("flat" if good else "something grew, was lost or failed")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
