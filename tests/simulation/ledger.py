"""What must hold of a simulated network: at each commit, and once all is well again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Final

from csid import names
from registry import audit
from registry.rules.filing import read_receipt
from registry.rules.requests import TakeReceipt
from registry.signing.proofs import changes_of
from registry.sync.duties import filed
from registry.tables import codec, log_entry, view
from registry.tables.enums import FiledState, FilingState, State
from registry.tables.rows import Filed
from registry.tables.transaction import LOOKED, OWED, AuditStore, TransactionView
from resolver.store.read import Held, ReadTransaction
from resolver.sync import feed, timers
from resolver.sync.settings import follow_of
from tests.simulation.machine import Machine

ROOT: Final = "root"
COPIES: Final = ("sum", "grid")  # who hold all cuts


class Ledger:
    """Keeps what was promised, and looks whether it is kept.

    Attributes:
        acknowledged: the identifiers that were assigned, each with the machines that have said so.
    """

    def __init__(self, machines: Mapping[str, Machine]) -> None:
        self.machines = machines
        self.acknowledged: dict[str, set[str]] = {}
        self._seen: dict[tuple[str, bytes], tuple[bytes, bytes]] = {}  # generation, apex's node
        self._serials: dict[tuple[str, bytes], int] = {}
        self._versions: dict[tuple[str, bytes, int], bytes] = {}  # digest of what a primary had

    # -- at each commit

    def committed(self, machine: Machine) -> None:
        """No serial has gone back, and a copy is what its primary was at that serial."""
        with machine.store.read() as read:
            for zone in read.zones():
                blob = read.tree(zone.generation).get(b"")
                if blob is None or self._seen.get((machine.name, zone.apex)) == (
                    zone.generation,
                    blob,
                ):
                    continue
                self._seen[machine.name, zone.apex] = zone.generation, blob
                self._look(machine, read, zone, blob)

    def _look(self, machine: Machine, read: ReadTransaction, zone: Held, blob: bytes) -> None:
        soa = timers.soa_in(blob)
        assert soa is not None
        text = f"{names.to_text(zone.origin)} at {machine.name}"
        before = self._serials.get((machine.name, zone.apex))
        assert before is None or soa.serial == before or timers.is_ahead(soa.serial, before), (
            f"{text}: serial {before} went back to {soa.serial}"
        )
        self._serials[machine.name, zone.apex] = soa.serial
        digest = _digest(read, zone)
        follow = follow_of(read, zone.apex)
        if follow is None:
            known = self._versions.setdefault((machine.name, zone.apex, soa.serial), digest)
            assert known == digest, f"{text}: changed, and has serial {soa.serial} as before"
        else:
            primary = follow.group or ROOT
            known = self._versions.get((primary, zone.apex, soa.serial), b"")
            assert known, f"{text}: serial {soa.serial}, which {primary} never had"
            assert known == digest, f"{text}: is not what {primary} had with serial {soa.serial}"
        if before != soa.serial:
            machine.world.say(machine.name, f"{names.to_text(zone.origin)} has serial {soa.serial}")

    # -- once all is well

    def faults(self) -> list[str]:
        """What is not as it has to be yet."""
        with _reading(self.machines) as reads:
            return [*self._copies(reads), *self._waiting(reads), *self._kept(reads)]

    def _copies(self, reads: Mapping[str, ReadTransaction]) -> Iterator[str]:
        """Zones that are not the same everywhere, or not where they should be."""
        held = {
            name: {zone.apex: (zone, _digest(read, zone)) for zone in read.zones()}
            for name, read in reads.items()
        }
        for name, zones in held.items():
            for apex, (zone, digest) in zones.items():
                here = f"{names.to_text(zone.origin)} at {name}"
                follow = follow_of(reads[name], apex)
                primary = name if follow is None else follow.group or ROOT
                if zone.flags:
                    yield f"{here} is not served"
                elif apex not in held[primary]:
                    yield f"{here} follows {primary}, which has it not"
                elif held[primary][apex][1] != digest:
                    yield f"{here} is not as at {primary}"
        for cut, state in _cut_filings(reads):
            apex = names.key_of(names.from_text(_zone_name(cut)))
            missing = [name for name in COPIES if apex not in held[name]]
            if state is FilingState.FILED and missing:
                yield f"{cut} is filed, and not held by {', '.join(missing)}"

    def _waiting(self, reads: Mapping[str, ReadTransaction]) -> Iterator[str]:
        """What is still to be said."""
        for name, read in reads.items():
            for table in (OWED, LOOKED):
                count = sum(1 for _ in read.table(table).scan(b""))
                if count:
                    yield f"{name} has {count} rows in {table.decode()}"
            if rows := len(list(feed.changes(read))):
                yield f"{name} has {rows} changes that others are to be told of"
        for cut, row in _cut_filings(reads):
            if row in (FilingState.WANTED, FilingState.WAITING):
                yield f"{cut} is {row.name.lower()}"

    def _kept(self, reads: Mapping[str, ReadTransaction]) -> Iterator[str]:
        """What was acknowledged and is not so."""
        said = _said(reads["sum"])
        for identifier, holders in self.acknowledged.items():
            for name in holders:
                yield from _kept(reads[name], name, identifier, said.get(identifier, []))
        for identifier, rows in said.items():
            takers = {row.node for row in rows if row.state is FiledState.TAKEN}
            if len(takers) > 1:
                yield f"{identifier} was taken of {', '.join(sorted(takers))}"


def _kept(read: ReadTransaction, name: str, identifier: str, said: list[Filed]) -> Iterator[str]:
    """What is wrong with one identifier at its node, whose receipts are all that were given."""
    seen = TransactionView(read)
    here = f"{identifier} at {name}"
    row = view.get_assignment(seen, identifier)
    if row is None:
        yield f"{here}: is lost"
        return
    if row.state is State.FILING:
        yield f"{here}: has no receipt"
    numbers = []
    answers = [change.leaf for change in changes_of(read, identifier)]
    for leaf in answers:
        if leaf.kind == TakeReceipt.kind:
            numbers.append(read_receipt(leaf.to))
    given = {one.leaf: one for one in said if one.node == name}
    for number, status in numbers:
        if number and (number not in given or given[number].status != status.number):
            yield f"{here}: took receipt {number}, {status.number}, which was never given"
    if row.state in (State.ACTIVE, State.SUSPENDED):
        last = next((one for one in numbers if one[1].success), None)
        if last is None:
            yield f"{here}: is active by no receipt"
        taken = [one.leaf for one in given.values() if one.state is FiledState.TAKEN]
        if len(taken) != 1:
            yield f"{here}: has {len(taken)} receipts of those that are taken: {taken}"
    number = numbers[0][0] if numbers else 0
    if row.state is State.REFUSED and number and said[-1].leaf != number:
        yield f"{here}: is refused by receipt {number}, behind which came {said[-1].leaf}"
    is_taken = bool(said) and said[-1].state is FiledState.TAKEN and said[-1].node == name
    if row.state is State.RETIRED and is_taken:
        yield f"{here}: is retired, and the national node holds it for active"


def _said(read: ReadTransaction) -> dict[str, list[Filed]]:
    """All that the aggregate has said of identifiers, by its log."""
    found: dict[str, list[Filed]] = {}
    for index, data in enumerate(AuditStore(read).leaves()):
        entry = log_entry.decode(data)
        if entry.kind in (filed.RECEIPT, filed.END):
            row = codec.decode_filed(entry.after)
            assert row.leaf == index
            found.setdefault(entry.on, []).append(row)
    table = TransactionView(read)
    for identifier, rows in found.items():
        value = table.get(codec.FILED, identifier.encode("ascii"))
        assert value is not None and codec.decode_filed(value) == rows[-1]
    assert audit.Log(AuditStore(read)).size
    return found


def _cut_filings(reads: Mapping[str, ReadTransaction]) -> Iterator[tuple[str, FilingState]]:
    for read in reads.values():
        for key, value in TransactionView(read).scan(codec.FILINGS, b""):
            yield key.decode("ascii"), codec.decode_cut_filing(value).state


def _zone_name(cut: str) -> str:
    return ".".join(reversed(cut.lower().split("/"))) + ".csid.internal."


def _digest(read: ReadTransaction, zone: Held) -> bytes:
    digest = blake2b(digest_size=16)
    for key, blob in read.nodes(zone.generation):
        digest.update(len(key).to_bytes(2, "big") + len(blob).to_bytes(4, "big"))
        digest.update(key + blob)
    return digest.digest()


class _reading:
    """A moment of each machine."""

    def __init__(self, machines: Mapping[str, Machine]) -> None:
        self._opened = {name: one.store.read() for name, one in machines.items()}

    def __enter__(self) -> dict[str, ReadTransaction]:
        return {name: one.__enter__() for name, one in self._opened.items()}

    def __exit__(self, *_: object) -> None:
        for one in self._opened.values():
            one.__exit__(None, None, None)
