"""`csid audit publish`: the log as static files that anybody can mirror."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.cli import acting, options, output
from gateway.cli.commands.audit.files import add_keys, keys_of
from registry.service import Registry


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the action."""
    publish = actions.add_parser(
        "publish",
        help="write the log as static files for everybody 公开日志",
        description="Write the log up to its last checkpoint as static files (C2SP tlog-tiles), "
        "to be served by any web server and mirrored by anybody 公开日志. Only what is new is "
        "written; what is there stays readable at every moment.",
    )
    publish.add_argument("folder", type=Path, metavar="DIR", help="where to 发布目录")
    publish.add_argument(
        "--whole",
        action="store_true",
        help="look also at what was published before, and write anew what is damaged 全部核对",
    )
    options.add_data(publish)
    add_keys(publish)
    acting.add_actor(publish)
    publish.set_defaults(run=run_publish)


def run_publish(args: argparse.Namespace) -> int:
    """Bring a folder up to the last checkpoint."""
    acting.require_auditor(args)
    with Registry.open(args.data) as registry:
        done = registry.publish(keys_of(args), args.folder, args.whole)
    output.out.print(
        f"已公开 published: {done.size:,} 条 changes, 写入文件 files written {done.written:,}",
        markup=False,
    )
    return output.EXIT_OK
