# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""KServe V2 over HTTP and gRPC, metrics, shared memory: skins over `core.server`.

Bytes come in through `http` or `grpc`, become values of `exchange` in `v2_json` or `v2_proto` (no
IO there), are checked and run by `data_plane`, and go back the same way.
"""
