"""`csid system key`: who may call a process of systems."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from csid.moments import iso
from gateway.cli import options, output
from gateway.cli.commands.system.folder import add_folder
from gateway.configuration.load import load
from gateway.systems.contract import KEY_ROLES
from gateway.systems.keys import Keys
from gateway.systems.run import folder_of


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid system key`."""
    parser = actions.add_parser(
        "key",
        help="who may call 访问密钥",
        description="Keys of those who may call 访问密钥. Where there is none, whoever reaches "
        "the process from its own machine may do everything, and nobody else anything.",
    )
    steps = parser.add_subparsers(metavar="STEP", required=True)
    add = steps.add_parser("add", help="make a key, and print it once 登记密钥")
    add.add_argument("name", metavar="NAME", help="whose it is: a-z 0-9 - 名称")
    add.add_argument(
        "--role",
        dest="key_role",
        required=True,
        choices=KEY_ROLES,
        help="what it allows: to look, to ask for what changes things for a while, to run 权限",
    )
    add_folder(add)
    options.add_json(add)
    add.set_defaults(run=run_add)
    listing = steps.add_parser("list", help="list keys 列出密钥")
    add_folder(listing)
    options.add_json(listing)
    listing.set_defaults(run=run_list)
    remove = steps.add_parser("remove", help="let a key hold no more 撤销密钥")
    remove.add_argument("name", metavar="NAME", help="whose it is 名称")
    add_folder(remove)
    remove.set_defaults(run=run_remove)


def run_add(args: argparse.Namespace) -> int:
    """Make a key; what is printed is nowhere else."""
    with _keys(args) as keys:
        text = keys.add(args.name, args.key_role, time.time_ns() // 1_000_000)
    if args.json:
        output.print_json({"name": args.name, "role": args.key_role, "key": text})
    else:
        print(text)
        output.err.print("密钥仅显示这一次 the key is shown this once")
    return output.EXIT_OK


def run_list(args: argparse.Namespace) -> int:
    """List keys."""
    with _keys(args) as keys:
        found = keys.all()
    rows = [{"name": one.name, "role": one.role, "since": iso(one.since / 1_000)} for one in found]
    if args.json:
        for row in rows:
            output.print_json(row)
    else:
        output.print_table(
            ["Key 密钥", "Role 权限", "Since 登记时间"],
            [[row["name"], row["role"], row["since"]] for row in rows],
        )
    return output.EXIT_OK


def run_remove(args: argparse.Namespace) -> int:
    """Take a key away."""
    with _keys(args) as keys:
        keys.remove(args.name)
    return output.EXIT_OK


@contextmanager
def _keys(args: argparse.Namespace) -> Iterator[Keys]:
    with closing(Keys(folder_of(load(args.config), args.data))) as keys:
        yield keys
