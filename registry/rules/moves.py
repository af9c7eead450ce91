"""Decisions by which one identifier takes the place of another: alias, move, whole prefixes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from csid import prefix, scheme, segments
from csid.errors import IdentifierError
from csid.identifier import Identifier, fold, make
from csid.limits import MAX_CHAIN
from registry.rules import assignments, marks, policy, serials
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.draft import Draft
from registry.rules.filed import begun
from registry.rules.free import Serials
from registry.rules.lifecycle import LIVE, Verb
from registry.rules.locks import prohibited
from registry.rules.requests import REFERENCE_MAX, Alias, AliasSubtree, Move, RetireLocation, Role
from registry.rules.status import Status
from registry.rules.transitions import held
from registry.tables import codec, index, view
from registry.tables.changes import Row, TreeChange, TreeKind
from registry.tables.enums import WORDS, State
from registry.tables.rows import NO_LEAF, Assignment, Came, Pool, PoolUse, Redirect
from registry.tables.view import View

CLOSE_ROWS: Final = 5_000  # identifiers below a prefix looked at by one decision


def alias(case: Case, body: Alias) -> Decision:
    """An identifier leads to another that lives."""
    old, new = str(body.old), str(body.new)
    if _leads(view.get_assignment(case.view, old), new):
        return Decision(Status.UNCHANGED, new)
    before = held(case, old, Verb.SUPERSEDE)
    if isinstance(before, Refusal):
        return before.about(old)
    target = view.get_assignment(case.view, new)
    # A target that lives leads nowhere, so no loop can ever close.
    if old == new or target is None or target.state not in LIVE:
        found = "itself" if old == new else WORDS[target.state].record if target else "not assigned"
        return Decision(
            Status.TARGET_UNUSABLE, old, f"{new} is {found}; expected an identifier that lives"
        )
    # What it was on hold for is what a registry that is restored says of the past.
    is_kept = body.restored and case.request.actor.role is Role.ADMINISTRATOR
    refusal = _may_go(case, old, before, is_kept) or _chain_holds(before)
    if refusal is not None:
        return refusal.about(old)
    draft = Draft(case.view)
    draft.change(old, before, _superseded(case, before, new))
    deeper = marks.came_deeper(case.view, new, before.depth + 1)
    if before.depth + 1 > target.depth:
        draft.deepen(body.new, target, before.depth + 1)
    rows = (*draft.rows(), *deeper)
    return case.done(old, rows, draft.tree, before.record, before.leaf, to=new)


def move(case: Case, body: Move) -> Decision:
    """A new identifier with the old one's record, and the old one leads to it."""
    return given_over(case, body)


def given_over(
    case: Case, body: Move, is_kept: bool = True, beside: Sequence[Row] = (), agreed: bool = False
) -> Decision:
    """What a move comes to, whoever has asked for it and whoever has agreed.

    Args:
        is_kept: what is on hold may go, as it stays on hold.
        beside: rows that go with it.
        agreed: by both owners, so that the one it goes to may have it back the same way.
    """
    old = str(body.old)
    if _leads(view.get_assignment(case.view, old), str(body.new)):
        return Decision(Status.UNCHANGED, str(body.new))
    before = held(case, old, Verb.SUPERSEDE)
    if isinstance(before, Refusal):
        return before.about(old)
    root = view.get_root(case.view)
    # Where its new code is to be filed, that would end the hold.
    refusal = _may_go(case, old, before, is_kept and root is None)
    if refusal is not None:
        return refusal.about(old)
    earlier = earlier_of(case.view, body)
    new = body.new if earlier is not None else _free(case, body)
    if isinstance(new, Refusal):
        return new.about(old)
    pool = assignments.pool_of(case, new) if earlier is None else None
    more = new.owner != body.old.owner
    refusal = assignments.may_have(case, new, pool, more)
    if earlier is None:
        refusal = _chain_holds(before) or refusal
    if refusal is not None:
        return refusal.about(old)
    draft = Draft(case.view)
    deeper = put_over(
        draft, case.view, old, before, new, earlier, case.leaf, case.now, pool, agreed
    )
    if deeper is None:
        return _too_long(before.depth + 1).about(old)
    rows = (*draft.rows(), *deeper, *beside)
    return case.done(old, rows, draft.tree, before.record, before.leaf, to=str(new))


