"""What the national node takes of what is filed, and why it refuses the rest. Pure."""

from __future__ import annotations

from typing import Final

from csid.errors import CsidError
from csid.identifier import parse
from csid.record import decode
from registry.network.receipts import shown
from registry.rules.decision import Refusal
from registry.rules.status import Status
from registry.tables.enums import FiledState
from registry.tables.rows import Filed
from registry.zones.others import Other

ACTIVE: Final = "active"
# How the state stands in a record's octets: nowhere else can these be in canonical UTF-8.
FILING: Final = b"\xa2st\xa6filing"


def examine(
    name: str,
    record: bytes,
    holder: Other | None,
    before: Filed | None,
    owner: str = "",
    held: str = "",
) -> Refusal | None:
    """Why an identifier is not taken; None if it is.

    Args:
        name: in canonical form, if it has one.
        record: that it resolves to, canonical msgpack.
        holder: the node whose zone it is in, as the register of nodes has it.
        before: what was said of it before.
        owner: its state at the national node, if that is one in which nothing new is taken.
        held: by whom, since when and why, if anybody holds it.
    """
    if before is not None and before.state is FiledState.ENDED:
        return Refusal(
            Status.NEVER_AGAIN, f"was taken before, of node {before.node}, and has ended"
        )
    is_lost = before is not None and before.state is FiledState.GONE
    if is_lost and before is not None and (holder is None or before.node != holder.name):
        detail = f"was taken before, of node {before.node}, which has lost it"
        return Refusal(Status.NEVER_AGAIN, detail)
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
