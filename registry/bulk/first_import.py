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
from registry.rules.requests import Actor, IntroduceOwner, Request
from registry.tables.overlay import Overlay

_REASON: Final = "first inventory 首次清点"


def introduce(
    over: Overlay, actor: Actor, codes: Iterable[str], now: int, reason: str
) -> list[bytes]:
    """Register and accredit the owners that are not known yet, over a view that takes them.

    Returns:
        The audit leaves, in order; the rows are laid over.
    """
    leaves = []
    for code in codes:
        request = Request(actor, IntroduceOwner(code), reason or _REASON)
        changes = decide(over, request, now).changes
        over.apply(changes)
        if changes.leaf is not None:
            leaves.append(changes.leaf)
    return leaves
