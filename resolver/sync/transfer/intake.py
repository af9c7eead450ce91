"""A zone that comes as a whole, written beside the one that is served, and published at its end.

Nothing of it is seen before; what is written by then belongs to a doomed generation, which is swept
if the transfer comes to nothing or the process is killed. No moment of the store is held meanwhile,
and the write lock only for INTAKE_NODES nodes at a time. A small zone takes one commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import chain, islice
from typing import Final

from csid import names
from csid.errors import StoreError, ZoneError
from csid.limits import (
    INTAKE_NODES,
    INTAKE_OCTETS,
    JOURNAL_ENTRY_NAMES,
    JOURNAL_ENTRY_OCTETS,
    NODES_PER_LOOK,
    POINTERS_PER_COMMIT,
)
from resolver.store import node
from resolver.store.build import Node
from resolver.store.difference import Difference, Nodes, difference
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction
from resolver.sync.transfer.sorter import Rows, Sorter
from resolver.sync.transfer.unpack import Pieces
from resolver.sync.transfer.weave import Weaver, check_apex

AT_ONCE: Final = 2_000  # nodes of a zone that is written and published by one commit

Examine = Callable[[bytes, Iterator[Node]], None]
InTransaction = Callable[[WriteTransaction], None]


def unexamined(origin: bytes, nodes: Iterator[Node]) -> None:
    """Look at nothing."""


class Intake:
    """One zone on its way into the store; `abandon` must be called if it is not published.

    Args:
        origin: the apex, lower-case wire form.
        examine: is given all nodes of the zone (without the additional records of some) before it
            is published; raises ZoneError to refuse it.
    """

    def __init__(self, store: Store, origin: bytes, examine: Examine = unexamined) -> None:
        self._store = store
        self._origin = origin
        self._apex = names.key_of(origin)
        self._examine = examine
        self._weaver = Weaver(self._apex)
        self._sorter: Sorter | None = None  # once a name came out of order
        self._generation = b""  # empty until something is written
        self._leaves = False  # something to be swept
        self._stack = ExitStack()  # claims on generations, the sorter's file

    def add(self, pieces: Pieces) -> None:
        """Take records, those of the apex first.

        Raises:
            ZoneError: they cannot be held.
            StoreError: the store or the disk is full.
        """
        if self._sorter is None:
            number = self._weave(pieces)
            if number == len(pieces.pieces):
                return
            self._sorter = Sorter(self._store.path)
            self._stack.callback(self._sorter.close)
            pieces = pieces._replace(pieces=pieces.pieces[number:])
        self._sorter.add(pieces)

    def _weave(self, pieces: Pieces) -> int:
        weaver = self._weaver
        number = weaver.add(pieces)
        if len(weaver.ready) >= INTAKE_NODES or weaver.octets >= INTAKE_OCTETS:
            self._write()
        return number

    def _write(self) -> None:
        if not self._generation:
            self._sweep()
            self._generation = self._stack.enter_context(self._store.building())
            self._leaves = True
        with self._store.write() as txn:
            txn.put_nodes(self._origin, self._generation, self._weaver.taken())

    def _reorder(self, sorter: Sorter) -> None:
        """Weave anew, in order, under another generation."""
        if self._generation and self._weaver.ready:
            self._write()
        before = self._written(self._generation) if self._generation else iter(self._weaver.taken())
        self._generation = b""
        self._weaver = Weaver(self._apex)
        for rows in sorter.rows(_bare(before)):
            pieces = [(key, blob) for key, _, blob in rows]
            octets = sum(map(len, chain.from_iterable(pieces)))
            self._weave(Pieces(pieces, list(range(len(pieces))), octets))
        self._weaver.close()

    def _written(self, generation: bytes) -> Iterator[Node]:
        """The nodes under a generation, from several moments of the store."""
        last: bytes | None = None
        while True:
            with self._store.read() as read:
                part = _behind(read, generation, last, NODES_PER_LOOK)
            yield from part
            if len(part) < NODES_PER_LOOK:
                return
            last = part[-1][0]

    def publish(self, settle: InTransaction, told: InTransaction) -> None:
        """Let the zone be served from now on.

        Args:
            settle: is called in the transaction that does it, before; raises what forbids it.
            told: is called in the same transaction, with the zone in its place.

        Raises:
            ZoneError: the zone cannot be held, or is refused.
            StoreError: the store is full.
        """
        self._weaver.close()
        if self._sorter is not None:
            self._reorder(self._sorter)
        check_apex(self._origin, self._weaver.apex)
        if self._generation or len(self._weaver.ready) > AT_ONCE:
            self._publish_written(settle, told)
        else:
            self._publish_at_once(settle, told)
        self.abandon()
        if self._leaves:
            self._sweep()

    def _publish_at_once(self, settle: InTransaction, told: InTransaction) -> None:
        self._examine(self._origin, iter(self._weaver.ready))
        with self._store.write() as txn:
            generation = txn.begin_generation()
            txn.put_nodes(self._origin, generation, self._weaver.taken())
            txn.complete(self._origin, generation)
            others = txn.doomed()
            self._take_place(txn, generation, None, settle, told)
            replaced = set(txn.doomed()).difference(others)
            self._leaves |= txn.sweep(replaced, NODES_PER_LOOK) < len(replaced)

    def _publish_written(self, settle: InTransaction, told: InTransaction) -> None:
        if self._weaver.ready:
            self._write()
        self._complete()
        self._examine(self._origin, self._written(self._generation))
        known = self._difference()
        with self._store.write() as txn:
            self._take_place(txn, self._generation, known, settle, told)

    def _sweep(self) -> None:
        """Remove what was replaced, or what transfers have left that came to nothing."""
        with suppress(StoreError):  # there is no room even for that; a later one does it
            self._store.sweep()

    def _take_place(
        self,
        txn: WriteTransaction,
        generation: bytes,
        known: Difference | None,
        settle: InTransaction,
        told: InTransaction,
    ) -> None:
        settle(txn)
        txn.publish(self._origin, generation, self._weaver.wildcards, known)
        told(txn)

    def _complete(self) -> None:
        start: bytes | None = b""
        while start is not None:
            with self._store.write() as txn:
                start = txn.complete(self._origin, self._generation, start, POINTERS_PER_COMMIT)

    def _difference(self) -> Difference | None:
        """What the zone held until now that this one does not, put together from several moments;
        what is changed meanwhile is looked at again when the zone is published.
        """
        nodes: Nodes | None = {}
        last: bytes | None = None
        octets = 0
        with self._store.read() as read:
            try:
                held = read.zone(self._origin)
            except ZoneError:
                return None
            if read.tree(held.generation).get(b"") is None:  # not there yet
                return None
            number = read.journal(held).following
        while nodes is not None:
            with self._store.read() as read:
                new = _behind(read, self._generation, last, NODES_PER_LOOK)
                is_end = len(new) < NODES_PER_LOOK
                old = _up_to(read, held.generation, last, None if is_end else new[-1][0])
                found = difference(old, iter(new))
            if found is None:
                nodes = None
                break
            nodes |= found
            octets += sum(len(key) + len(blob or b"") for key, blob in found.items())
            if len(nodes) > JOURNAL_ENTRY_NAMES or octets > JOURNAL_ENTRY_OCTETS:
                nodes = None
            elif is_end:
                break
            else:
                last = new[-1][0]
        return Difference(held.generation, number, nodes)

    def abandon(self) -> None:
        """Give up what is held for it; what was written and not published goes with the next
        sweep.
        """
        self._stack.close()


def _bare(nodes: Iterator[Node]) -> Rows:
    """Nodes as rows to be merged with others, without those that stand for no records."""
    while part := list(islice(nodes, NODES_PER_LOOK)):
        if rows := [(key, 0, node.bare(blob)) for key, blob in part if len(blob) > 2]:
            yield rows


def _behind(read: ReadTransaction, generation: bytes, last: bytes | None, most: int) -> list[Node]:
    """Up to `most` nodes of a generation behind a key."""
    return list(islice(_after(read, generation, last), most))


def _up_to(
    read: ReadTransaction, generation: bytes, last: bytes | None, end: bytes | None
) -> Iterator[Node]:
    for key, blob in _after(read, generation, last):
        if end is not None and key > end:
            return
        yield key, blob


def _after(read: ReadTransaction, generation: bytes, last: bytes | None) -> Iterator[Node]:
    start = generation if last is None else generation + last + b"\0"
    for key, blob in read.table(b"tree").scan(generation, start):
        yield key[len(generation) :], blob
