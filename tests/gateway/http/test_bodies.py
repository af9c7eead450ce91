"""What is asked for in JSON is held to the very schemas that the document gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema.validators import Draft202012Validator

from gateway.http import actors, bodies, tokens
from gateway.http.bodies import OPERATIONS, Operation, read, require
from gateway.http.problems import Problem
from registry.rules.requests import Actor, Advance, Assign, Mint, Retire, Role, SetScope
from tests.support.registering import OWNER, PLACE, POOL, RECORD, identifier

EVERY = {
    **OPERATIONS,
    **bodies.JUDGEMENTS,
    "add pool": bodies.ADD_POOL,
    "add owner": bodies.ADD_OWNER,
    "update owner": bodies.UPDATE_OWNER,
    "qualify": bodies.QUALIFY_OWNER,
    "request filing": bodies.REQUEST_FILING,
}
MEMBERS = {
    f"{name}, {member}": one.schema
    for name, operation in EVERY.items()
    for member, one in operation.members.items()
    if "$ref" not in one.schema
}
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2**54)
    | st.text(max_size=30)
    | st.sampled_from(["resource", "node", "x" * 200, "x" * 201, "x" * 300, "x" * 301]),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("name", MEMBERS)
@given(value=values)
def test_a_value_is_taken_as_its_schema_says(name: str, value: Any) -> None:
    schema = MEMBERS[name]
    try:
        require(name, value, schema)
        taken = True
    except Problem:
        taken = False
    assert taken == Draft202012Validator(dict(schema)).is_valid(value)


@pytest.mark.parametrize("operation", EVERY.values(), ids=EVERY)
@given(given_=st.dictionaries(st.sampled_from(["identifier", "owner", "record", "x"]), values))
def test_nothing_that_is_given_is_more_than_a_problem(operation: Operation, given_: Any) -> None:
    try:
        read(operation, given_)
    except Problem as problem:
        assert problem.body["detail"]


def test_what_lacks_or_exceeds_is_named() -> None:
    with pytest.raises(Problem, match="identifier: is missing"):
        read(OPERATIONS["assign"], {})
    with pytest.raises(Problem, match="did you mean successor"):
        read(OPERATIONS["retire"], {"identifier": str(identifier()), "sucessor": "x"})
    with pytest.raises(Problem, match="its own operation"):
        facts = {"identifier": str(identifier()), "record": {"state": "retired"}}
        read(OPERATIONS["update"], facts)


@given(name=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True))
def test_a_token_says_its_name_and_proves_its_secret(name: str) -> None:
    token, digest = tokens.make(name)
    assert tokens.named(token) == (name, digest)
    assert tokens.named(token[:-1]) != (name, digest)


@given(text=st.text(max_size=200))
def test_no_text_is_more_than_no_token(text: str) -> None:
    assert tokens.named(text) is None or text.startswith("csid_")


def test_what_a_request_is_about_is_held_against_the_prefixes() -> None:
    who = actors.Caller(Actor("token/x", Role.ADMINISTRATOR), (PLACE,))
    inside, outside = identifier(), identifier(location="330108")
    for body in (Assign(inside, RECORD), Mint(POOL, RECORD), Retire(inside)):
        who.require(actors.touched(body))
    for other in (Assign(outside, RECORD), Mint(OWNER, RECORD), SetScope()):
        with pytest.raises(Problem):
            who.require(actors.touched(other))
    assert not who.covers(f"{PLACE}X/other")
    assert not who.covers(OWNER)
    everywhere = actors.Caller(Actor("token/y", Role.REGISTRAR, OWNER))
    assert everywhere.covers("anything")
    assert everywhere.knows(str(inside))
    assert not everywhere.knows("91350100M000100Y43/6450")
    assert isinstance(read(OPERATIONS["suspend"], {"identifier": str(inside)}), Advance)
