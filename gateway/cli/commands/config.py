"""`csid config`: the configuration file, checked and shown."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from gateway import language
from gateway.acting import group_id, known_of
from gateway.cli import options, output
from gateway.configuration.between import configured_of
from gateway.configuration.contradictions import contradictions
from gateway.configuration.load import load
from gateway.configuration.show import example, shown
from gateway.configuration.values import ConfigurationError
from gateway.systems.run import configured
from registry.network.configured import by_commands, steps
from registry.network.wanted import Configured
from resolver.store.access import has_data
from resolver.store.environment import Store


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid config`."""
    parser = subparsers.add_parser("config", description="The configuration of a node. 配置文件")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="tell whether it can be used 校验",
        description="Tell whether the configuration can be used 校验: each option, and all of them "
        "together. Where its data directory is there, also what a server will change of keys and "
        "zones when it reads it, and what commands have made of them, which stays. Exit code: 0 it "
        "can be used, 2 it cannot.",
    )
    options.add_config(check)
    check.add_argument("--data", type=Path, help=argparse.SUPPRESS)
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
    known_of(found)
    if found.node.group:
        group_id(found.node.group, "[node] group")
    for name in found.elsewhere:
        configured(found, [name])
    wrong = list(contradictions(found))
    for one in wrong[:-1]:
        output.complain(one)
    if wrong:
        raise ConfigurationError(wrong[-1])
    print(language.shown("the configuration can be used 配置有效"))
    data = args.data or found.node.data
    if data is not None and has_data(data):
        _compare(data, configured_of(found))
    return output.EXIT_OK


def _compare(data: Path, wanted: Configured) -> None:
    """Tell how the keys and zones of a data directory stand to those of the configuration."""
    with Store.open(data) as store, store.read() as read:
        for step in steps(read, wanted):
            output.out.print(f"尚未生效 not yet, with SIGHUP: {step.what}", markup=False)
        for what in by_commands(read, wanted):
            output.out.print(f"由命令设置 by a command, stays: {what}", markup=False)


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
