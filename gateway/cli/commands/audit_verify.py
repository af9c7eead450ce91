"""`csid audit verify`: the whole log, and the registry and the tree by it."""

from __future__ import annotations

import argparse

from gateway.cli import acting, options, output
from gateway.cli.audit_files import add_keys, keys_of, text_of
from registry.audit import KeyChain
from registry.service import Registry


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    verify = actions.add_parser(
        "verify",
        help="verify the whole log and the registry by it 全面核验",
        description="Compute the whole log anew; compare it with its checkpoints, and the registry "
        "and the resolution tree with the log 全面核验. Exit code 1: something was changed.",
    )
    options.add_data(verify)
    add_keys(verify)
    verify.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE",
        help="one that was kept elsewhere; repeatable 另存的检查点",
    )
    options.add_json(verify)
    acting.add_actor(verify)
    verify.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    """Verify everything; exit 1 if something was changed."""
    acting.require_auditor(args)
    keys = keys_of(args)
    with Registry.open(args.data) as registry:
        chain = registry.keys() if args.checkpoint else KeyChain()
        points = [chain.open(text_of(name), keys) for name in args.checkpoint]
        report = registry.verify(keys, points)
    if args.json:
        output.print_json(
            {
                "sound": report.sound,
                "signatures": "checked" if keys else "not checked",
                "size": report.size,
                "root": report.root.hex(),
                "faults": [
                    {"start": one.start, "end": one.end, "reason": one.reason}
                    for one in report.faults
                ],
            }
        )
    else:
        for fault in report.faults:
            output.complain(fault)
        sound = "完好 sound" if keys else "未见改动，签名未核验 unchanged, signatures not checked"
        said = sound if report.sound else "不一致 NOT SOUND"
        output.out.print(
            f"{said}: {report.size:,} 条 changes, root {report.root.hex()}", markup=False
        )
    return output.EXIT_OK if report.sound else output.EXIT_BAD_INPUT
