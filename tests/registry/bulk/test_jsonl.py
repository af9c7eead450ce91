"""What a registry says, written as lines and restored from them, is the same state again."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid.identifier import Identifier
from csid.record import decode
from registry.bulk.csv_stream import Fault
from registry.bulk.jsonl import Entry, Restoration, locks_json, read
from registry.rules.lifecycle import Verb
from registry.rules.requests import AddLocks, Advance, Alias, Assign, Body, Retire
from registry.rules.status import Status
from registry.tables.codec import LOCKS, decode_locks
from registry.tables.enums import LockKind, State
from registry.tables.view import assignments, get_locks
from tests.support.pieces import Pieces
from tests.support.registering import OTHER, OWNER, RECORD, Book, book, identifier

CODES = [identifier(serial, owner) for serial in ("1", "2", "3", "4") for owner in (OWNER, OTHER)]
codes = st.sampled_from(CODES)
locks = st.lists(st.sampled_from(LockKind), min_size=1, max_size=2, unique=True).map(tuple)
requests = st.one_of(
    st.builds(AddLocks, codes, locks, st.booleans()),
    st.builds(Alias, codes, codes),
    st.builds(Retire, codes, st.sampled_from(["", str(CODES[0])])),
    st.builds(Advance, codes, st.sampled_from([Verb.SUSPEND, Verb.REINSTATE, Verb.FILE])),
)


def locked(kept: Book) -> dict[str, tuple[int, int]]:
    """The locks of every identifier that has one."""
    rows = ((key.decode(), decode_locks(value)) for key, value in kept.view.scan(LOCKS, b""))
    return {name: row[:2] for name, row in rows if any(row[:2])}


def contents(kept: Book) -> dict[str, tuple[State, bytes, str, int]]:
    """What a registry says of every identifier, without times."""
    return {
        name: (row.state, row.record, row.target, row.depth)
        for owner in (OWNER, OTHER)
        for name, row in assignments(kept.view, owner)
    }


def lines(kept: Book) -> Iterator[bytes]:
    """A registry as lines."""
    for name, (state, record, target, _) in contents(kept).items():
        value = {"identifier": name, "record": decode(record).json()}
        if state is State.SUPERSEDED:
            value["alias"] = target
        held = get_locks(kept.view, name)
        if held is not None and (held.server or held.owner):
            value["locks"] = locks_json(held)
        yield json.dumps(value).encode()


def restore(kept: Book, given_lines: list[bytes]) -> list[Status]:
    """Restore a registry from lines; the status of each request."""
    entries = [one for one in read(io.BytesIO(b"\n".join(given_lines))) if isinstance(one, Entry)]
    assert len(entries) == len(given_lines)
    work = Restoration({one.identifier: one.alias for one in entries if one.alias})
    begun = [kept.ask(work.begin(entry)).status for entry in entries]
    return begun + [kept.ask(body).status for body in work.finish()]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(codes, st.sampled_from(["active", "reserved", "filing"])), max_size=8),
    st.lists(requests, max_size=12),
    st.randoms(use_true_random=False),
)
def test_a_restored_registry_says_the_same_and_again_nothing_changes(
    born: list[tuple[Identifier, str]], asked: list[Body], random: object
) -> None:
    original = book()
    for code, state in born:
        original.ask(Assign(code, RECORD.changed(state=state)))
    for body in asked:
        original.ask(body, reason="到期")
    written = list(lines(original))
    random.shuffle(written)  # type: ignore[attr-defined]
    copy = book()
    assert all(status.success for status in restore(copy, written))
    assert contents(copy) == contents(original)
    assert locked(copy) == locked(original)
    assert set(restore(copy, written)) <= {Status.UNCHANGED}


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b'{"identifier": "x"}',
        b'{"identifier": 7, "record": {}}',
        b'{"identifier": "x", "record": {"state": "active"}}',
        json.dumps({"identifier": str(CODES[0]), "record": {"state": "lost"}}).encode(),
        json.dumps({"identifier": str(CODES[0]), "record": []}).encode(),
        json.dumps({"identifier": str(CODES[0]), "record": {"state": "active"}, "z": 1}).encode(),
        json.dumps(
            {"identifier": str(CODES[0]), "record": {"state": "active"}, "alias": "x"}
        ).encode(),
        json.dumps(
            {"identifier": str(CODES[0]), "record": {"state": "active"}, "locks": 1}
        ).encode(),
        json.dumps(
            {"identifier": str(CODES[0]), "record": {"state": "active"}, "locks": {"node": ["all"]}}
        ).encode(),
        b'{"identifier": "' + b"x" * (1 << 16),
        b"\xff",
        b"[" * 60_000,
    ],
)
def test_a_line_that_is_wrong_is_told_with_its_number(line: bytes) -> None:
    good = json.dumps({"identifier": str(CODES[0]), "record": {"state": "active"}}).encode()
    first, fault, last = read(io.BytesIO(b"\n".join([good, b"", line, good])))
    assert isinstance(first, Entry)
    assert isinstance(last, Entry)
    assert not isinstance(fault, Entry)
    assert (fault.line, last.line) == (3, 4)
    assert fault.reason


def test_lines_of_older_versions_are_read() -> None:
    lines = (
        json.dumps({name: str(CODES[0]), "record": {"state": "active"}}).encode()
        for name in ("id", "identifier")
    )
    old, new = read(io.BytesIO(b"\n".join(lines)))
    assert isinstance(old, Entry) and isinstance(new, Entry)
    assert old == new._replace(line=1)


def test_aliases_that_run_in_a_circle_are_named() -> None:
    work = Restoration({CODES[0]: CODES[1], CODES[1]: CODES[0], CODES[2]: CODES[3]})
    assert [body for body in work.finish() if isinstance(body, Alias)] == [
        Alias(CODES[2], CODES[3])
    ]
    assert work.circular == [CODES[0], CODES[1]]


def test_a_long_line_takes_no_memory() -> None:
    good = json.dumps({"identifier": str(CODES[0]), "record": {"state": "active"}}).encode()
    file = io.BufferedReader(Pieces([good + b"\n", *[b"x" * 1_000_000] * 100, b"\n", good]))
    tracemalloc.start()
    first, fault, last = read(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(first, Entry) and isinstance(fault, Fault) and isinstance(last, Entry)
    assert (fault.line, last.line) == (2, 3)
    assert "longer than 65,536 octets" in fault.reason
    assert peak < 8 << 20
