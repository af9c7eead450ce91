"""Decisions about participants, and about the scope of the node."""

from __future__ import annotations

from typing import Final

from csid import scheme, segments
from csid.errors import IdentifierError
from csid.identifier import fold
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.participants import JUDGED, KINDS, STANDINGS, Judgement, Right
from registry.rules.policy import right_holds
from registry.rules.requests import (
    AddOwner,
    Facts,
    IntroduceOwner,
    JudgeOwner,
    QualifyOwner,
    SetScope,
    UpdateOwner,
)
from registry.rules.status import Status
from registry.rules.texts import text_fault
from registry.tables import codec, network, view
from registry.tables.changes import Row, TreeChange
from registry.tables.enums import Kind, Standing
from registry.tables.rows import NO_LEAF, Owner, Scope
from registry.tables.view import View

SCOPE: Final = codec.SCOPE_KEY.decode()  # what the leaves of its changes are about
# What a participant declares, and as what it is given.
_FACTS: Final = {"kinds": tuple | list, "name": str, "contact": str, "quota": int | None}
SCOPE_ENTRIES_MAX: Final = 64  # prefixes of locations, and of industries


def add(case: Case, body: AddOwner) -> Decision:
    """A participant that has applied."""
    code = fold(body.code)
    kinds = tuple(sorted(set(body.kinds)))
    owner = Owner(
        kinds,
        Standing.APPLIED,
        body.name,
        body.contact,
        body.quota,
        False,
        case.leaf,
        case.now,
    )
    refusal = _code_holds(code) or _facts_hold(owner)
    if refusal is not None:
        return refusal.about(code)
    before = view.get_owner(case.view, code)
    if before is None:
        ended = (codec.SETTINGS, codec.INVENTORY_KEY, None)
        under_way = case.view.get(codec.SETTINGS, codec.INVENTORY_KEY) is not None
        return _written(case, code, owner, NO_LEAF, *([ended] if under_way else []))
    if before == before._replace(**{fact: getattr(owner, fact) for fact in _FACTS}):
        return Decision(Status.UNCHANGED, code)
    return Decision(
        Status.EXISTS, code, f"owner {code} is registered as {before.name}; update it instead"
    )


def takes_owners(seen: View) -> bool:
    """Whether an import may bring its owners with it: none was registered by hand so far."""
    root = view.get_root(seen)
    if root is not None and not root.registers:
        return False
    if seen.get(codec.SETTINGS, codec.INVENTORY_KEY) is not None:
        return True
    return next(seen.scan(codec.OWNERS, b""), None) is None


def introduce(case: Case, body: IntroduceOwner) -> Decision:
    """An owner that the first inventory meets: a resource provider, accredited at once."""
    code = fold(body.code)
    refusal = _code_holds(code)
    if refusal is not None:
        return refusal.about(code)
    if view.get_owner(case.view, code) is not None:
        return Decision(Status.UNCHANGED, code)
    if not takes_owners(case.view):
        detail = "owners are registered here by hand; add and accredit it"
        return Decision(Status.OWNER_UNKNOWN, code, f"owner {code} is not registered, and {detail}")
    kinds, name = (Kind.RESOURCE_PROVIDER,), case.request.actor.name
    owner = Owner(kinds, Standing.ACCREDITED, code, name, None, False, case.leaf, case.now)
    under_way = (codec.SETTINGS, codec.INVENTORY_KEY, codec.INVENTORY_UNDER_WAY)
    return _written(case, code, owner, NO_LEAF, under_way)


def update(case: Case, body: UpdateOwner) -> Decision:
    """Other facts about a participant, merged into those it has now; its standing stays."""
    code = fold(body.code)
    before = view.get_owner(case.view, code) if code.isascii() else None
    if before is None:
        return _unknown(code)
    if before.standing is Standing.ENDED:
        return Decision(Status.STATE_PROHIBITS, code, f"the accreditation of {code} has ended")
    after = _merged(before, body.facts)
    if isinstance(after, Refusal):
        return after.about(code)
    refusal = _facts_hold(after)
    if refusal is not None:
        return refusal.about(code)
    if after == before:
        return Decision(Status.UNCHANGED, code)
    return _written(case, code, after._replace(leaf=case.leaf), before.leaf)


