"""Rows of the registry in JSON, as the interface shows them. Times are ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from csid.identifier import parse
from csid.moments import iso, iso_or_none
from csid.record import decode
from gateway.visibility import Audience, visible
from registry.network.status import CutStatus
from registry.rules.decision import Decision
from registry.rules.participants import KINDS
from registry.rules.status import Status
from registry.tables.enums import FILING_WORDS, STANDING_WORDS, WORDS
from registry.tables.log_entry import LogEntry
from registry.tables.rows import Assignment, Owner, Pool, PoolUse
from resolver.store.environment import Settings

# Kinds of leaves whose `after` is a record.
ON_IDENTIFIERS: Final = frozenset(
    {
        "assign",
        "mint",
        "import",
        "update",
        "advance",
        "retire",
        "alias",
        "move",
        "leave",
        "take",
        "receipt",
        "transfer.accept",
        "renew",
        "expire",
        "lapse",
    }
)


def identifier(name: str, row: Assignment, audience: Audience) -> dict[str, Any]:
    """An identifier as lists have it."""
    whole = {
        "identifier": name,
        "state": WORDS[row.state].record,
        "since": iso(row.since),
        "changed": iso(row.changed),
        "leaf": row.leaf,
        "ttl": row.ttl,
        "target": row.target or None,
        "record": decode(row.record).json(),
    }
    return visible("identifier", whole, audience)


def whole_identifier(
    name: str, row: Assignment, settings: Settings, audience: Audience
) -> dict[str, Any]:
    """An identifier by itself, with its other names."""
    parsed = parse(name)
    others = {
        "dns": parsed.to_dns_name(settings.suffix),
        "handle": parsed.to_handle(settings.handle_authority),
    }
    return identifier(name, row, audience) | visible("identifier", others, audience)


def owner(code: str, row: Owner, audience: Audience) -> dict[str, Any]:
    """An owner."""
    whole = {
        "owner": code,
        "name": row.name,
        "kinds": [KINDS[kind].word for kind in row.kinds],
        "standing": STANDING_WORDS[row.standing][0],
        "qualified": row.qualified,
        "since": iso(row.since),
        "leaf": row.leaf,
        "contact": row.contact,
        "quota": row.quota,
    }
    return visible("owner", whole, audience)


def pool(row: Pool, use: PoolUse) -> dict[str, Any]:
    """A pool, and how far it is used."""
    return {
        "pool": row.code,
        "place": row.place,
        "class": row.capability,
        "first": row.first,
        "last": row.last,
        "quota": row.quota,
        "assigned": use.assigned,
        "since": iso(row.since),
        "leaf": row.leaf,
    }


def change(index: int, entry: LogEntry, audience: Audience) -> dict[str, Any]:
    """A change, as its leaf has it."""
    on_identifier = entry.kind in ON_IDENTIFIERS
    whole = {
        "leaf": index,
        "kind": entry.kind,
        "subject": entry.on,
        "to": entry.to or None,
        "time": iso(entry.time),
        "record": decode(entry.after).json() if on_identifier and entry.after else None,
        "ttl": entry.ttl if on_identifier else None,
        "by": entry.by,
        "role": entry.role,
        "for": entry.for_ or None,
        "peer": entry.peer or None,
        "why": entry.why or None,
        "previous": entry.prev if entry.prev >= 0 else None,
    }
    return visible("change", whole, audience)


def filings(found: list[CutStatus]) -> Iterator[dict[str, Any]]:
    """What is filed with the national node, cut by cut."""
    for one in found:
        yield {
            "cut": one.cut,
            "state": FILING_WORDS[one.row.state][0] if one.row is not None else None,
            "reason": one.row.reason or None if one.row is not None else None,
            "node": one.row.node or None if one.row is not None else None,
            "waiting": one.waiting,
            "oldest": iso_or_none(one.oldest),
            "refused": one.refused,
            "refusals": [
                {
                    "identifier": refusal.identifier,
                    "receipt": refusal.receipt,
                    "code": refusal.status.number,
                    "name": refusal.status.name,
                    "reason": refusal.reason,
                }
                for refusal in one.reasons
            ],
        }


def outcome(decision: Decision) -> dict[str, Any]:
    """What became of a request that was carried out."""
    return {"status": 200, "subject": decision.subject, **_OUTCOMES[decision.status]}


_OUTCOMES: Final[Mapping[Status, dict[str, Any]]] = {
    status: {"code": status.number, "name": status.name, "zh": status.zh, "en": status.en}
    for status in Status
    if status.success
}


def packed_outcome(decision: Decision) -> msgspec.Raw:
    """As `outcome`, in JSON: a batch has thousands of them."""
    return msgspec.Raw(_HEAD + _encode(decision.subject) + _TAILS[decision.status])


_encode: Final = msgspec.json.Encoder().encode
_HEAD: Final = b'{"status":200,"subject":'
_TAILS: Final[Mapping[Status, bytes]] = {
    status: b"," + _encode(said)[1:] for status, said in _OUTCOMES.items()
}
