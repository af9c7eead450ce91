"""What the system keeps: tables of its own, of which a commit is on the disk.

    sources    name -> Settings
    units      source 00 digest of key -> (key, Unit)
    pools      source 00 key -> Pool
    owed       source 00 key of a pool -> nothing: what the registry is still to be asked for
    owners     k + digest of a unit's key, source -> nothing; i + identifier -> source 00 key
    held       source -> Held: its difference that a person is to look at
    polls      source -> Polled: how its last poll was
    numbers    source -> number(8) of the last statuses that were told
    past       source -> Past: what it had on this day and the one before

A difference is written in one transaction with what it owes, before anybody is asked for anything.
Whoever is killed then asks again, by the same idempotency key, for the same identifier with the
same facts; so nothing is lost and nothing done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec

from csid.errors import CsidError
from gateway.systems.aggregation.difference import Difference
from gateway.systems.aggregation.known import (
    ACTIVE,
    Facts,
    Known,
    Past,
    Polled,
    Pool,
    Settings,
    Unit,
    followed,
)
from gateway.systems.aggregation.quarantine import ACCEPTED, Held, Reason, held
from resolver.tables import Tables

NAMES: Final = ("sources", "units", "pools", "owed", "owners", "held", "polls", "numbers", "past")
SOURCES_MAX: Final = 1_000
OURS: Final = "exists already as ours"  # how a refusal begins that a person may end by adopting
_DIGEST_OCTETS: Final = 16
_UNIT, _IDENTIFIER = b"k", b"i"
_pack: Final = msgspec.msgpack.Encoder().encode
_units_of: Final = msgspec.msgpack.Decoder(tuple[str, Unit]).decode
_pool_of: Final = msgspec.msgpack.Decoder(Pool).decode
T = TypeVar("T")


class BookError(CsidError):
    """What was named is not there, or is there already."""


class Book:
    """The tables; any process may open them, and one polls.

    Args:
        tables: of NAMES, lasting.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    # -- sources

    def sources(self) -> list[Settings]:
        """All there are, by their names."""
        with self._tables.reading() as txn:
            rows = [bytes(row) for _, row in txn.cursor(self._tables["sources"])]
        return [msgspec.msgpack.decode(row, type=Settings) for row in rows]

    def source(self, name: str) -> Settings:
        """One.

        Raises:
            BookError: there is none of the name.
        """
        with self._tables.reading() as txn:
            return self._source(txn, name)

    def add(self, source: Settings) -> None:
        """Add a source.

        Raises:
            BookError: there is one of the name, or there are too many.
        """
        with self._tables.writing() as txn:
            table = self._tables["sources"]
            if txn.stat(table)["entries"] >= SOURCES_MAX:
                raise BookError(f"there are {SOURCES_MAX:,} sources already")
            if not txn.put(source.name.encode(), _pack(source), overwrite=False, db=table):
                raise BookError(f"there is a source {source.name} already")

    def pause(self, name: str, paused: bool, adopt: bool = False) -> None:
        """Poll a source no more, or again; what the registry has refused is asked for again then.

        Args:
            adopt: identifiers that are registered already, and say that they are of this source's
                pools, are taken for ours.

        Raises:
            BookError: there is none of the name.
        """
        with self._tables.writing() as txn:
            source = msgspec.structs.replace(self._source(txn, name), paused=paused)
            txn.put(name.encode(), _pack(source), db=self._tables["sources"])
            if paused:
                return
            for key, row in list(self._of(txn, "pools", name)):
                pool = _pool_of(row)
                if not pool.refusal and not pool.theirs:
                    continue
                changes: dict[str, Any] = {"refusal": "", "theirs": False}
                if adopt and pool.refusal.startswith(OURS):
                    changes |= {"done": {}, "done_state": ""}  # the record is looked at then
                self._put_pool(txn, name, key, msgspec.structs.replace(pool, **changes))

    def remove(self, name: str) -> None:
        """Forget a source with all that is known of it. Its identifiers stay as they are.

        Raises:
            BookError: there is none of the name.
        """
        with self._tables.writing() as txn:
            self._source(txn, name)
            for _, row in list(self._of(txn, "units", name)):
                key, _unit = _units_of(row)
                txn.delete(_owner_of_unit(key, name), db=self._tables["owners"])
            for _, row in list(self._of(txn, "pools", name)):
                identifier = _pool_of(row).identifier
                txn.delete(_IDENTIFIER + identifier.encode(), db=self._tables["owners"])
            for table in ("units", "pools", "owed"):
                for key, _ in list(self._of(txn, table, name)):
                    txn.delete(_key(name, key), db=self._tables[table])
            for table in ("sources", "held", "polls", "numbers", "past"):
                txn.delete(name.encode(), db=self._tables[table])

    # -- what is known, and what changes of it

    def known(self, name: str) -> Known:
        """What is known of a source."""
        with self._tables.reading() as txn:
            units = [_units_of(row) for _, row in self._of(txn, "units", name)]
            pools = {key: _pool_of(row) for key, row in self._of(txn, "pools", name)}
            past = self._past(txn, name)
        return Known(dict(units), pools, past)

    def pools(self, name: str) -> dict[str, Pool]:
        """The pools of a source, by their keys."""
        with self._tables.reading() as txn:
            return {key: _pool_of(row) for key, row in self._of(txn, "pools", name)}

    def count(self, name: str) -> int:
        """How many pools of a source are known."""
        with self._tables.reading() as txn:
            return sum(1 for _ in self._of(txn, "pools", name))

    def active(self, name: str) -> set[str]:
        """The identifiers of a source that are registered and in use."""
        return {one.identifier for one in self.pools(name).values() if one.is_active}

    def source_of(self, key: str, name: str) -> str | None:
        """Another source that has a unit of this key; None if there is none."""
        begin = _owner_of_unit(key, "")
        with self._tables.reading() as txn:
            cursor = txn.cursor(self._tables["owners"])
            if cursor.set_range(begin):
                for found in cursor.iternext(values=False):
                    if not found.startswith(begin):
                        break
                    other = bytes(found[len(begin) :]).decode()
                    if other != name:
                        return other
        return None

    def has(self, identifier: str) -> bool:
        """Whether a pool of any source has this identifier."""
        with self._tables.reading() as txn:
            key = _IDENTIFIER + identifier.encode()
            return txn.get(key, db=self._tables["owners"]) is not None

    def still(self, source: Settings) -> None:
        """See that a source is as it was when it was read.

        Raises:
            BookError: it was removed, changed or paused meanwhile: what it said counts no more.
        """
        with self._tables.reading() as txn:
            self._still(txn, source)

    def apply(self, source: Settings, known: Known, change: Difference, accepted: bool) -> None:
        """Write what a difference changes, and what it owes; a hold is over.

        Args:
            source: as it was when it was read.
            known: what the difference is to.
            accepted: it looks wrong, and somebody has accepted it.

        Raises:
            BookError: the source was removed, changed or paused meanwhile, or the word was taken
                back.
        """
        name = change.source
        with self._tables.writing() as txn:
            self._still(txn, source)
            if self._past(txn, name) != known.past:
                raise BookError(f"source {name} was removed, and added again, meanwhile")
            row = txn.get(name.encode(), db=self._tables["held"])
            there = None if row is None else msgspec.msgpack.decode(row, type=Held)
            if accepted and (
                there is None or (there.digest, there.verdict) != (change.digest, ACCEPTED)
            ):
                raise BookError(f"{name}: what was accepted is not any more")
            txn.put(name.encode(), _pack(change.past), db=self._tables["past"])
            for key, unit in change.units.items():
                row = _key(name, _digest(key).hex())
                owner = _owner_of_unit(key, name)
                if unit is None:
                    txn.delete(row, db=self._tables["units"])
                    txn.delete(owner, db=self._tables["owners"])
                else:
                    txn.put(row, _pack((key, unit)), db=self._tables["units"])
                    txn.put(owner, b"", db=self._tables["owners"])
            for key, pool in change.pools.items():
                if pool is None:
                    self._drop_pool(txn, name, key)
                else:
                    self._put_pool(txn, name, key, pool)
            txn.delete(name.encode(), db=self._tables["held"])

    # -- what is owed to the registry

    def owed(self, name: str) -> list[tuple[str, Pool]]:
        """Pools of which the registry is to be asked for something, and has not refused it."""
        with self._tables.reading() as txn:
            keys = [key for key, _ in self._of(txn, "owed", name)]
            rows = [(key, txn.get(_key(name, key), db=self._tables["pools"])) for key in keys]
        pools = [(key, _pool_of(row)) for key, row in rows if row is not None]
        return [(key, pool) for key, pool in pools if not pool.refusal]

    def settle(
        self,
        name: str,
        key: str,
        *,
        facts: Facts | None = None,
        state: str = "",
        refusal: str = "",
        minted: tuple[str, int] | None = None,
        proposed: bool = False,
    ) -> Pool | None:
        """Remember what the registry has done, or why it has not; the pool as it is then, None if
        the source was removed meanwhile.

        Args:
            facts: those that the record has now.
            state: what the identifier is now.
            minted: another identifier and its attempt, as the one before is another's, or ended.
            proposed: it is about to be asked to suspend it.
        """
        with self._tables.writing() as txn:
            row = txn.get(_key(name, key), db=self._tables["pools"])
            if row is None:
                return None
            pool = _pool_of(row)
            changes: dict[str, Any] = {"refusal": refusal[:500]}
            if facts is not None:
                changes["done"] = facts
            if proposed:
                changes["proposed"] = True
            if minted is not None:
                before = _IDENTIFIER + pool.identifier.encode()
                txn.delete(before, db=self._tables["owners"])
                changes |= {"identifier": minted[0], "attempt": minted[1], "asked": pool.wanted}
                changes |= {"done": None, "done_state": ACTIVE}
            after = msgspec.structs.replace(pool, **changes)
            after = followed(after, name, state) if state else after
            self._put_pool(txn, name, key, after)
        return after

    def follow(self, said: Iterable[tuple[str, str, Pool, str]]) -> None:
        """Take over what the registry says its identifiers are.

        Args:
            said: source, key, the pool as it was before the registry was asked, the state. A pool
                that was changed since stays as it is: what was said of it is older.
        """
        with self._tables.writing() as txn:
            for name, key, seen, state in said:
                row = txn.get(_key(name, key), db=self._tables["pools"])
                after = followed(seen, name, state)
                if row is not None and after != seen and _pool_of(row) == seen:
                    self._put_pool(txn, name, key, after)

    def drop(self, name: str, key: str, seen: Pool) -> None:
        """Forget a pool that is not registered, unless it was changed since."""
        with self._tables.writing() as txn:
            row = txn.get(_key(name, key), db=self._tables["pools"])
            if row is None or _pool_of(row) != seen:
                return
            self._drop_pool(txn, name, key)

    # -- quarantine, polls, numbers

    def held_back(self, name: str) -> Held | None:
        """What is held back of a source."""
        return self._row("held", name, Held)

    def hold(self, source: Settings, change: Difference, why: tuple[Reason, ...], now: int) -> Held:
        """Hold a difference back; as it is held, with what a person has said of it meanwhile.

        Args:
            source: as it was when it was read.

        Raises:
            BookError: the source was removed, changed or paused meanwhile.
        """
        name, table = change.source.encode(), self._tables["held"]
        with self._tables.writing() as txn:
            self._still(txn, source)
            row = txn.get(name, db=table)
            before = None if row is None else msgspec.msgpack.decode(row, type=Held)
            found = held(change, why, before, now)
            txn.put(name, _pack(found), db=table)
        return found

    def release(self, name: str) -> None:
        """Hold nothing back any more: the source says nothing that looks wrong."""
        with self._tables.writing() as txn:
            txn.delete(name.encode(), db=self._tables["held"])

    def judge(self, name: str, verdict: str, digest: str = "") -> Held:
        """Accept or refuse what is held back of a source.

        Args:
            digest: how that of what was looked at begins; empty: whatever is held back now.

        Raises:
            BookError: nothing is, or something else.
        """
        with self._tables.writing() as txn:
            self._source(txn, name)
            row = txn.get(name.encode(), db=self._tables["held"])
            if row is None:
                raise BookError(f"{name}: nothing is held back")
            there = msgspec.msgpack.decode(row, type=Held)
            if not there.digest.startswith(digest):
                raise BookError(
                    f"{name}: what was looked at is held back no more, but something else; "
                    f"look at it again: csid aggregate show {name}"
                )
            found = msgspec.structs.replace(there, verdict=verdict)
            txn.put(name.encode(), _pack(found), db=self._tables["held"])
        return found

    def polled(self, name: str) -> Polled:
        """How the last poll of a source was."""
        return self._row("polls", name, Polled) or Polled()

    def note(self, name: str, polled: Polled) -> None:
        """Remember how a poll was."""
        with self._tables.writing() as txn:
            if txn.get(name.encode(), db=self._tables["sources"]) is not None:
                txn.put(name.encode(), _pack(polled), db=self._tables["polls"])

    def number(self, name: str, now: int) -> int:
        """A number for statuses, above all that were given before; about the time in Unix
        milliseconds.
        """
        table = self._tables["numbers"]
        with self._tables.writing() as txn:
            before = int.from_bytes(txn.get(name.encode(), db=table) or b"", "big")
            following = max(now, before + 1)
            txn.put(name.encode(), following.to_bytes(8, "big"), db=table)
        return following

    # -- rows

    def _source(self, txn: Any, name: str) -> Settings:
        row = txn.get(name.encode(), db=self._tables["sources"])
        if row is None:
            raise BookError(f"there is no source {name[:40]!r}; csid aggregate list shows all")
        return msgspec.msgpack.decode(row, type=Settings)

    def _still(self, txn: Any, source: Settings) -> None:
        row = txn.get(source.name.encode(), db=self._tables["sources"])
        if row is None:
            raise BookError(f"source {source.name} was removed meanwhile")
        there = msgspec.msgpack.decode(row, type=Settings)
        if there.paused and not source.paused:
            raise BookError(f"source {source.name} was paused meanwhile")
        if msgspec.structs.replace(there, paused=source.paused) != source:
            raise BookError(f"source {source.name} was changed meanwhile")

    def _past(self, txn: Any, name: str) -> Past:
        row = txn.get(name.encode(), db=self._tables["past"])
        return Past() if row is None else msgspec.msgpack.decode(row, type=Past)

    def _row(self, table: str, name: str, kind: type[T]) -> T | None:
        with self._tables.reading() as txn:
            row = txn.get(name.encode(), db=self._tables[table])
            return None if row is None else msgspec.msgpack.decode(row, type=kind)

    def _of(self, txn: Any, table: str, name: str) -> Iterator[tuple[str, bytes]]:
        """The rows of a source, by what their keys have behind its name."""
        begin = name.encode() + b"\0"
        cursor = txn.cursor(self._tables[table])
        if not cursor.set_range(begin):
            return
        for key, row in cursor:
            if not key.startswith(begin):
                return
            yield bytes(key[len(begin) :]).decode(), bytes(row)

    def _drop_pool(self, txn: Any, name: str, key: str) -> None:
        row = txn.get(_key(name, key), db=self._tables["pools"])
        if row is not None:
            owner = _IDENTIFIER + _pool_of(row).identifier.encode()
            txn.delete(owner, db=self._tables["owners"])
        for table in ("pools", "owed"):
            txn.delete(_key(name, key), db=self._tables[table])

    def _put_pool(self, txn: Any, name: str, key: str, pool: Pool) -> None:
        row = _key(name, key)
        txn.put(row, _pack(pool), db=self._tables["pools"])
        txn.put(_IDENTIFIER + pool.identifier.encode(), row, db=self._tables["owners"])
        if pool.is_owed:
            txn.put(row, b"", db=self._tables["owed"])
        else:
            txn.delete(row, db=self._tables["owed"])


def _key(name: str, key: str) -> bytes:
    return f"{name}\0{key}".encode()


def _digest(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=_DIGEST_OCTETS).digest()


def _owner_of_unit(key: str, name: str) -> bytes:
    return _UNIT + _digest(key) + name.encode()
