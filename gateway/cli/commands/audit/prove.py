"""`csid audit prove`, `grown` and `check`: proofs for others, and what they do with them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from gateway.cli import acting, options, output
from gateway.cli.commands import history
from gateway.cli.commands.audit.files import (
    add_keys,
    add_output,
    give,
    keys_of,
    text_of,
    verifiers_of,
)
from registry.audit import (
    AuditError,
    Checkpoint,
    KeyChain,
    Log,
    NotCoveredError,
    ProofError,
    VerifierKey,
    check,
    check_growth,
    is_growth,
    prove_growth,
)
from registry.audit.note import Note
from registry.audit.proof import SUFFIX
from registry.audit.static import StaticStore, latest
from registry.service import Registry
from registry.signing.proofs import Change
from registry.tables import log_entry


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the actions that make and judge proofs."""
    _register_prove(actions)
    _register_grown(actions)
    _register_check(actions)


def _register_prove(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    prove = actions.add_parser(
        "prove",
        help="prove changes of an identifier, an owner, a pool … 出具证明",
        description="Write the proof that the last change of something is in the log 出具证明, or "
        "another change with --leaf, or every one with --all: csid audit check judges it anywhere. "
        "csid history shows the numbers of the leaves.",
    )
    prove.add_argument(
        "id",
        metavar="ID",
        nargs="?",
        help="identifier, owner, pool, location, aliased prefix or zone 标识或代码",
    )
    which = prove.add_mutually_exclusive_group()
    which.add_argument(
        "--leaf", type=options.count, metavar="N", help="this change; of anything without ID 序号"
    )
    which.add_argument(
        "--all",
        action="store_true",
        help="every change, each in a file of the folder --output 全部",
    )
    prove.add_argument(
        "--checkpoint", metavar="FILE", help="prove it by this one 检查点 (the last signed here)"
    )
    add_output(prove)
    options.add_data(prove)
    acting.add_actor(prove)
    prove.set_defaults(run=run_prove)


def _register_grown(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    grown_ = actions.add_parser(
        "grown",
        help="prove that the log only grew between two checkpoints 只增不改证明",
        description="Write the proof that from one checkpoint to a later one nothing of the log "
        "was changed or taken away 只增不改证明: csid audit check judges it from the earlier one.",
    )
    grown_.add_argument("old", metavar="OLD", help="file of the earlier checkpoint 较早的检查点")
    grown_.add_argument(
        "new", metavar="NEW", nargs="?", help="file of the later one 较晚的检查点 (the last signed)"
    )
    source = grown_.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help="the data directory 数据目录")
    source.add_argument(
        "--published", type=Path, metavar="DIR", help="a published log, with --key 已发布的日志"
    )
    options.add_config(grown_)
    add_keys(grown_)
    add_output(grown_)
    acting.add_actor(grown_)
    grown_.set_defaults(run=run_grown)


def _register_check(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    check_ = actions.add_parser(
        "check",
        help="judge a proof 校验证明",
        description="Judge a proof with nothing but the keys of the log 校验证明; a proof of "
        "growth also needs the earlier checkpoint. Exit code 1: it does not hold.",
    )
    check_.add_argument("proof", metavar="PROOF", help="file; - is stdin 证明文件")
    add_keys(check_, required=True)
    check_.add_argument(
        "--old", metavar="FILE", help="the earlier checkpoint, for a proof of growth 较早的检查点"
    )
    options.add_json(check_)
    check_.set_defaults(run=run_check)


def run_prove(args: argparse.Namespace) -> int:
    """Write the proofs of changes; exit 1 if one of several is covered by no checkpoint yet."""
    acting.require_auditor(args)
    if args.id is None and args.leaf is None:
        raise AuditError("nothing to prove: give an ID, or a leaf of the log with --leaf")
    if args.all and args.output is None:
        raise AuditError("--all writes a file for each change: give their folder with --output")
    note = text_of(args.checkpoint) if args.checkpoint else ""
    with Registry.open(args.data) as registry:
        if args.id is None:
            proofs = [registry.prove(args.leaf, note)]
        else:
            changes = _changes(registry, args.id, args.leaf)
            if args.all:
                return _give_all(registry, changes, note, args.output)
            proofs = [registry.prove(changes[0].index, note)]
    give(proofs[0].text(), args.output)
    return output.EXIT_OK


def _changes(registry: Registry, text: str, leaf: int | None) -> list[Change]:
    """The changes of a subject, the last one first; of them only ``leaf`` if it is given."""
    subject = history.subject_of(text, registry.settings)
    changes = registry.history(subject)
    if not changes:
        raise AuditError(f"{subject} is not assigned or registered here: nothing to prove")
    if leaf is not None:
        changes = [change for change in changes if change.index == leaf]
        if not changes:
            raise AuditError(f"leaf {leaf} is no change of {subject}: csid history shows which are")
    return changes


def _give_all(registry: Registry, changes: list[Change], note: str, folder: Path) -> int:
    written, refused = 0, ""
    for change in reversed(changes):
        try:
            proof = registry.prove(change.index, note)
        except NotCoveredError as error:
            refused = refused or str(error)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        give(proof.text(), folder / f"{change.index}{SUFFIX}")
        written += 1
    output.err.print(f"出具 proofs written: {written}", markup=False)
    if refused:
        output.complain(f"{len(changes) - written} changes are not proved: {refused}")
    return output.EXIT_BAD_INPUT if refused else output.EXIT_OK


def run_grown(args: argparse.Namespace) -> int:
    """Write the proof that the log only grew; exit 1 if it did not."""
    if args.published is None:  # what is published is for everybody
        acting.require_auditor(args)
    trusted = keys_of(args)
    old, new = text_of(args.old), text_of(args.new) if args.new else ""
    try:
        if args.published is None:
            with Registry.open(args.data) as registry, registry.log() as log:
                new = new or registry.last_checkpoint()
                text = _grown(log, registry.keys(), trusted, old, new)
        elif trusted:
            log = Log(StaticStore(args.published))
            text = _grown(log, KeyChain(), trusted, old, new or latest(args.published))
        else:
            raise AuditError("a published log is judged by keys got elsewhere: give them by --key")
    except ProofError as error:
        output.complain(f"证明不成立 the log did not only grow: {error}")
        return output.EXIT_BAD_INPUT
    give(text, args.output)
    return output.EXIT_OK


def _grown(log: Log, chain: KeyChain, trusted: list[VerifierKey], old: str, new: str) -> str:
    """A proof of growth between two checkpoints, once it holds."""
    if not new:
        raise AuditError("no checkpoint was signed yet: sign one with csid audit checkpoint")
    strange = chain.strangers(trusted) if chain.links else []
    if strange:
        raise AuditError(f"key {strange[0].label} is none of this log")
    before = chain.open(old, trusted)
    chain.open(new, trusted)
    text = prove_growth(log, before.size, new)
    check_growth(text, before, *(chain.keys or trusted))
    return text


def run_check(args: argparse.Namespace) -> int:
    """Judge a proof; exit 1 if it does not hold."""
    keys = [key for given in args.key for key in verifiers_of(given)]
    text = text_of(args.proof)
    try:
        if is_growth(text):
            told, rows = _judge_growth(text, args.old, keys)
        else:
            told, rows = _judge_change(text, keys)
    except (ProofError, ValueError) as error:
        if args.json:
            output.print_json({"holds": False, "reason": str(error)})
        output.complain(f"证明不成立 the proof does not hold: {error}")
        return output.EXIT_BAD_INPUT
    if args.json:
        output.print_json({"holds": True, **told})
    else:
        output.out.print("证明成立 the proof holds", markup=False)
        output.print_facts(rows)
    return output.EXIT_OK


Judged = tuple[dict[str, Any], list[tuple[str, str]]]  # as JSON, and in rows for people


class _Signer(NamedTuple):
    """The key that has signed the checkpoint of a proof. Whether it was in force at that size only
    the log can tell, so it is said if a newer one was given beside it.
    """

    key: VerifierKey
    newest: bool

    @classmethod
    def of(cls, text: str, keys: list[VerifierKey]) -> _Signer:
        key = Note.parse(text.partition("\n\n")[2]).signer(keys)
        return cls(key, key == keys[0])

    def json(self) -> dict[str, Any]:
        return {"key": self.key.label, "newest_key": self.newest}

    def row(self) -> tuple[str, str]:
        note = "" if self.newest else "  已被接替 succeeded by the first of those given"
        return "密钥 Key", f"{self.key.label}{note}"


def _judge_change(text: str, keys: list[VerifierKey]) -> Judged:
    checked = check(text, *keys)
    change = log_entry.decode(checked.leaf)
    point = checked.checkpoint
    signer = _Signer.of(text, keys)
    told = {"log": point.origin, "size": point.size, **signer.json()}
    return told | {"change": history.json_of(checked.index, change)}, [
        *_rows_of(point),
        signer.row(),
        *history.rows_of(checked.index, change),
    ]


def _judge_growth(text: str, old: str | None, keys: list[VerifierKey]) -> Judged:
    if old is None:
        raise AuditError(
            "a proof of growth is judged from the earlier checkpoint: give it by --old"
        )
    before = KeyChain().open(text_of(old), keys)
    point = check_growth(text, before, *keys)
    signer = _Signer.of(text, keys)
    told = {"log": point.origin, "old": before.size, "size": point.size, **signer.json()}
    rows = [("此前 Before", f"{before.size:,} 条 changes"), *_rows_of(point), signer.row()]
    return told, rows


def _rows_of(point: Checkpoint) -> list[tuple[str, str]]:
    root = point.root.hex()
    return [
        ("日志 Log", point.origin),
        ("检查点 Checkpoint", f"{point.size:,} 条 changes, root {root}"),
    ]
