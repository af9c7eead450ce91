"""Leaves about participants, pools, the scope, locations and prefixes: `after` is the row."""

from __future__ import annotations

from registry.replay.effect import Effect, Step, require
from registry.rules import pools
from registry.rules.filing import AGAIN, rows_of
from registry.rules.owners import judged_names
from registry.rules.participants import STANDINGS
from registry.tables import codec, view
from registry.tables.changes import TreeChange, TreeKind
from registry.tables.enums import FilingState, Standing
from registry.tables.rows import NO_LEAF, CutFiling, Owner, Pool, Redirect, Token


def owner_added(step: Step) -> Effect:
    """A participant that has applied; a first inventory ends with it."""
    effect = _entered(step, Standing.APPLIED)
    if step.view.get(codec.SETTINGS, codec.INVENTORY_KEY) is None:
        return effect
    return effect._replace(rows=(*effect.rows, (codec.SETTINGS, codec.INVENTORY_KEY, None)))


def owner_introduced(step: Step) -> Effect:
    """A participant that a first inventory brings with it."""
    effect = _entered(step, Standing.ACCREDITED)
    return effect._replace(
        rows=(*effect.rows, (codec.SETTINGS, codec.INVENTORY_KEY, codec.INVENTORY_UNDER_WAY))
    )


def _entered(step: Step, standing: Standing) -> Effect:
    entry = step.entry
    owner = _owner(step)
    require(view.get_owner(step.view, entry.on) is None, f"owner {entry.on} is there already")
    require(owner.standing is standing, f"an owner that begins as {owner.standing.name.lower()}")
    require(not owner.qualified, "an owner that begins with a qualification")
    require(owner.since == entry.time, "its row is not of its own time")
    return _of_owner(step, owner, NO_LEAF)


def owner_updated(step: Step) -> Effect:
    """Other facts about a participant."""
    after, before = _owner(step), _known_owner(step)
    same = before._replace(
        kinds=after.kinds, name=after.name, contact=after.contact, quota=after.quota
    )
    require(after == same._replace(leaf=step.leaf), "changes more than facts of the owner")
    return _of_owner(step, after, before.leaf)


def owner_judged(step: Step) -> Effect:
    """The next step of an accreditation."""
    after, before = _owner(step), _known_owner(step)
    led = {standing for (old, _), standing in STANDINGS.items() if old is before.standing}
    words = f"{before.standing.name.lower()} to {after.standing.name.lower()}"
    require(after.standing in led, f"the accreditation does not lead from {words}")
    same = before._replace(standing=after.standing, leaf=step.leaf)
    require(after == same, "changes more than the standing of the owner")
    tree = judged_names(step.view, step.entry.on, before, after)
    return _of_owner(step, after, before.leaf)._replace(tree=tree)


def owner_qualified(step: Step) -> Effect:
    """The resale and scheduling qualification, granted or withdrawn."""
    before = _known_owner(step)
    after = before._replace(qualified=not before.qualified, leaf=step.leaf)
    return _of_owner(step, after, before.leaf)


def _owner(step: Step) -> Owner:
    """The participant that a leaf says."""
    return codec.decode_owner(step.entry.after)


def _known_owner(step: Step) -> Owner:
    before = view.get_owner(step.view, step.entry.on)
    require(before is not None, f"owner {step.entry.on} is not there")
    assert before is not None
    return before


def _of_owner(step: Step, owner: Owner, prev: int) -> Effect:
    row = codec.encode(owner._replace(leaf=step.leaf))
    return Effect(((codec.OWNERS, step.entry.on.encode("ascii"), row),), after=row, prev=prev)


def scope_set(step: Step) -> Effect:
    """What the node assigns for."""
    entry = step.entry
    require(entry.on.encode() == codec.SCOPE_KEY, "is about no scope")
    before, scope = view.get_scope(step.view), codec.decode_scope(entry.after)
    if (
        entry.version == 1
    ):  # its rows did not say when a scope was set, its leaves not the one before
        row = codec.encode(scope[:2])
        return Effect(((codec.SETTINGS, codec.SCOPE_KEY, row),), after=row)
    row = codec.encode(scope._replace(leaf=step.leaf, since=entry.time))
    return Effect(((codec.SETTINGS, codec.SCOPE_KEY, row),), after=row, prev=before.leaf)


