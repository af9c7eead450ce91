"""Who asks for a change of zones, and the rows and leaves that tell of it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from csid.errors import ZoneError
from registry.rules.acting import Acting
from registry.rules.requests import ACTOR_MAX, TEXT_MAX, Actor, Role
from registry.rules.status import Status
from registry.rules.texts import text_fault
from registry.tables import codec
from registry.tables.log_entry import EntryWriter
from registry.tables.rows import NO_LEAF, ZoneRow
from registry.tables.transaction import TransactionView, append_leaves
from resolver.store.write import WriteTransaction

LOAD: Final = "zone.load"
DROP: Final = "zone.drop"
UPDATE: Final = "zone.update"


class Asked(NamedTuple):
    """Who asks, and why."""

    actor: Actor
    reason: str

    @classmethod
    def of(cls, given: Any, by: Acting | None = None) -> Asked:
        """What a command gave, as `told` has it. ``by`` is what the writer knows of who asks; None
        in the command's own process, which knows as much itself.

        Raises:
            ActingError: it is somebody else.
            ZoneError: the role may not, or a text may not be kept.
        """
        name, role, owner, own, reason = given
        if by is None:
            actor = Actor(name, Role(role), owner, own)
        else:
            actor = by.actor(name, role, owner)
        refusal = (
            text_fault("the actor's name", name, ACTOR_MAX)
            or text_fault("the actor's owner", owner, ACTOR_MAX, 0)
            or text_fault("the reason", reason, TEXT_MAX, 0)
        )
        if refusal is not None:
            raise ZoneError(name[:ACTOR_MAX], refusal.detail)
        if actor.role is not Role.ADMINISTRATOR:
            raise ZoneError(name, f"is {actor.role.value}; this is for: {Role.ADMINISTRATOR.value}")
        return cls(actor, reason)

    def told(self) -> tuple[str, ...]:
        """Name, role, owner, peer and reason, for a unit."""
        actor = self.actor
        return actor.name, actor.role.value, actor.owner, actor.peer, self.reason


def row_of(view: TransactionView, origin: str) -> ZoneRow | None:
    """What is kept of a zone; None if nothing is, or what is there is damaged."""
    value = view.get(codec.ZONES, origin.encode("ascii"))
    try:
        return None if value is None else codec.decode_zone(value)
    except (TypeError, ValueError):
        return None


def note(txn: WriteTransaction, kind: str, origin: str, row: ZoneRow, asked: Asked) -> None:
    """Write the row of a zone and the leaf that tells of it.

    Args:
        row: its leaf is filled in here.
    """
    view = TransactionView(txn)
    before = row_of(view, origin)
    index = view.leaves()
    packed = codec.encode(row._replace(leaf=index))
    actor = asked.actor
    writer = EntryWriter(
        actor.name, actor.role.value, actor.owner, kind, row.since, asked.reason, 0, actor.peer
    )
    prev = NO_LEAF if before is None else before.leaf
    view.table(codec.ZONES).put(origin.encode("ascii"), packed)
    append_leaves(txn, [writer.entry(origin, packed, prev, "", Status.DONE.number)], index + 1)
