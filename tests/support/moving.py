"""A national node, an aggregate and two region nodes in one process, stepped by hand: what the sync
processes would do, in any order, with messages that are lost, late or come twice, and kills.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dns.message
import pytest

from csid import names
from csid.errors import CsidError
from csid.identifier import Identifier
from csid.protocol import NS
from registry import deployment, resume, units
from registry.network import joining
from registry.network.catalogs import NodePolicy
from registry.network.joining import Key, Membership
from registry.network.receipt_seal import public_key
from registry.rules.decision import Decision
from registry.rules.requests import AddNode, Assign, Body, Request
from registry.service import Registry
from registry.sync.duties.handover import Handover
from registry.sync.duties.hold_duty import HoldWork
from registry.sync.hooks import Duty, Network, Work, network_of
from registry.sync.roles import ROLES
from registry.sync.transfers import StillFollowed
from registry.tables.enums import NODE_ROLE_WORDS, FilingState, NodeRole
from registry.tables.naming import Names
from registry.tables.node_keys import SECRET, derive, key_name
from registry.tables.view import get_assignment, get_cut_filing
from registry.zones import updates
from resolver.answer import lookup
from resolver.store import node
from resolver.store.difference import serial_in
from resolver.sync import access, states, tsig
from resolver.sync.actions import Errand
from resolver.sync.catalog.members import Consumer
from resolver.sync.settings import FOLLOWS, Target, follow_of, where
from resolver.sync.transfer import outgoing
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.fetch import Fetch, Together
from tests.support.books import SUFFIX, accredit
from tests.support.joined import core_of
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER, RECORD

NAMED = Names(SUFFIX)
BY = ("test", "administrator", "", "", "")  # who asks, as a unit is told it
HOSTS = {"root": "127.0.0.1", "sum": "127.0.0.2", "zhejiang": "127.0.0.3", "hangzhou": "127.0.0.4"}
PORT = 5300

CUT = f"{OWNER}/6450/330106"
ROLES_OF: dict[str, tuple[NodeRole, tuple[str, ...]]] = {
    "sum": (NodeRole.AGGREGATE, ()),
    "zhejiang": (NodeRole.REGION, ("33",)),
    "hangzhou": (NodeRole.REGION, ("3301",)),
}
NODES = tuple(ROLES_OF)


def make(path: Path, at: Mapping[str, tuple[str, int]]) -> None:
    """Their directories, by their names, and where each is reached."""
    deployment.create(path / "root", SUFFIX, "0.EXAMPLE", map_octets=1 << 28, national=True)
    with Registry.open(path / "root", writable=True, sync=False) as root:
        accredit(root, OWNER, OTHER)
        for name, (role, scope) in ROLES_OF.items():
            address = "{}:{}".format(*at[name])
            body = AddNode(name, NODE_ROLE_WORDS[role][0], scope, (address,))
            assert root.submit(Request(ADMINISTRATOR, body)).status.success
        with root.store.read() as read:
            secret = read.table(b"meta").get(SECRET)
    assert secret is not None
    for name, (role, scope) in ROLES_OF.items():
        key = Key(key_name(name, 1), "hmac-sha256", derive(secret, name, 1))
        is_region = role is NodeRole.REGION
        shared = b"" if is_region else secret
        receipts = public_key(secret)
        of = Membership(role, name, scope, at["root"], key, is_region, shared, receipts)
        joining.create(path / name, SUFFIX, "0.EXAMPLE", of, 1 << 28)
        if is_region:
            with Registry.open(path / name, writable=True, sync=False) as registry:
                accredit(registry, OWNER, OTHER)


class Killed(Exception):
    """The process is gone in the middle of its work."""


class World:
    """The four, and what was said on the way."""

    def __init__(self, path: Path) -> None:
        self.now = int(time.time())  # as the writers have it
        make(path, {name: (host, PORT) for name, host in HOSTS.items()})
        self.at = {name: Registry.open(path / name, writable=True, sync=False) for name in HOSTS}
        self.networks: dict[str, Network] = {}
        self.late: list[bytes] = []  # UPDATEs that may come once more
        self.left: int | None = None  # pieces of work until somebody is killed
        self.serials: dict[tuple[str, bytes], int] = {}
        for name in NODES:
            self.restart(name)

    def close(self) -> None:
        for one in self.at.values():
            one.close()

    def begun(self, identifier: Identifier) -> None:
        """An identifier of the node zhejiang is active, and its cut is filed."""
        self.settle(2)
        assert self.ask("zhejiang", Assign(identifier, RECORD)).status.success
        self.settle(4)
        assert self.holder() == "zhejiang"

    def copy(self, name: str) -> Path:
        """A copy of the data of a node, as it is now."""
        path = self.at[name].store.path
        return Path(shutil.copytree(path, path.with_name(f"{name}-{self.now}")))

    def put_back(self, name: str, copy: Path) -> None:
        """A copy in the place of the data of a node, which its administrator lets go on."""
        path = self.at[name].store.path
        self.at[name].close()
        shutil.rmtree(path)
        shutil.copytree(copy, path)
        self.at[name] = Registry.open(path, writable=True, sync=False)
        self.now += 1
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(time, "time", lambda: self.now)
            assert resume.resume(self.at[name].store, [BY, 0, b""]).missing
        self.restart(name)

    def ask(self, name: str, body: Body, reason: str = "test") -> Decision:
        return self.at[name].submit(Request(ADMINISTRATOR, body, reason))

    def restart(self, name: str) -> None:
        """A new sync process, which knows what the directory says."""
        made = network_of(self.at[name].store, ROLES)
        own = [one for one in made.duties if isinstance(one, Handover)]
        duties: list[Duty] = [one for one in made.duties if not isinstance(one, Handover)]
        works: list[Work] = [
            one
            for one in made.works
            if getattr(one, "__self__", None) not in own and not isinstance(one, HoldWork)
        ]
        if own:
            handover = Handover(
                self.at[name].store, lambda _, unit: self.carry(name, unit), lambda: self.now
            )
            duties.append(handover)
            works.append(handover.work)
            works.append(HoldWork(self.at[name].store, lambda _, unit: self.carry(name, unit)))
        self.networks[name] = Network(duties, made.watch, works)

    def carry(self, name: str, unit: Any) -> None:
        """Have a unit carried out, piece by piece; somebody may be killed in between."""
        *args, cursor = unit.args
        while True:
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise Killed
            cursor = units.perform(core_of(self.at[name]), unit.name, [*args, cursor])
            if not cursor:
                return

    # -- what a sync process does

    def works(self, name: str) -> None:
        """All that is to be done, or as much until a kill."""
        for work in self.networks[name].works:
            try:
                for _ in range(50):
                    if not work():
                        break
            except Killed:
                self.left = None
                self.restart(name)
                return
            except CsidError:
                return

    def transfers(self, name: str) -> None:
        """Each zone that follows is brought up to date, as far as its primary has it."""
        store = self.at[name].store
        with store.read() as read:
            apexes = [key[1:] for key, _ in read.table(FOLLOWS).scan(b"")]
        for apex in apexes:
            with store.read() as read:
                follow = follow_of(read, apex)
            for target in () if follow is None else follow.primaries:
                if self.transfer(name, apex, target):
                    break

    def transfer(self, name: str, apex: bytes, target: Target) -> bool:
        """Whether a zone came from a server, or is as it is there."""
        source = next(one for one, host in HOSTS.items() if host == target.host)
        store, there = self.at[name].store, self.at[source].store
        with there.read() as read:
            entry = read.snapshot.zone_of(apex)
            allowed = access.may(read, apex, "transfer", bytes(4), target.key)
            known = access.keyring(read, self.now)(target.key) is not None
            if entry is None or entry.apex != apex or entry.flags or not (allowed and known):
                return False
            consumer = Consumer(lambda: self.now, NodePolicy(SUFFIX))
            watch = Together((StillFollowed(), consumer, self.networks[name].watch))
            with store.read() as held:
                state = states.state_of(held, apex)
                at = states.timer_key(0 if state is None else state.due, apex)
                full = held.table(states.TIMERS).get(at) == states.FULL
            wire = names.wire_of_key(apex)
            fetch = Fetch(store, wire, None, self.now, full=full, watch=watch, forced=full)
            asked = dns.message.from_wire(fetch.request)
            serial = asked.authority[0][0].serial if asked.authority else None  # type: ignore[attr-defined]
            request = outgoing.Request(fetch.request, apex, serial, None, b"", True)
            try:
                for message in outgoing.messages(request, read, self.now):
                    fetch.receive(message, self.now)
            except TransferError:
                fetch.abandon()
                return False
        if state is not None:
            good = state._replace(refreshed=self.now, due=self.now + 900)
            with store.write() as txn:
                states.settle(txn, [states.Settled(apex, state.due, good)])
        return True

    def errands(self, name: str, lose: bool = False, deaf: bool = False) -> None:
        """What is to be said is said: is lost on the way, or its answer is."""
        store = self.at[name].store
        for duty in self.networks[name].duties:
            with store.read() as read:
                found = list(duty.due(read, self.now))
            for errand in found:
                answer = b"" if lose else self.update(name, errand)
                if deaf:
                    self.restart(name)
                    return
                unit = duty.answered(errand, answer, "lost", self.now)
                if unit is not None and answer:
                    self.carry(name, unit)

    def update(self, name: str, errand: Errand) -> bytes:
        with self.at[name].store.read() as read:
            key = access.keyring(read, self.now)(errand.target.key)
        assert key is not None
        message, mac = tsig.sign(errand.message, key, self.now)
        target = next(one for one, host in HOSTS.items() if host == errand.target.host)
        if target == "root":
            self.late.append(message)
        answer = tsig.verify(self.deliver(target, message), lambda _: key, self.now, mac)
        assert isinstance(answer, tsig.Signed)
        return answer.message

    def deliver(self, target: str, message: bytes) -> bytes:
        core = core_of(self.at[target])
        arrived = updates.Arrived(message, bytes((127, 0, 0, 1)), True)
        return updates.answers(core, [arrived], self.now)[0].message

    def settle(self, rounds: int = 12) -> None:
        """All that is under way comes to its end."""
        self.left = None
        for _ in range(rounds):
            self.now += 3
            for name in NODES:
                self.transfers(name)
                self.works(name)
                self.errands(name)

    # -- what is to hold

    def step(self, *names: str) -> None:
        """Some seconds pass, and nodes do what there is to be done then, one after the other."""
        self.now += 3
        for name in names:
            self.transfers(name)
            self.works(name)
            self.errands(name)

    def state(self, name: str) -> FilingState | None:
        """Where the filing of the cut is at a node; None if nothing is known of it there."""
        with self.at[name].view() as seen:
            row = get_cut_filing(seen, CUT)
        return None if row is None else row.state

    def holder(self) -> str:
        """The node that the root zone delegates the cut to."""
        with self.at["root"].store.snapshot() as snapshot:
            root = snapshot.zone_of(NAMED.key(CUT))
            assert root is not None
            outcome, blob, _ = lookup.find(snapshot, root, NAMED.key(CUT))
        assert outcome == lookup.DELEGATION
        [server] = dict(node.rrsets_of(blob))[NS].rdatas
        return names.to_text(server).partition(".")[0]

    def answers(self, name: str, identifier: str) -> str:
        """What a node says of an identifier: "here", "refers", or that it cannot say anything."""
        key = NAMED.key(identifier)
        with self.at[name].store.snapshot() as snapshot:
            zone = snapshot.zone_of(key)
            if zone is None or zone.flags:
                return "nothing"
            outcome, _, _ = lookup.find(snapshot, zone, key)
        if outcome == lookup.EXACT:
            return "here"
        return "refers" if outcome == lookup.DELEGATION else "denies"

    def is_registered(self, name: str, identifier: str) -> bool:
        with self.at[name].view() as seen:
            return get_assignment(seen, identifier) is not None

    def serial(self, name: str) -> int | None:
        with self.at[name].store.read() as read:
            value = read.table(b"apexes").get(where(NAMED.key(CUT)))
            if value is None:
                return None
            zone = read.zone(NAMED.target(CUT))
            blob = read.table(b"tree").get(zone.generation)
        return None if blob is None else serial_in(blob)

    def nodes(self, name: str) -> list[tuple[bytes, bytes]]:
        """All that a node has of the cut."""
        with self.at[name].store.read() as read:
            return list(read.nodes(read.zone(NAMED.target(CUT)).generation))

    def unsound(self) -> Iterator[str]:
        for name, registry in self.at.items():
            report = registry.verify(by_rules=True)
            for found in (*report.faults, *report.by_rules):
                yield f"{name}: {found}"
