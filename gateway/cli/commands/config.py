"""`csid config`: the configuration file, checked and shown."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from gateway import acting
from gateway.cli import options
from gateway.configuration.load import load
from gateway.configuration.show import example, shown


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid config`."""
    parser = subparsers.add_parser("config", description="The configuration of a node. 配置文件")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="tell whether it can be used 校验",
        description="Tell whether the configuration can be used; exits with 2 if it cannot. 校验",
    )
    options.add_config(check)
    check.set_defaults(run=run_check)
    show = actions.add_parser(
        "show",
        help="show what holds 查看",
        description="Show what holds, with the defaults, as a file has it. 查看生效的配置",
    )
    options.add_config(show)
    show.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    show.add_argument(
        "--example",
        action="store_true",
        help="an example with every option instead, to begin a file with 输出示例",
    )
    show.set_defaults(run=run_show)


def run_check(args: argparse.Namespace) -> int:
    """Read it; errors tell what is wrong."""
    found = load(args.config)
    acting.known_of(found)
    if found.node.group:
        acting.group_id(found.node.group, "[node] group")
    print("the configuration can be used 配置有效")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print what holds, or the example."""
    if args.example:
        sys.stdout.write(example())
        return 0
    found = load(args.config)
    if args.data is not None:
        found = replace(found, node=replace(found.node, data=args.data))
    sys.stdout.write(shown(found))
    return 0
