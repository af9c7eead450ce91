"""`csid system status`: how a process of systems is, as it says itself."""

from __future__ import annotations

import argparse
from typing import Any

from gateway.cli import options, output
from gateway.cli.remote import add_remote, remote, said
from gateway.systems.app import HEALTH


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid system status`."""
    parser = actions.add_parser(
        "status",
        help="how a process of systems is 系统状态",
        description="How a process of systems is, and which of its tasks fails 系统状态. Exit "
        "code: 0 all is well, 1 a task fails, 2 it does not answer. /metrics of the same process "
        "is for Prometheus.",
    )
    add_remote(parser)
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask it."""
    with remote(args) as client:
        found: dict[str, Any] = said(client.get(HEALTH))
    if args.json:
        output.print_json(found)
    else:
        _print(found)
    return output.EXIT_OK if found["status"] == "ok" else output.EXIT_BAD_INPUT


def _print(found: dict[str, Any]) -> None:
    output.print_table(
        ("任务 Task", "状态 State", "一小时内失败 Failures", "原因 Reason"),
        (
            (
                one["name"],
                _state(one, found["waiting"]),
                one["failures"],
                one["why"],
            )
            for one in found["tasks"]
        ),
    )
    for name in found["waiting"]:
        output.err.print(
            f"{name}：另一进程仍在使用，任务稍后开始 another process has it; its tasks begin later",
            markup=False,
        )


def _state(task: dict[str, Any], waiting: list[str]) -> str:
    if task["name"].partition(".")[0] in waiting:
        return "等待 waiting"
    return "失败 failing" if task["is_failing"] else "正常 well"
