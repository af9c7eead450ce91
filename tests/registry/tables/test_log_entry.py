"""An entry of the audit log reads back as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.rules.requests import Actor, Role
from registry.rules.status import Status
from registry.tables import log_entry

texts = st.text(max_size=20)


@given(
    st.builds(Actor, texts, st.sampled_from(Role), texts, texts),
    texts,
    st.integers(0, 2**40),
    texts,
    st.binary(max_size=300),
    st.integers(-1, 2**40),
    texts,
    st.sampled_from(Status),
    st.lists(st.integers(0, 2**32 - 1), max_size=3),
    st.integers(0, 2**31 - 1),
    st.binary(max_size=64),
    st.integers(0, 9999),
)
def test_a_leaf_reads_back_as_it_was_written(
    actor: Actor, kind: str, now: int, why: str, after: bytes, prev: int, to: str, status: Status,
    serial: list[int], ttl: int, key: bytes, year: int,
) -> None:  # fmt: skip
    writer = log_entry.EntryWriter(
        actor.name, actor.role.value, actor.owner, kind, now, why, year, actor.peer
    )
    read = log_entry.decode(
        writer.entry("subject", after, prev, to, status.number, serial, ttl, key)
    )
    assert read == log_entry.LogEntry(
        after, actor.name, actor.owner, key, kind, "subject", actor.peer, prev, actor.role.value,
        tuple(serial), status.number, now, to, ttl, 2, why, year,
    )  # fmt: skip
    alike = writer.alike(status.number, serial, ttl)("subject", after, prev, to)
    assert alike == writer.entry("subject", after, prev, to, status.number, serial, ttl)
    alone = writer.entry("subject", after, -1, "", status.number, serial[:1], ttl)
    if serial:
        assert writer.first(status.number, serial[0], ttl)("subject", after) == alone


def test_a_leaf_of_version_1_is_read_with_what_it_could_not_say() -> None:
    leaf = (
        b"\x8c\xa5after\xc4\x01r\xa2by\xa2li\xa3for\xa0\xa4kind\xa6assign\xa2on\xa1n\xa4prev\xff"
        b"\xa4role\xadadministrator\xa6statusd\xa1t\x01\xa2to\xa0\xa1v\x01\xa3why\xa0"
    )
    assert log_entry.decode(leaf) == log_entry.LogEntry(
        b"r", "li", "", b"", "assign", "n", "", -1, "administrator", (), 100, 1, "", 300, 1, "", 0
    )


def test_other_bytes_are_no_leaf() -> None:
    for value in (b"\x80", b"\x01", b"\x81\xa1v\x01"):
        with pytest.raises(ValueError, match="no leaf"):
            log_entry.decode(value)
