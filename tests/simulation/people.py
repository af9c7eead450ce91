"""What people ask of the region nodes of a simulated network, by chance."""

from __future__ import annotations

from functools import partial
from typing import Final

from csid.identifier import Identifier
from registry.rules.filing import CUT_SEGMENTS
from registry.rules.lifecycle import Verb
from registry.rules.requests import Advance, Assign, Body, Import, RequestFiling, Retire, Update
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.enums import FilingState, State
from registry.tables.transaction import TransactionView
from tests.simulation.asking import Asking
from tests.simulation.prepared import REGIONS
from tests.support.registering import OTHER, OWNER, RECORD, identifier

_LOCATIONS: Final = {"330106": 5, "330102": 3, "310101": 2, "110105": 1}  # with their weights
_SERIALS: Final = [f"{n:04d}" for n in range(1, 7)]

_HURRIED_SHARE: Final = 0.3  # of identifiers that are taken back ...
_HURRY_SECONDS: Final = 0.3  # ... so soon, and filed again so soon


class People(Asking):
    """Those who sit at the terminals of the region nodes."""

    def assign(self, name: str = "") -> None:
        """Assign an identifier, some of them outside of the node's scope."""
        random = self._random
        name = name or random.choice(REGIONS)
        [location] = random.choices(list(_LOCATIONS), list(_LOCATIONS.values()))
        wanted = identifier(random.choice(_SERIALS), random.choice((OWNER, OTHER)), location)
        body = random.choice((Assign, Import))(wanted, RECORD)
        self.ask(name, body, partial(self._assigned, name, str(wanted)))

    def _assigned(self, name: str, one: str, status: Status | None) -> None:
        if status is Status.DONE:
            self._ledger.assigned(name, one)
            if self._world.chance(_HURRIED_SHARE):
                pause = self._random.random() * _HURRY_SECONDS
                self._world.after(pause, None, self._take_back, name, Identifier(*one.split("/")))

    def _take_back(self, name: str, one: Identifier) -> None:
        """Take an identifier back, perhaps change it, and file it again, as its receipt comes."""
        self.ask(name, Advance(one, Verb.WITHDRAW))
        pause = self._random.random() ** 2 * _HURRY_SECONDS
        self._world.after(pause, None, self.ask, name, Advance(one, Verb.FILE))

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
            if self._world.chance(0.2):  # it may be another's by now
                name = self._random.choice(REGIONS)
            one = Identifier(*text.split("/"))
            verb = self._random.choice((Verb.FILE, Verb.WITHDRAW, Verb.SUSPEND, Verb.REINSTATE))
            count = self._random.randrange(1, 1_000)
            bodies = {Update(one, (("count", count),)): 4, Advance(one, verb): 4, Retire(one): 2}
            body = self._random.choices(list(bodies), list(bodies.values()))[0]
            then = partial(self._changed, name, text, count if isinstance(body, Update) else None)
            self.ask(name, body, then)

    def _changed(self, name: str, one: str, count: int | None, status: Status | None) -> None:
        if status in (None, Status.DONE) and count is not None:
            self._ledger.changed(name, one, None if status is None else count)

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

    def find_again(self) -> None:
        """Ask for the cuts that are a node's, and that it takes for refused, or knows nothing of
        since an older copy was put back; and for those that were withdrawn while something in them
        waited.
        """
        wanted = {(holder, cut) for cut, holder in self._ledger.holders.items()}
        for one in self._ledger.acknowledged:
            cut = "/".join(one.split("/")[:CUT_SEGMENTS])
            wanted |= {(name, cut) for name in REGIONS if self._state(name, one) is State.FILING}
        for name, cut in sorted(wanted):
            machine = self._machines[name]
            if machine.is_up:
                with machine.store.read() as read:
                    row = view.get_cut_filing(TransactionView(read), cut)
                if row is None or row.state is FilingState.REFUSED:
                    self.ask(name, RequestFiling(cut))

    def _state(self, name: str, one: str) -> State | None:
        machine = self._machines[name]
        if not machine.is_up:
            return None
        with machine.store.read() as read:
            row = view.get_assignment(TransactionView(read), one)
        return None if row is None else row.state

    def do_something(self) -> None:
        """Any of these."""
        [what] = self._random.choices(list(_DONE), list(_DONE.values()))
        what(self)


_DONE: Final = {
    People.assign: 6,
    People.assign_many: 2,
    People.change: 5,
    People.file_again: 2,
}
