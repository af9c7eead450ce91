"""The tables of the registry hang together, and say what the documents say."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.fields import STATES
from registry.rules.decide import DECISIONS
from registry.rules.lifecycle import LIVE, TRANSITIONS, Verb
from registry.rules.participants import KINDS, STANDINGS
from registry.rules.policy import RULES
from registry.rules.requests import Actor, Body, Role
from registry.rules.serials import number, text, width_for
from registry.rules.status import BY_NUMBER, Status
from registry.tables import log_entry
from registry.tables.enums import WORDS, Kind, Standing, State
from tests.support.servers import CHECKOUT

SCHEMA = CHECKOUT / "schemas" / "registry.md"


def test_every_request_has_one_rule_one_decision_and_a_kind_of_its_own() -> None:
    bodies = set(get_args(Body))
    assert set(RULES) == set(DECISIONS) == bodies
    assert len({body.kind for body in bodies}) == len(bodies)


def test_an_administrator_may_ask_everything_and_who_only_reads_nothing() -> None:
    for rule in RULES.values():
        assert Role.ADMINISTRATOR in rule.roles
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
    300: "ROLE_MAY_NOT",
    301: "OWNER_NOT_YOURS",
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


texts = st.text(max_size=20)


@given(
    st.builds(Actor, texts, st.sampled_from(Role), texts),
    texts,
    st.integers(0, 2**40),
    texts,
    st.binary(max_size=300),
    st.integers(-1, 2**40),
    texts,
    st.sampled_from(Status),
)
def test_a_leaf_reads_back_as_it_was_written(
    actor: Actor, kind: str, now: int, why: str, after: bytes, prev: int, to: str, status: Status
) -> None:
    writer = log_entry.EntryWriter(actor.name, actor.role.value, actor.owner, kind, now, why)
    read = log_entry.decode(writer.entry("subject", after, prev, to, status.number))
    assert read == log_entry.LogEntry(
        after, actor.name, actor.owner, kind, "subject", prev, actor.role.value, status.number,
        now, to, 1, why,
    )  # fmt: skip
    alone = writer.entry("subject", after, -1, "", status.number)
    assert writer.first(status.number)("subject", after) == alone


def test_other_bytes_are_no_leaf() -> None:
    for value in (b"\x80", b"\x01", b"\x81\xa1v\x01"):
        with pytest.raises(ValueError, match="no leaf"):
            log_entry.decode(value)


@given(st.integers(1, 12), st.data())
def test_serials_count_in_base_36_and_keep_their_width(width: int, data: st.DataObject) -> None:
    a, b = (data.draw(st.integers(0, 36**width - 1)) for _ in "ab")
    assert number(text(a, width)) == a
    assert len(text(a, width)) == width
    assert (text(a, width) < text(b, width)) == (a < b)
    assert 36 ** width_for(a) > a


def test_a_number_that_needs_more_characters_is_refused() -> None:
    with pytest.raises(ValueError, match="that large"):
        text(36, 1)
