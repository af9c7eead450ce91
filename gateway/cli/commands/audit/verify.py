"""`csid audit verify`: all that a data directory holds, by its audit log."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final

from gateway.cli import acting, options, output
from gateway.cli.commands.audit.files import add_keys, keys_of, opened, text_of
from gateway.cli.progress import bar
from registry.audit import AuditError, KeyChain
from registry.service import Registry
from registry.verify import Progress, Report, Verdict

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
    add_keys(verify)
    verify.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE",
        help="one that was kept elsewhere; repeatable 另存的检查点",
    )
    verify.add_argument(
        "--rules",
        action="store_true",
        help="also decide each change again, under the rules of today 按现行规则复核; what "
        "comes out otherwise is no fault",
    )
    options.add_json(verify)
    acting.add_actor(verify)
    verify.set_defaults(run=run_verify)
    rebuild = actions.add_parser(
        "rebuild-indexes",
        help="make the tables right that only find or count 重建索引",
        description="Make the tables of the registry right that only find or count what others "
        "say (counts, places, by_state) as the log says 重建索引: where csid audit verify says so.",
    )
    options.add_data(rebuild)
    acting.add_actor(rebuild)
    rebuild.set_defaults(run=run_rebuild)


def run_verify(args: argparse.Namespace) -> int:
    """Verify everything; exit 1 if something is not as the log says."""
    acting.require_auditor(args)
    keys = keys_of(args)
    with Registry.open(args.data) as registry, _told() as told:
        chain = _chain(registry) if args.checkpoint else KeyChain()
        points = [opened(text_of(name), args, chain) for name in args.checkpoint]
        report = registry.verify(keys, points, told, args.rules)
    if args.json:
        output.print_json(_json(report))
    _complain(report)
    if not args.json:
        _print(report, bool(keys))
    return output.EXIT_BAD_INPUT if report.faults else output.EXIT_OK


def _chain(registry: Registry) -> KeyChain:
    """The keys of the log; none if they are damaged, which verification tells."""
    try:
        return registry.keys()
    except AuditError:
        return KeyChain()


def run_rebuild(args: argparse.Namespace) -> int:
    """Make the indexes right."""
    actor = acting.actor_of(args)
    with acting.open_for_writing(args) as registry, _told() as told:
        mended = registry.rebuild_indexes(actor, told)
    output.out.print(f"已重建 rows made right: {mended:,}", markup=False)
    return output.EXIT_OK


def _json(report: Report) -> dict[str, object]:
    return {
        "verdict": report.verdict.value,
        "sound": report.verdict is Verdict.SOUND,
        "size": report.size,
        "root": report.root.hex(),
        "signed": bool(report.signed),
        "keys": report.signed,
        "faults": [asdict(fault) for fault in report.faults],
        "further_faults": report.more,
        "exceptions": report.exceptions,
        "looked_at": report.looked_at,
        "by_rules": [{"leaf": leaf, "reason": reason} for leaf, reason in report.by_rules],
    }


def _complain(report: Report) -> None:
    for fault in report.faults:
        output.complain(fault)
    if report.more:
        output.complain(f"另有 and {report.more:,} 处 further faults")


def _print(report: Report, has_keys: bool) -> None:
    looked_at = ", ".join(f"{number:,} {what}" for what, number in report.looked_at.items())
    lines = [
        f"{WORDS[report.verdict]}: {report.size:,} 条 changes, root {report.root.hex()}",
        f"已核 looked at: {looked_at}",
        *(f"除外 except: {exception}" for exception in report.exceptions),
        *(f"现行规则 today, leaf {leaf}: {reason}" for leaf, reason in report.by_rules),
    ]
    if report.verdict is Verdict.UNSIGNED:
        wanted = "" if has_keys else "give the key of the log with --key; "
        lines.append(f"{wanted}have the log signed by: csid audit checkpoint")
    for line in lines:
        output.out.print(line, markup=False)


@contextmanager
def _told() -> Iterator[Progress]:
    """What shows how far a verification is."""
    with bar() as shown:
        done: dict[str, int] = {}

        def told(what: str, more: int, total: int) -> None:
            if what not in done:
                shown.expect(total)
            done[what] = done.get(what, 0) + more
            shown.show(done[what], what)

        yield told
