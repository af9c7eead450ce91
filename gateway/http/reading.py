"""Routes that read: identifiers, history, proofs, pools, owners, what is filed, changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from csid.errors import IdentifierError
from csid.identifier import fold, parse
from csid.moments import iso
from csid.vocabulary import STANDINGS, STATES
from gateway.http import shown
from gateway.http.bodies import IDENTIFIER, TEXT, Member
from gateway.http.calls import TEXT as PLAIN
from gateway.http.calls import Answer, Call, etag_of
from gateway.http.problems import Fault, Problem
from registry import audit
from registry.network.status import last_receipt, status
from registry.rules.decision import Decision
from registry.rules.filing import read_receipt
from registry.rules.participants import KIND_BY_WORD, KINDS
from registry.rules.requests import Role
from registry.rules.status import Status
from registry.signing.proofs import changes_of
from registry.tables import codec, log_entry
from registry.tables.enums import STANDING_WORDS, WORDS
from registry.tables.rows import Assignment
from registry.tables.search import Query, page, read_query
from registry.tables.transaction import TransactionView
from registry.tables.view import View, get_assignment, get_gone, get_owner, get_root, get_use

PAGE: Final = 100  # items, unless asked for more
PAGE_MAX: Final = 1_000
LEAVES_LOOKED_AT: Final = 5_000  # for one page of changes, most of which may be hidden
FILINGS_COST: Final = 100  # all that waits is looked at
WAIT_MAX: Final = 30  # seconds

LIMIT: Final = Member({"type": "integer", "minimum": 1, "maximum": PAGE_MAX})
AFTER: Final = Member({"type": "string", "maxLength": 300})
SEARCH: Final[Mapping[str, Member]] = {
    "prefix": Member({"type": "string", "maxLength": 300}),
    "industry": Member(TEXT),
    "location": Member(TEXT),
    "type": Member(TEXT),
    "chip": Member(TEXT),
    "state": Member({"type": "string", "enum": list(STATES)}),
    "owner_name": Member(TEXT),
    "limit": LIMIT,
    "after": AFTER,
}
OWNERS: Final[Mapping[str, Member]] = {
    "kind": Member({"type": "string", "enum": list(KIND_BY_WORD)}),
    "standing": Member({"type": "string", "enum": list(STANDINGS)}),
    "limit": LIMIT,
    "after": AFTER,
}
POOLS: Final[Mapping[str, Member]] = {"prefix": Member(IDENTIFIER), "limit": LIMIT, "after": AFTER}
LEAF: Final = Member({"type": "integer", "minimum": 0, "maximum": 2**53 - 1})
CHANGES: Final[Mapping[str, Member]] = {
    "since": LEAF,
    "limit": LIMIT,
    "wait": Member({"type": "integer", "minimum": 0, "maximum": WAIT_MAX}),
}


def spelled(call: Call) -> str:
    """The identifier in the path of a call, in canonical form.

    Raises:
        Problem: it is none.
    """
    try:
        return str(parse(call.path["identifier"], suffix=call.work.registry.settings.suffix))
    except IdentifierError as error:
        raise Problem(Fault.VALUE, str(error)) from None


def named(call: Call) -> str:
    """As `spelled`, of one to be looked at.

    Raises:
        Problem: it is none, or lies where the caller does not reach.
    """
    name = spelled(call)
    call.caller.require((name,))
    return name


def missing(subject: str, what: str) -> Problem:
    """What is said of something that is not there."""
    return Problem.of(Decision(Status.NOT_FOUND, subject, what))


def _row(seen: View, name: str) -> Assignment:
    row = get_assignment(seen, name)
    if row is None:
        gone = " it has moved to another node with its cut" if get_gone(seen, name) else ""
        raise missing(name, f"{name} is not assigned at this node.{gone}")
    return row


def show_identifier(call: Call) -> Answer:
    """One identifier, with the tag that its next change may ask for."""
    name = named(call)
    registry = call.work.registry
    with registry.view() as seen:
        row = _row(seen, name)
    tag = etag_of(row.leaf)
    asked = call.headers.get("if-none-match", "")
    if tag in (one.strip().removeprefix("W/") for one in asked.split(",")):
        return Answer(None, 304, {"ETag": tag})
    return Answer(
        shown.whole_identifier(name, row, registry.settings, call.caller.audience(name)),
        headers={"ETag": tag},
    )


def find_identifiers(call: Call) -> Answer:
    """A page of identifiers. A caller sees all of what it has to do with, of the rest what is
    listed for others.
    """
    given = dict(call.query)
    most, after = given.pop("limit", PAGE), given.pop("after", "")
    settings = call.work.registry.settings
    if "prefix" not in given and len(call.caller.prefixes) == 1:
        given["prefix"] = call.caller.prefixes[0]
    try:
        query = read_query(**given, suffix=settings.suffix, authority=settings.handle_authority)
        query = query._replace(listed=not _sees_all(call, query))
        with call.work.registry.view() as seen:
            if get_root(seen) is None:
                query = query._replace(listed=False)
            found = page(seen, query, most, after)
    except IdentifierError as error:
        raise Problem(Fault.VALUE, str(error)) from None
    items = [
        shown.identifier(one.identifier, one.row, call.caller.audience(one.identifier))
        for one in found.items
    ]
    return Answer({"items": items, "next": found.after or None})


def _sees_all(call: Call, query: Query) -> bool:
    parts = (query.owner, query.industry, query.location, query.type, query.spec)
    prefix = "/".join(parts[: parts.index("") if "" in parts else len(parts)])
    call.caller.require((prefix,))
    own = call.caller.actor.role is Role.REGISTRAR and query.owner == call.caller.actor.owner
    return call.caller.audits or own


def show_history(call: Call) -> Answer:
    """The changes of an identifier, the last one first."""
    name = named(call)
    with call.work.registry.view() as seen:
        _row(seen, name)
    changes = call.work.registry.history(name)
    audience = call.caller.audience(name)
    return Answer({"items": [shown.change(one.index, one.leaf, audience) for one in changes]})


def show_proof(call: Call) -> Answer:
    """The proof that a change of an identifier is in the log, the last one if none is said."""
    name = named(call)
    registry = call.work.registry
    leaves = [one.index for one in registry.history(name)]
    if not leaves:
        raise missing(name, f"{name} is not assigned at this node")
    leaf = call.query.get("leaf", leaves[0])
    if leaf not in leaves:
        raise missing(name, f"leaf {leaf} is no change of {name}; its history says which are")
    if not call.caller.knows(name):
        raise Problem(Fault.FORBIDDEN, "a leaf says who acted and why: for its owner and auditors")
    try:
        return Answer(registry.prove(leaf).text(), media=PLAIN)
    except audit.NotCoveredError as error:
        raise missing(name, str(error)) from None


def show_filing(call: Call) -> Answer:
    """What the national node has said of an identifier."""
    name = named(call)
    with call.work.registry.store.read() as read:
        row = _row(TransactionView(read), name)
        receipt = last_receipt(changes_of(read, name))
    said: dict[str, Any] | None = None
    if receipt is not None:
        number, answer = read_receipt(receipt.leaf.to)
        said = {
            "number": number,
            "code": answer.number,
            "name": answer.name,
            "reason": receipt.leaf.why or None,
            "time": iso(receipt.leaf.time),
            "leaf": receipt.index,
        }
    state = WORDS[row.state].record
    return Answer({"identifier": name, "state": state, "receipt": said})


def list_filings(call: Call) -> Answer:
    """The cuts that are filed, and what waits below them, as far as the caller may know.

    Raises:
        Problem: it may know nothing of it.
    """
    if not call.caller.audits and call.caller.actor.role is not Role.REGISTRAR:
        raise Problem(
            Fault.FORBIDDEN, "what is filed is for registrars, of their owner, and who may audit"
        )
    with call.work.registry.store.read() as read:
        found = status(read, TransactionView(read), every=True)
    items = list(shown.filings([one for one in found if call.caller.knows(one.cut)]))
    return Answer({"items": items}, cost=FILINGS_COST)


def show_checkpoint(call: Call) -> Answer:
    """The checkpoint that was signed last."""
    note = call.work.registry.last_checkpoint()
    if not note:
        raise missing("checkpoint", "no checkpoint was signed yet: csid audit checkpoint")
    return Answer(note, media=PLAIN)


def list_pools(call: Call) -> Answer:
    """A page of pools."""
    most = call.query.get("limit", PAGE)
    prefix = fold(call.query.get("prefix", ""))
    after = call.query.get("after", "")
    if not (prefix.isascii() and after.isascii()):
        raise Problem(Fault.VALUE, "prefix, after: expected 0-9 A-Z and /")
    with call.work.registry.view() as seen:
        start = f"{after}\0".encode("ascii") if after else b""
        rows = (
            (key.decode("ascii"), codec.decode_pool(value))
            for key, value in seen.scan(codec.POOLS, prefix.encode("ascii"), start)
        )
        found = list(islice(((at, one) for at, one in rows if _may_see(call, one.place)), most + 1))
        items = [shown.pool(one, get_use(seen, one)) for _, one in found[:most]]
    return Answer({"items": items, "next": found[most - 1][0] if len(found) > most else None})


def _may_see(call: Call, place: str) -> bool:
    return call.caller.covers(place) and (
        call.caller.actor.role is not Role.REGISTRAR or call.caller.knows(place)
    )


def show_owner(call: Call) -> Answer:
    """One owner."""
    code = fold(call.path["owner"])
    with call.work.registry.view() as seen:
        row = get_owner(seen, code) if code.isascii() else None
    if row is None:
        raise missing(code[:40], "the owner is not registered")
    return Answer(shown.owner(code, row, call.caller.audience(code)))


def list_owners(call: Call) -> Answer:
    """A page of owners."""
    most, after = call.query.get("limit", PAGE), fold(call.query.get("after", ""))
    if not after.isascii():
        raise Problem(Fault.VALUE, "after: expected an owner's code")
    with call.work.registry.view() as seen:
        found = list(islice(_owners(call, seen, after), most + 1))
    items = [shown.owner(code, row, call.caller.audience(code)) for code, row in found[:most]]
    return Answer({"items": items, "next": found[most - 1][0] if len(found) > most else None})


def _owners(call: Call, seen: View, after: str) -> Iterator[tuple[str, Any]]:
    kind, standing = call.query.get("kind"), call.query.get("standing")
    start = f"{after}\0".encode("ascii") if after else b""
    for key, value in seen.scan(codec.OWNERS, b"", start):
        row = codec.decode_owner(value)
        kinds = {KINDS[one].word for one in row.kinds}
        if kind in (None, *kinds) and standing in (None, STANDING_WORDS[row.standing][0]):
            yield key.decode("ascii"), row


def list_changes(call: Call) -> Answer:
    """The changes from a leaf on, in their order, those that the caller may know of.

    Raises:
        Problem: the log does not go so far.
    """
    since, most = call.query.get("since", 0), call.query.get("limit", PAGE)
    items: list[dict[str, Any]] = []
    with call.work.registry.log() as log:
        size = log.size
        if since > size:
            raise Problem(
                Fault.VALUE,
                f"since: the log has {size:,} leaves; it is another one, or an older copy was put "
                "back: begin anew",
            )
        at, end = since, min(size, since + LEAVES_LOOKED_AT)
        for leaf in log.leaves(at, end):
            if len(items) == most:
                break
            entry = log_entry.decode(leaf)
            is_whole = call.caller.knows(entry.on)
            if is_whole or (entry.kind in shown.ON_IDENTIFIERS and call.caller.covers(entry.on)):
                items.append(shown.change(at, entry, call.caller.audience(entry.on)))
            at += 1
    return Answer({"items": items, "next": at, "size": size})
