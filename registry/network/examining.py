"""What the national node takes of what is filed, and why it refuses the rest. Pure."""

from __future__ import annotations

from typing import Final

from csid.errors import CsidError
from csid.identifier import default_parser, parse
from csid.record import decode
from registry.network.receipts import shown
from registry.rules.decision import Refusal
from registry.rules.status import Status
from registry.tables.enums import FiledState
from registry.tables.rows import Filed
from registry.zones.others import Other

ACTIVE: Final = "active"
LOST: Final = 0  # in place of a tenure: what its node has lost comes back from that one alone
# How the state stands in a record's octets: nowhere else can these be in canonical UTF-8.
FILING: Final = b"\xa2st\xa6filing"


def taker_of(before: Filed) -> str:
    """The node that an identifier was taken of last; empty if it never was."""
    return before.taker or ("" if before.state is FiledState.REFUSED else before.node)


def claimed(before: Filed | None, is_own: bool) -> Refusal | None:
    """Why a code is not to be used any more, by what was said of it before; None if it may be.

    Args:
        is_own: what was taken is that of the node in question.
    """
    taker = "" if before is None else taker_of(before)
    if before is None or not taker:
        return None
    if before.state is FiledState.ENDED:
        how = "and has ended"
    elif is_own:
        return None
    elif before.tenure == LOST:
        how = "which has lost it"
    else:
        how = "which had its cut then"
    return Refusal(Status.NEVER_AGAIN, f"was taken before, of node {taker}, {how}")


class Examiner:
    """Examines identifiers of one zone, for as long as nothing about its node and owner changes.

    Where one was taken, all that is said of its owner, industry, location and type, and of the
    node, holds for the next one beside it: only what is its own is looked at then. Whatever is not
    plainly in order is examined as a whole, which says what is wrong.

    Args:
        holder, owner: as `examine` has them.
    """

    def __init__(self, holder: Other | None, owner: str) -> None:
        self._holder = holder
        self._owner = owner
        self._places: set[str] = set()  # where one was taken, each ended by /
        self._is_beside = default_parser().is_beside

    def examine(self, name: str, record: bytes, held: str = "") -> Refusal | None:
        """What `examine` says."""
        at = name.rfind("/") + 1
        if not held and name[:at] in self._places and self._is_beside(name, at):
            try:
                decode(record)
            except CsidError:
                pass
            else:
                return None
        refusal = examine(name, record, self._holder, self._owner, held)
        if refusal is None:
            self._places.add(name[:at])
        return refusal


def examine(
    name: str, record: bytes, holder: Other | None, owner: str = "", held: str = ""
) -> Refusal | None:
    """Why an identifier whose code is not claimed is not taken; None if it is.

    Args:
        name: in canonical form, if it has one.
        record: that it resolves to, canonical msgpack.
        holder: the node whose zone it is in, as the register of nodes has it.
        owner: its state at the national node, if that is one in which nothing new is taken.
        held: by whom, since when and why, if anybody holds it.
    """
    if holder is None:
        return Refusal(Status.NOT_FOUND, "its node is not in the register of nodes")
    if holder.state != ACTIVE:
        return Refusal(Status.POLICY_PROHIBITS, f"node {holder.name} is {holder.state}")
    if owner:
        detail = f"owner {name.partition('/')[0]} is {owner} at the national node"
        return Refusal(Status.NOT_ACCREDITED, detail)
    if held:
        return Refusal(Status.HELD, shown(held))
    try:
        identifier = parse(name)
        decode(record)
    except CsidError as error:
        return Refusal(Status.BAD_VALUE, shown(str(error)))
    what = "industry" if holder.role == "industry" else "location"
    code = identifier.industry if holder.role == "industry" else identifier.location
    if holder.scope and not code.startswith(holder.scope):
        wanted = ", ".join(holder.scope)
        detail = f"{what} {code}: node {holder.name} assigns for {wanted} only"
        return Refusal(Status.OUT_OF_SCOPE, shown(detail))
    return None
