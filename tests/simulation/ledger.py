"""What was promised in a simulated network, and what must hold of it at each commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Final

from csid import names
from registry.rules.filing import CUT_SEGMENTS, read_receipt, serial_of
from registry.rules.requests import ApproveCut, FileCut, TakeReceipt
from registry.sync.duties import examination
from registry.tables import codec, log_entry, view
from registry.tables.enums import CutState, FiledState, NodeState, State
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.zones import others
from resolver.store import node
from resolver.store.apexes import EXPIRED, SERVED
from resolver.store.read import Held, ReadTransaction
from resolver.sync import timers
from resolver.sync.settings import Follow, follow_of
from tests.simulation.machine import Machine
from tests.simulation.prepared import HOSTS, REGIONS
from tests.simulation.world import hold
from tests.support.books import SUFFIX

ROOT: Final = "root"
SUM: Final = "sum"
_NAMED: Final = Names(SUFFIX)
_NAME_AT: Final = {host: name for name, host in HOSTS.items()}


class Ledger:
    """Keeps what was promised, and looks whether it is kept.

    Attributes:
        acknowledged: the identifiers that were assigned, each with the machines that have said so.
        has_moves: a cut was to move.
        holders: the nodes whose cuts are, that are filed.
        counts: what they were last told to have as their count, each with the machine that was.
        refused: machine and identifier behind the leaf by which an older copy has it as refused:
            what it knows of what came of filing it again is lost.
        lost_receipts: numbers that the aggregate gave and knows nothing of any more.
    """

    def __init__(self, machines: Mapping[str, Machine]) -> None:
        self.machines = machines
        self.acknowledged: dict[str, set[str]] = {}
        self.counts: dict[str, dict[str, int | None]] = {}
        self.lost_receipts: set[int] = set()
        self.refused: dict[tuple[str, str], int] = {}
        self._held: dict[tuple[str, bytes], tuple[Held, bytes]] = {}  # with the node of the apex
        self._serials: dict[tuple[str, bytes], int] = {}
        self._labels: dict[tuple[str, bytes], bytes] = {}  # under which a catalog lists it
        self._own: set[tuple[str, bytes]] = set()  # of these, what was a node's own, and is lost
        self._digests: dict[tuple[str, bytes], bytes] = {}
        self._versions: dict[tuple[str, bytes, int], bytes] = {}  # digest of what one had
        self._leaves: dict[str, int] = {}
        self.has_moves = False
        self.holders: dict[str, str] = {}  # of cuts that are filed
        self._lost: set[tuple[str, str]] = set()  # node and cut, whose zone an older copy has not

    # -- what was said

    def assigned(self, name: str, one: str) -> None:
        """A node has assigned an identifier."""
        self.acknowledged.setdefault(one, set()).add(name)
        self.counts.get(one, {}).pop(name, None)

    def changed(self, name: str, one: str, count: int | None) -> None:
        """A node has given an identifier a count; None: nobody knows."""
        self.counts.setdefault(one, {})[name] = count

    def put_back(self, machine: Machine) -> None:
        """A machine has an older copy of its data: what it said since, nobody can hold it to."""
        name, leaves = machine.name, self._leaves.get(machine.name, 0)
        machine.put_back()
        marks = {key: serial for key, serial in self._serials.items() if key[0] == name}
        for key in marks:
            del self._serials[key]
            self._held.pop(key, None)
        self._lost |= {(name, cut) for cut, holder in self.holders.items() if holder == name}
        # Others are filed later: they wait, or were asked for by what is under way.
        self._lost |= {(name, cut) for _, apex in marks if (cut := _cut_of(apex))}
        machine.start()
        if name == SUM:
            self.lost_receipts |= set(range(self._leaves[name], leaves))
        with machine.store.read() as read:
            for key, serial in marks.items():  # its own zones go on beyond what they had
                if name != SUM and primary_of(name, follow_of(read, key[1])) == name:
                    self._serials[key] = serial
                    self._own.add(key)
            for one, holders in self.acknowledged.items():
                self.counts.get(one, {}).pop(name, None)
                row = view.get_assignment(TransactionView(read), one)
                if row is None:
                    holders.discard(name)
                elif row.state is State.REFUSED:
                    self.refused[name, one] = row.leaf

    def lost_cuts(self) -> set[tuple[str, str]]:
        """Cuts that are a node's, which has not their zones, each behind its node."""
        self._lost = {one for one in self._lost if (one[0], _NAMED.key(one[1])) not in self._held}
        return {(name, cut) for name, cut in self._lost if self.holders.get(cut) == name}

    # -- at each commit

    def committed(self, machine: Machine) -> None:
        """No serial has gone back, a copy is what its primary was at that serial, somebody answers
        for each cut, and nothing was taken that must not be.
        """
        name, is_other = machine.name, False
        with machine.store.read() as read:
            apexes = set()
            for zone in read.zones():
                apexes.add(zone.apex)
                blob = read.tree(zone.generation).get(b"")
                if blob is not None and self._held.get((name, zone.apex)) != (zone, blob):
                    self._held[name, zone.apex] = zone, blob
                    is_other = True
                    self._look(machine, read, zone, blob)
            for key in [one for one in self._held if one[0] == name and one[1] not in apexes]:
                is_other = True
                del self._held[key]
                self._serials.pop(key, None)
            for leaf in self._new_leaves(name, read):
                is_other = True
                if name in REGIONS:
                    self._is_fresh(name, read, leaf)
                else:
                    self._judge(name, read, leaf)
        if is_other:
            self._somebody_answers()

    def _look(self, machine: Machine, read: ReadTransaction, zone: Held, blob: bytes) -> None:
        soa = timers.soa_in(blob)
        assert soa is not None
        name, apex, serial = machine.name, zone.apex, soa.serial
        text = f"{names.to_text(zone.origin)} at {name}"
        follow = follow_of(read, apex)
        primary = primary_of(name, follow)
        label = follow.member if follow is not None else b""
        if self._labels.get((name, apex), label) != label:
            self._serials.pop((name, apex), None)  # it is another's, who made it anew
        self._labels[name, apex] = label
        before = self._serials.get((name, apex))
        # A node that has lost a zone of its own takes it from the aggregate, which need not have
        # had the last of it; once it is its own again, it goes on beyond that.
        if primary == name or (name, apex) not in self._own:
            self._own.discard((name, apex))
            is_on = before is None or serial == before or timers.is_ahead(serial, before)
            # What it had may be what another node had before, of whom its source had not heard.
            is_on |= self._is_leftover(name, primary, apex, before)
            hold(is_on, f"{text}: serial {before} went back to {serial}")
            self._serials[name, apex] = serial
        found = self._digests[name, apex] = digest(read, zone)
        # What a primary had that has the cut no more came by way of the aggregate, and what was
        # held before may come back.
        sources = (name,) if primary == name else (primary, SUM, name)
        known = {self._versions.get((one, apex, serial)) for one in sources} - {None}
        is_new = not known and primary == name
        hold(known or is_new, f"{text}: serial {serial}, which {primary} never had")
        hold(found in known or is_new, f"{text}: is not what {primary} had with serial {serial}")
        self._versions[name, apex, serial] = found
        if before != serial:
            machine.world.say(name, f"{names.to_text(zone.origin)} has serial {serial}")

    def _is_leftover(self, name: str, primary: str, apex: bytes, serial: int | None) -> bool:
        """Whether the last version of a copy is none that its primary ever had."""
        if primary == name or serial is None:
            return False
        return self._versions.get((primary, apex, serial)) != self._digests.get((name, apex))

    def _new_leaves(self, name: str, read: ReadTransaction) -> Iterator[log_entry.LogEntry]:
        seen = TransactionView(read)
        size = seen.leaves()
        for index in range(self._leaves.get(name, 0), size):
            yield log_entry.decode(seen.leaf(index) or b"")
        self._leaves[name] = size

    def _is_fresh(self, name: str, read: ReadTransaction, leaf: log_entry.LogEntry) -> None:
        """A receipt is about what an identifier is, not about what it was before."""
        if leaf.kind != TakeReceipt.kind or not read_receipt(leaf.to)[0]:
            return
        changed = serial_of(TransactionView(read).leaf(leaf.prev) or b"", leaf.on)
        apex = _NAMED.key("/".join(leaf.on.split("/")[:CUT_SEGMENTS]))
        seen = self._serials.get((SUM, apex))
        # The aggregate may have let go of a cut that was withdrawn, and have that of another.
        is_fresh = None in (changed, seen) or not timers.is_ahead(changed or 0, seen or 0)
        is_fresh |= self._primary_at_sum(apex) != name
        # It may be one that an aggregate, which was put back since, had sent before.
        is_fresh |= read_receipt(leaf.to)[0] in self.lost_receipts
        hold(is_fresh, f"{leaf.on}: changed with serial {changed}, receipt {leaf.to} of {seen}")

    def _primary_at_sum(self, apex: bytes) -> str:
        machine = self.machines[SUM]
        if not machine.is_up:
            return ""
        with machine.store.read() as read:
            return primary_of(SUM, follow_of(read, apex))

    def _judge(self, name: str, read: ReadTransaction, leaf: log_entry.LogEntry) -> None:
        if name == SUM:
            if leaf.kind == examination.RECEIPT:
                row = codec.decode_filed(leaf.after)
                if row.state is FiledState.TAKEN:
                    other = others.node(read, _NAMED, row.node)
                    hold(other is not None and other.state == "active", f"{leaf.on}: {row} taken")
                    assert other is not None
                    _within(other.scope, leaf.on, row.node)
        elif name == ROOT and leaf.kind.startswith("cut.") and leaf.after:
            cut, row_ = leaf.on, codec.decode_cut(leaf.after)
            self.has_moves |= row_.moving is not None
            node = view.get_node(TransactionView(read), row_.node)
            if leaf.kind in (FileCut.kind, ApproveCut.kind):
                hold(node is not None and node.state is NodeState.ACTIVE, f"{cut}: {row_} filed")
                assert node is not None
                _within(node.scope, cut, row_.node)
            before = self.holders.pop(cut, row_.node)
            if row_.state is CutState.FILED:
                self.holders[cut] = row_.node
                apex = _NAMED.key(cut)
                if before != row_.node:
                    there, here = (self._digests.get((one, apex)) for one in (before, row_.node))
                    is_move = row_.moving is not None and row_.moving.to == row_.node
                    hold(is_move, f"{cut} was of {before}: {row_}")
                    hold(there == here, f"{cut} moved, and was not the same at both nodes")

    def _somebody_answers(self) -> None:
        """Whoever has a cut has its zone, whole."""
        for cut, holder in self.holders.items():
            machine, held = self.machines[holder], self._held.get((holder, _NAMED.key(cut)))
            flags = None if held is None else held[0].flags
            is_late = flags == EXPIRED and machine.was_ahead
            is_held = flags == SERVED or is_late or (holder, cut) in self._lost
            hold(is_held, f"{cut} is delegated to {holder}, where its flags are {flags}")


