"""What is asked at the national node of a simulated network, by chance, and what follows from it at
the nodes: what waits is decided; nodes are suspended, get another scope and other keys; cuts move
between nodes, and are withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from csid import names
from registry.network import rekeying
from registry.rules.requests import (
    ApproveCut,
    ChangeNode,
    KeepCut,
    MoveCut,
    ReinstateNode,
    RejectCut,
    RekeyNode,
    SetFiling,
    SuspendNode,
    WithdrawCut,
)
from registry.tables import codec, view
from registry.tables.enums import CutState
from registry.tables.naming import Names
from registry.tables.node_keys import ALGORITHM, SECRET, derive, key_name
from registry.tables.rows import Cut
from registry.tables.transaction import TransactionView
from resolver.store.apexes import NOT_READY
from tests.simulation.asking import BY, Asking
from tests.simulation.ledger import ROOT, SUM
from tests.simulation.prepared import MEMBERS, REGIONS
from tests.support.books import SUFFIX

_OVERLAPS: Final = (0, 10, 60, 86_400)  # seconds for which a key and the next one hold
_KEY_SECONDS: Final = 30.0  # at most, until a node has its new key


class Nation(Asking):
    """Those who sit at the terminal of the national node, and their colleagues whom they call."""

    def _cuts(self) -> Iterator[tuple[str, Cut]]:
        """The cuts that are filed or wait; none if the node is down."""
        root = self._machines[ROOT]
        if not root.is_up:
            return
        with root.store.read() as read:
            rows = list(TransactionView(read).scan(codec.CUTS, b""))
        for key, value in rows:
            yield key.decode("ascii"), codec.decode_cut(value)

    def turn(self) -> None:
        """Let cuts be filed by hand, or automatically."""
        self.ask(ROOT, SetFiling(self._random.choice(("manual", "automatic"))))

    def decide(self) -> None:
        """Approve or reject the cuts that wait."""
        for cut, row in self._cuts():
            if row.state is CutState.WAITING:
                body = self._random.choice((ApproveCut, ApproveCut, RejectCut))
                self.ask(ROOT, body(cut))

    def suspend(self) -> None:
        """Suspend a node for a while."""
        name = self._random.choice(list(MEMBERS))
        self.ask(ROOT, SuspendNode(name))
        pause = self._random.random() * 30
        self._world.after(pause, None, self.ask, ROOT, ReinstateNode(name))

    def narrow(self) -> None:
        """Let a node's scope be too narrow for a while, so that what it files is refused."""
        name = self._random.choice(REGIONS)
        self._set_scope(name, ("4",))
        pause = self._random.random() * 30
        self._world.after(pause, None, self._set_scope, name, MEMBERS[name][1])

    def _set_scope(self, name: str, scope: tuple[str, ...]) -> None:
        self.ask(ROOT, ChangeNode(name, (("scope", scope),)))

    # -- cuts

    def move(self) -> None:
        """Let a cut move to the other node."""
        filed = [(cut, row) for cut, row in self._cuts() if row.state is CutState.FILED]
        if filed:
            cut, row = self._random.choice(filed)
            to = REGIONS[1 - REGIONS.index(row.node)]
            self.ask(ROOT, MoveCut(cut, to))
            if self._world.chance(0.3):
                pause = self._random.random() ** 2 * 10
                self._world.after(pause, None, self.ask, ROOT, KeepCut(cut))

    def keep(self) -> None:
        """Take back the moves that a node says cannot be."""
        for cut, row in self._cuts():
            if row.moving is not None and not row.moving.is_over and row.moving.why:
                self.ask(ROOT, KeepCut(cut))

    def withdraw(self) -> None:
        """Take back a cut, which the other node may file then."""
        cuts = list(self._cuts())
        if cuts:
            cut, row = self._random.choice(cuts)
            self.ask(ROOT, WithdrawCut(cut, row.node))

    def withdraw_lost(self) -> None:
        """Take back the cuts that nobody has any more: a node lost them with its data, and is to
        take them from the aggregate, as a move was kept from being done, which never had them.
        """
        for cut, row in self._cuts():
            kept = row.moving is not None and row.moving.is_over and row.moving.source == row.node
            if kept and not (self._has(row.node, cut) or self._has(SUM, cut)):
                self.ask(ROOT, WithdrawCut(cut, row.node))

    def _has(self, name: str, cut: str) -> bool:
        """Whether a machine, if it runs, has the zone of a cut."""
        machine = self._machines[name]
        if not machine.is_up:
            return True
        with machine.store.read() as read:
            return any(zone.flags != NOT_READY for zone in read.zones(Names(SUFFIX).key(cut)))

    # -- keys

    def rekey(self) -> None:
        """Let a node have another key, which it mostly gets to know in time."""
        name = self._random.choice(list(MEMBERS))
        self.ask(ROOT, RekeyNode(name, self._random.choice(_OVERLAPS)))
        pause = self._random.random() * _KEY_SECONDS
        self._world.after(pause, None, self._use_key, name)

    def _use_key(self, name: str) -> None:
        """Give a node the key that the register has for it, unless it has that."""
        root, machine = self._machines[ROOT], self._machines[name]
        if not (root.is_up and machine.is_up):
            return
        with root.store.read() as read:
            node = view.get_node(TransactionView(read), name)
            secret = read.table(b"meta").get(SECRET)
        with machine.store.read() as read:
            used = view.get_root(TransactionView(read))
        assert node is not None and secret is not None and used is not None
        wire = key_name(name, node.generation)
        if used.key != names.to_text(wire):
            key = derive(secret, name, node.generation)
            overlap = self._random.choice(_OVERLAPS)
            self.unit(name, rekeying.UNIT, BY.told(), wire, ALGORITHM, key, overlap, (), b"")

    def mend(self) -> None:
        """Let all nodes be in force, with their scope and the keys that the register says."""
        for name in MEMBERS:
            self.ask(ROOT, ReinstateNode(name))
            self._use_key(name)
        for name in REGIONS:
            self._set_scope(name, MEMBERS[name][1])
        self.decide()
        self.keep()
        self.withdraw_lost()

    def do_something(self) -> None:
        """Any of these."""
        [what] = self._random.choices(list(_DONE), list(_DONE.values()))
        what(self)


_DONE: Final = {
    Nation.turn: 2,
    Nation.decide: 2,
    Nation.suspend: 1,
    Nation.narrow: 2,
    Nation.move: 5,
    Nation.withdraw: 1,
    Nation.rekey: 2,
}
