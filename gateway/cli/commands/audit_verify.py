"""`csid audit verify`: all that a data directory holds, by its audit log."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from gateway.cli import acting, options, output
from gateway.cli.audit_files import keys_of, text_of, verifier_of
from registry.audit import Checkpoint, KeyFileError, VerifierKey, open_checkpoint
from registry.audit.errors import NoteError
from registry.service import Registry
from registry.verify import Progress as Told
from registry.verify import Report, Verdict

WORDS: Final = {
    Verdict.SOUND: "完好 sound",
    Verdict.NOT_SOUND: "不一致 NOT SOUND",
    Verdict.UNSIGNED: "未发现不一致，签名未核验 no fault found, signatures NOT checked",
}


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    verify = actions.add_parser(
        "verify",
        help="verify the whole log, and all that is held by it 全面核验",
        description="Compute the whole log anew and compare it with its checkpoints; replay it and "
        "compare every table of the registry, and all names of the tree, with what follows. "
        "Exit code 1: something is not as the log says. Takes room for temporary files (TMPDIR).",
    )
    options.add_data(verify)
    verify.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="KEY",
        help="a verifier key, its file or the line; repeatable 公钥 (that of the data directory)",
    )
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
    """Verify everything; exit 1 if something is not as the log says."""
    acting.require_auditor(args)
    keys = [verifier_of(one) for one in args.key] or keys_of(args.data)
    points = [_checkpoint(name, keys) for name in args.checkpoint]
    with Registry.open(args.data) as registry, _progress() as told:
        report = registry.verify(keys, points, told)
    if args.json:
        output.print_json(_json(report))
    else:
        _print(report)
    return output.EXIT_BAD_INPUT if report.faults else output.EXIT_OK


def _json(report: Report) -> dict[str, object]:
    return {
        "verdict": report.verdict.value,
        "sound": report.verdict is Verdict.SOUND,
        "size": report.size,
        "root": report.root.hex(),
        "keys": report.signed,
        "faults": [asdict(fault) for fault in report.faults],
        "further_faults": report.more,
        "exceptions": report.exceptions,
        "looked_at": report.looked_at,
    }


def _print(report: Report) -> None:
    for fault in report.faults:
        output.complain(fault)
    if report.more:
        output.complain(f"另有 and {report.more:,} 处 further faults")
    for exception in report.exceptions:
        output.out.print(f"除外 except: {exception}", markup=False)
    looked_at = ", ".join(f"{number:,} {what}" for what, number in report.looked_at.items())
    output.out.print(f"已核 looked at: {looked_at}", markup=False)
    said = f"{WORDS[report.verdict]}: {report.size:,} 条 changes, root {report.root.hex()}"
    output.out.print(said, markup=False)
    if report.verdict is Verdict.UNSIGNED:
        output.out.print("给出公钥 give the key of the log: --key, or csid audit key", markup=False)


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar on a terminal for each thing that is done."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=output.err,
        transient=True,
        disable=not output.err.is_terminal,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.advance(tasks[what], done)

        yield told


def _checkpoint(name: str, keys: list[VerifierKey]) -> Checkpoint:
    """A checkpoint that was kept elsewhere, once one of the keys has signed it."""
    if not keys:
        raise KeyFileError("a checkpoint that was kept elsewhere is judged by --key; give it too")
    note = text_of(name)
    for key in keys[:-1]:
        try:
            return open_checkpoint(note, key)
        except NoteError:
            continue
    return open_checkpoint(note, keys[-1])