def earlier_of(seen: View, body: Move) -> Assignment | None:
    """The row of the new identifier, where the old one goes back to the owner it came from: then
    it has its code again. Not so where codes are filed: the national node takes none twice.
    """
    old, new = body.old, body.new
    row = view.get_assignment(seen, str(new))
    is_other = (old.industry, old.location, old.type, old.capability, old.serial) != (
        (new.industry, new.location, new.type, new.capability, new.serial)
    )
    if is_other or old.owner == new.owner or not _leads(row, str(old)):
        return None
    return row if view.get_root(seen) is None else None


def put_over(
    draft: Draft,
    seen: View,
    old: str,
    before: Assignment,
    new: Identifier,
    earlier: Assignment | None,
    leaf: int,
    now: int,
    pool: tuple[Pool, PoolUse] | None,
    agreed: bool,
) -> list[Row] | None:
    """Enter in a draft that ``new`` has the record of ``old``, which leads to it; gives the rows
    beside that, None if more aliases would lead to it than are followed.
    """
    name = str(new)
    row = begun(before, view.get_root(seen))._replace(leaf=leaf, changed=now, target="")
    rows = marks.carried(seen, old, name, leaf, now)
    left = before._replace(state=State.SUPERSEDED, leaf=leaf, changed=now, target=name)
    if earlier is None:
        draft.change(old, before, left)
        draft.enter(new, row._replace(since=now, depth=before.depth + 1), pool)
        return [*rows, marks.came_row(name, Came(old, 0))] if agreed else rows
    depths = marks.depths_back(seen, old, before.depth, name, earlier.depth)
    if depths.new > MAX_CHAIN:
        return None
    draft.change(old, before, left._replace(depth=depths.old))
    draft.change(name, earlier, row._replace(since=earlier.since, depth=depths.new))
    return [*rows, marks.came_row(name, depths.came)]


def _may_go(case: Case, name: str, before: Assignment, is_kept: bool) -> Refusal | None:
    """Whether another identifier may take the place of this one. ``is_kept``: with its hold."""
    refusal = prohibited(case, name, before, Verb.SUPERSEDE)
    if refusal is not None or is_kept or before.state is not State.SUSPENDED:
        return refusal
    detail = "is suspended, and would be so no more; reinstate, renew or retire it"
    return Refusal(Status.STATE_PROHIBITS, detail)


def _leads(row: Assignment | None, new: str) -> bool:
    return row is not None and row.state is State.SUPERSEDED and row.target == new


def _superseded(case: Case, before: Assignment, new: str) -> Assignment:
    return before._replace(state=State.SUPERSEDED, leaf=case.leaf, changed=case.now, target=new)


def _chain_holds(row: Assignment) -> Refusal | None:
    """Whether a resolver will follow the aliases that lead here one step further."""
    return None if row.depth + 1 <= MAX_CHAIN else _too_long(row.depth)


def _too_long(depth: int) -> Refusal:
    return Refusal(
        Status.CHAIN_TOO_LONG,
        f"{depth} aliases lead here one after the other, at most {MAX_CHAIN} are followed; "
        "keep this identifier",
    )


def _free(case: Case, body: Move) -> Identifier | Refusal:
    """The identifier to move to: the one asked for, or a free one of its width behind it."""
    new, width = body.new, len(body.new.serial)
    if view.get_assignment(case.view, str(new)) is None:
        return new
    tried = ""
    if body.renumber:
        behind = Serials(case.view, index.place_of(new), new.capability, width)
        number = behind.near(serials.number(new.serial))
        if number is not None:
            return moved(new, serial=serials.text(number, width))
        tried = f", and no serial of {width} characters was found free behind it"
    return Refusal(Status.EXISTS, f"{new} is not free{tried}; assign another and make an alias")


def moved(
    identifier: Identifier,
    owner: str = "",
    industry: str = "",
    location: str = "",
    type: str = "",
    serial: str = "",
) -> Identifier:
    """The identifier with these segments in place of its own, its check made anew.

    Raises:
        IdentifierError: a segment is wrong.
    """
    return make(
        owner or identifier.owner,
        industry or identifier.industry,
        location or identifier.location,
        type or identifier.type,
        identifier.capability,
        serial or identifier.serial,
    )


