# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros <command>``: tools for people, at a desk or beside a robot.

The parser is here and knows only the standard library, so that help and completion are quick; what
a command does is in the module of its name, which is imported when it is run.  A problem that a
person can set right is a `TritonError`; it is printed without a traceback, and the status is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from triton_ros.cli.application import Application
from triton_ros.cli.serve_flags import add_serve

COMMANDS = {
    "models": "the models of a node, or of a repository",
    "streams": "the streams of a node, with their rates and drops",
    "load": "load or reload a model of a node",
    "unload": "unload a model of a node",
    "infer": "run a model on pictures or a video, without ROS",
    "serve": "serve a repository over HTTP, gRPC and metrics, without ROS",
    "prebuild": "load every model once, so that what is built on the device is built",
    "check": "find what is wrong with a repository, parameters or pipelines",
    "replay": "run a bag through streams as fast as they can, and compare with a golden file",
}


def is_command(arguments: Sequence[str]) -> bool:
    """Whether a command is meant, and not the node: ROS's own arguments begin with '-'."""
    if os.environ.get("_ARGCOMPLETE"):
        return True
    return bool(arguments) and (arguments[0] in ("-h", "--help") or arguments[0][:1] != "-")


def run_command(arguments: Sequence[str], application: Application) -> int:
    """The process's exit status."""
    parser = make_parser()
    _complete(parser)
    given = parser.parse_args(arguments)
    module = import_module(f"triton_ros.cli.{given.command}")
    from triton_ros.core.errors import TritonError  # noqa: PLC0415 (not for help and completion)

    try:
        status: int = module.run(given, application)
    except TritonError as error:
        print(f"triton_ros {given.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def make_parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    parser = argparse.ArgumentParser(
        "triton_ros",
        description="Triton-style inference for ROS 2. Without a command: the node"
        " (triton_ros --ros-args --params-file FILE).",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    added = {
        name: subparsers.add_parser(name, help=text, description=text.capitalize() + ".")
        for name, text in COMMANDS.items()
    }
    for name in ("models", "streams", "load", "unload"):
        _add_node(added[name])
    for name in ("load", "unload"):
        _models_of(added[name].add_argument("model", help="a model's name"))
        added[name].add_argument("--timeout", type=float, default=600.0, help="seconds (600)")
    _repository(added["models"], "list this repository instead of a node's")
    _add_infer(added["infer"])
    _repository(added["serve"], "the repository", needed=True)
    add_serve(added["serve"])
    _repository(added["prebuild"], "the repository", needed=True)
    added["prebuild"].add_argument("model", nargs="*", help="models; all when none is named")
    _add_check(added["check"])
    _add_replay(added["replay"])
    return parser


def _add_node(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--node", default="/triton_ros", help="full name of the node (/triton_ros)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--discovery", type=float, default=5.0, help="seconds to look for the node (5)"
    )


def _repository(parser: argparse.ArgumentParser, text: str, needed: bool = False) -> None:
    parser.add_argument(
        "--model-repository",
        type=Path,
        action="append",
        required=needed,
        default=None,
        metavar="DIR",
        help=f"{text}; may be given several times",
    )


def _add_infer(parser: argparse.ArgumentParser) -> None:
    _models_of(parser.add_argument("model", help="a model that takes IMAGE"))
    parser.add_argument("file", type=Path, nargs="+", help="a picture or a video")
    _repository(parser, "the repository", needed=True)
    parser.add_argument("--output", type=Path, help="an annotated copy, or a folder for several")
    parser.add_argument("--json", action="store_true", help="print a line of JSON a frame")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of a video, each N-th")
    parser.add_argument("--score-threshold", type=float, help="instead of the model's own")
    parser.add_argument("--iou-threshold", type=float, help="instead of the model's own")
    parser.add_argument("--max-detections", type=int, help="instead of the model's own")


def _add_check(parser: argparse.ArgumentParser) -> None:
    _repository(parser, "a repository to check")
    parser.add_argument("--params-file", type=Path, help="a parameter file of the node")
    parser.add_argument("--pipelines", type=Path, help="a pipelines file")
    parser.add_argument("--no-load", action="store_true", help="only read files, load no model")


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="a rosbag2 (folder; sqlite3 or mcap)")
    parser.add_argument("--params-file", type=Path, help="the node's parameters: its streams")
    parser.add_argument("--pipelines", type=Path, help="a pipelines file")
    parser.add_argument("--topic", help="with --model: one stream")
    parser.add_argument("--model", help="with --topic: one stream")
    _repository(parser, "instead of the parameters'")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write results to a new bag")
    parser.add_argument(
        "--copy-input", action="store_true", help="with --output: the bag's own messages, too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write results as JSON lines")
    parser.add_argument("--golden", type=Path, metavar="FILE", help="compare with JSON lines")
    parser.add_argument("--record-golden", type=Path, metavar="FILE", help="write them anew")
    parser.add_argument("--iou", type=float, default=0.9, help="least overlap (0.9)")
    parser.add_argument("--score", type=float, default=0.08, help="most difference (0.08)")
    parser.add_argument(
        "--least-score", type=float, default=0.6, help="weaker detections may come and go (0.6)"
    )


def _models_of(action: Any) -> None:
    def names(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
        folders = getattr(parsed_args, "model_repository", None) or []
        return [path.name for folder in folders for path in folder.iterdir() if path.is_dir()]

    action.completer = names


def _complete(parser: argparse.ArgumentParser) -> None:
    if not os.environ.get("_ARGCOMPLETE"):
        return
    import argcomplete  # noqa: PLC0415 (only the shell asks for it)

    argcomplete.autocomplete(parser)
