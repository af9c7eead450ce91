"""JSON Lines of identifiers, as an export writes them, and the requests that restore their state.

    {"identifier": "<identifier>", "record": {...}, "ttl": <seconds>, "alias": "<identifier>",
     "locks": {"node": ["update", ...], "owner": [...]}}

``ttl`` may be left out, for the default; ``locks`` are there where there are some. ``alias`` is
there where another took its place; the record is then the last one before that. An alias can only
be made while both ends live, so identifiers come first, each alive if an alias leads to it; then
the aliases, those that lead to another alias before it; then those that were kept alive for their
aliases retire. Locks come last.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, BinaryIO, Final, NamedTuple

from csid.errors import CsidError, IdentifierError, RecordError
from csid.identifier import Identifier, parse
from csid.limits import MAX_TTL
from csid.record import Record, encode
from registry.bulk.csv_stream import Fault
from registry.rules.locks import kinds_in
from registry.rules.requests import AddLocks, Alias, Body, Import
from registry.tables.enums import LOCK_WORDS, LockKind
from registry.tables.rows import Locks
from resolver.files import bounded_lines

LINE_OCTETS_MAX: Final = 1 << 16  # a record has at most 900 octets
_MEMBERS: Final = frozenset({"identifier", "record", "ttl", "alias", "locks"})
_FORMERLY: Final = "id"  # what older versions wrote in the place of "identifier"
_WHOSE: Final = {"node": False, "owner": True}  # of locks: whether they are the owner's
_LOCKS: Final = {word: kind for kind, (word, _) in LOCK_WORDS.items()}


class Entry(NamedTuple):
    """One line: an identifier, its record, what took its place, and its locks by whose they are."""

    line: int  # from 1
    identifier: Identifier
    record: Record
    alias: Identifier | None
    ttl: int | None = None  # seconds
    locks: Mapping[str, tuple[LockKind, ...]] = MappingProxyType({})


def read(file: BinaryIO, holding: bytes = b"") -> Iterator[Entry | Fault]:
    """The lines of a file, each as what it says or why it is not taken; empty ones and those
    without the octets ``holding`` are left out.
    """
    for number, line in enumerate(bounded_lines(file, LINE_OCTETS_MAX), 1):
        if not line.strip() or holding not in line:
            continue
        try:
            yield _entry(number, line)
        except CsidError as error:
            yield Fault(number, str(error))


def _entry(number: int, line: bytes) -> Entry:
    if len(line) > LINE_OCTETS_MAX:
        raise RecordError(
            "line", f"is longer than {LINE_OCTETS_MAX:,} octets; one is one JSON object"
        )
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError("line", f"is no JSON text: {error}") from None
    if isinstance(value, dict) and "identifier" not in value and _FORMERLY in value:
        value["identifier"] = value.pop(_FORMERLY)
    if not isinstance(value, dict) or not {"identifier", "record"} <= value.keys() <= _MEMBERS:
        known = '{"identifier": ..., "record": ...} and perhaps "ttl", "alias", "locks"'
        raise RecordError("line", f"expected {known}")
    if not isinstance(value["record"], dict):
        raise RecordError("record", "expected a JSON object")
    ttl = value.get("ttl")
    if ttl is not None and not (type(ttl) is int and 0 <= ttl <= MAX_TTL):
        raise RecordError("ttl", f"expected seconds from 0 to {MAX_TTL}, given {str(ttl)[:40]}")
    alias = value.get("alias")
    identifier = _identifier(value["identifier"])
    record, locks = Record(value["record"]), _locks(value.get("locks", {}))
    return Entry(number, identifier, record, alias and _identifier(alias), ttl, locks)


def locks_json(row: Locks) -> dict[str, list[str]]:
    """Locks as a line says them."""
    bits = {"node": row.server, "owner": row.owner}
    return {
        whose: [LOCK_WORDS[kind][0] for kind in kinds_in(held)]
        for whose, held in bits.items()
        if held
    }


def _locks(value: Any) -> dict[str, tuple[LockKind, ...]]:
    """The inverse of `locks_json`."""
    if not isinstance(value, dict) or not value.keys() <= _WHOSE.keys():
        raise RecordError("locks", 'expected {"node": [...], "owner": [...]}')
    found = {}
    for whose, words in value.items():
        if not isinstance(words, list) or not all(
            isinstance(word, str) and word in _LOCKS for word in words
        ):
            raise RecordError("locks", f"expected a list of {', '.join(_LOCKS)}")
        if words:
            found[whose] = tuple(_LOCKS[word] for word in dict.fromkeys(words))
    return found


def _identifier(value: Any) -> Identifier:
    if not isinstance(value, str):
        raise IdentifierError("identifier", 0, f"expected a text, given {str(value)[:40]}")
    return parse(value)


@dataclass(slots=True)
class Restoration:
    """The requests that bring a registry to the state that some lines say.

    Attributes:
        aliases: identifiers that were replaced, with what took their place; all of them must be
            known before the first `begin`.
        circular: filled by `finish`: aliases that lead back to themselves and cannot be made.
    """

    aliases: Mapping[Identifier, Identifier]
    circular: list[Identifier] = field(default_factory=list)
    _targets: frozenset[Identifier] = frozenset()
    _ended: list[Import] = field(default_factory=list)
    _locks: list[AddLocks] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._targets = frozenset(self.aliases.values())

    def begin(self, entry: Entry) -> Body:
        """The request for an identifier itself."""
        identifier, record = entry.identifier, entry.record
        for whose, locks in entry.locks.items():
            self._locks.append(AddLocks(identifier, locks, _WHOSE[whose]))
        alias = str(entry.alias) if entry.alias else ""
        whole = Import(identifier, record, ttl=entry.ttl, alias=alias)
        if record.state != "retired" or identifier not in self._targets:
            return whole
        self._ended.append(whole)
        alive = {"state": "active", "ended": None, "reason": None, "successor": None}
        return replace(whole, record=record.changed(**alive), final=encode(record))

    def finish(self) -> Iterator[Body]:
        """The aliases, then what retires once it has them, and the locks."""
        leading = Counter(self.aliases.values())
        ready = [old for old in self.aliases if not leading[old]]
        made = set[Identifier]()
        while ready:
            old = ready.pop()
            new = self.aliases[old]
            made.add(old)
            yield Alias(old, new, restored=True)
            leading[new] -= 1
            if not leading[new] and new in self.aliases:
                ready.append(new)
        self.circular += [old for old in self.aliases if old not in made]
        yield from self._ended
        yield from self._locks
