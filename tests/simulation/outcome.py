"""What must hold of a simulated network once all is well again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import pairwise
from typing import Final

from csid.record import decode
from registry import audit
from registry.rules.cut_moves import is_moving
from registry.rules.filing import CUT_SEGMENTS, read_receipt
from registry.rules.requests import Take, TakeReceipt, Update
from registry.signing.proofs import changes_of
from registry.sync.duties import examination
from registry.tables import codec, log_entry, view
from registry.tables.enums import UNDER_WAY, CutState, FiledState, FilingState, State
from registry.tables.naming import Names
from registry.tables.rows import Cut, Filed
from registry.tables.transaction import LOOKED, OWED, AuditStore, TransactionView
from resolver.store.read import ReadTransaction
from resolver.sync import feed
from resolver.sync.settings import follow_of
from tests.simulation import supervision
from tests.simulation.ledger import ROOT, SUM, Ledger, digest, primary_of
from tests.simulation.prepared import REGIONS
from tests.support.books import SUFFIX

_COPIES: Final = (SUM, "grid")  # who hold all cuts
_NAMED: Final = Names(SUFFIX)
_SAID: Final = (examination.RECEIPT, examination.END, examination.GONE, examination.MET)
_OPEN: Final = (FilingState.WANTED, FilingState.WAITING, *UNDER_WAY)

Said = list[tuple[str, Filed]]  # what the aggregate has said, with the kind of each leaf


class Outcome:
    """What has become of all, at one moment."""

    def __init__(self, ledger: Ledger, reads: Mapping[str, ReadTransaction]) -> None:
        self._ledger = ledger
        self._reads = reads
        self._views = {name: TransactionView(read) for name, read in reads.items()}
        self._given: set[int] = set()  # numbers of receipts
        self._withdrawn: set[tuple[str, str]] = set()  # cut, node
        self._filed = {cut: row.node for cut, row in self._cuts() if row.state is CutState.FILED}

    def faults(self) -> Iterator[str]:
        """What is not as it has to be yet; what is soon found out first."""
        yield from self._waiting()
        yield from self._kept()
        yield from self._copies()
        yield from supervision.faults(self._views)

    def _waiting(self) -> Iterator[str]:
        """What is still to be said or done."""
        for name, read in self._reads.items():
            for table in (OWED, LOOKED):
                if count := sum(1 for _ in read.table(table).scan(b"")):
                    yield f"{name} has {count} rows in {table.decode()}"
            if rows := sum(1 for _ in feed.changes(read)):
                yield f"{name} has {rows} changes that others are to be told of"
            if doomed := sum(1 for _ in read.table(b"doomed").scan(b"")):
                yield f"{name} has {doomed} generations that are to be swept"
        for name, cut, state in self._filings():
            if state in _OPEN:
                yield f"{cut} is {state.name.lower()} at {name}"
        for cut, row in self._cuts():
            if is_moving(row):
                yield f"{cut} moves"
        for name, cut in self._ledger.lost_cuts():
            yield f"{cut} is not at {name} any more"

    def _filings(self) -> Iterator[tuple[str, str, FilingState]]:
        for name, seen in self._views.items():
            for key, value in seen.scan(codec.FILINGS, b""):
                yield name, key.decode("ascii"), codec.decode_cut_filing(value).state

    def _cuts(self) -> Iterator[tuple[str, Cut]]:
        for key, value in self._views[ROOT].scan(codec.CUTS, b""):
            yield key.decode("ascii"), codec.decode_cut(value)

    # -- zones

    def _copies(self) -> Iterator[str]:
        """Zones that are not the same everywhere, or not where they should be."""
        held = {
            name: {zone.apex: (zone, digest(read, zone)) for zone in read.zones()}
            for name, read in self._reads.items()
        }
        for name, zones in held.items():
            for apex, (zone, found) in zones.items():
                here = f"{zone.apex.decode()} at {name}"
                primary = primary_of(name, follow_of(self._reads[name], apex))
                if zone.flags:
                    yield f"{here} is not served"
                elif apex not in held[primary]:
                    yield f"{here} follows {primary}, which has it not"
                elif held[primary][apex][1] != found:
                    yield f"{here} is not as at {primary}"
        for cut, node in self._filed.items():
            for name in (node, *_COPIES):
                if _NAMED.key(cut) not in held[name]:
                    yield f"{cut} is filed, and not held by {name}"
        for name, cut, state in self._filings():
            node = self._filed.get(cut, "nobody")
            if (state is FilingState.FILED) != (node == name):
                yield f"{cut} is {state.name.lower()} at {name}, and filed for {node}"

    # -- identifiers

    def _kept(self) -> Iterator[str]:
        """What was acknowledged and is not so."""
        said = self._said()
        self._given = {
            one.leaf for rows in said.values() for kind, one in rows if _is_told(kind, one)
        }
        holders = self._holders()
        for identifier, names in self._ledger.acknowledged.items():
            cut = "/".join(identifier.split("/")[:CUT_SEGMENTS])
            chain = holders.get(cut, [])
            for name in sorted(names):
                yield from self._held(name, identifier, said.get(identifier, []), chain)
            active = [name for name in REGIONS if self._is_active(name, identifier)]
            if len(active) > 1:
                yield f"{identifier} is active at {' and '.join(active)}"

    def _is_active(self, name: str, identifier: str) -> bool:
        row = view.get_assignment(self._views[name], identifier)
        return row is not None and row.state in (State.ACTIVE, State.SUSPENDED)

    def _held(self, name: str, identifier: str, said: Said, chain: list[str]) -> Iterator[str]:
        """What is wrong with one identifier that a node has acknowledged."""
        seen = self._views[name]
        row = view.get_assignment(seen, identifier)
        if row is not None:
            yield from self._is_as_said(name, identifier, said, chain)
        elif view.get_gone(seen, identifier) is None:
            yield f"{identifier} at {name}: is lost"
        elif self._is_handed_on(name, identifier):
            # Known (decision 17): it was cut off while its cut was withdrawn, filed by another and
            # moved there or back, and takes that for a move from itself.
            return
        elif view.get_assignment(self._views[chain[-1]], identifier) is None:
            yield f"{identifier} at {name}: has moved, and is not at {chain[-1]}"
        elif chain[-1] not in self._ledger.acknowledged[identifier]:
            yield from self._is_as_said(chain[-1], identifier, said, chain)

    def _is_as_said(
        self, name: str, identifier: str, said: Said, chain: list[str]
    ) -> Iterator[str]:
        """What is wrong with an identifier that a node has."""
        here = f"{identifier} at {name}"
        row = view.get_assignment(self._views[name], identifier)
        assert row is not None
        if row.state is State.FILING:
            yield f"{here}: has no receipt"
        leaves = [change.leaf for change in changes_of(self._reads[name], identifier)]
        receipts = [read_receipt(leaf.to) for leaf in leaves if leaf.kind == TakeReceipt.kind]
        given = {one.leaf: one for kind, one in said if _is_told(kind, one)}
        lost = self._ledger.lost_receipts
        for number, status in receipts:
            if number in lost:
                if number in self._given:
                    yield f"{here}: has receipt {number}, which was given twice"
            elif number and (number not in given or given[number].status != status.number):
                yield f"{here}: took receipt {number}, {status.number}, which was never given"
        last = said[-1][1] if said else None
        # What the aggregate has lost of a cut that is the node's no more, it cannot see again.
        cut = "/".join(identifier.split("/")[:CUT_SEGMENTS])
        is_its = self._filed.get(cut) == name
        is_unseen = bool(receipts) and receipts[0][0] in lost and not is_its
        if row.state in (State.ACTIVE, State.SUSPENDED) and not is_unseen:
            yield from _is_taken_once(here, name, said, chain)
        number = receipts[0][0] if receipts and leaves[0].kind == TakeReceipt.kind else 0
        refused = [one.leaf for kind, one in said if _is_told(kind, one)]
        is_older = self._ledger.refused.get((name, identifier)) == row.leaf
        is_older |= number in lost
        if row.state is State.REFUSED and number and number not in refused and not is_older:
            yield f"{here}: is refused by receipt {number}, given are {refused}"
        is_taken = last is not None and last.state is FiledState.TAKEN and last.node == name
        if row.state is State.RETIRED and is_taken and is_its:
            yield f"{here}: is retired, and the national node holds it for active"
        changes = [leaf.kind for leaf in leaves if leaf.kind in (Take.kind, Update.kind)]
        count = self._ledger.counts.get(identifier, {}).get(name)
        has = decode(row.record).values.get("ct")
        if changes[:1] == [Update.kind] and count not in (None, has):
            yield f"{here}: was given count {count}, and has {has}"

    def _is_handed_on(self, name: str, identifier: str) -> bool:
        """Whether the cut of an identifier was withdrawn from a node and is another's since."""
        cut = "/".join(identifier.split("/")[:CUT_SEGMENTS])
        return (cut, name) in self._withdrawn and self._filed.get(cut) != name

    def _holders(self) -> dict[str, list[str]]:
        """The nodes that had each cut, one after the other, by the log of the national node."""
        found: dict[str, list[str]] = {}
        for data in AuditStore(self._reads[ROOT]).leaves():
            entry = log_entry.decode(data)
            if entry.kind.startswith("cut.") and entry.after:
                row = codec.decode_cut(entry.after)
                chain = found.setdefault(entry.on, [])
                if row.state is CutState.WITHDRAWN:
                    self._withdrawn.add((entry.on, row.node))
                if row.state is CutState.FILED and chain[-1:] != [row.node]:
                    chain.append(row.node)
        return found

    def _said(self) -> dict[str, Said]:
        """All that the aggregate has said of identifiers, by its log."""
        found: dict[str, Said] = {}
        read = self._reads[SUM]
        for index, data in enumerate(AuditStore(read).leaves()):
            entry = log_entry.decode(data)
            if entry.kind in _SAID:
                row = codec.decode_filed(entry.after)
                assert row.leaf == index
                found.setdefault(entry.on, []).append((entry.kind, row))
        for identifier, rows in found.items():
            value = self._views[SUM].get(codec.FILED, identifier.encode("ascii"))
            assert value is not None and codec.decode_filed(value) == rows[-1][1]
        assert audit.Log(AuditStore(read)).size
        return found


