"""`csid restore-node`: a node made anew from a backup."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from gateway.cli import acting, options, output
from gateway.cli.commands.audit.files import KEY_FILE, VERIFIER_SUFFIX, add_keys, verifiers_of
from gateway.cli.progress import bar
from registry.audit import VerifierKey
from registry.backup import (
    BackupError,
    Opener,
    Restored,
    identities_in,
    newest,
    of_file,
    of_stream,
    passphrase_in,
    restore,
)

STDIN: Final = "-"


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid restore-node`."""
    parser = subparsers.add_parser(
        "restore-node",
        description="Make a node anew from a backup of csid backup 由备份重建节点: from the newest "
        "in a folder, from a file, or from stdin. All of it is verified (as csid audit verify "
        "does) before the directory takes its name. It answers then; nothing is written to it "
        "before csid audit resume has said what came after the backup. Exit code: 0 it is there "
        "and sound; 1 it is there, with faults (--despite-faults); 2 it is not there.",
    )
    parser.add_argument("backup", metavar="DIR|FILE|-", help="备份")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="NEW", help="the new directory 新数据目录"
    )
    parser.add_argument(
        "--node", default="", metavar="ID", help="whose, in a folder with backups of several 节点"
    )
    parser.add_argument(
        "--identity",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="an identity of age, or a private key of SSH, to decrypt with; repeatable 私钥文件",
    )
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="the passphrase to decrypt with, in its first line 口令文件",
    )
    add_keys(parser)
    parser.add_argument(
        "--despite-faults",
        action="store_true",
        help="also if verification finds something, where there is nothing better 有误亦恢复",
    )
    options.add_json(parser)
    options.add_config(parser)
    acting.add_actor(parser)
    parser.set_defaults(run=run_restore_node)


def run_restore_node(args: argparse.Namespace) -> int:
    """Make one node."""
    acting.require_auditor(args)
    opener = Opener(
        tuple(text for path in args.identity for text in identities_in(path)),
        passphrase_in(args.passphrase_file) if args.passphrase_file is not None else "",
    )
    given = of_stream(sys.stdin.buffer) if args.backup == STDIN else of_file(_file(args))
    with bar() as shown:
        done: dict[str, int] = {}

        def told(what: str, more: int, total: int) -> None:
            if what not in done:
                shown.expect(total)
            done[what] = done.get(what, 0) + more
            shown.show(done[what], what)

        made = restore(
            given, args.data, opener, lambda folder: _keys(args, folder), told, args.despite_faults
        )
    _say(args, made)
    return output.EXIT_BAD_INPUT if made.report.faults else output.EXIT_OK


def _file(args: argparse.Namespace) -> Path:
    path = Path(args.backup)
    if path.is_dir():
        return newest(path, args.node)
    if args.node:
        raise BackupError(f"{path}: is no folder; --node chooses among the backups in one")
    return path


def _keys(args: argparse.Namespace, folder: Path) -> list[VerifierKey]:
    """Those given, else those that the backup brings along."""
    if args.key:
        return [key for given in args.key for key in verifiers_of(given)]
    beside = folder / f"{KEY_FILE}{VERIFIER_SUFFIX}"
    return verifiers_of(str(beside)) if beside.is_file() else []


def _say(args: argparse.Namespace, made: Restored) -> None:
    manifest, report = made.manifest, made.report
    if args.json:
        output.print_json(
            {
                "data": str(args.data),
                "backup": manifest.name,
                "node": manifest.node,
                "time": manifest.time,
                "size": manifest.size,
                "root": manifest.root,
                "verdict": report.verdict.value,
                "faults": [str(fault) for fault in report.faults],
            }
        )
    for fault in report.faults:
        output.complain(fault)
    if args.json:
        return
    lines = (
        f"已重建 {args.data} is node {manifest.node} as of {manifest.time}: {report.size:,} 条 "
        f"leaves, root {report.root.hex()}; {report.verdict.value}",
        "It answers, and nothing is written to it yet 可解析，暂不可写. Make sure that the node it "
        "is a copy of runs nowhere else, and say what came after the backup:",
        f"  csid audit resume --checkpoint FILE --data {args.data}   from the newest known "
        "由最新检查点",
        f"  csid audit resume --lost N --data {args.data}            at most N changes 至多 N 条",
        f"  csid audit resume --accept --data {args.data}            nothing 无缺失",
        f"  csid audit resume --new-node --data {args.data}          it is another node 另一节点",
    )
    for line in lines:
        output.out.print(line, markup=False)
