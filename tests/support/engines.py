"""A world for the engine: a real store, clocks that a test turns, and servers that answer, hang, or
are away as it says. Messages are read and made by dnspython.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rrset
import dns.tsig

from csid import names
from resolver.store.apexes import NOT_READY
from resolver.store.environment import Store
from resolver.sync import feed, states
from resolver.sync.actions import Answered, Limits, Open, Present, Send, Shut, Transfer, Where
from resolver.sync.engine import Engine
from resolver.sync.settings import FOLLOWS, TARGETS, Follow, Target, pack, where
from tests.support.servers import make_data, put_zone

START = 1_800_000_000  # Unix seconds


def zone_text(serial: int, refresh: int = 100, retry: int = 20, expire: int = 1_000) -> str:
    return f"@ 60 SOA ns hostmaster {serial} {refresh} {retry} {expire} 60\n@ 60 NS ns\n"


class Fetched(NamedTuple):
    kind: str
    serial: int
    octets: int = 100
    expire: int | None = None


@dataclass
class Peer:
    """A server. ``serials`` are of its zones, by name; those it does not have it refuses."""

    serials: dict[str, int] = field(default_factory=dict)
    is_up: bool = True
    is_silent: bool = False
    code: int = 0  # of its answers to what is no query
    spoils: bool = False  # one octet of each answer, after it was signed
    times: tuple[int, int, int] = (100, 20, 1_000)
    keys: dict[dns.name.Name, dns.tsig.Key] | None = None
    asked: list[dns.message.Message] = field(default_factory=list)
    opened: int = 0

    def answer(self, octets: bytes) -> bytes | None:
        query = dns.message.from_wire(octets, keyring=self.keys)
        self.asked.append(query)
        if self.is_silent:
            return None
        reply = dns.message.make_response(query)
        origin = str(query.question[0].name).lower() if query.question else ""
        if query.opcode() == dns.opcode.QUERY:
            reply.flags |= dns.flags.AA
            if origin in self.serials:
                text = f"ns.{origin} h.{origin} {self.serials[origin]} 1 1 1 60"
                reply.answer.append(dns.rrset.from_text(origin, 60, "IN", "SOA", text))
            else:
                reply.set_rcode(dns.rcode.REFUSED)
        else:
            reply.set_rcode(dns.rcode.Rcode(self.code))
        octets = reply.to_wire()
        if self.spoils:  # its RCODE
            octets = octets[:3] + bytes((octets[3] ^ 1,)) + octets[4:]
        return octets


class World:
    """One engine and all around it."""

    def __init__(self, path: Path, limits: Limits | None = None, seed: int = 1) -> None:
        self.store = Store.open(make_data(path), writable=True)
        self.engine = Engine(Random(seed), limits or Limits())
        self.peers: dict[tuple[str, int], Peer] = {}
        self.steady = 0.0
        self.begin_at(START)
        self.links: dict[int, Where] = {}
        self.answers: list[Answered] = []
        self.held: list[Transfer] = []  # transfers that are not carried out yet
        self.holds = False  # whether transfers are to be held
        self.transfers: list[str] = []
        self.rows_of_peers: dict[Where, states.PeerRow] = {}  # as they were written last
        self.position = b""

    # -- what is in the store

    def follow(self, origin: str, *at: tuple[str, int], key: bytes = b"") -> None:
        wire = names.from_text(origin)
        apex = names.key_of(wire)
        with self.store.write() as txn:
            targets = tuple(Target(*one, key) for one in at)
            txn.table(FOLLOWS).put(where(apex), pack(Follow(targets)))
            if txn.serial(wire) is None:
                txn.set_flags(wire, NOT_READY)
            states.begin(txn, apex)

    def notify(self, origin: str, *at: tuple[str, int]) -> None:
        with self.store.write() as txn:
            rows = [Target(*one) for one in at]
            txn.table(TARGETS).put(where(names.key_of(names.from_text(origin))), pack(rows))

    def put(self, origin: str, serial: int, times: Iterable[int] = (100, 20, 1_000)) -> None:
        put_zone(self.store, zone_text(serial, *times), origin)

    def state(self, origin: str) -> states.StateRow:
        with self.store.read() as read:
            state = states.state_of(read, names.key_of(names.from_text(origin)))
        assert state is not None
        return state

    def flags(self, origin: str) -> int:
        with self.store.read() as read:
            return read.zone(names.from_text(origin)).flags

    def rows(self) -> list[feed.Change]:
        with self.store.read() as read:
            return list(feed.changes(read))

    # -- time

    def begin_at(self, unix: int) -> None:
        """Let it be so late on the clock that people set."""
        self.unix = self._begun = unix

    def go(self, seconds: float = 0.0, step: float = 0.5) -> None:
        """Let time pass, and all happen that follows."""
        end = self.steady + seconds
        while True:
            self._turn()
            if self.steady >= end:
                return
            self.steady = min(end, self.steady + step)
            self.unix = self._begun + int(self.steady)

    def _turn(self) -> None:
        for _ in range(1_000):
            with self.store.read() as read:
                present = Present(read, self.steady, self.unix)
                for change in feed.changes(read, self.position + b"\0"):
                    self.position = change.key
                    self.engine.telling.changed(present, change.apex, change.key)
                self.engine.look(present)
            actions, self.engine.actions = self.engine.actions, []
            for action in actions:
                self._do(action)
            self._write()
            if not (self.engine.actions or self.engine.has_settled):
                return
        raise AssertionError("it never comes to rest")

    def tell(self, name: str, *args: object) -> None:
        """Call a method of the engine, or of a part of it (`looking.notice`)."""
        with self.store.read() as read:
            attrgetter(name)(self.engine)(Present(read, self.steady, self.unix), *args)

    def _do(self, action: object) -> None:
        if isinstance(action, Open):
            peer = self.peers.get(action.where[:2])
            if peer is None or not peer.is_up:
                self.tell("lost", action.link, "Connection refused")
                return
            peer.opened += 1
            self.links[action.link] = action.where
            self.tell("opened", action.link)
        elif isinstance(action, Shut):
            self.links.pop(action.link, None)
        elif isinstance(action, Answered):
            self.answers.append(action)
            self.engine.errand_done(action.errand)
        elif isinstance(action, Send):
            where_ = self.links.get(action.link)
            answer = where_ and self.peers[where_[:2]].answer(action.message)
            if answer:
                self.tell("received", action.link, answer)
        elif isinstance(action, Transfer):
            if self.holds:
                self.held.append(action)
            else:
                self.carry_out(action)

    def carry_out(self, action: Transfer) -> None:
        origin = names.to_text(names.wire_of_key(action.apex))
        peer = self.peers[self.links[action.link][:2]]
        if not peer.is_up or peer.is_silent:
            self.links.pop(action.link)
            self.tell("failed", action.link, "ended", False, peer.is_silent)
        elif origin not in peer.serials:
            self.links.pop(action.link)
            self.tell("failed", action.link, "answers REFUSED")
        else:
            self.put(origin, peer.serials[origin], peer.times)
            self.transfers.append(origin)
            self.tell("transferred", action.link, Fetched("AXFR", peer.serials[origin]))

    def cut(self, at: tuple[str, int]) -> None:
        """Let a server close its connections."""
        for link in [link for link, where_ in self.links.items() if where_[:2] == at]:
            del self.links[link]
            self.tell("lost", link, "closed the connection")

    def _write(self) -> None:
        engine = self.engine
        settled, done = engine.looking.outcomes.take(), engine.telling.take_done_rows()
        told = engine.telling.take_told()
        self.rows_of_peers.update(engine.take_peers())
        if not (settled or done or told):
            return
        with self.store.write() as txn:
            states.settle(txn, settled)
            for one in settled:
                if one.flag is not None:
                    txn.set_flags(names.wire_of_key(one.apex), one.flag)
            feed.remove(txn, done)
            for apex, rows in told.items():
                states.put_told(txn, apex, list(rows.values()))
        engine.looking.outcomes.wrote(True)
