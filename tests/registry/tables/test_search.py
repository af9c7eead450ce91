"""A search finds what looking at every identifier would find, page by page, in few seeks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.errors import IdentifierError
from csid.identifier import make
from registry.rules.lifecycle import Verb
from registry.rules.requests import Advance, Assign, Retire
from registry.tables import codec, index
from registry.tables.enums import BY_WORD, LISTED, Kind, State
from registry.tables.overlay import Overlay
from registry.tables.rows import Assignment
from registry.tables.search import Query, find, page, read_query
from registry.tables.view import EMPTY, View, assignments, get_owner
from tests.support.registering import FOREIGN, OTHER, OWNER, RECORD, Book

OWNERS = {OWNER: "杭州算力", OTHER: "Fujian Compute", FOREIGN: "海外 Compute"}
INDUSTRIES = ("0000", "6450", "6490")
LOCATIONS = ("330106", "330108", "110108", "USNYC")
TYPES = ("ACV", "ACB", "GCV")
CLASSES = ("H60M07A1", "H60M07N4", "D90M20S1")
BIRTHS = ("active", "reserved", "filing")


@pytest.fixture(scope="module")
def registry() -> View:
    """Some hundreds of identifiers in every state."""
    book = Book()
    for code, name in OWNERS.items():
        book.accredit(code, Kind.RESOURCE_PROVIDER)
        owner = get_owner(book.view, code)
        assert owner is not None
        row = codec.encode(owner._replace(name=name))
        book.view.put(codec.OWNERS, code.encode(), row)
    every = product(OWNERS, INDUSTRIES, LOCATIONS, TYPES, CLASSES)
    for number, segments in enumerate(every):
        if number % 3 == 0:
            continue
        for serial in ("0001", "7", "ZZ")[: number % 4]:
            code = make(*segments, serial)
            state = BIRTHS[0] if number % 5 else BIRTHS[number % 2 + 1]
            book.must(Assign(code, RECORD.changed(state=state)))
            if state == "active" and number % 7 == 0:
                book.must(Retire(code))
            elif state == "active" and number % 11 == 0:
                book.must(Advance(code, Verb.SUSPEND))
    return book.view


def begun(words: tuple[str, ...]) -> st.SearchStrategy[str]:
    """A beginning of one of the words, or nothing."""
    return st.sampled_from(sorted({word[:n] for word in words for n in range(len(word) + 1)}))


queries = st.builds(
    Query,
    owner=begun(tuple(OWNERS)),
    industry=begun(INDUSTRIES),
    location=begun(LOCATIONS),
    type=begun(TYPES),
    spec=st.one_of(st.just(""), begun(("H60M07A1-0001", "H60M07A1-7", "D90M20S1-ZZ"))),
    family=st.sampled_from(["", "", "A1", "S1", "X6"]),
    state=st.sampled_from([None, None, *State]),
    owner_name=st.sampled_from(["", "", "compute", "杭州", "nobody"]),
)


def matching(seen: View, query: Query) -> Iterator[str]:
    """Looks at every identifier."""
    for code, name in OWNERS.items():
        for text, row in assignments(seen, code):
            parts = text.split("/")
            if (
                all(part.startswith(want) for part, want in zip(parts, query[:5], strict=True))
                and (not query.family or parts[4][6:8] == query.family)
                and query.state in (None, row.state)
                and query.owner_name in name.casefold()
                and (not query.listed or row.state in LISTED)
            ):
                yield text


@given(query=queries, most=st.sampled_from([1, 7, 50]))
def test_a_search_finds_what_looking_at_all_would_and_each_once(
    registry: View, query: Query, most: int
) -> None:
    whole = [found.identifier for found in find(registry, query)]
    assert sorted(whole) == sorted(matching(registry, query))
    after, paged = "", list[str]()
    while True:
        items, after = page(registry, query, most, after)
        paged += [found.identifier for found in items]
        if not after:
            break
        assert len(items) == most
    assert paged == whole


def test_a_prefix_may_leave_segments_open() -> None:
    assert read_query("*/6450/33") == Query(industry="6450", location="33")
    assert read_query(f"{OWNER.lower()}/") == Query(owner=OWNER)
    assert read_query("", chip="a1") == Query(family="A1")
    assert read_query("", chip="昇腾").family == "A1"
    assert read_query("*/64", industry="6450") == Query(industry="6450")
    assert read_query(state="retired", owner_name="Compute").owner_name == "compute"


@pytest.mark.parametrize(
    "words",
    [
        {"prefix": "a//b"},
        {"prefix": "甲"},
        {"prefix": "a/b/c/d/e/f"},
        {"location": "33*"},
        {"prefix": "*/64", "industry": "01"},
        {"chip": "no such chip"},
        {"chip": "通用"},
        {"state": "lost"},
    ],
)
def test_what_cannot_be_looked_for_is_refused(words: dict[str, str]) -> None:
    with pytest.raises(IdentifierError):
        read_query(**words)


@pytest.mark.parametrize("after", ["x", f"{OTHER}/6450/330106/ACV/H60M07A1-0001-00"])
def test_a_cursor_of_another_search_is_refused(registry: View, after: str) -> None:
    with pytest.raises(IdentifierError):
        next(find(registry, Query(owner=OWNER), after))


class Counting(Overlay):
    """A view that counts the ranges and rows it was asked for."""

    touched = 0

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        self.touched += 1
        for row in super().scan(table, prefix, start):
            self.touched += 1
            yield row


@pytest.mark.parametrize(
    "query",
    [
        Query(location="330106"),
        Query(location="33", type="ACB"),
        Query(industry="6450", location="110108"),
        Query(owner=OWNER, location="USNYC"),
        Query(family="S1"),
        Query(state=State.RETIRED),
    ],
)
def test_a_first_page_touches_few_rows_of_many(query: Query) -> None:
    view = Counting(EMPTY)
    for owner, industry, location, kind in product(OWNERS, INDUSTRIES, LOCATIONS, TYPES):
        place = f"{owner}/{industry}/{location}/{kind}"
        view.put_all(index.place_rows(place))
        for capability in CLASSES:
            family = index.family_of(capability)
            view.put(codec.PLACES, index.family_key(family, place), b"")
            for number in range(100):
                name = f"{place}/{capability}-{number:04}-00"
                state = BY_WORD["retired" if number == 99 else "active"]
                row = codec.encode(Assignment(state, 0, 0, 0, 0, b"", ""))
                view.put(codec.ASSIGNMENTS, name.encode(), row)
                if state is State.RETIRED:
                    view.put(codec.BY_STATE, codec.state_key("retired", name), b"")
    started = time.perf_counter()
    items, after = page(view, query, 20)
    assert time.perf_counter() - started < 0.5  # sorting the overlay included
    assert len(items) == 20
    assert after == items[-1].identifier
    assert view.touched < 200
    view.touched = 0
    page(view, query, 20, after)
    assert view.touched < 200
