"""`csid system`: which systems there are, a process that runs some, a new one, who may call."""

from __future__ import annotations

import argparse
from typing import Any

from gateway.cli import options, output
from gateway.cli.commands.system import keys, new, serving, watching
from gateway.cli.commands.system.folder import add_folder
from gateway.cli.listed import COMMANDS
from gateway.configuration.load import load
from gateway.systems.known import BUILT_IN, UnknownSystemError, elsewhere, system
from resolver.server.sockets import listen_address


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid system` with its actions."""
    parser = subparsers.add_parser(
        "system", description="The systems of a node: plugins around the resolution tree 节点系统."
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="which systems there are 列出系统")
    options.add_config(listing)
    options.add_json(listing)
    listing.set_defaults(run=run_list)
    running = actions.add_parser(
        "run",
        help="run systems until SIGTERM or Ctrl-C 运行系统",
        description="Run systems in one process, which others call over HTTP, until SIGTERM or "
        "Ctrl-C 运行系统. SIGHUP reads the configuration again. Exit code: 0 it was told to end, "
        "2 it could not start, or not go on.",
    )
    running.add_argument(
        "names", nargs="*", metavar="NAME", help="which; otherwise those of [systems] run 系统名称"
    )
    add_folder(running)
    running.add_argument(
        "--listen",
        type=listen_address,
        metavar="ADDRESS:PORT",
        help="where to listen over HTTP HTTP 监听地址; port 0 takes a free one",
    )
    running.set_defaults(run=lambda args: serving.run(args, args.names))
    watching.register(actions)
    new.register(actions)
    keys.register(actions)


def run_list(args: argparse.Namespace) -> int:
    """List systems; exit code 1 if one of them cannot be loaded."""
    found = load(args.config)
    rows: list[dict[str, Any]] = []
    for name in [*BUILT_IN, *elsewhere(found.systems.folders)]:
        row: dict[str, Any] = {
            "name": name,
            "runs": name in found.systems.run,
            "hooks": name in found.serve.systems,
            "builtin": name in BUILT_IN,
        }
        try:
            one = system(name, found.systems.folders)
        except UnknownSystemError as error:
            row["error"] = str(error)
            output.complain(error)
        else:
            row |= {"zh": one.words.zh, "en": one.words.en, "routes": len(one.routes)}
            row["commands"] = [word for word in one.commands if word not in COMMANDS]
            for word in one.commands.keys() & COMMANDS.keys():
                output.complain(f"system {name}: csid {word} is a command of csid, not this one's")
        rows.append(row)
    if args.json:
        for row in rows:
            output.print_json(row)
    else:
        output.print_table(
            [
                "System 系统",
                "What it does 用途",
                "Runs 运行",
                "Hooks 挂接",
                "Routes 接口",
                "Commands 命令",
            ],
            [
                [
                    row["name"],
                    row.get("error") or f"{row['en']} {row['zh']}",
                    _mark(row["runs"]),
                    _mark(row["hooks"]),
                    str(row.get("routes", "")),
                    " ".join(row.get("commands", ())),
                ]
                for row in rows
            ],
        )
    return 1 if any("error" in row for row in rows) else 0


def _mark(holds: object) -> str:
    return "✓" if holds else ""
