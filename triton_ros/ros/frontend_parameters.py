# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the network servers (KServe V2 over HTTP and gRPC, metrics).

The names are Triton's command line's, where it has them.  Nothing listens unless it is asked to,
and then on loopback.  This layer knows no HTTP and no gRPC: it hands the values on, and who opens
the ports checks what goes together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triton_ros.ros.parameter_spec import Spec, entries

FRONTEND_SPECS = (
    Spec("allow_http", False, "serve KServe V2 over HTTP/REST"),
    Spec("http_address", "127.0.0.1", "where HTTP listens; 0.0.0.0: everywhere"),
    Spec("http_port", 8000, "0: any that is free", low=0, high=65535),
    Spec(
        "http_max_input_size",
        64 << 20,
        "bytes of a request's body, also after decompression",
        low=1,
        high=float(1 << 40),
    ),
    Spec(
        "http_header_timeout_secs",
        10.0,
        "how long a client may take for a request's head, and for each part of its body",
        low=0.01,
        high=3600.0,
    ),
    Spec(
        "http_idle_timeout_secs",
        75.0,
        "how long an HTTP connection may stay without a request, or leave an answer untaken",
        low=0.01,
        high=86400.0,
    ),
    Spec(
        "http_header_forward_pattern",
        "",
        "regular expression: headers it is found in become parameters; empty: none",
    ),
    Spec(
        "http_restricted_api",
        [""],
        "'<api>[,<api>]:<header>=<value>': needs a key; $NAME as value: the environment's",
    ),
    Spec("allow_grpc", False, "serve KServe V2 over gRPC"),
    Spec("grpc_address", "127.0.0.1", "where gRPC listens; 0.0.0.0: everywhere"),
    Spec("grpc_port", 8001, "0: any that is free", low=0, high=65535),
    Spec(
        "grpc_max_message_size",
        (1 << 31) - 1,
        "bytes of a message that comes in",
        low=1,
        high=float((1 << 31) - 1),
    ),
    Spec(
        "grpc_header_forward_pattern",
        "",
        "as http_header_forward_pattern, of gRPC's metadata",
    ),
    Spec(
        "grpc_restricted_protocol",
        [""],
        "as http_restricted_api; clients send the header as triton-grpc-protocol-<header>",
    ),
    Spec("allow_metrics", False, "serve Prometheus metrics"),
    Spec("metrics_address", "127.0.0.1", "where metrics listen; 0.0.0.0: everywhere"),
    Spec("metrics_port", 8002, "0: any that is free", low=0, high=65535),
    Spec("server_cert", "", "PEM file: TLS on every port that is open; with server_key"),
    Spec("server_key", "", "PEM file of server_cert's key"),
    Spec("root_cert", "", "PEM file: clients need a certificate that it signed (mutual TLS)"),
    Spec("allow_model_control", True, "the network may load and unload, as ROS may"),
    Spec("allow_client_shm", False, "clients of this machine may register shared memory"),
    Spec("max_connections", 256, "connections of HTTP, and of gRPC, at once", low=1, high=100_000),
    Spec(
        "max_in_flight",
        1024,
        "inferences of all clients under way at once; more are refused",
        low=1,
        high=100_000,
    ),
    Spec(
        "max_request_rate",
        0.0,
        "requests a second of one client's address; 0: any number",
        low=0.0,
        high=1e9,
    ),
)


def frontend_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The servers' own among all parameters, lists without the entry that stands for none."""
    return {
        spec.name: entries(values[spec.name])
        if isinstance(spec.default, list)
        else values[spec.name]
        for spec in FRONTEND_SPECS
    }
