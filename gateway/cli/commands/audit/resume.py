"""`csid audit resume`: go on from an older copy of the data directory."""

from __future__ import annotations

import argparse

from gateway.cli import acting, options, output
from gateway.cli.commands.audit.files import add_keys, opened, text_of
from registry.audit import Checkpoint
from registry.resume import GO_ON, RENEW, Resumed
from registry.service import Registry
from registry.zones.asked import Asked

NO_CHECKPOINT = Checkpoint("", 0, b"")


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid audit resume`."""
    resume = actions.add_parser(
        "resume",
        help="go on from an older copy of the data 由备份恢复后继续",
        description="Say what is missing in a data directory that was put back from an older "
        "copy, and let it be written to again 由备份恢复后继续: each pool goes on as many serials "
        "further as leaves are missing, so that no code is given twice. The same for one that csid "
        "restore-node has made. Exit code: 0 nothing is missing, or it goes on; 1 leaves are "
        "missing, or may be, and nothing was said to do; 2 could not be done.",
    )
    options.add_data(resume)
    said = resume.add_mutually_exclusive_group()
    said.add_argument(
        "--accept",
        action="store_true",
        help="go on without the leaves that this machine has seen and that are missing 接受缺失",
    )
    said.add_argument(
        "--new-node",
        action="store_true",
        help="this copy is another node from now on, as one for tests 作为另一节点",
    )
    resume.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="the newest checkpoint that is known anywhere, to go on behind it 最新检查点",
    )
    resume.add_argument(
        "--lost",
        type=options.count,
        default=0,
        metavar="N",
        help="at most so many changes came after the copy, where nobody knows it better 至多缺失",
    )
    add_keys(resume)
    resume.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    options.add_json(resume)
    acting.add_actor(resume)
    resume.set_defaults(run=run_resume)


def run_resume(args: argparse.Namespace) -> int:
    """Say what is missing, or go on; exit 1 if something is missing and nothing was said."""
    asked = Asked(acting.actor_of(args), args.reason).told()
    does = args.accept or args.new_node or args.checkpoint or args.lost
    with acting.open_for_writing(args) if does else Registry.open(args.data) as registry:
        if args.new_node:
            node = registry.perform(RENEW, asked)
            return _say_node(args, node)
        if not does:
            return _say_missing(args, registry.missing(), registry.restored())
        point = _checkpoint(args, registry)
        with registry.log() as log:
            lost = log.size + args.lost if args.lost else 0
        if lost > point.size:
            point = Checkpoint("", lost, b"")
        given = (asked, point.size, point.root)
        return _say_resumed(args, Resumed(*registry.perform(GO_ON, given)))


def _checkpoint(args: argparse.Namespace, registry: Registry) -> Checkpoint:
    """The checkpoint that was given, once a key of the log has signed it; one that says nothing if
    none was.
    """
    if not args.checkpoint:
        return NO_CHECKPOINT
    return opened(text_of(args.checkpoint), args, registry.keys())


def _say_missing(args: argparse.Namespace, missing: int, restored: int | None) -> int:
    if args.json:
        output.print_json({"missing": missing, "restored": restored is not None})
    if restored is not None and not missing:
        output.complain(
            f"{args.data}: 由备份恢复，尚未说明如何继续 was restored from a backup with "
            f"{restored:,} leaves; what came after it is not known on this machine. Give "
            "--checkpoint, --lost, --accept or --new-node"
        )
    elif missing:
        output.complain(
            f"{args.data}: 缺少 {missing:,} 条 leaves are missing: it is an older copy than this "
            "machine has seen. Put the newer data back, or give --accept, --checkpoint or "
            "--new-node"
        )
    elif not args.json:
        output.out.print("不缺 nothing is missing that this machine has seen", markup=False)
    return output.EXIT_OK if restored is None and not missing else output.EXIT_BAD_INPUT


def _say_resumed(args: argparse.Namespace, resumed: Resumed) -> int:
    if args.json:
        output.print_json(resumed._asdict())
    elif resumed.missing or resumed.restored:
        output.out.print(
            f"继续 goes on without {resumed.missing:,} 条 leaves, {resumed.pools:,} 个资源池 pools "
            f"passed over as many codes; log {resumed.size:,}",
            markup=False,
        )
    else:
        output.out.print("不缺 nothing is missing; nothing was changed", markup=False)
    return output.EXIT_OK


def _say_node(args: argparse.Namespace, node: bytes) -> int:
    if args.json:
        output.print_json({"node": node.hex()})
    else:
        output.out.print(f"{args.data} 现为节点 is node {node.hex()} from now on", markup=False)
    return output.EXIT_OK
