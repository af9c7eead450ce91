"""What all decisions about cuts begin and end with."""

from __future__ import annotations

from registry.rules.case import Case
from registry.rules.cut_draft import changed
from registry.rules.cut_rules import able, cut_of
from registry.rules.decision import Decision, Refusal
from registry.rules.nodes import suffix_of
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.rows import Cut, Node
from registry.tables.view import get_cut


def asked(case: Case, text: str, name: str) -> tuple[Names, str, Node, Cut | None] | Refusal:
    """The suffix, the cut, the node that may have it, and the cut as it is."""
    place = place_of(case, text)
    if isinstance(place, Refusal):
        return place
    suffix, cut = place
    node = able(case.view, name.lower())
    if isinstance(node, Refusal):
        return node
    return suffix, cut, node, get_cut(case.view, cut)


def place_of(case: Case, text: str) -> tuple[Names, str] | Refusal:
    """The suffix and the cut, in canonical form."""
    suffix = suffix_of(case.view)
    if isinstance(suffix, Refusal):
        return suffix
    cut = cut_of(text)
    return cut if isinstance(cut, Refusal) else (suffix, cut)


def unknown(cut: str) -> Decision:
    """There is no such cut."""
    return Decision(Status.NOT_FOUND, cut, f"no cut is filed or awaits approval at {cut}")


def written(
    case: Case, suffix: Names, cut: str, before: Cut | None, after: Cut, prev: int
) -> Decision:
    """A cut is another now, with all that follows from it."""
    rows, tree = changed(case.view, suffix, cut, before, after)
    return case.done(cut, rows, tree, codec.encode_cut(after), prev)
