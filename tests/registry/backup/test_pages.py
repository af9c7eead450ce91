"""A copy and what changed since make the later copy, octet by octet."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.backup import BackupError
from registry.backup.packing import Unpacked, packed
from registry.backup.pages import DIGEST_OCTETS, difference, digests, places, put_together

PAGE = 32
# Few pages that differ, so that many are the same; each with a number of its own.
pages_of = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 5)).map(
        lambda one: one[0].to_bytes(8, "big") + bytes([one[1]]) * (PAGE - 8)
    ),
    max_size=40,
)


@contextmanager
def kept(pages: list[bytes]) -> Iterator[BinaryIO]:
    """A file of them."""
    with tempfile.TemporaryFile() as file:
        file.write(b"".join(pages))
        file.flush()
        yield file


@given(pages_of, pages_of)
def test_the_later_copy_follows_from_the_earlier_and_the_difference(
    before: list[bytes], after: list[bytes]
) -> None:
    with kept(before) as old, kept(after) as new:
        known, own = (b"".join(digests(file, PAGE, b"key")) for file in (old, new))
        found = places(known, own)
        named = {page[8:] for page in before}
        assert [one < 0 for one in found] == [page[8:] not in named for page in after]
        records = b"".join(packed(difference(new, PAGE, found)))
        content, made = Unpacked(io.BytesIO(records), "difference"), io.BytesIO()
        put_together(content.read, PAGE, len(after), old, made)
        content.end()
        assert made.getvalue() == b"".join(after)


@given(pages_of)
def test_nobody_without_the_key_knows_a_page_by_its_digest(pages: list[bytes]) -> None:
    with kept(pages) as file:
        one, other = (b"".join(digests(file, PAGE, key)) for key in (b"one", b"other"))
    assert len(one) == len(pages) * DIGEST_OCTETS
    assert not pages or one != other


@pytest.mark.parametrize(
    "records",
    [
        b"N" + (2).to_bytes(4, "big") + bytes(4) + bytes(2 * PAGE),  # more than there are
        b"N" + bytes(8),  # none
        b"O" + (1).to_bytes(4, "big") + (9).to_bytes(4, "big") + bytes(8),  # not in the base
        b"X" + (1).to_bytes(4, "big") + bytes(4) + bytes(PAGE),
        b"N" + (1).to_bytes(4, "big") + bytes(4) + bytes(PAGE - 1),
    ],
)
def test_what_is_no_record_is_refused(records: bytes) -> None:
    content = Unpacked(io.BytesIO(b"".join(packed([records]))), "altered")
    with pytest.raises(BackupError):
        put_together(content.read, PAGE, 1, io.BytesIO(bytes(PAGE)), io.BytesIO())


def test_content_that_goes_on_is_refused() -> None:
    content = Unpacked(io.BytesIO(b"".join(packed([b"all", b"more"]))), "altered")
    assert content.read(3) == b"all"
    with pytest.raises(BackupError, match="goes on"):
        content.end()
