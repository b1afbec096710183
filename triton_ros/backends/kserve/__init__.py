# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A model that runs on another server which speaks KServe V2 (a Triton, another robot, ...).

`settings` reads the model's parameters; `breaker` and `retry` decide, without IO, whether a server
is asked and when again; `grpc_transport` and `http_transport` (with their codecs) ask one server;
`routes` tries the servers in order; `backend` is the port.
"""