def _is_told(kind: str, one: Filed) -> bool:
    """Whether the node was told by a receipt: also of what is in use, and may not be."""
    return kind == examination.RECEIPT or (
        kind == examination.MET and one.state is FiledState.REFUSED
    )


def _is_taken_once(here: str, name: str, said: Said, chain: list[str]) -> Iterator[str]:
    """What is wrong with the receipts of an identifier that is active: exactly one says that it is
    taken of each node that had its cut while it waited, and of nobody else.
    """
    since = [one for kind, one in said if kind != examination.END]
    while any(one.state is FiledState.GONE for one in since):
        since.pop(0)
    takers: list[str] = []
    for before, one in zip([None, *since], since, strict=False):
        # Back from a refusal to another, who had the cut meanwhile, it needs no receipt.
        is_back = before is not None and before.state is FiledState.REFUSED and bool(before.taker)
        if one.state is FiledState.TAKEN and not (is_back and takers[-1:] == [one.node]):
            takers.append(one.node)
    if not takers:
        yield f"{here}: is active by no receipt: {said}"
    if any(one == other for one, other in pairwise(takers)):
        yield f"{here}: has receipts of {', '.join(takers)}"
    rest = iter(chain)
    if not all(taker in rest for taker in takers):
        yield f"{here}: was taken of {', '.join(takers)}, and its cut was of {', '.join(chain)}"


def faults(ledger: Ledger) -> Iterator[str]:
    """What is not as it has to be yet."""
    with ExitStack() as stack:
        reads = {
            name: stack.enter_context(one.store.read()) for name, one in ledger.machines.items()
        }
        yield from Outcome(ledger, reads).faults()
