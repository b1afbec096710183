# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The flags of ``triton_ros serve``: Triton's names, from the node's table of parameters."""

from __future__ import annotations

import argparse

from triton_ros.ros.frontend_parameters import FRONTEND_SPECS

ON = ("allow_http", "allow_grpc", "allow_metrics")
"""What a command that is there to serve does without being asked to."""

_WORDS = {"true": True, "1": True, "false": False, "0": False}


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Every parameter of the servers as a flag; lists are flags that may be given several times."""
    parser.add_argument(
        "--load-model",
        action="append",
        default=None,
        metavar="MODEL",
        help="load this one; may be given several times (all of the repository)",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the node's server, as cache_byte_size=1000000; several times",
    )
    for spec in FRONTEND_SPECS:
        flag, default = "--" + spec.name.replace("_", "-"), spec.name in ON or spec.default
        text = f"{spec.description} ({default})".replace("%", "%%")
        if isinstance(spec.default, list):
            parser.add_argument(flag, action="append", default=[], metavar="TEXT", help=text)
        elif isinstance(spec.default, bool):
            parser.add_argument(flag, type=_boolean, default=default, metavar="BOOL", help=text)
        else:
            parser.add_argument(
                flag, type=type(spec.default), default=default, metavar="VALUE", help=text
            )


def _boolean(text: str) -> bool:
    try:
        return _WORDS[text.lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: true, false") from None
