"""`csid escrow`: what is registered, deposited with a third party."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.cli import acting, options, output
from gateway.cli.commands.audit.files import KEY_FILE, VERIFIER_SUFFIX, verifiers_of
from gateway.cli.commands.audit.keys import KeyFiles
from registry.backup import Opener, Sealer, identities_in, in_background, to_recipients
from registry.escrow import Deposited, Report, deposit, verify
from registry.service import Registry

FULL_EVERY = 7


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid escrow` with its actions."""
    parser = subparsers.add_parser(
        "escrow",
        description="What is registered, deposited with a third party 注册数据托管, after RFC "
        "8909: in a form that any program reads, signed with the key of the audit log.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _register_deposit(actions)
    _register_verify(actions)


def _register_deposit(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    made = actions.add_parser(
        "deposit",
        help="make a deposit 托管",
        description="Deposit what is registered 托管注册数据: what changed since the newest "
        "deposit in the folder, and of every few (--full-every) all of it. Run it once a day.",
    )
    made.add_argument("folder", type=Path, metavar="DIR", help="托管目录")
    options.add_data(made)
    made.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help=f"private key file of the audit log, its verifier key beside it in "
        f"FILE{VERIFIER_SUFFIX} 私钥文件 ({KEY_FILE} in the data directory)",
    )
    what = made.add_mutually_exclusive_group()
    what.add_argument("--full", action="store_true", help="all of it 全量")
    what.add_argument(
        "--full-every",
        type=options.count,
        default=FULL_EVERY,
        metavar="N",
        help=f"of N deposits one has all 每几份一次全量 ({FULL_EVERY})",
    )
    made.add_argument(
        "--recipient",
        action="append",
        default=[],
        metavar="KEY",
        help="encrypt the content to a key: age1…, or the public key of SSH; repeatable 加密接收方",
    )
    options.add_json(made)
    acting.add_actor(made)
    made.set_defaults(run=run_deposit)


def _register_verify(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    looked = actions.add_parser(
        "verify",
        help="verify deposits 核验托管数据",
        description="Verify the deposits in a folder with nothing but the public key of the audit "
        "log 核验托管数据: signatures, sums, the objects, and that each deposit goes on from the "
        "one before. Exit code 1: something is not as it says.",
    )
    looked.add_argument("folder", type=Path, metavar="DIR", help="托管目录")
    looked.add_argument(
        "--key",
        action="append",
        required=True,
        metavar="KEY",
        help="a verifier key: its file, or the line itself; repeatable 公钥",
    )
    looked.add_argument(
        "--identity",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="an identity of age, or a private key of SSH, to look into what is encrypted 私钥文件",
    )
    options.add_json(looked)
    looked.set_defaults(run=run_verify)


def run_deposit(args: argparse.Namespace) -> int:
    """Make one deposit."""
    acting.require_auditor(args)
    sealer = to_recipients(args.recipient) if args.recipient else Sealer()
    with Registry.open(args.data) as registry:
        key = KeyFiles(args.data, args.key).signing(registry)
        every = 1 if args.full else args.full_every
        made = in_background(lambda: deposit(registry.store, args.folder, key, sealer, every))
    _say(args, made)
    return output.EXIT_OK


def _say(args: argparse.Namespace, made: Deposited) -> None:
    said = made.statement
    if args.json:
        output.print_json(
            {
                "deposit": str(made.path),
                "kind": said.kind.value,
                "time": said.time,
                "previous": said.previous or None,
                "size": said.size,
                "root": said.root,
                "content": said.content,
                "octets": said.octets,
                "objects": said.objects,
                "deleted": said.deleted,
            }
        )
        return
    counts = ", ".join(f"{number:,} {word}" for word, number in said.objects.items()) or "nothing"
    output.out.print(f"{made.path}  {said.size:,} 条 leaves; {counts}", markup=False)


def run_verify(args: argparse.Namespace) -> int:
    """Verify all deposits; exit 1 if something is wrong."""
    keys = [key for given in args.key for key in verifiers_of(given)]
    opener = Opener(tuple(text for path in args.identity for text in identities_in(path)))
    report = verify(args.folder, keys, opener)
    _tell(args, report)
    return output.EXIT_BAD_INPUT if report.faults else output.EXIT_OK


def _tell(args: argparse.Namespace, report: Report) -> None:
    last = report.deposits[-1] if report.deposits else None
    if args.json:
        output.print_json(
            {
                "sound": not report.faults,
                "deposits": len(report.deposits),
                "unread": report.unread,
                "last": last and {"deposit": last.id, "time": last.time, "size": last.size},
                "faults": [{"where": one.where, "reason": one.reason} for one in report.faults],
            }
        )
    for fault in report.faults:
        output.complain(fault)
    if args.json:
        return
    word = "不一致 NOT SOUND" if report.faults else "完好 sound"
    reached = f"; the last as of {last.time}, {last.size:,} 条 leaves" if last else ""
    output.out.print(f"{word}: {len(report.deposits)} 份 deposits{reached}", markup=False)
    if report.unread:
        output.out.print(
            f"{report.unread} 份未解密 are encrypted and were not looked into: give --identity",
            markup=False,
        )
