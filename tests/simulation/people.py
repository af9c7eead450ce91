"""What people ask of the nodes of a simulated network, by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from csid.errors import StoreError
from csid.identifier import Identifier
from registry.rules.lifecycle import Verb
from registry.rules.requests import (
    Advance,
    ApproveCut,
    Assign,
    Body,
    ChangeNode,
    Import,
    ReinstateNode,
    RejectCut,
    Request,
    RequestFiling,
    Retire,
    SetFiling,
    SuspendNode,
    Update,
)
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.enums import CutState, FilingState, State
from registry.tables.transaction import TransactionView
from tests.simulation.ledger import Ledger
from tests.simulation.machine import Machine
from tests.simulation.prepared import MEMBERS, REGIONS
from tests.simulation.world import World
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER, RECORD, identifier

_LOCATIONS: Final = {"330106": 5, "330102": 3, "310101": 2, "110105": 1}  # with their weights
_SERIALS: Final = [f"{n:04d}" for n in range(1, 7)]
_TRIES: Final = 3  # of a request of which nobody knows what became of it


class People:
    """Those who sit at the terminals."""

    def __init__(self, world: World, machines: Mapping[str, Machine], ledger: Ledger) -> None:
        self._world = world
        self._random = world.random
        self._machines = machines
        self._ledger = ledger
        self._keys = 0

    def ask(self, name: str, body: Body) -> Status | None:
        """One request, put again under its key if nobody knows what became of it; None if that
        stays so.
        """
        self._keys += 1
        request = Request(ADMINISTRATOR, body, "", f"{self._keys}")
        for _ in range(_TRIES):
            status = self._put(name, request)
            if status is not None:
                return status
        return None

    def _put(self, name: str, request: Request) -> Status | None:
        machine = self._machines[name]
        found: list[Status] = []

        def put() -> None:
            try:
                decision = machine.writing.ask(request)
            except StoreError:
                return
            found.append(decision.status)
            if decision.status is not Status.UNCHANGED:
                said = f"{request.body.kind} {decision.subject}: {decision.status.name}"
                self._world.say(name, said)

        if machine.is_up:
            self._world.now_in(machine.life, put)
        return found[0] if found else None

    # -- at a region node

    def assign(self) -> None:
        """Assign an identifier, some of them outside of the node's scope."""
        random = self._random
        name = random.choice(REGIONS)
        [location] = random.choices(list(_LOCATIONS), list(_LOCATIONS.values()))
        wanted = identifier(random.choice(_SERIALS), random.choice((OWNER, OTHER)), location)
        body = random.choice((Assign, Import))(wanted, RECORD)
        if self.ask(name, body) is Status.DONE:
            self._ledger.acknowledged.setdefault(str(wanted), set()).add(name)

    def assign_many(self) -> None:
        """Assign several, one right after the other."""
        for _ in range(self._random.randrange(2, 8)):
            self.assign()

    def change(self) -> None:
        """Do something with an identifier that was assigned."""
        acknowledged = self._ledger.acknowledged.items()
        known = sorted((holder, one) for one, holders in acknowledged for holder in holders)
        if known:
            name, text = self._random.choice(known)
            one = Identifier(*text.split("/"))
            verb = self._random.choice((Verb.FILE, Verb.WITHDRAW, Verb.SUSPEND, Verb.REINSTATE))
            count = self._random.randrange(1, 9)
            bodies = {Update(one, (("count", count),)): 4, Advance(one, verb): 4, Retire(one): 2}
            self.ask(name, self._random.choices(list(bodies), list(bodies.values()))[0])

    def file_again(self) -> None:
        """Ask for cuts that were refused, and hand in what was taken back or refused with them."""
        for name in REGIONS:
            machine = self._machines[name]
            if not machine.is_up:
                continue
            with machine.store.read() as read:
                seen = TransactionView(read)
                cuts = [
                    key.decode("ascii")
                    for key, value in seen.scan(codec.FILINGS, b"")
                    if codec.decode_cut_filing(value).state is FilingState.REFUSED
                ]
                back = [
                    one
                    for one in self._ledger.acknowledged
                    if (row := view.get_assignment(seen, one)) is not None
                    and row.state in (State.RESERVED, State.REFUSED)
                ]
            bodies: list[Body] = [RequestFiling(cut) for cut in cuts]
            bodies += (Advance(Identifier(*one.split("/")), Verb.FILE) for one in back)
            for body in bodies:
                self.ask(name, body)

    # -- at the national node

    def turn(self) -> None:
        """Let cuts be filed by hand, or automatically."""
        self.ask("root", SetFiling(self._random.choice(("manual", "automatic"))))

    def decide(self) -> None:
        """Approve or reject the cuts that wait."""
        root = self._machines["root"]
        if not root.is_up:
            return
        with root.store.read() as read:
            rows = list(TransactionView(read).scan(codec.CUTS, b""))
        for key, value in rows:
            if codec.decode_cut(value).state is CutState.WAITING:
                body = self._random.choice((ApproveCut, ApproveCut, RejectCut))
                self.ask("root", body(key.decode("ascii")))

    def suspend(self) -> None:
        """Suspend a node for a while."""
        name = self._random.choice(REGIONS)
        self.ask("root", SuspendNode(name))
        pause = self._random.random() * 30
        self._world.after(pause, None, self.ask, "root", ReinstateNode(name))

    def narrow(self) -> None:
        """Let a node's scope be too narrow for a while, so that what it files is refused."""
        name = self._random.choice(REGIONS)
        self._set_scope(name, ("4",))
        pause = self._random.random() * 30
        self._world.after(pause, None, self._set_scope, name, MEMBERS[name][1])

    def _set_scope(self, name: str, scope: tuple[str, ...]) -> None:
        self.ask("root", ChangeNode(name, (("scope", scope),)))

    def reinstate(self) -> None:
        """Let all nodes be suspended no longer, and have their scope."""
        for name in REGIONS:
            self.ask("root", ReinstateNode(name))
            self._set_scope(name, MEMBERS[name][1])

    def do_something(self) -> None:
        """Any of these."""
        [what] = self._random.choices(list(_DONE), list(_DONE.values()))
        what(self)


_DONE: Final = {
    People.assign: 6,
    People.assign_many: 2,
    People.change: 5,
    People.file_again: 2,
    People.turn: 1,
    People.decide: 1,
    People.suspend: 0.5,
    People.narrow: 1,
}
