"""What is held (监管暂停), as the root zone and the copies of it have it:

TARGET.holds.SUFFIX     TXT     "v=1" "since=…" Unix seconds "node=…" "why=…"; one for each who does
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from csid import names
from csid.moments import iso
from csid.prefix import ancestors
from csid.protocol import TXT
from registry.tables.naming import Names
from registry.tables.registered import begins_shaped, is_shaped
from registry.tables.rows import Hold, Holder
from registry.zones import places
from registry.zones.others import strings_of
from resolver.store import node
from resolver.store.apexes import NOT_READY
from resolver.sync import timers

HOLDS: Final = b"holds\0"
_NO_LEAF: Final = -1


class Seen(NamedTuple):
    """Something that is held."""

    target: str
    hold: Hold

    def json(self) -> dict[str, object]:
        """It for scripts."""
        return {"target": self.target, "by": by_json(self.hold)}


def by_json(hold: Hold) -> list[dict[str, Any]]:
    """Who holds something, for scripts; the national node has no name."""
    return [
        {"node": one.node or None, "since": iso(one.since), "reason": one.reason} for one in hold.by
    ]


def at(txn: places.Txn, named: Names, target: str) -> Hold | None:
    """Who holds exactly this prefix or identifier."""
    tree = _tree(txn, named)
    key = target.lower().encode("ascii").replace(b"/", b"\0") + b"\0"
    return None if tree is None else _read(txn.table(b"tree").get(tree + HOLDS + key))


def over(txn: places.Txn, named: Names, name: str) -> Seen | None:
    """What is held of a prefix or identifier: the topmost hold at or above it."""
    for target in ancestors(name):
        hold = at(txn, named, target)
        if hold is not None:
            return Seen(target, hold)
    return None


def all_of(txn: places.Txn, named: Names, prefix: str = "", after: str = "") -> Iterator[Seen]:
    """All that is held in the copy of the root zone, in order, of what begins with a text, behind
    one; none if there is no copy.
    """
    tree = _tree(txn, named)
    if tree is None:
        return
    top = tree + HOLDS
    start = top + _octets(after) + b"\0" if after else b""
    for key, blob in txn.table(b"tree").scan(top + _octets(prefix), start):
        labels = key[len(top) :]
        hold = _read(blob)
        is_target = bool(labels) and (begins_shaped(labels) or is_shaped(labels))
        if hold is not None and is_target:
            target = labels[:-1].replace(b"\0", b"/").decode("ascii").upper()
            if target != after:
                yield Seen(target, hold)


def is_any(txn: places.Txn, named: Names) -> bool:
    """Whether anything is held."""
    return next(all_of(txn, named), None) is not None


def is_told(txn: places.Txn, named: Names, serial: int = 0) -> bool:
    """Whether there is a copy of the root zone, with a serial or a later one (0: with any)."""
    soa = timers.soa_of(txn, names.key_of(named.wire))
    return _tree(txn, named) is not None and (
        soa is not None and not (serial and timers.is_ahead(serial, soa.serial))
    )


def _tree(txn: places.Txn, named: Names) -> bytes | None:
    """What the keys of the root zone begin with; None if it is not held (yet)."""
    suffix = names.key_of(named.wire)
    root = txn.snapshot.zone_of(suffix)
    if root is None or root.apex != suffix or root.flags == NOT_READY:
        return None
    return root.generation


def _octets(text: str) -> bytes:
    return text.lower().strip("/").encode("ascii", "replace").replace(b"/", b"\0")


def _read(blob: bytes | None) -> Hold | None:
    rrset = dict(node.rrsets_of(blob)).get(TXT) if blob else None
    return None if rrset is None else hold_of(rrset.rdatas)


def hold_of(rdatas: Iterable[bytes]) -> Hold | None:
    """Who holds something, by the data of its TXT records; None if nobody does."""
    found = []
    for rdata in rdatas:
        said = dict(text.partition("=")[::2] for text in strings_of(rdata))
        since = said.get("since", "")
        is_number = since.isascii() and since.isdecimal() and len(since) < 12
        found.append(
            Holder(said.get("node", ""), int(since) if is_number else 0, said.get("why", ""))
        )
    return Hold(tuple(sorted(found)), _NO_LEAF) if found else None
