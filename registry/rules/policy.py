"""The rules of who may do what: roles, accreditation, scope, dates, quotas. Only rules, no changes.

Each returns None if it holds, else a Refusal. Mechanics (states, ranges, keys) are elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from csid.codes import divisions
from csid.identifier import fold
from csid.prefix import ancestors
from registry.rules.decision import Refusal
from registry.rules.held import place_free
from registry.rules.lifecycle import BIRTH, Verb
from registry.rules.participants import KINDS, Right, rights_of
from registry.rules.requests import (
    AcceptTransfer,
    Actor,
    AddLocks,
    AddNode,
    AddOwner,
    AddPool,
    AddToken,
    Advance,
    Alias,
    AliasSubtree,
    AnswerFiling,
    AnswerHold,
    ApproveCut,
    AskHold,
    Assign,
    Body,
    CancelTransfer,
    ChangeNode,
    DeclineCut,
    EndHold,
    Expire,
    FileCut,
    FinishPlan,
    FreezeCut,
    Import,
    IntroduceOwner,
    JudgeOwner,
    KeepCut,
    Lapse,
    Leave,
    LiftHold,
    Mint,
    Move,
    MoveCut,
    MoveFiling,
    NoteHold,
    OfferTransfer,
    QualifyOwner,
    ReinstateNode,
    RejectCut,
    RejectTransfer,
    RekeyNode,
    RemoveLocks,
    RemoveNode,
    Renew,
    RequestFiling,
    Retire,
    RetireLocation,
    RevokeToken,
    Role,
    SetFiling,
    SetHold,
    SetScope,
    SetValidity,
    SuspendNode,
    Take,
    TakeReceipt,
    TakeSubtree,
    Update,
    UpdateOwner,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.tables.enums import STANDING_WORDS, WORDS, CutState, FilingState, State
from registry.tables.rows import Owner, Pool, PoolUse
from registry.tables.view import (
    View,
    count_live,
    cut_above,
    get_cut_filing,
    get_location,
    get_owner,
    get_root,
    get_scope,
    get_subtree,
)

Owners = tuple[str, ...]
# What is said where a node without a registry is asked for a code.
NO_REGISTRY: Final = "this node assigns no identifiers; ask the region node of location"
_ADMINISTRATOR: Final = frozenset({Role.ADMINISTRATOR})
_REGISTRAR: Final = frozenset({Role.ADMINISTRATOR, Role.REGISTRAR})
_NODE: Final = frozenset({Role.NODE})
_FOR_NODE: Final = _ADMINISTRATOR | _NODE
# What is said of a cut that is not to be written in, with its name and that of the other node.
_AWAY: Final = {
    FilingState.MOVING: "{} moves to node {}, and nothing is changed in it until that is done: ask "
    "again there, or here if the national node takes it back",
    FilingState.LEAVING: "{} has moved to node {}: ask there",
    FilingState.MOVED: "{0} is a cut of node {1}: ask there; if it has none of it any more, csid "
    "filing request {0} asks for it again",
    FilingState.TAKING: "{} is being taken over from node {}: ask again in a while",
}
# Reading the registry is for every role; the audit commands ask this before they read.
MAY_AUDIT: Final = frozenset({Role.ADMINISTRATOR, Role.AUDITOR})


class Rule(NamedTuple):
    """Who may make a kind of request, and whose identifiers a registrar would touch by it, or for
    which node of the network it is.
    """

    roles: frozenset[Role]
    owners: Callable[[Any], Owners] = lambda _body: ()


def _of_identifier(body: Any) -> Owners:
    return (body.identifier.owner,)


RULES: Final[Mapping[type[Body], Rule]] = {
    AddOwner: Rule(_ADMINISTRATOR),
    IntroduceOwner: Rule(_ADMINISTRATOR),
    UpdateOwner: Rule(_ADMINISTRATOR),
    JudgeOwner: Rule(_ADMINISTRATOR),
    QualifyOwner: Rule(_ADMINISTRATOR),
    SetScope: Rule(_ADMINISTRATOR),
    AddPool: Rule(_ADMINISTRATOR),
    Assign: Rule(_REGISTRAR, _of_identifier),
    Mint: Rule(_REGISTRAR, lambda body: (fold(body.pool).partition("/")[0],)),
    Import: Rule(_REGISTRAR, _of_identifier),
    Update: Rule(_REGISTRAR, _of_identifier),
    Advance: Rule(_REGISTRAR | _NODE, _of_identifier),
    Retire: Rule(_REGISTRAR, _of_identifier),
    Alias: Rule(_REGISTRAR, lambda body: (body.old.owner, body.new.owner)),
    AliasSubtree: Rule(_ADMINISTRATOR),
    Move: Rule(_ADMINISTRATOR),
    AddLocks: Rule(_REGISTRAR, _of_identifier),
    RemoveLocks: Rule(_REGISTRAR, _of_identifier),
    OfferTransfer: Rule(_REGISTRAR, _of_identifier),
    AcceptTransfer: Rule(_REGISTRAR, lambda body: (fold(body.owner),)),
    CancelTransfer: Rule(_REGISTRAR, _of_identifier),
    RejectTransfer: Rule(_REGISTRAR, lambda body: (fold(body.owner),)),
    Renew: Rule(_REGISTRAR, _of_identifier),
    Expire: Rule(_NODE),
    Lapse: Rule(_NODE),
    SetValidity: Rule(_ADMINISTRATOR),
    RetireLocation: Rule(_ADMINISTRATOR),
    AddNode: Rule(_ADMINISTRATOR),
    ChangeNode: Rule(_ADMINISTRATOR),
    SuspendNode: Rule(_ADMINISTRATOR),
    ReinstateNode: Rule(_ADMINISTRATOR),
    RekeyNode: Rule(_ADMINISTRATOR),
    RemoveNode: Rule(_ADMINISTRATOR),
    SetFiling: Rule(_ADMINISTRATOR),
    FileCut: Rule(_FOR_NODE, lambda body: (body.node,)),
    ApproveCut: Rule(_ADMINISTRATOR),
    RejectCut: Rule(_ADMINISTRATOR),
    WithdrawCut: Rule(_FOR_NODE, lambda body: (body.node,)),
    MoveCut: Rule(_ADMINISTRATOR),
    KeepCut: Rule(_ADMINISTRATOR),
    FreezeCut: Rule(_NODE, lambda body: (body.node,)),
    DeclineCut: Rule(_NODE, lambda body: (body.node,)),
    TakeReceipt: Rule(_NODE),
    RequestFiling: Rule(_REGISTRAR, lambda body: (fold(body.cut).partition("/")[0],)),
    AnswerFiling: Rule(_NODE),
    MoveFiling: Rule(_NODE),
    SetHold: Rule(_FOR_NODE, lambda body: (body.node,)),
    LiftHold: Rule(_FOR_NODE, lambda body: (body.node,)),
    NoteHold: Rule(_NODE),
    AskHold: Rule(_ADMINISTRATOR),
    EndHold: Rule(_ADMINISTRATOR),
    AnswerHold: Rule(_NODE),
    Leave: Rule(_NODE),
    Take: Rule(_NODE),
    TakeSubtree: Rule(_NODE),
    AddToken: Rule(_ADMINISTRATOR),
    RevokeToken: Rule(_ADMINISTRATOR),
    FinishPlan: Rule(_REGISTRAR),
}
# The others are the node's own decisions: filing is answered, and a hold lifted, by the node. Where
# there is a national node, it alone answers.
REGISTRAR_VERBS: Final = frozenset(
    {Verb.FILE, Verb.UPDATE, Verb.RETIRE, Verb.RENEW, Verb.SUPERSEDE}
)
_NODE_VERBS: Final = frozenset({Verb.REFUSE, Verb.EXPIRE, Verb.LAPSE})  # and nobody else's
VERBS: Final[Mapping[Role, frozenset[Verb]]] = {
    Role.ADMINISTRATOR: frozenset(set(Verb) - _NODE_VERBS),
    Role.REGISTRAR: REGISTRAR_VERBS,
    Role.NODE: _NODE_VERBS | {Verb.FILE, Verb.ACTIVATE, Verb.REFUSE, Verb.SUSPEND, Verb.REINSTATE},
}


def permit(actor: Actor, body: Body) -> Refusal | None:
    """Whether the actor may ask this at all. The one place where roles are looked at."""
    rule = RULES[type(body)]
    if actor.role not in rule.roles:
        return _role_may_not(actor, body.kind, rule.roles)
    for owner in rule.owners(body) if actor.role is not Role.ADMINISTRATOR else ():
        if owner != actor.owner:
            return Refusal(
                Status.OWNER_NOT_YOURS,
                f"{actor.name} acts for {actor.owner or 'no owner'}, the request is about {owner}; "
                "ask an administrator",
            )
    return verb_allowed(actor, body.verb) if isinstance(body, Advance) else None


def _role_may_not(actor: Actor, what: str, roles: frozenset[Role]) -> Refusal:
    allowed = ", ".join(sorted(role.value for role in roles))
    return Refusal(
        Status.ROLE_MAY_NOT,
        f"{actor.name} is {actor.role.value}; {what} is for: {allowed}",
    )


def right_holds(owner: Owner | None, code: str, right: Right) -> Refusal | None:
    """Whether a participant has a right: known, accredited, of a kind that gives it."""
    if owner is None:
        return Refusal(
            Status.OWNER_UNKNOWN, f"owner {code} is not registered; add and accredit it first"
        )
    rights = rights_of(owner)
    if not rights:
        return Refusal(
            Status.NOT_ACCREDITED,
            f"owner {code} {owner.name} is {STANDING_WORDS[owner.standing][0]}, not accredited",
        )
    if right not in rights:
        kinds = ", ".join(KINDS[kind].en for kind in owner.kinds)
        return Refusal(
            Status.KIND_MAY_NOT, f"owner {code} {owner.name} is {kinds}: it may not {right.value}"
        )
    return None


def registration_year(actor: Actor, year: int, now: int) -> int:
    """The year as of which codes must be in force: only an administrator may enter what was given
    in another (0: none said) than the present one.
    """
    return year if year and actor.role is Role.ADMINISTRATOR else now


def year_holds(year: int, now: int) -> Refusal | None:
    """Whether codes may be registered as of a year, from `registration_year`."""
    if year <= now:
        return None
    return Refusal(
        Status.BAD_RANGE, f"the year of registration, {year}, lies ahead; expected {now} at most"
    )


def place_open(view: View, place: str, year: int) -> Refusal | None:
    """Whether identifiers may be given at a place (owner/industry/location/type) in a year."""
    owner, industry, location, _type = place.split("/")
    root = get_root(view)
    if root is not None and not root.registers:
        return Refusal(Status.OUT_OF_SCOPE, f"{NO_REGISTRY} {location}")
    refusal = right_holds(get_owner(view, owner), owner, Right.HOLD_IDENTIFIERS)
    if refusal is not None:
        return refusal
    scope = get_scope(view)
    if scope.locations and not location.startswith(scope.locations):
        wanted = ", ".join(scope.locations)
        return Refusal(
            Status.OUT_OF_SCOPE, f"location {location}: this node assigns for {wanted} only"
        )
    if scope.industries and not industry.startswith(scope.industries):
        wanted = ", ".join(scope.industries)
        return Refusal(
            Status.OUT_OF_SCOPE, f"industry {industry}: this node assigns for {wanted} only"
        )
    return (
        location_open(view, location, year)
        or _subtree_open(view, place)
        or _is_ours(view, place)
        or place_free(view, place)
        or cut_open(view, place)
    )


def location_open(view: View, location: str, year: int) -> Refusal | None:
    """Whether identifiers may be given at a location in a year."""
    redirect = get_location(view, location)
    if redirect is not None:
        return Refusal(
            Status.LOCATION_RETIRED, f"location {location} is now {redirect.new}: use it"
        )
    if location in divisions() and divisions().at(location, year) is None:
        division = divisions().last(location)
        successor = divisions().standing_successor(division.successor)
        instead = f"; use {successor.code} {successor.name}" if successor else ""
        return Refusal(
            Status.LOCATION_NOT_IN_FORCE,
            f"location {location} {division.name} is not in force in {year}{instead}",
        )
    return None


def _subtree_open(view: View, place: str) -> Refusal | None:
    for prefix in ancestors(place):
        redirect = get_subtree(view, prefix)
        if redirect is not None:
            return Refusal(
                Status.SUBTREE_ALIASED, f"all of {prefix} has become {redirect.new}: use it"
            )
    return None


def cut_open(view: View, place: str) -> Refusal | None:
    """Whether the national node, where there is one, has not refused the cut around a place."""
    for prefix in ancestors(place) if get_root(view) is not None else ():
        filing = get_cut_filing(view, prefix)
        if filing is not None and filing.state is FilingState.REFUSED:
            return Refusal(
                Status.NOT_FILED,
                f"the national node has refused {prefix}: {filing.reason}; once that is settled, "
                f"csid filing request {prefix} asks again",
            )
        if filing is not None and filing.state in _AWAY:
            return Refusal(Status.CUT_MOVES, _AWAY[filing.state].format(prefix, filing.node))
    return None


def cut_stays(view: View, name: str) -> Refusal | None:
    """Whether what is registered of an identifier is this node's to change: the cut around it does
    not move to another node.
    """
    refusal = cut_open(view, name.rpartition("/")[0])
    return refusal if refusal is not None and refusal.status is Status.CUT_MOVES else None


def _is_ours(view: View, place: str) -> Refusal | None:
    """Whether names at a place are not delegated to another node of the network."""
    found = cut_above(view, place)
    if found is None or found[1].state is not CutState.FILED:
        return None
    return Refusal(
        Status.DELEGATED, f"{found[0]} is delegated to node {found[1].node}: assign there"
    )


def owner_quota(view: View, code: str) -> Refusal | None:
    """Whether an owner may have one identifier more."""
    owner = get_owner(view, code)
    if owner is None or owner.quota is None:
        return None
    return owner_quota_holds(code, owner.quota, count_live(view, code))


def owner_quota_holds(code: str, quota: int | None, live: int) -> Refusal | None:
    """Whether an owner with ``live`` identifiers may have one more."""
    if quota is None or live < quota:
        return None
    return Refusal(
        Status.OWNER_QUOTA, f"owner {code} has {live} identifiers, its quota is {quota}; raise it"
    )


def pool_quota(pool: Pool, use: PoolUse) -> Refusal | None:
    """Whether one code more may be assigned in a pool."""
    if use.assigned < pool.quota:
        return None
    return Refusal(
        Status.POOL_QUOTA, f"{use.assigned} codes of pool {pool.code} are assigned, its quota"
    )


def verb_allowed(actor: Actor, verb: Verb) -> Refusal | None:
    """Whether an actor may lead an identifier of its own to another state."""
    if verb in VERBS.get(actor.role, ()):
        return None
    return _role_may_not(actor, verb.value, _NODE if verb in _NODE_VERBS else _ADMINISTRATOR)


def answer_allowed(view: View, actor: Actor, verb: Verb) -> Refusal | None:
    """Whether an actor may say that a filing was accepted: where there is one, the national node
    alone.
    """
    root = get_root(view) if verb is Verb.ACTIVATE and actor.role is not Role.NODE else None
    if root is None:
        return None
    return Refusal(
        Status.STATE_PROHIBITS,
        f"it is for the receipt of the national node {root.host}:{root.port} to make it active; "
        "csid filing status says what it waits for",
    )


def birth_allowed(actor: Actor, state: State) -> Refusal | None:
    """Whether an import may begin an identifier so: in a past state only to restore a registry."""
    return None if state in BIRTH else past_allowed(actor, f"to import {WORDS[state].record}")


def past_allowed(actor: Actor, what: str) -> Refusal | None:
    """Whether an actor may enter what happened before today."""
    return None if actor.role is Role.ADMINISTRATOR else _role_may_not(actor, what, _ADMINISTRATOR)
