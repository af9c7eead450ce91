"""The rules of which subtree may be delegated to which node. Each returns None if it holds, else a
Refusal; those about name servers are in `cut_servers.py`.
"""

from __future__ import annotations

from typing import Final

from csid import prefix
from csid.errors import IdentifierError
from registry.rules import policy
from registry.rules.decision import Refusal
from registry.rules.nodes import known
from registry.rules.participants import Right
from registry.rules.requests import REFERENCE_MAX
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.enums import CutState, NodeRole, NodeState
from registry.tables.rows import Cut, Node
from registry.tables.view import (
    CUT_SEGMENTS,
    View,
    cut_above,
    cut_below,
    get_owner,
    get_subtree,
)

DS_MAX: Final = 8
DS_OCTETS: Final = range(5, 132)  # RFC 4034 section 5.1, with digests of up to 128 octets


def cut_of(text: str) -> str | Refusal:
    """A cut in canonical form."""
    if len(text) > REFERENCE_MAX:
        return Refusal(Status.BAD_VALUE, f"{text[:80]!r}… is no prefix of an identifier")
    if text.strip("/").count("/") >= CUT_SEGMENTS:
        return Refusal(
            Status.CUT_TOO_DEEP,
            f"{text[:80]} lies below a location; expected OWNER, OWNER/INDUSTRY or "
            "OWNER/INDUSTRY/LOCATION",
        )
    try:
        return prefix.whole(text, CUT_SEGMENTS)
    except IdentifierError as error:
        return Refusal(Status.BAD_VALUE, str(error))


def able(view: View, name: str) -> Node | Refusal:
    """A node that may file."""
    node = known(view, name)
    if isinstance(node, Node) and node.state is NodeState.SUSPENDED:
        return Refusal(
            Status.NODE_SUSPENDED,
            f"node {name} is suspended: what it has filed goes on resolving, nothing more is taken "
            "from it until the national node reinstates it",
        )
    return node


def scope_holds(cut: str, name: str, node: Node) -> Refusal | None:
    """Whether a cut lies wholly within what a node may file for."""
    if node.role is NodeRole.AGGREGATE:
        return Refusal(Status.NODE_SCOPE, f"node {name} is an aggregate, which has no cuts")
    segments = cut.split("/")
    at, what = (2, "location") if node.role is NodeRole.REGION else (1, "industry")
    wanted = ", ".join(node.scope)
    if not node.scope:
        return None
    if len(segments) <= at:
        return Refusal(
            Status.NODE_SCOPE,
            f"{cut} is for every {what}, node {name} may file for {what} {wanted} only; file "
            f"{'/'.join(('OWNER', 'INDUSTRY', 'LOCATION')[: at + 1])}",
        )
    if not segments[at].startswith(node.scope):
        return Refusal(
            Status.NODE_SCOPE,
            f"{what} {segments[at]}: node {name} may file for {what} {wanted} only",
        )
    return None


def is_not_rejected(cut: str, past: Cut | None, row: Cut) -> Refusal | None:
    """Whether the same was not rejected before."""
    if past is None or past.state is not CutState.REJECTED or past[1:4] != row[1:4]:
        return None
    return Refusal(
        Status.CUT_REJECTED,
        f"filing {past.number} of {cut} was rejected: {past.reason}; ask the national node to "
        "approve it, or withdraw it and file again",
    )


def place_holds(view: View, cut: str) -> Refusal | None:
    """Whether a subtree can be delegated: its owner, the cuts above and below, names in it."""
    owner = cut.partition("/")[0]
    refusal = policy.right_holds(get_owner(view, owner), owner, Right.HOLD_IDENTIFIERS)
    if refusal is not None:
        return refusal
    above, _, last = cut.rpartition("/")
    for where, found in (
        ("under", cut_above(view, above) if last and above else None),
        ("above", cut_below(view, cut)),
    ):
        if found is not None:
            other, row = found
            verb = "is filed for" if row.state is CutState.FILED else "awaits approval for"
            return Refusal(
                Status.CUT_OVERLAPS, f"{cut} lies {where} {other}, which {verb} node {row.node}"
            )
    held = next(view.scan(codec.ASSIGNMENTS, f"{cut}/".encode("ascii")), None)
    if held is not None:
        return Refusal(
            Status.CUT_HAS_NAMES,
            f"the national node has assigned {held[0].decode('ascii')}, which the cut would hide",
        )
    closed = [one for one in prefix.ancestors(cut) if get_subtree(view, one) is not None]
    below = next(view.scan(codec.SUBTREES, f"{cut}/".encode("ascii")), None)
    if closed or below is not None:
        found_at = closed[0] if closed else below[0].decode("ascii") if below else ""
        return Refusal(Status.SUBTREE_ALIASED, f"{found_at} leads elsewhere since it was closed")
    return None


def ds_holds(ds: tuple[bytes, ...]) -> Refusal | None:
    """Whether data of DS records can be that."""
    if len(ds) <= DS_MAX and all(len(one) in DS_OCTETS for one in ds):
        return None
    return Refusal(Status.BAD_VALUE, f"expected at most {DS_MAX} DS records (RFC 4034 section 5.1)")


def dependent(view: View, cut: str) -> str:
    """A cut of which a name server lies in this one; empty if there is none."""
    begin = f"s/{cut}/".encode("ascii")
    found = next(view.scan(codec.CUT_INDEX, begin), None)
    return found[0].rpartition(b"//")[2].decode("ascii") if found is not None else ""
