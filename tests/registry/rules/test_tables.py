"""The tables that the rules are made of hang together, and say what the documents say."""

from __future__ import annotations

import re
from typing import get_args

from csid.fields import STATES
from registry.rules.decide import DECISIONS
from registry.rules.lifecycle import LIVE, TRANSITIONS, Verb
from registry.rules.participants import KINDS, STANDINGS
from registry.rules.policy import RULES
from registry.rules.requests import Body, Role
from registry.rules.status import BY_NUMBER, Status
from registry.tables.enums import WORDS, Kind, Standing, State
from tests.support.servers import CHECKOUT

SCHEMA = CHECKOUT / "schemas" / "registry.md"


def test_every_request_has_one_rule_one_decision_and_a_kind_of_its_own() -> None:
    bodies = set(get_args(Body))
    assert set(RULES) == set(DECISIONS) == bodies
    assert len({body.kind for body in bodies}) == len(bodies)


def test_an_administrator_may_ask_everything_and_who_only_reads_nothing() -> None:
    for rule in RULES.values():
        # But for what the national node alone may say.
        assert Role.ADMINISTRATOR in rule.roles or rule.roles == {Role.NODE}
        assert not rule.roles & {Role.AUDITOR, Role.READER}


def test_status_numbers_are_their_own_and_success_is_epp_1000() -> None:
    assert len(BY_NUMBER) == len(Status)
    for status in Status:
        assert status.success == (status.epp == 1000) == (status.number < 200)
        assert status.zh and status.en


# A number in an audit log means the same for ever: this list only grows.
STATUS_NUMBERS = {
    100: "DONE",
    101: "UNCHANGED",
    102: "REPLAYED",
    200: "EXISTS",
    201: "NOT_FOUND",
    202: "NEVER_AGAIN",
    203: "STATE_PROHIBITS",
    204: "OVERLAP",
    205: "ASSOCIATED",
    206: "TARGET_UNUSABLE",
    207: "CHAIN_TOO_LONG",
    208: "CHANGED_SINCE",
    209: "LOCKED",
    210: "TRANSFER_PENDING",
    211: "NO_TRANSFER",
    212: "NOT_RENEWABLE",
    300: "ROLE_MAY_NOT",
    301: "OWNER_NOT_YOURS",
    302: "CODE_WRONG",
    400: "OWNER_UNKNOWN",
    401: "NOT_ACCREDITED",
    402: "KIND_MAY_NOT",
    403: "OUT_OF_SCOPE",
    404: "LOCATION_NOT_IN_FORCE",
    405: "LOCATION_RETIRED",
    406: "OWNER_QUOTA",
    407: "POOL_QUOTA",
    408: "POOL_EXHAUSTED",
    409: "SUBTREE_ALIASED",
    410: "POLICY_PROHIBITS",
    411: "NOT_NATIONAL",
    412: "NODE_UNKNOWN",
    413: "NODE_SUSPENDED",
    414: "NODE_SCOPE",
    415: "NODE_HAS_CUTS",
    416: "CUT_TOO_DEEP",
    417: "CUT_OVERLAPS",
    418: "CUT_REJECTED",
    419: "SERVERS_TOO_MANY",
    420: "SERVER_UNKNOWN",
    421: "DELEGATION_LOOPS",
    422: "CUT_HAS_NAMES",
    423: "DELEGATED",
    424: "WAITING_QUOTA",
    425: "CUT_MOVES",
    426: "HELD",
    430: "NOT_FILED",
    500: "BAD_VALUE",
    501: "BAD_RANGE",
    502: "KEY_REUSED",
    503: "RECORD_TOO_LARGE",
}


def test_no_status_number_ever_changes_its_meaning() -> None:
    assert {status.number: status.name for status in Status} == STATUS_NUMBERS


def test_the_document_lists_every_status_with_its_epp_code() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (\d{4}) \|", SCHEMA.read_text("utf-8"), re.M)
    assert rows == [(str(s.number), s.name, str(s.epp)) for s in Status]


def test_what_is_final_leads_nowhere() -> None:
    for state, _verb in TRANSITIONS:
        assert state in LIVE
    for standing, _judgement in STANDINGS:
        assert standing is not Standing.ENDED


def test_every_live_state_can_be_changed_ended_and_superseded() -> None:
    for state in LIVE:
        for verb in (Verb.UPDATE, Verb.RETIRE, Verb.SUPERSEDE):
            assert (state, verb) in TRANSITIONS


def test_states_have_the_words_of_records_and_epp_words() -> None:
    assert [WORDS[state].record for state in State] == [*STATES, "superseded"]
    assert all(WORDS[state].epp and WORDS[state].rdap for state in State)
    assert set(KINDS) == set(Kind)
