"""Tokens are registered, revoked, and never come again; what is wrong with one is said."""

from __future__ import annotations

import pytest

from registry.rules import tokens
from registry.rules.requests import AddToken, RevokeToken
from registry.rules.status import Status
from registry.tables.view import get_token
from tests.support.registering import (
    ADMINISTRATOR,
    AUDITOR,
    FOREIGN,
    NOW,
    OWNER,
    PLACE,
    REGISTRAR,
    book,
)

DIGEST = bytes(range(32))
DESK = AddToken("desk", DIGEST, "registrar", OWNER, (PLACE, f"{PLACE}/"), NOW + 60)


def test_a_token_holds_until_it_ends_or_is_revoked() -> None:
    of = book()
    assert of.must(DESK).subject == "token/desk"
    token = get_token(of.view, "desk")
    assert token is not None
    assert token.prefixes == (PLACE,)
    assert tokens.holds(token, NOW + 59)
    assert not tokens.holds(token, NOW + 60)
    of.must(RevokeToken("desk"))
    token = get_token(of.view, "desk")
    assert token is not None
    assert not tokens.holds(token, NOW)
    assert of.status(RevokeToken("desk")) is Status.UNCHANGED
    assert of.status(DESK) is Status.EXISTS


def test_only_an_administrator_makes_tokens() -> None:
    of = book()
    of.must(AddToken("panel", DIGEST, "auditor", "", (), 0))
    for actor in (REGISTRAR, AUDITOR):
        assert of.status(DESK, actor) is Status.ROLE_MAY_NOT
        assert of.status(RevokeToken("panel"), actor) is Status.ROLE_MAY_NOT
    assert of.status(DESK, ADMINISTRATOR) is Status.DONE


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (AddToken("Desk", DIGEST, "auditor", "", (), 0), Status.BAD_VALUE),
        (AddToken("a_b", DIGEST, "auditor", "", (), 0), Status.BAD_VALUE),
        (AddToken("", DIGEST, "auditor", "", (), 0), Status.BAD_VALUE),
        (AddToken("a" * 41, DIGEST, "auditor", "", (), 0), Status.BAD_VALUE),
        (AddToken("desk", b"", "auditor", "", (), 0), Status.BAD_VALUE),
        (AddToken("gw", DIGEST, "gateway", "", (), 0), Status.BAD_VALUE),
        (AddToken("gw", DIGEST, "gateway", OWNER, (PLACE,), 0), Status.BAD_VALUE),
        (AddToken("desk", DIGEST, "node", "", (), 0), Status.BAD_VALUE),
        (AddToken("desk", DIGEST, "registrar", "", (), 0), Status.BAD_VALUE),
        (AddToken("desk", DIGEST, "auditor", OWNER, (), 0), Status.BAD_VALUE),
        (AddToken("desk", DIGEST, "registrar", FOREIGN, (), 0), Status.OWNER_UNKNOWN),
        (AddToken("desk", DIGEST, "registrar", "主体", (), 0), Status.OWNER_UNKNOWN),
        (AddToken("desk", DIGEST, "auditor", "", ("*/6450",), 0), Status.BAD_VALUE),
        (AddToken("desk", DIGEST, "auditor", "", (OWNER[:9],), 0), Status.BAD_VALUE),
        (AddToken("desk", DIGEST, "auditor", "", (OWNER,) * 65, 0), Status.BAD_RANGE),
        (AddToken("desk", DIGEST, "auditor", "", (), NOW), Status.BAD_RANGE),
        (RevokeToken("desk"), Status.NOT_FOUND),
        (RevokeToken("令牌"), Status.NOT_FOUND),
    ],
)
def test_what_is_wrong_is_said_and_nothing_kept(
    body: AddToken | RevokeToken, status: Status
) -> None:
    of = book()
    before = len(of.leaves)
    decision = of.ask(body)
    assert (decision.status, bool(decision.detail)) == (status, True)
    assert len(of.leaves) == before
