# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""KServe V2 over gRPC, on grpcio's server of threads.

Chosen by measuring: it and the asyncio server spend about the same CPU on a small request (0.31 and
0.30 ms with one client, 0.21 and 0.19 with four), but on 4.9 MB in and out 4.4 ms and 7.4.  And a
request runs in the thread that took it, without a hop, where an instance of its model is idle.
"""
