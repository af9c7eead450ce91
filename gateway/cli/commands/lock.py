"""`csid lock`: what may not be done to an identifier until that is lifted, as in EPP."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from csid.identifier import parse
from csid.moments import iso
from gateway.cli import acting, options, output, request
from registry.rules.decision import Decision
from registry.rules.locks import kinds_in
from registry.rules.requests import AddLocks, RemoveLocks, Request, Role
from registry.service import Registry
from registry.tables import codec
from registry.tables.enums import LOCK_WORDS, LockKind, locked_words
from registry.tables.rows import Locks
from registry.tables.view import View, get_assignment, get_locks

LIST_LIMIT: Final = 100
BY_WORD: Final = {word: kind for kind, (word, _) in LOCK_WORDS.items()}
USUAL: Final = (LockKind.UPDATE, LockKind.TRANSFER, LockKind.RETIRE)
NODE, OWNER = "node", "owner"
_WHOSE: Final = {NODE: "节点", OWNER: "主体"}


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid lock` with its actions."""
    parser = subparsers.add_parser(
        "lock",
        description="Keep things from being done to identifiers 加锁, as in EPP: nobody does them, "
        "administrators included, until the lock is lifted. A lock of the node is lifted by an "
        "administrator alone, one of the owner by its registrar, too.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _register(actions, "add", "lock identifiers 加锁", "update, transfer, retire", AddLocks, USUAL)
    _register(actions, "remove", "lift locks 解锁", "all", RemoveLocks, tuple(LockKind))
    listing = actions.add_parser("list", help="identifiers that are locked 列出已加锁的标识")
    listing.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="all if left out")
    options.add_data(listing)
    options.add_page(listing, LIST_LIMIT, "ID")
    listing.set_defaults(run=run_list)


def _register(
    actions: options.Subparsers[argparse.ArgumentParser],
    word: str,
    purpose: str,
    usual: str,
    body: type[AddLocks | RemoveLocks],
    locks: tuple[LockKind, ...],
) -> None:
    parser = actions.add_parser(word, help=purpose, description=purpose)
    parser.add_argument("ids", metavar="ID", nargs="+", help="identifiers 标识")
    parser.add_argument(
        "--lock",
        action="append",
        choices=tuple(BY_WORD),
        help=f"{', '.join(f'{word} {zh}' for word, zh in LOCK_WORDS.values())}; repeatable "
        f"({usual})",
    )
    parser.add_argument(
        "--of",
        choices=tuple(_WHOSE),
        help="whose lock it is 归属: node 节点 (of an administrator, unless said otherwise), owner "
        "主体 (of a registrar)",
    )
    request.add_request(parser)
    parser.set_defaults(run=run_turn, body=body, locks=locks)


def run_turn(args: argparse.Namespace) -> int:
    """Lock or unlock identifiers, each by itself."""
    locks = tuple(BY_WORD[word] for word in dict.fromkeys(args.lock or ())) or args.locks
    actor = acting.actor_of(args)
    whose = args.of or (OWNER if actor.role is Role.REGISTRAR else NODE)
    with request.open_registry(args) as registry:
        suffix = registry.settings.suffix
        found = dict.fromkeys(parse(text, suffix=suffix) for text in args.ids)
        asked = [_request(args, args.body(one, locks, whose == OWNER), len(found)) for one in found]
        decisions: list[Decision]
        if args.dry_run:
            decisions = [registry.weigh(one) for one in asked]
        else:
            decisions = registry.submit_all(asked)
    for decision in decisions:
        request.show(args, decision)
    is_done = all(decision.status.success for decision in decisions)
    return output.EXIT_OK if is_done else output.EXIT_BAD_INPUT


def _request(args: argparse.Namespace, body: AddLocks | RemoveLocks, count: int) -> Request:
    """One of the requests; a key is that of all, so each has one of its own from it."""
    key = f"{args.key}/{body.identifier}" if args.key and count > 1 else args.key
    return Request(acting.actor_of(args), body, args.reason, key)


def run_list(args: argparse.Namespace) -> int:
    """List what is locked."""
    with Registry.open(args.data) as registry, registry.view() as seen:
        found = list(islice(_locked(seen, args.prefix.upper(), args.after), args.limit or None))
    if args.json:
        for name, row in found:
            output.print_json({"identifier": name} | json_of(row))
    else:
        output.print_list(
            ("标识 Identifier", "节点锁 Node's", "主体锁 Owner's", "时间 Since"),
            (
                (name, words_of(row.server), words_of(row.owner), output.moment(row.since))
                for name, row in found
            ),
        )
    if args.limit and len(found) == args.limit:
        output.note_more(found[-1][0])
    return output.EXIT_OK


def _locked(seen: View, prefix: str, after: str) -> Iterator[tuple[str, Locks]]:
    """The identifiers below a prefix that are locked, those behind one."""
    head = codec.state_key(codec.LOCKED, "")
    below = head + prefix.encode("ascii", "replace")
    for key, _ in seen.scan(codec.BY_STATE, below, head + after.upper().encode("ascii", "replace")):
        name = key[len(head) :].decode("ascii")
        row = get_locks(seen, name)
        if name != after.upper() and row is not None and get_assignment(seen, name) is not None:
            yield name, row


def words_of(bits: int) -> str:
    """Locks for people."""
    return ", ".join(f"{word} {zh}" for word, zh in map(LOCK_WORDS.__getitem__, kinds_in(bits)))


def json_of(row: Locks) -> dict[str, Any]:
    """Locks for scripts."""
    return {
        "node": [LOCK_WORDS[kind][0] for kind in kinds_in(row.server)],
        "owner": [LOCK_WORDS[kind][0] for kind in kinds_in(row.owner)],
        "epp": list(locked_words(row.server, row.owner)[0]),
        "since": iso(row.since),
    }
