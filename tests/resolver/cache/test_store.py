"""A cache: what was put is there until there is no room, and after a restart; bounded always."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.errors import StoreError
from csid.limits import MAX_KEY_OCTETS
from resolver.cache import entry as entries
from resolver.cache.entry import Section
from resolver.cache.store import Cache
from tests.support.servers import CHECKOUT, eventually

NOW = 1_800_000_000
OCTETS = 64 << 10


def entry(data: bytes = b"x", present: bool = True) -> bytes:
    one = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, len(data)) + data
    section = Section(one, 1)
    if present:
        return entries.encode(0, -1, 60, NOW, section)
    return entries.encode(3, -1, 60, NOW, authority=section)


def same(found: bytes | None, put: bytes) -> bool:
    return found is not None and entries.in_slot(found, 0) == put


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    made = Cache(tmp_path, OCTETS)
    yield made
    made.close()


KEYS = st.binary(min_size=1, max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(KEYS, st.binary(max_size=2_000), st.booleans()),
        st.tuples(KEYS, st.none(), st.none()),
    ),
    max_size=60,
)


@given(STEPS)
def test_what_is_held_is_what_was_put_last_and_never_too_much(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bytes, bytes | None, bool | None]]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    cache = Cache(folder, 8_192)
    last: dict[bytes, bytes] = {}
    try:
        for key, data, present in steps:
            if data is None:
                cache.drop(key)
                last = {one: put for one, put in last.items() if not one.startswith(key)}
            else:
                last[key] = entry(data, bool(present))
                cache.put([(key, last[key])])
                assert same(cache.get(key), last[key])  # what came last is there
            there = {one: found for one in last if (found := cache.get(one)) is not None}
            assert all(same(found, last[one]) for one, found in there.items())
            kept = cache.kept()
            assert kept.octets == sum(len(one) + len(found) for one, found in there.items())
            assert kept.octets <= 8_192
            assert kept.present == sum(not entries.is_absence(one) for one in there.values())
            assert kept.absent == len(there) - kept.present
            assert len({entries.slot_of(one) for one in there.values()}) == len(there)
    finally:
        cache.close()
    again = Cache(folder, 8_192)
    try:
        assert {one: again.get(one) for one in there} == there if steps else True
        assert again.kept() == kept if steps else True
    finally:
        again.close()


# In a process of its own, as LMDB wants it.
READER = """
import sys
from pathlib import Path
from resolver.cache import entry
from resolver.cache.sieve import ASKED
from resolver.cache.store import Readable
reader = Readable(Path(sys.argv[1]))
with reader.moment() as txn:
    found = txn.get(sys.argv[2].encode())
    reader.marks[entry.slot_of(found)] |= ASKED
    print(entry.in_slot(found, 0).hex(), flush=True)
    sys.stdin.read()
"""


def reading(folder: Path, key: str) -> subprocess.Popen[str]:
    """A process that has read an entry, and holds the moment until it is told to end."""
    child = subprocess.Popen(
        [sys.executable, "-c", READER, str(folder), key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == entry(b"p").hex()
    return child


def test_a_reader_sees_what_was_put_and_marks_what_is_asked_for(
    cache: Cache, tmp_path: Path
) -> None:
    cache.put([(b"popular", entry(b"p")), (b"other", entry(b"o"))])
    reading(tmp_path, "popular").communicate()
    number = 0
    while cache.get(b"other") is not None:
        cache.put([(b"%d" % number, entry(b"n"))])
        number += 1
    assert same(cache.get(b"popular"), entry(b"p"))


def test_names_that_are_not_there_drive_out_nothing_that_is(cache: Cache) -> None:
    present = [(b"here %d" % number, entry(b"here")) for number in range(150)]
    cache.put(present)
    for number in range(0, 20_000, 100):
        cache.put([(b"no %d" % one, entry(b"", False)) for one in range(number, number + 100)])
    assert all(same(cache.get(key), put) for key, put in present)


def test_a_killed_writer_leaves_what_it_put(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        cache = Cache(tmp_path, OCTETS)
        cache.put([(b"a", entry(b"1")), (b"b", entry(b"2", False))])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    cache = Cache(tmp_path, OCTETS)
    assert same(cache.get(b"a"), entry(b"1"))
    assert same(cache.get(b"b"), entry(b"2", False))
    cache.close()


def test_what_was_written_before_the_machine_began_anew_is_thrown_away(tmp_path: Path) -> None:
    cache = Cache(tmp_path, OCTETS)
    cache.put([(b"a", entry())])
    cache.close()
    (tmp_path / "cache.boot").write_text("another\n")
    cache = Cache(tmp_path, OCTETS)
    assert cache.get(b"a") is None
    cache.close()


def test_two_do_not_write_at_once(cache: Cache, tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        try:
            Cache(tmp_path, OCTETS)
        except StoreError as error:
            os._exit(0 if "another process" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_key_that_is_too_long_is_passed_over(cache: Cache) -> None:
    cache.put(
        [(b"k" * (MAX_KEY_OCTETS + 1), entry()), (b"", entry()), (b"k" * MAX_KEY_OCTETS, entry())]
    )
    assert same(cache.get(b"k" * MAX_KEY_OCTETS), entry())
    assert cache.kept().present == 1


def test_less_room_after_a_restart_keeps_less(tmp_path: Path) -> None:
    cache = Cache(tmp_path, OCTETS)
    cache.put([(b"%d" % number, entry(bytes(200))) for number in range(200)])
    assert cache.kept().octets > 16_384
    cache.close()
    cache = Cache(tmp_path, 16_384)
    assert 0 < cache.kept().octets <= 16_384
    cache.close()


def test_a_reader_that_holds_a_moment_keeps_others_from_being_kept_and_no_longer(
    tmp_path: Path,
) -> None:
    cache = Cache(tmp_path, OCTETS)
    cache.put([(b"popular", entry(b"p"))])
    child = reading(tmp_path, "popular")
    number = 0
    while True:  # until the map is full
        last = b"%d" % number
        cache.put([(last, entry(bytes(1_000)))])
        if cache.get(last) is None:
            break
        number += 1
    kept = cache.kept()
    assert same(cache.get(b"%d" % (number - 1)), entry(bytes(1_000)))
    assert (tmp_path / "cache.mdb").stat().st_blocks * 512 <= 17 << 20
    child.communicate()
    again = cache.kept()
    assert again == kept

    def is_put() -> bool:
        cache.put([(b"a", entry())])
        return same(cache.get(b"a"), entry())

    eventually("it keeps again", is_put)
    cache.close()