def _within(scope: tuple[str, ...], name: str, node: str) -> None:
    location = name.split("/")[2]
    hold(location.startswith(scope), f"{name} lies outside the scope {scope} of {node}")


def _cut_of(apex: bytes) -> str:
    """The cut whose zone has this apex; empty if it is another one's."""
    below = apex[len(names.key_of(_NAMED.wire)) : -1]
    is_cut = below.count(0) == CUT_SEGMENTS - 1
    return below.replace(b"\0", b"/").decode("ascii").upper() if is_cut else ""


def primary_of(name: str, follow: Follow | None) -> str:
    """Whose versions a zone of a machine has to be of: its own where it follows nobody."""
    if follow is None or not (follow.primaries or follow.group):
        return name
    group = follow.group or _NAME_AT[follow.primaries[0].host]
    return group if group in (*REGIONS, SUM, ROOT) else ROOT


def digest(read: ReadTransaction, zone: Held) -> bytes:
    """A digest of all that a zone holds; the records of an RRset have no order (RFC 2181 section
    5), and those that differences bring stand behind those that were there (RFC 1995).
    """
    found = blake2b(digest_size=16)
    for key, blob in read.nodes(zone.generation):
        blob = _in_order(blob)
        found.update(len(key).to_bytes(2, "big") + len(blob).to_bytes(4, "big") + key + blob)
    return found.digest()


def _in_order(blob: bytes) -> bytes:
    """A node with the records of each RRset, and those that go with it, in order."""
    rrsets, extras = {}, {}
    for rrtype, (ttl, rdatas) in node.rrsets_of(blob):
        beside = node.split_extra(node.extra_at(blob, node.find_entry(blob, rrtype)))
        rrsets[rrtype] = node.RRset(ttl, sorted(rdatas))
        extras[rrtype] = node.Extra(len(beside), b"".join(sorted(beside)))
    return blob[:2] + node.encode(rrsets, extras=extras)[2:]
