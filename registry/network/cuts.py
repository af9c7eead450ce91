"""Cuts filed by UPDATE (RFC 2136): NS, glue and DS that a node adds to the root zone, or takes out
of it, at names that are prefixes of identifiers. What the zone would have is what is asked for.

Only who signs with the key of a node files: `csid filing request` there, or any program that can,
such as nsupdate.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from csid import names
from csid.protocol import AAAA, ANY, CLASS_IN, DS, NOERROR, NS, REFUSED, TXT, A
from registry.desk import Batch
from registry.network import seen, unseen
from registry.rules.cut_draft import is_within
from registry.rules.cut_moves import may_switch
from registry.rules.decision import Decision
from registry.rules.requests import Actor, FileCut, Request, Role, Server, WithdrawCut
from registry.rules.status import Status
from registry.tables import network
from registry.tables.enums import CutState
from registry.tables.naming import Names
from registry.tables.registered import begins_shaped, is_shaped
from registry.tables.transaction import TransactionView
from registry.tables.view import get_cut
from registry.zones.updates import Result
from resolver.store.node import RRset
from resolver.store.update import ZoneUpdate
from resolver.sync import timers
from resolver.sync.settings import key_row
from resolver.sync.update import effect
from resolver.sync.update.message import Record

RRsets = Mapping[int, RRset]
Body = FileCut | WithdrawCut

CUTS_MAX: Final = 100  # in one UPDATE, which is decided as a whole
_UNBOUND: Final = (
    "it moves to this node, which takes it over by itself; a filing that is not bound to that move "
    "(the TXT records that say so, as prerequisite) is none"
)
_DELEGATING: Final = frozenset({NS, DS, ANY})
_OF_CUT: Final = frozenset({NS, DS, A, AAAA})
_GLUE: Final = frozenset({A, AAAA})


class Refused(NamedTuple):
    """Why an UPDATE files nothing."""

    text: str


class Cuts:
    """The claim (`registry.zones.updates`) of what changes delegations of the root zone."""

    def takes(self, core: Any, asked: effect.Asked) -> bool:
        """Whether an UPDATE is about cuts."""
        if asked.apex != names.key_of(names.from_text(core.suffix)):
            return False
        if not any(_cut_of(asked, record) for record in asked.changes):
            return False
        with core.store.read() as read:
            return network.is_national(TransactionView(read))

    def carry_out(
        self, core: Any, asked: effect.Asked, key: bytes, address: bytes, now: int
    ) -> Result:
        """File and withdraw cuts; all that one UPDATE asks for, or nothing."""
        suffix = Names(core.suffix)
        with core.store.read() as read:
            row = key_row(read, key)
        if row is None or not row.node:
            who = names.to_text(key) if key else str(ip_address(address))
            return Result(REFUSED, f"{who} is no key of a node: the nodes alone file cuts")
        with core.store.write() as txn:
            seen.note(txn, row.node, now)
            zone = txn.update(asked.origin)
            if rcode := effect.check(zone, asked):
                return Result(rcode)
            bodies = requests_of(suffix, asked, zone, row.node)
        if isinstance(bodies, Refused):
            return Result(REFUSED, bodies.text)
        actor = Actor(row.node, Role.NODE, row.node, str(ip_address(address)))
        decisions: list[Decision] = []
        try:
            with core.desk.batch(core.store, now) as batch:
                for body in bodies:
                    if _is_unbound(batch, suffix, asked, body):
                        raise _Undone(Decision(Status.CUT_MOVES, body.cut, _UNBOUND))
                    decision = batch.decide(Request(actor, body))
                    if not _is_content(body, decision):
                        raise _Undone(decision)
                    decisions.append(decision)
                waiting = _waiting(batch, bodies)
        except _Undone as undone:
            return Result(REFUSED, text_of(undone.decision))
        for observe in core.stages.observe:
            for decision in decisions:
                observe(decision)
        return Result(REFUSED, waiting) if waiting else _done(core, asked)


def _done(core: Any, asked: effect.Asked) -> Result:
    """All was done; nothing else was written in between."""
    with core.store.read() as read:
        soa = timers.soa_of(read, asked.apex)
    return Result(NOERROR, unseen.said(soa.serial) if soa is not None else "")


class _Undone(Exception):
    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.detail)
        self.decision = decision


def text_of(decision: Decision) -> str:
    """A refusal as the node is told it: number and name of the status, and why."""
    status = decision.status
    return f"{status.number} {status.name}: {decision.detail or status.en}"


def _is_content(body: Body, decision: Decision) -> bool:
    """Whether a decision does not keep an UPDATE from being done: to take out what is not there is
    none (RFC 2136 section 3.4.2.4).
    """
    missing = isinstance(body, WithdrawCut) and decision.status is Status.NOT_FOUND
    return decision.status.success or missing


def _is_unbound(batch: Batch, suffix: Names, asked: effect.Asked, body: Body) -> bool:
    """Whether a filing would switch a cut that moves, and does not say that it is about that move:
    the node may ask for what it had begun there itself, or may have asked before the move was.
    """
    row = get_cut(batch.view, body.cut)
    if not isinstance(body, FileCut) or row is None or not may_switch(row, body.node):
        return False
    name = suffix.key(f"{network.MOVES}/{body.cut}")
    held = {one.key for one in asked.prerequisites if (one.rrtype, one.rrclass) == (TXT, CLASS_IN)}
    return name not in held


def _waiting(batch: Batch, bodies: list[Body]) -> str:
    """Which filings await approval, in words; empty if none does."""
    found = []
    for body in bodies:
        row = get_cut(batch.view, body.cut) if isinstance(body, FileCut) else None
        if row is not None and row.state is CutState.WAITING:
            found.append(f"filing {row.number}")
    return f"awaits approval ({', '.join(found)})" if found else ""


def requests_of(
    suffix: Names, asked: effect.Asked, zone: ZoneUpdate, node: str
) -> list[Body] | Refused:
    """What an UPDATE whose prerequisites hold asks for, cut by cut.

    Args:
        zone: the root zone, which is not changed.
        node: that has signed it.
    """
    cuts = {cut: None for record in asked.changes if (cut := _cut_of(asked, record))}
    if len(cuts) > CUTS_MAX:
        return Refused(f"{len(cuts)} cuts, at most {CUTS_MAX} are taken at a time; send several")
    change = effect.worked_out(zone, asked)

    def at(path: str) -> RRsets:
        key = suffix.key(path)[len(asked.apex) :]
        return change.names[key][1] if key in change.names else zone.rrsets(key)

    for key in change.names:
        path = _path(key)
        if not any(is_within(path, cut) for cut in cuts):
            name = names.to_text(names.wire_of_key(asked.apex + key))
            return Refused(f"{name} belongs to no cut that this UPDATE files; change it apart")
        others = change.names[key][1].keys() - (_OF_CUT if path.upper() in cuts else _GLUE)
        if others:
            name = names.to_text(names.wire_of_key(asked.apex + key))
            return Refused(f"{name}: a cut has NS, DS and addresses of its name servers alone")
    bodies: list[Body] = []
    for cut in cuts:
        held = at(cut)
        if NS not in held:
            bodies.append(WithdrawCut(cut, node))
            continue
        servers = tuple(_server(suffix, cut, wire, at) for wire in held[NS].rdatas)
        ds = tuple(held[DS].rdatas) if DS in held else ()
        bodies.append(FileCut(cut, node, servers, ds))
    return bodies


def _server(suffix: Names, cut: str, wire: bytes, at: Any) -> Server:
    """A name server, with the addresses it will have where it lies in the cut."""
    path = network.path_of(suffix, wire.lower())
    addresses: list[str] = []
    if path is not None and path.isascii() and is_within(path, cut):
        held: RRsets = at(path)
        for rrtype in _GLUE & held.keys():
            addresses += (str(ip_address(rdata)) for rdata in held[rrtype].rdatas)
    return names.to_text(wire), tuple(sorted(addresses))


def _cut_of(asked: effect.Asked, record: Record) -> str:
    """The cut that a record of the update section is about; empty if it is about none."""
    below = record.key[len(asked.apex) :]
    if record.rrtype not in _DELEGATING or not record.key.startswith(asked.apex) or not below:
        return ""
    return _path(below).upper() if begins_shaped(below) or is_shaped(below) else ""


def _path(below: bytes) -> str:
    return below[:-1].decode("ascii", "replace").replace("\0", "/")