def judge(case: Case, body: JudgeOwner) -> Decision:
    """The next step of an accreditation."""
    code = fold(body.code)
    before = view.get_owner(case.view, code) if code.isascii() else None
    if before is None:
        return _unknown(code)
    if before.standing is JUDGED[body.judgement]:
        return Decision(Status.UNCHANGED, code)
    standing = STANDINGS.get((before.standing, body.judgement))
    if standing is None:
        return Decision(
            Status.STATE_PROHIBITS,
            code,
            f"owner {code} is {before.standing.name.lower()}; {body.judgement.value} does not "
            "follow from that",
        )
    if body.judgement is Judgement.END and (live := view.count_live(case.view, code)):
        return Decision(
            Status.ASSOCIATED,
            code,
            f"owner {code} has {live} identifiers; retire or transfer them first",
        )
    after = before._replace(standing=standing, leaf=case.leaf)
    row = codec.encode(after)
    tree = judged_names(case.view, code, before, after)
    return case.done(code, [(codec.OWNERS, code.encode("ascii"), row)], tree, row, before.leaf)


def judged_names(seen: View, code: str, before: Owner, after: Owner) -> list[TreeChange]:
    """What the root zone of the national node says otherwise of an owner."""
    if not network.is_national(seen):
        return []
    return network.changes(network.owner_names(code, before), network.owner_names(code, after))


def qualify(case: Case, body: QualifyOwner) -> Decision:
    """The resale and scheduling qualification, granted or withdrawn."""
    code = fold(body.code)
    before = view.get_owner(case.view, code) if code.isascii() else None
    if before is None:
        return _unknown(code)
    if before.qualified == body.granted:
        return Decision(Status.UNCHANGED, code)
    refusal = right_holds(before, code, Right.RESELL) if body.granted else None
    if refusal is not None:
        return refusal.about(code)
    after = before._replace(qualified=body.granted, leaf=case.leaf)
    return _written(case, code, after, before.leaf)


def set_scope(case: Case, body: SetScope) -> Decision:
    """What the node assigns for, from now on."""
    scope = Scope(
        tuple(sorted(set(map(fold, body.locations)))),
        tuple(sorted(set(map(fold, body.industries)))),
    )
    for what, prefixes, longest in (("location", scope[0], 6), ("industry", scope[1], 4)):
        if len(prefixes) > SCOPE_ENTRIES_MAX:
            detail = f"{len(prefixes)} prefixes of {what}, at most {SCOPE_ENTRIES_MAX} are taken"
            return Decision(Status.BAD_RANGE, SCOPE, detail)
        for prefix in prefixes:
            if not (prefix.isascii() and prefix.isalnum() and len(prefix) <= longest):
                detail = f"{prefix!r} begins no {what} code; expected 1 to {longest} of 0-9 A-Z"
                return Decision(Status.BAD_VALUE, SCOPE, detail)
    before = view.get_scope(case.view)
    if scope[:2] == before[:2]:
        return Decision(Status.UNCHANGED, SCOPE)
    row = codec.encode(scope._replace(leaf=case.leaf, since=case.now))
    rows = [(codec.SETTINGS, codec.SCOPE_KEY, row)]
    return case.done(SCOPE, rows, after=row, prev=before.leaf)


def _merged(owner: Owner, given: Facts) -> Owner | Refusal:
    """A participant with these facts in place of its own."""
    facts = dict(given)
    for fact, value in facts.items():
        if fact not in _FACTS:
            return Refusal(Status.BAD_VALUE, f"{fact}: unknown; known are {', '.join(_FACTS)}")
        if not isinstance(value, _FACTS[fact]):
            return Refusal(Status.BAD_VALUE, f"{fact} cannot be {value!r}")
    try:
        kinds = sorted(map(Kind, set(facts.pop("kinds", owner.kinds))))
    except (TypeError, ValueError):
        known = ", ".join(f"{kind.value} {KINDS[kind].word}" for kind in Kind)
        return Refusal(Status.BAD_VALUE, f"kinds: expected numbers of {known}")
    return owner._replace(kinds=tuple(kinds), **facts)


def _code_holds(code: str) -> Refusal | None:
    try:
        segments.require(scheme.load().segment("owner"), code)
    except IdentifierError as error:
        return Refusal(Status.BAD_VALUE, str(error))
    return None


def _facts_hold(owner: Owner) -> Refusal | None:
    if not owner.kinds:
        return Refusal(Status.BAD_VALUE, "no kind of participant is given; give at least one")
    if owner.quota is not None and owner.quota < 0:
        return Refusal(Status.BAD_RANGE, f"quota {owner.quota} is below 0")
    return text_fault("name", owner.name) or text_fault("contact", owner.contact)


def _written(case: Case, code: str, owner: Owner, prev: int, *others: Row) -> Decision:
    row = codec.encode(owner)
    rows = [(codec.OWNERS, code.encode("ascii"), row), *others]
    return case.done(code, rows, after=row, prev=prev)


def _unknown(code: str) -> Decision:
    return Decision(Status.NOT_FOUND, code, f"owner {code} is not registered; add it first")
