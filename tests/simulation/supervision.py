"""What region nodes of a simulated network, and the national one, hold in each other's cuts, by
chance, and what must hold of that in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from csid.prefix import ancestors
from registry.rules.filing import CUT_SEGMENTS
from registry.rules.holds import OPEN
from registry.rules.requests import AskHold, Body, EndHold, LiftHold, Role, SetHold
from registry.tables import codec, log_entry, view
from registry.tables.enums import CutState, HoldState, State
from registry.tables.transaction import TransactionView
from tests.simulation.asking import Asking
from tests.simulation.ledger import ROOT
from tests.simulation.prepared import REGIONS

ASKED: Final = (4, 12)  # how often, from and to
_RELEASED_SHARE: Final = 0.4


class Supervision(Asking):
    """Those who supervise what lies in their divisions."""

    def do_something(self) -> None:
        """Hold something, or release it."""
        random = self._random
        name = random.choice((*REGIONS, *REGIONS, ROOT))
        targets = self._targets()
        if not targets:
            return
        target = random.choice(targets)
        is_release = random.random() < _RELEASED_SHARE
        body: Body = EndHold(target) if is_release else AskHold(target)
        if name == ROOT:
            body = LiftHold(target, "") if is_release else SetHold(target, "")
        self.ask(name, body)

    def _targets(self) -> list[str]:
        root = self._machines[ROOT]
        if not root.is_up:
            return []
        with root.store.read() as read:
            seen = TransactionView(read)
            cuts = [key.decode("ascii") for key, _ in seen.scan(codec.CUTS, b"")]
            held = [key.decode("ascii") for key, _ in seen.scan(codec.HOLDS, b"")]
        return [*cuts, *(f"{cut}/ACV" for cut in cuts), *held, *self._ledger.acknowledged]


def faults(views: Mapping[str, TransactionView]) -> Iterator[str]:
    """What of holds is not as it has to be yet."""
    root = views[ROOT]
    held = {
        key.decode("ascii"): codec.decode_hold(value).by
        for key, value in root.scan(codec.HOLDS, b"")
    }
    filed = {
        key.decode("ascii"): row.node
        for key, value in root.scan(codec.CUTS, b"")
        if (row := codec.decode_cut(value)).state is CutState.FILED
    }
    for target in held:
        if not any(one in filed for one in ancestors(target)):
            yield f"{target} is held, and lies in no cut"
    for name in REGIONS:
        seen = views[name]
        for key, value in seen.scan(codec.ASKED_HOLDS, b""):
            target, asked = key.decode("ascii"), codec.decode_asked_hold(value)
            is_held = any(one.node == name for one in held.get(target, ()))
            wanted = {HoldState.HELD: True, HoldState.RELEASED: False}.get(asked.state, is_held)
            if asked.state in OPEN or is_held is not wanted:
                yield f"the hold of {target} is {asked.state.name.lower()} at {name}"
        for key, value in seen.scan(codec.ASSIGNMENTS, b""):
            one, row = key.decode("ascii"), codec.decode_assignment(value)
            if filed.get("/".join(one.split("/")[:CUT_SEGMENTS])) != name:
                continue
            is_held = any(at in held for at in ancestors(one))
            if (view.hold_over(seen, one) is not None) != is_held:
                yield f"{name} does not know who holds {one}"
            if is_held and row.state is State.ACTIVE:
                yield f"{one} at {name} is active, though it is held"
            if not is_held and row.state is State.SUSPENDED and _is_by_hold(seen, row.leaf):
                yield f"{one} at {name} is suspended, though nobody holds it any more"


def _is_by_hold(seen: TransactionView, leaf: int) -> bool:
    entry = log_entry.decode(seen.leaf(leaf) or b"")
    return (entry.kind, entry.role) == ("advance", Role.NODE.value)
