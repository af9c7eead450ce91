"""Who acts: the one rule, over everything that can be said of a process, configured and claimed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.rules.acting import (
    ROLES,
    Acting,
    ActingError,
    Claim,
    Identity,
    Known,
    Peer,
    actor_of,
    true_actor,
)
from registry.rules.decision import Refusal
from registry.rules.requests import Actor, Role
from registry.rules.status import Status
from tests.support.registering import OTHER, OWNER

KEEPER, ZHANG, LI, STRANGER = 900, 1_001, 1_002, 1_003
STAFF, CLERKS = 50, 60
LOGINS = {0: "root", KEEPER: "csid", ZHANG: "zhang", LI: "li"}


NOTHING = Claim()


def login(uid: int) -> str:
    return LOGINS.get(uid, "")


def peer(uid: int, *groups: int) -> Peer:
    return Peer(uid, uid, frozenset(groups))


ADMINISTRATOR = Known("张三", Role.ADMINISTRATOR, uid=ZHANG)
PORTAL = Known("门户", Role.READER, acts_for=frozenset({Role.REGISTRAR}), uid=LI)
OF_GROUP = Known("", Role.AUDITOR, gid=STAFF)
ONE_OWNER = Known("代办", Role.REGISTRAR, OWNER, frozenset({Role.REGISTRAR}), gid=CLERKS)
KNOWN = (OF_GROUP, ADMINISTRATOR, PORTAL, ONE_OWNER)


def decided(who: Peer, claim: Claim = NOTHING, known: tuple[Known, ...] = KNOWN) -> Actor | Refusal:
    return actor_of(who, known, KEEPER, claim, login)


@pytest.mark.parametrize(
    ("who", "claim", "expected"),
    [
        # Without a claim: the user before the groups, then the first group that is named.
        (peer(ZHANG, STAFF), Claim(), Actor("张三", Role.ADMINISTRATOR, "", "1001/1001")),
        (peer(LI), Claim(), Actor("门户", Role.READER, "", "1002/1002")),
        (peer(STRANGER, STAFF), Claim(), Actor("uid 1003", Role.AUDITOR, "", "1003/1003")),
        (Peer(KEEPER, STAFF), Claim(), Actor("csid", Role.AUDITOR, "", "900/50")),
        (peer(STRANGER, CLERKS), Claim(), Actor("代办", Role.REGISTRAR, OWNER, "1003/1003")),
        # What one is may be said.
        (peer(ZHANG), Claim("张三"), Actor("张三", Role.ADMINISTRATOR, "", "1001/1001")),
        (peer(LI), Claim("", Role.READER), Actor("门户", Role.READER, "", "1002/1002")),
        # Another is believed where that is configured, and stands beside the true one.
        (
            peer(LI),
            Claim("王", Role.REGISTRAR, OTHER),
            Actor("王", Role.REGISTRAR, OTHER, "1002/1002 门户"),
        ),
        (
            peer(STRANGER, CLERKS),
            Claim("王"),
            Actor("王", Role.REGISTRAR, OWNER, "1003/1003 代办"),
        ),
        # Else it is refused.
        (peer(ZHANG), Claim("王"), Status.ROLE_MAY_NOT),
        (peer(ZHANG), Claim("", Role.REGISTRAR, OWNER), Status.ROLE_MAY_NOT),
        (peer(LI), Claim("王"), Status.ROLE_MAY_NOT),
        (peer(LI), Claim("王", Role.ADMINISTRATOR), Status.ROLE_MAY_NOT),
        (peer(LI), Claim("", Role.NODE, OWNER), Status.ROLE_MAY_NOT),
        (peer(STRANGER, CLERKS), Claim("王", Role.REGISTRAR, OTHER), Status.OWNER_NOT_YOURS),
        (peer(STRANGER, CLERKS), Claim("", None, OTHER), Status.OWNER_NOT_YOURS),
        # Nobody, also root and who owns the directory, where others are configured.
        (peer(STRANGER), Claim(), Status.ROLE_MAY_NOT),
        (peer(0), Claim("root", Role.ADMINISTRATOR), Status.ROLE_MAY_NOT),
        (peer(KEEPER), Claim(), Status.ROLE_MAY_NOT),
        # A process of the node hands on what others have asked.
        (
            Peer(KEEPER, KEEPER, is_node=True),
            Claim("token/a", Role.REGISTRAR, OWNER),
            Actor("token/a", Role.REGISTRAR, OWNER, "900/900"),
        ),
        (
            Peer(KEEPER, KEEPER, is_node=True),
            Claim("zj", Role.NODE, OWNER),
            Actor("zj", Role.NODE, OWNER, "900/900"),
        ),
    ],
)
def test_who_acts_where_actors_are_configured(
    who: Peer, claim: Claim, expected: Actor | Status
) -> None:
    found = decided(who, claim)
    assert (found.status if isinstance(found, Refusal) else found) == expected


@pytest.mark.parametrize("uid", [0, KEEPER])
def test_without_a_configuration_the_owner_and_root_may_act_for_others(uid: int) -> None:
    own = Actor(LOGINS[uid], Role.ADMINISTRATOR, "", f"{uid}/{uid}")
    assert decided(peer(uid), known=()) == own
    for role in Role:
        claimed = decided(peer(uid), Claim("王", role, OWNER), ())
        assert claimed == Actor("王", role, OWNER, f"{uid}/{uid}")


@pytest.mark.parametrize(
    "claim", [Claim(), Claim("root", Role.ADMINISTRATOR), Claim("", Role.NODE)]
)
def test_anybody_else_is_nobody_and_reads_what_to_write(claim: Claim) -> None:
    refusal = decided(peer(ZHANG), claim, ())
    assert isinstance(refusal, Refusal)
    for word in ("user id 1001 (zhang)", "[[actor]]", 'user = "zhang"', str(KEEPER)):
        assert word in refusal.detail
    nameless = decided(peer(STRANGER), claim)
    assert isinstance(nameless, Refusal) and "uid = 1003" in nameless.detail


UIDS, GIDS = st.sampled_from([0, KEEPER, ZHANG, LI, STRANGER]), st.sampled_from([STAFF, CLERKS, 0])
OWNERS, NAMES = st.sampled_from(["", OWNER, OTHER]), st.sampled_from(["", "张三", "王", "csid"])
PEERS = st.builds(Peer, UIDS, GIDS, st.frozensets(GIDS), st.booleans())
CLAIMS = st.builds(Claim, NAMES, st.none() | st.sampled_from(Role), OWNERS)


@st.composite
def some_known(draw: st.DrawFn) -> Known:
    role = draw(st.sampled_from(sorted(ROLES, key=str)))
    owner = draw(st.sampled_from([OWNER, OTHER])) if role is Role.REGISTRAR else ""
    uid = draw(st.none() | UIDS)
    gid = draw(GIDS) if uid is None else None
    acts_for = draw(st.frozensets(st.sampled_from(sorted(ROLES, key=str))))
    return Known(draw(NAMES), role, owner, acts_for, uid, gid)


KNOWNS = st.lists(some_known(), max_size=5).map(tuple)


@given(PEERS, KNOWNS, CLAIMS)
def test_nobody_becomes_more_than_is_configured(
    who: Peer, known: tuple[Known, ...], claim: Claim
) -> None:
    own = true_actor(who, known, KEEPER, login)
    found = actor_of(who, known, KEEPER, claim, login)
    if own is None:
        assert isinstance(found, Refusal) and not who.is_node
        assert known or who.uid not in (0, KEEPER)
        return
    if isinstance(found, Refusal):
        assert claim != NOTHING
        return
    is_own = (found.name, found.role, found.owner) == (own.name, own.role, own.owner)
    assert found.peer.startswith(f"{who.uid}/{who.gid}")
    for said, got in zip(claim, (found.name, found.role, found.owner), strict=True):
        assert not said or said == got
    if not is_own:
        assert found.role in own.acts_for
        assert own.role is not Role.REGISTRAR or found.owner == own.owner
        assert (own.name in found.peer) == (bool(known) and not who.is_node)
    assert found.role is not Role.NODE or who.is_node or not known


@given(PEERS, KNOWNS, CLAIMS)
def test_who_claims_to_be_what_was_said_is_that_again(
    who: Peer, known: tuple[Known, ...], claim: Claim
) -> None:
    """Commands ask as whom they act, and then ask as that one."""
    found = actor_of(who, known, KEEPER, claim, login)
    if isinstance(found, Actor):
        again = Claim(found.name, found.role, found.owner)
        assert actor_of(who, known, KEEPER, again, login) == found


def test_what_is_configured_anew_holds_for_those_who_are_connected() -> None:
    known: tuple[Known, ...] = KNOWN
    by = Acting(peer(ZHANG), KEEPER, lambda: known, login)
    assert by.actor("张三", "administrator") == by.actor()
    known = (PORTAL,)
    with pytest.raises(ActingError, match="is nobody here"):
        by.actor("张三", "administrator")
    known = KNOWN
    assert by.actor().name == "张三"


def test_an_identity_arrives_as_it_was_told() -> None:
    by = Acting(peer(LI), KEEPER, lambda: KNOWN, login)
    found = by.identity("王", "registrar", OWNER)
    assert Identity.of(found.told()) == found
    assert (found.own.name, found.acts_for, found.is_configured) == ("门户", ("registrar",), True)