def alias_subtree(case: Case, body: AliasSubtree) -> Decision:
    """A prefix below which nothing lives any more is closed in favour of another.

    More identifiers than CLOSE_ROWS are looked at by several decisions: from the first on nothing
    is given below the prefix, and `Redirect.rest` says how far they have come.
    """
    try:
        old, new = prefix.whole(body.old), prefix.whole(body.new)
    except IdentifierError as error:
        return Decision(Status.BAD_VALUE, body.old[:REFERENCE_MAX], str(error))
    refusal = _subtrees_fit(case, old, new)
    if refusal is not None:
        return refusal.about(old)
    before = view.get_subtree(case.view, old)
    if before is not None and before.new != new:
        return Decision(Status.EXISTS, old, f"{old} leads to {before.new} already")
    if before is not None and not before.rest:
        return Decision(Status.UNCHANGED, new)
    living, rest = _looked_through(case.view, old, before.rest if before else "")
    if living:
        return Decision(
            Status.ASSOCIATED, old, f"{living} lives below {old}; alias or retire it first"
        )
    row = codec.encode(Redirect(new, case.leaf, case.now, rest))
    # A DNAME would hide the tombstones and aliases below it, and lead to check characters that
    # do not hold, so it stands only where no identifier ever was.
    is_empty = next(view.assignments(case.view, old), None) is None
    tree = [TreeChange(TreeKind.SUBTREE, old, target=new)] if is_empty else []
    rows = [(codec.SUBTREES, old.encode("ascii"), row)]
    return case.done(old, rows, tree, row, before.leaf if before else NO_LEAF, to=new)


def _looked_through(seen: View, below: str, start: str) -> tuple[str, str]:
    """Of the next CLOSE_ROWS identifiers below a prefix the first that lives, and where to go on;
    empty if there is none.
    """
    for looked, (key, value) in enumerate(_rows_from(seen, below, start)):
        if looked == CLOSE_ROWS:
            return "", key.decode("ascii")
        if codec.state_of(value) in LIVE:
            return key.decode("ascii"), ""
    return "", ""


def _rows_from(seen: View, below: str, start: str) -> Iterator[tuple[bytes, bytes]]:
    return seen.scan(codec.ASSIGNMENTS, f"{below}/".encode("ascii"), start.encode("ascii"))


def closes_at_once(seen: View, old: str) -> bool:
    """Whether one decision is enough to close what is left of a prefix."""
    redirect = view.get_subtree(seen, old)
    if redirect is not None and not redirect.rest:
        return True
    rows = _rows_from(seen, old, redirect.rest if redirect else "")
    return next(islice(rows, CLOSE_ROWS, None), None) is None


def _subtrees_fit(case: Case, old: str, new: str) -> Refusal | None:
    cut = view.cut_above(case.view, old) or view.cut_below(case.view, old)
    if cut is not None:
        return Refusal(
            Status.DELEGATED,
            f"{cut[0]} is a cut of node {cut[1].node}, which leads on what lies in it",
        )
    if old.count("/") != new.count("/") or f"{new}/".startswith(f"{old}/"):
        return Refusal(
            Status.BAD_VALUE, f"{old} to {new}: expected two prefixes of one length, not the same"
        )
    for above in prefix.ancestors(new):
        redirect = view.get_subtree(case.view, above)
        if redirect is not None:
            detail = f"all of {above} has become {redirect.new}; use that"
            return Refusal(Status.TARGET_UNUSABLE, detail)
    if next(view.assignments(case.view, new), None) is None:
        return Refusal(Status.TARGET_UNUSABLE, f"no identifier is assigned below {new}")
    return None


def retire_location(case: Case, body: RetireLocation) -> Decision:
    """A location that gets no more codes; `plan.steps` moves those it has."""
    old, new = fold(body.old), fold(body.new)
    segment = scheme.load().segment("location")
    try:
        segments.require(segment, old)
        segments.require(segment, new, case.day.year)
    except IdentifierError as error:
        return Decision(Status.BAD_VALUE, old[:REFERENCE_MAX], str(error))
    before = view.get_location(case.view, old)
    if before is not None and before.new == new:
        return Decision(Status.UNCHANGED, new)
    if before is not None:
        return Decision(Status.EXISTS, old, f"location {old} is retired: it is {before.new} now")
    if old == new:
        return Decision(Status.BAD_VALUE, old, "a location cannot take its own place")
    refusal = policy.location_open(case.view, new, case.day.year)
    if refusal is not None:
        return refusal.about(old)
    row = codec.encode(Redirect(new, case.leaf, case.now))
    return case.done(old, [(codec.LOCATIONS, old.encode("ascii"), row)], after=row, to=new)
