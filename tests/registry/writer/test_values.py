"""What is asked of the writer arrives as it was asked, and nothing else does."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.identifier import Identifier
from csid.record import RECORD_OCTETS_MAX, Record
from registry.rules.acting import trusted
from registry.rules.decide import DECISIONS
from registry.rules.plan import Plan
from registry.rules.requests import Actor, Assign, Body, Request, Role
from registry.writer.values import (
    ValuesError,
    pack,
    pack_request,
    read_plan,
    read_request,
)
from tests.support.registering import ADMINISTRATOR, OTHER, RECORD, identifier

PEER = "1000/100"
IDENTIFIERS = [identifier(), identifier("0002"), identifier("ZZZZ", OTHER)]
RECORDS = [
    RECORD,
    Record({"state": "reserved", "name": "算力"}),
    Record({"state": "active", "extra": {f"k{n}": "x" * 60 for n in range(20)}}),  # too large
]
PLAIN = st.none() | st.integers(-(2**63), 2**63) | st.text() | st.booleans()

GIVEN: dict[Any, st.SearchStrategy[Any]] = {
    Identifier: st.sampled_from(IDENTIFIERS),
    Record: st.sampled_from(RECORDS),
    Any: st.recursive(PLAIN, lambda some: st.lists(some, max_size=3).map(tuple)),
    int: st.integers(-(2**63), 2**63 - 1),
}


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type."""
    if hint in GIVEN:
        return GIVEN[hint]
    inner = get_args(hint)
    if get_origin(hint) is not tuple:
        return st.one_of(map(of, inner)) if inner else st.from_type(hint)
    if inner[1:] == (...,):
        return st.lists(of(inner[0]), max_size=3).map(tuple)
    return st.tuples(*map(of, inner))


def made(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a class of requests or plans."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: of(hints[field.name]) for field in fields(kind)})


def sent(values: object) -> Any:
    """As they come out at the other end."""
    return msgpack.unpackb(msgpack.packb(values), use_list=False)


@given(
    st.builds(
        Request,
        st.builds(Actor, st.text(min_size=1), st.sampled_from(Role), st.text(), st.just(PEER)),
        st.one_of([made(kind) for kind in DECISIONS]),
        st.text(),
        st.text(),
    )
)
def test_a_request_of_every_kind_arrives_as_it_was_asked(request: Request) -> None:
    assert read_request(sent(pack_request(request)), trusted(PEER)) == request


@given(st.one_of([made(kind) for kind in get_args(Plan)]))
def test_a_plan_of_every_kind_arrives_as_it_was_asked(plan: Any) -> None:
    assert read_plan(sent(pack(plan))) == plan


def test_who_asks_is_what_the_kernel_says() -> None:
    claims = Request(Actor("li", Role.ADMINISTRATOR, peer="0/0"), Assign(identifier(), RECORD))
    assert read_request(sent(pack_request(claims)), trusted(PEER)).actor.peer == PEER


def test_a_record_that_is_too_large_gets_to_the_rules_that_refuse_it() -> None:
    large = RECORDS[2]
    assert len(msgpack.packb(large.values)) > RECORD_OCTETS_MAX
    request = Request(ADMINISTRATOR, Assign(identifier(), large))
    body: Any = read_request(sent(pack_request(request)), trusted()).body
    assert body.record == large


def _with(place: int, value: object) -> list[object]:
    values = pack_request(Request(ADMINISTRATOR, Assign(identifier(), RECORD), "why", "key"))
    values[place] = value
    return values


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1, 2, 3],
        _with(0, None),
        _with(1, "root"),
        _with(2, b"owner"),
        _with(3, 7),
        _with(4, ["key"]),
        _with(5, "AddEverything"),
        _with(5, ["Assign"]),
        _with(5, "Transfer"),  # a plan is no request
        _with(6, str(identifier()).lower()),  # not in canonical form
        _with(6, str(identifier())[:-1] + "!"),
        _with(6, 5),
        _with(7, b"\x80"),  # a record without a state
        _with(7, b"\xff"),
        _with(7, "record"),
        _with(7, {"state": "unheard of"}),
        [*_with(0, "li"), "more"],
        _with(0, "li")[:-1],
    ],
)
def test_what_is_no_request_is_refused_in_words(values: object) -> None:
    with pytest.raises(ValuesError):
        read_request(sent(values), trusted())


@given(st.recursive(PLAIN | st.binary(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_whatever_is_sent_is_a_request_or_refused(values: object) -> None:
    for read in (lambda v: read_request(v, trusted()), read_plan):
        try:
            read_ = read(sent(values))
        except ValuesError:
            continue
        assert isinstance(read_, (Request, *get_args(Plan)))


@given(st.lists(PLAIN | st.binary() | st.lists(PLAIN), max_size=8), st.sampled_from([*DECISIONS]))
def test_whatever_a_body_is_filled_with_is_a_request_or_refused(
    values: list[object], kind: type[Body]
) -> None:
    filled = ["li", "administrator", "", "why", "", kind.__name__, *values]
    try:
        request = read_request(sent(filled), trusted())
    except ValuesError:
        return
    assert type(request.body) is kind
