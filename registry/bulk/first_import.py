"""The first inventory of a node (首次清点): owners come in with what they own.

A node that begins has its resources in tables, not its owners in a registry. So as long as nobody
has registered a participant by hand, an import by an administrator registers the owners it meets
and accredits them as resource providers; all of it is in the audit log. With the first
`csid owner add` that ends, and unknown owners are refused from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from registry.rules.decide import decide
from registry.rules.participants import Judgement
from registry.rules.requests import Actor, AddOwner, JudgeOwner, Request
from registry.tables import codec
from registry.tables.enums import Kind
from registry.tables.overlay import Overlay
from registry.tables.view import View

_UNDER_WAY: Final = b"\1"
_REASON: Final = "first inventory 首次清点"


def takes_owners(seen: View) -> bool:
    """Whether an import may still bring its owners with it."""
    if seen.get(codec.SETTINGS, codec.INVENTORY_KEY) is not None:
        return True
    return next(seen.scan(codec.OWNERS, b""), None) is None


def introduce(
    over: Overlay, actor: Actor, codes: Iterable[str], now: int, reason: str
) -> list[bytes]:
    """Register and accredit the owners that are not known yet, over a view that takes them.

    Returns:
        The audit leaves, in order; the rows are laid over.
    """
    leaves = []
    for code in codes:
        if over.get(codec.OWNERS, code.encode("ascii")) is not None:
            continue
        for body in (
            AddOwner(code, (Kind.RESOURCE_PROVIDER,), code, actor.name),
            JudgeOwner(code, Judgement.ACCREDIT),
        ):
            changes = decide(over, Request(actor, body, reason or _REASON), now).changes
            over.apply(changes)
            if changes.leaf is not None:
                leaves.append(changes.leaf)
    if leaves:
        over.put(codec.SETTINGS, codec.INVENTORY_KEY, _UNDER_WAY)
    return leaves
