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
