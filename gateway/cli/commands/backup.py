"""`csid backup`: a copy of all of a node, beside whoever writes."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import BinaryIO, Final

from csid.errors import CsidError
from gateway.cli import acting, options, output
from gateway.configuration.load import load
from gateway.configuration.sections import BACKUPS_MAX
from registry.backup import (
    Sealer,
    Taken,
    in_background,
    passphrase_in,
    to_folder,
    to_passphrase,
    to_recipients,
    to_stream,
)
from registry.service import Registry

STDOUT: Final = "-"


class UnclearError(CsidError):
    """What is asked for cannot be done so."""


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid backup`."""
    parser = subparsers.add_parser(
        "backup",
        description="Copy one moment of all of a node into a folder, or as one file to stdout "
        "备份, while it answers and is written to. In a folder, what has changed since the backup "
        "before is enough, and every few backups (--full-every) one is full. csid restore-node "
        "makes a node of it. A backup has the secrets of the node: give --recipient, or keep it "
        "as safe as the node. It takes as much room beside the data as these have, while it runs.",
    )
    parser.add_argument(
        "to",
        nargs="?",
        metavar="DIR|-",
        help="the folder, or - for stdout 备份目录 (to under [backup] in the configuration)",
    )
    options.add_data(parser)
    parser.add_argument(
        "--keep",
        type=options.count,
        metavar="N",
        help="remove all but the newest N, and what these stand on 保留份数",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--full", action="store_true", help="a full one 全量备份")
    what.add_argument(
        "--full-every",
        type=options.count,
        metavar="N",
        help="of N backups one is full 每几份一次全量 (7)",
    )
    to = parser.add_mutually_exclusive_group()
    to.add_argument(
        "--recipient",
        action="append",
        default=[],
        metavar="KEY",
        help="encrypt to a key: age1…, or the public key of SSH; repeatable 加密接收方",
    )
    to.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="encrypt under the passphrase in its first line 口令文件",
    )
    to.add_argument(
        "--unencrypted", action="store_true", help="whatever the configuration says 不加密"
    )
    options.add_json(parser)
    acting.add_actor(parser)
    parser.set_defaults(run=run_backup)


def run_backup(args: argparse.Namespace) -> int:
    """Make one backup."""
    acting.require_auditor(args)
    configured = load(args.config).backup
    to = args.to or (str(configured.to) if configured.to is not None else "")
    if not to:
        raise UnclearError("where to? Give a folder, or - for stdout, or to under [backup]")
    full_every = configured.full_every if args.full_every is None else args.full_every
    if not 1 <= full_every <= BACKUPS_MAX:
        raise UnclearError(f"--full-every {full_every}: expected a number from 1 to {BACKUPS_MAX}")
    sealer = _sealer(args)
    with Registry.open(args.data) as registry:
        if to == STDOUT:
            out = _stdout()
            taken = in_background(lambda: to_stream(registry.store, out, sealer))
        else:
            keep = configured.keep if args.keep is None else args.keep
            every = 1 if args.full else full_every
            taken = in_background(lambda: to_folder(registry.store, Path(to), sealer, every, keep))
    if to != STDOUT or args.json:
        _say(args, taken, to)
    return output.EXIT_OK


def _sealer(args: argparse.Namespace) -> Sealer:
    configured = load(args.config).backup
    if args.unencrypted:
        return Sealer()
    if args.recipient:
        return to_recipients(args.recipient)
    if args.passphrase_file is not None:
        return to_passphrase(passphrase_in(args.passphrase_file))
    if configured.recipients:
        return to_recipients(configured.recipients)
    if configured.passphrase_file is not None:
        return to_passphrase(passphrase_in(configured.passphrase_file))
    return Sealer()


def _stdout() -> BinaryIO:
    """Stdout for octets, unless somebody would have to look at them."""
    if os.isatty(sys.stdout.fileno()):
        raise UnclearError("a backup is not for a terminal: send it to a file or a program")
    return sys.stdout.buffer


def _say(args: argparse.Namespace, taken: Taken, to: str) -> None:
    made = taken.manifest
    if args.json:
        value = {
            "backup": None if to == STDOUT else str(Path(to) / made.name),
            "kind": made.kind.value,
            "time": made.time,
            "node": made.node,
            "size": made.size,
            "root": made.root,
            "octets": taken.octets,
            "encryption": made.sealing.value,
            "base": None if made.base is None else made.base.name,
            "why_full": taken.why_full or None,
            "removed": [path.name for path in taken.gone],
        }
        if to == STDOUT:
            output.print_json(value, sys.stderr)  # stdout is the backup
        else:
            output.print_json(value)
        return
    if taken.why_full:
        output.complain(f"全量备份 a full backup, as {taken.why_full}")
    share = f", {taken.new_pages:,}/{made.pages:,} 页 pages" if made.base is not None else ""
    output.out.print(
        f"{Path(to) / made.name}  {made.size:,} 条 leaves, {taken.octets:,} 字节 octets{share}",
        markup=False,
    )
    for path in taken.gone:
        output.out.print(f"已删除 removed {path.name}", markup=False)
