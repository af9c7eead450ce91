"""Rows of the registry beside the nodes of a zone: both in one order, from any name on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from csid import names
from registry.authority import Territory, Walk, extras_from
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.overlay import Overlay
from registry.tables.view import EMPTY
from resolver.store.build import build
from tests.support import books
from tests.support.memory import zone_data
from tests.support.registering import FOREIGN, OTHER, OWNER

NAMED = Names(books.SUFFIX)
APEX = names.key_of(books.ORIGIN)
SPECS = ("H60M07A1-0001-FY", "H60M07A1-0002-F9")
ROWS = [
    f"{owner}/6450/{location}/ACV/{spec}".encode()
    for owner in sorted((OWNER, OTHER, FOREIGN))
    for location in ("330106", "440100")
    for spec in SPECS
]
PARTS = (
    OWNER.lower(),
    OTHER.lower(),
    "6450",
    "330106",
    "acv",
    SPECS[0].lower(),
    "-",
    "/",
    "0",
    "z",
)
labels = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("".join)
owners = st.lists(labels, min_size=1, max_size=6).map(
    lambda them: ".".join(them) + ".csid.internal."
)


def view() -> Overlay:
    made = Overlay(EMPTY)
    for row in ROWS:
        made.put(codec.ASSIGNMENTS, row, b"")
    return made


@given(owners)
def test_the_rows_behind_any_name_are_those_whose_names_are(owner: str) -> None:
    territory = Territory(NAMED, APEX, [])
    after = names.key_of(names.from_text(owner))[len(APEX) :]
    found = [key for key, _ in territory.rows(view(), codec.ASSIGNMENTS, after)]
    every = [key for key, _ in territory.rows(view(), codec.ASSIGNMENTS)]
    assert [territory.row_of_key(key) for key in every] == ROWS
    assert found == [key for key in every if key > after]


@given(owners)
def test_a_name_with_the_separator_of_rows_in_a_label_is_no_row(owner: str) -> None:
    territory = Territory(NAMED, APEX, [])
    key = names.key_of(names.from_text(owner))[len(APEX) :]
    row = territory.row_of_key(key)
    assert row not in ROWS or territory.key_of_row(row) == key


@given(st.lists(owners, max_size=6), st.integers(1, 5))
def test_a_zone_is_judged_alike_in_pieces(given_names: list[str], size: int) -> None:
    text = "@ SOA ns host 1 1 1 1 1\n@ NS ns\n" + "".join(
        f"{one} A 192.0.2.1\n" for one in given_names
    )
    nodes = list(build(*zone_data("$TTL 60\n" + text, "csid.internal.")))
    extras = extras_from(APEX, dict(nodes).get)
    walk = Walk(NAMED, Territory(NAMED, APEX, []))
    whole = list(walk.over(view(), nodes, extras))
    walk = Walk(NAMED, Territory(NAMED, APEX, []))
    pieces = []
    for start in range(0, len(nodes), size):
        part = nodes[start : start + size]
        most = None if start + size >= len(nodes) else len(part)
        pieces += list(walk.over(view(), part, extras, most))
    assert pieces == whole