def pool_added(step: Step) -> Effect:
    """A block of codes set aside."""
    entry = step.entry
    pool = codec.decode_pool(entry.after)
    require(pool.code == entry.on, f"its row is that of pool {pool.code}")
    require(len(pool.first) == len(pool.last) and pool.first <= pool.last, "is no range of serials")
    other = view.pool_from(step.view, pool.place, pool.capability, pool.first)
    require(other is None or other.first > pool.last, "overlaps a pool that is there")
    require(pool.since == entry.time, "its row is not of its own time")
    row = codec.encode(Pool(*pool[:5], step.leaf, pool.since))
    use = pools.passed_over(pool, view.get_lost(step.view))
    return Effect(((codec.POOLS, codec.pool_key(pool), row), *use), after=row)


def token_added(step: Step) -> Effect:
    """A token that holds from here on."""
    name = _token_name(step)
    require(view.get_token(step.view, name) is None, f"{step.entry.on} is there already")
    token = codec.decode_token(step.entry.after)
    require(not token.revoked, "a token that begins revoked")
    require(token.since == step.entry.time, "its row is not of its own time")
    return _of_token(step, name, token, NO_LEAF)


def token_revoked(step: Step) -> Effect:
    """A token that holds no more."""
    name = _token_name(step)
    before = view.get_token(step.view, name)
    require(before is not None, f"{step.entry.on} is not there")
    assert before is not None
    require(not before.revoked, f"{step.entry.on} is revoked already")
    return _of_token(step, name, before._replace(revoked=True), before.leaf)


def _token_name(step: Step) -> str:
    require(step.entry.on.startswith(view.TOKEN_SUBJECT), "is about no token")
    return step.entry.on.removeprefix(view.TOKEN_SUBJECT)


def _of_token(step: Step, name: str, token: Token, prev: int) -> Effect:
    row = codec.encode(token._replace(leaf=step.leaf))
    return Effect(((codec.TOKENS, name.encode("ascii"), row),), after=row, prev=prev)


def filing_asked(step: Step) -> Effect:
    """A cut that the national node is asked for."""
    entry = step.entry
    before = view.get_cut_filing(step.view, entry.on)
    holds = before is None or before.state in AGAIN
    require(holds, f"the filing of {entry.on} is under way")
    row = codec.decode_cut_filing(entry.after)
    since = entry.time if before is None else before.since
    require(
        row == CutFiling(FilingState.WANTED, "", since, entry.time, row.leaf), "its row differs"
    )
    return of_filing(step, row, before)


def filing_answered(step: Step) -> Effect:
    """What the national node said to a cut."""
    entry = step.entry
    row, before = codec.decode_cut_filing(entry.after), view.get_cut_filing(step.view, entry.on)
    require(before is not None, f"the filing of {entry.on} was not asked for")
    assert before is not None
    wanted = CutFiling(row.state, entry.why, before.since, entry.time, row.leaf)
    require(row == wanted, "its row differs")
    return of_filing(step, row, before)


def of_filing(step: Step, row: CutFiling, before: CutFiling | None) -> Effect:
    row = row._replace(leaf=step.leaf)
    prev = NO_LEAF if before is None else before.leaf
    rows = rows_of(step.entry.on, before, row)
    return Effect(rows, after=codec.encode_cut_filing(row), prev=prev)


def location_retired(step: Step) -> Effect:
    """A location that gets no more codes."""
    known = view.get_location(step.view, step.entry.on)
    require(known is None, f"location {step.entry.on} is retired already")
    return _redirected(step, codec.LOCATIONS, None)


def subtree_closed(step: Step) -> Effect:
    """A prefix that is closed in favour of another; a DNAME where it never had an identifier.

    It takes several steps where much has to be looked at; `rest` says how far they have come.
    """
    entry = step.entry
    before = view.get_subtree(step.view, entry.on)
    if before is not None:
        require(before.new == entry.to and before.rest != "", f"{entry.on} is closed already")
    tree: tuple[TreeChange, ...] = ()
    if next(step.view.scan(codec.ASSIGNMENTS, f"{entry.on}/".encode("ascii")), None) is None:
        tree = (TreeChange(TreeKind.SUBTREE, entry.on, target=entry.to),)
    return _redirected(step, codec.SUBTREES, before)._replace(tree=tree)


def _redirected(step: Step, table: str, before: Redirect | None) -> Effect:
    entry = step.entry
    said = codec.decode_redirect(entry.after)
    row = Redirect(entry.to, step.leaf, entry.time, said.rest)
    # Rows of version 1 had no rest.
    value = codec.encode(row[:3] if entry.version == 1 else row)
    prev = NO_LEAF if before is None else before.leaf
    return Effect(((table, entry.on.encode("ascii"), value),), (), value, prev, entry.to)
