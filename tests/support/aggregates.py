"""A region node and an aggregate for the tests, in one process: transfers and receipts go between
them as messages, whenever a test lets them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from csid import names
from csid.identifier import make
from csid.protocol import NOERROR
from registry.network.catalogs import NodePolicy
from registry.network.joining import Key
from registry.network.membership import RegisterWatch
from registry.network.receipt_seal import public_key
from registry.rules.requests import AddNode, Assign, Body, Request
from registry.service import Registry
from registry.sync.duties.filed import FiledWatch
from registry.sync.duties.receipt_duty import ReceiptDuty
from registry.tables import codec
from registry.tables.enums import NodeRole
from registry.tables.naming import Names
from registry.tables.node_keys import ALGORITHM, derive, key_name
from registry.tables.rows import Filed
from registry.tables.transaction import OWED, TransactionView
from registry.zones import updates
from resolver.sync import tsig
from resolver.sync.actions import Errand
from resolver.sync.settings import FOLLOWS, Follow, Target, follow_of, pack, where
from resolver.sync.timers import soa_of
from resolver.sync.transfer import outgoing
from resolver.sync.transfer.fetch import Fetch
from tests.support.books import ORIGIN, SUFFIX
from tests.support.joined import REGION, core_of, follow_root, joined, national
from tests.support.registering import ADMINISTRATOR, CLASS, RECORD

SECRET = b"s" * 32  # of the network
NAMED = Names(SUFFIX)
ZHEJIANG = AddNode("zhejiang", "region", ("33",), ("127.0.0.3:5303",))
SUM = AddNode("sum", "aggregate", (), ("127.0.0.2:5302",))
FILLING = 40  # identifiers
TRANSFERRED = Target("127.0.0.3", 5303, b"")


class Pair:
    """The two of them.

    Attributes:
        region, aggregate: their registries, open for writing.
        duty: what the aggregate owes.
    """

    def __init__(self, region: Registry, aggregate: Registry) -> None:
        self.region = region
        self.aggregate = aggregate
        self.watch = FiledWatch(SUFFIX, lambda: int(time.time()))
        self.duty = ReceiptDuty(SUFFIX)

    # -- the register of nodes

    def register(self, folder: Path, *bodies: Body) -> None:
        """Let the aggregate have a copy of the root zone of a national node that was asked this."""
        follow_root(self.aggregate, national(folder, bodies))
        register = RegisterWatch(SUFFIX, lambda: 0, NodePolicy(SUFFIX))
        with self.aggregate.store.write() as txn:
            register.replaced(txn, names.key_of(ORIGIN))

    def follow(self, cut: str, node: str = "zhejiang", label: bytes = b"label") -> None:
        """Let the aggregate follow the zone of a cut, as one of a node, listed under a label."""
        with self.aggregate.store.write() as txn:
            row = Follow((TRANSFERRED,), b"catalog", label, node)
            txn.table(FOLLOWS).put(where(NAMED.key(cut)), pack(row))

    def label(self, cut: str) -> bytes:
        """Under which label the aggregate follows a cut; empty if it does not."""
        with self.aggregate.store.read() as read:
            follow = follow_of(read, NAMED.key(cut))
        return b"" if follow is None else follow.member

    def begin(self, cut: str) -> None:
        """Let a cut be followed whose zone is so large that changes of it come as such: of some
        identifiers that have their receipts.
        """
        owner, industry, location = cut.split("/")
        some = [make(owner, industry, location, "GCV", CLASS, f"{n:04d}") for n in range(FILLING)]
        for decision in self.region.submit_all(
            [Request(ADMINISTRATOR, Assign(one, RECORD)) for one in some]
        ):
            assert decision.status.success, decision
        self.follow(cut)
        self.transfer(cut)
        self.look()
        self.send()
        self.transfer(cut)

    # -- transfers

    def transfer(self, cut: str, full: bool = False) -> str:
        """Transfer the zone of a cut; how it was."""
        fetch = self.fetch(cut, full)
        for message in self.messages(cut, fetch, full):
            fetch.receive(message, int(time.time()))
        assert fetch.result is not None
        return fetch.result.kind

    def fetch(self, cut: str, full: bool = False) -> Fetch:
        """A transfer that has not begun yet."""
        origin = names.wire_of_key(NAMED.key(cut))
        now = int(time.time())
        return Fetch(self.aggregate.store, origin, None, now, full, self.watch)

    def messages(self, cut: str, fetch: Fetch, full: bool = False) -> list[bytes]:
        """What the region node sends."""
        apex = NAMED.key(cut)
        with self.aggregate.store.read() as read:
            soa = soa_of(read, apex)
        serial = None if soa is None or full else soa.serial
        request = outgoing.Request(fetch.request, apex, serial)
        with self.region.store.read() as read:
            return list(outgoing.messages(request, read, int(time.time())))

    def look(self, most: int = 1_000) -> int:
        """Look through zones that came as a whole; in how many pieces."""
        for count in range(most):
            with self.aggregate.store.write() as txn:
                if not self.watch.look_on(txn):
                    return count
        return most

    # -- receipts

    def due(self, now: int | None = None) -> list[Errand]:
        """What the duty has to send."""
        with self.aggregate.store.read() as read:
            return self.duty.due(read, int(time.time()) if now is None else now)

    def carry(self, errand: Errand) -> bytes:
        """Have the region node carry an errand out; its answer without the signature."""
        now = int(time.time())
        key = key_of(errand.target.key)
        message, mac = tsig.sign(b"\x12\x34" + errand.message[2:], key, now)
        answer = updates.answer(core_of(self.region), message, b"\x7f\0\0\2", True, now)
        return tsig.Verifier(key, mac).check(answer, now)

    def answered(self, errand: Errand, answer: bytes, now: int | None = None) -> None:
        """Let the aggregate have the answer, and do what follows."""
        unit = self.duty.answered(errand, answer, "", int(time.time()) if now is None else now)
        if unit is not None:
            assert self.aggregate.perform(unit.name, unit.args) == ""

    def send(self) -> int:
        """Send receipts until none is owed; in how many messages."""
        for count in range(1_000):
            errands = self.due()
            if not errands:
                return count
            for errand in errands:
                answer = self.carry(errand)
                assert answer[3] & 15 == NOERROR, answer
                self.answered(errand, answer)
        raise AssertionError("receipts without end")

    # -- what the aggregate says

    def filed(self, identifier: object) -> Filed | None:
        with self.aggregate.store.read() as read:
            value = TransactionView(read).get(codec.FILED, str(identifier).encode("ascii"))
        return None if value is None else codec.decode_filed(value)

    def owed(self) -> int:
        with self.aggregate.store.read() as read:
            return read.table(OWED).entries()


def key_of(name: bytes) -> tsig.Key:
    """The key of a node."""
    label = name[1 : 1 + name[0]].decode()
    node, _, generation = label.rpartition("-")
    return tsig.Key(name, ALGORITHM, derive(SECRET, node, int(generation)))


@contextmanager
def pair(folder: Path, bodies: Sequence[Body] = (ZHEJIANG, SUM)) -> Iterator[Pair]:
    """A region node and an aggregate that has the register of nodes."""
    key = Key(key_name("zhejiang", 1), ALGORITHM, derive(SECRET, "zhejiang", 1))
    by = REGION._replace(key=key, receipt_key=public_key(SECRET))
    own = Key(key_name("sum", 1), ALGORITHM, derive(SECRET, "sum", 1))
    of = REGION._replace(
        role=NodeRole.AGGREGATE, name="sum", scope=(), registers=False, secret=SECRET, key=own
    )
    with (
        joined(folder / "region", by) as region,
        joined(folder / "aggregate", of) as aggregate,
    ):
        made = Pair(region, aggregate)
        made.register(folder / "national", *bodies)
        yield made
