"""Statuses: the newest of a name is there, a report counts once however often it comes, and what is
held is bounded; a writer that is killed, and an end of the machine, cost nothing that was not lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.status import Told
from resolver.status import entry as entries
from resolver.status.numbers import BLOCK_NUMBERS, BLOCKS, Numbers, Seen, digest
from resolver.status.store import Outcome, Readable, Report, Statuses
from tests.support.servers import CHECKOUT, eventually

NOW = 1_800_000_000_000  # Unix milliseconds
SECOND = 1_000
HALF = Told(load=0.5)


def report(key: bytes, number: int, taken: int = NOW, told: Told = HALF, valid: int = 30) -> Report:
    return Report(key, number, taken, taken + valid * SECOND, entries.pack(told))


def take(statuses: Statuses, source: str, *reports: Report, now: int = NOW) -> list[Outcome]:
    with statuses.writing() as writing:
        return writing.take(source, reports, now)


@pytest.fixture
def statuses(tmp_path: Path) -> Iterator[Statuses]:
    made = Statuses(tmp_path)
    yield made
    made.close()


REPORTS = st.lists(
    st.tuples(st.sampled_from([b"a\0", b"b\0"]), st.integers(0, 60)),
    min_size=1,
    max_size=20,
    unique_by=lambda one: one[1],
)


@given(data=st.data(), made=REPORTS)
def test_in_whatever_order_and_however_often_the_newest_is_there(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    made: list[tuple[bytes, int]],
) -> None:
    statuses = Statuses(tmp_path_factory.mktemp("status"))
    try:
        reports = [report(key, number, NOW + number) for key, number in made]
        sent = data.draw(st.permutations(reports)) + data.draw(
            st.lists(st.sampled_from(reports), max_size=20)
        )
        taken: set[int] = set()
        for one in sent:
            (outcome,) = take(statuses, "gw", one)
            assert (outcome is Outcome.KNOWN) == (one.number in taken)
            taken.add(one.number)
            false = one._replace(told=entries.pack(Told(load=0.9)))
            assert take(statuses, "gw", false) == [Outcome.OTHER]
        for key in (b"a\0", b"b\0"):
            newest = max((one for one in reports if one.key == key), default=None)
            found = statuses.find(key)
            if newest is None:
                assert found is None
            else:
                assert found is not None
                assert entries.decode(found).number == newest.number
                assert entries.decode(found).told == Told(load=0.5)
    finally:
        statuses.close()


def test_of_two_sources_what_was_taken_later_is_there(statuses: Statuses) -> None:
    assert take(statuses, "one", report(b"a\0", 9, NOW)) == [Outcome.TAKEN]
    assert take(statuses, "two", report(b"a\0", 1, NOW + 1)) == [Outcome.TAKEN]
    assert take(statuses, "one", report(b"a\0", 10, NOW)) == [Outcome.SUPERSEDED]
    assert take(statuses, "one", report(b"a\0", 11, NOW + 2)) == [Outcome.TAKEN]
    found = statuses.find(b"a\0")
    assert found is not None and entries.decode(found).source == "one"


def test_a_number_for_another_name_is_another_report(statuses: Statuses) -> None:
    assert take(statuses, "gw", report(b"a\0", 7)) == [Outcome.TAKEN]
    assert take(statuses, "gw", report(b"b\0", 7)) == [Outcome.OTHER]
    assert statuses.find(b"b\0") is None
    assert take(statuses, "other", report(b"b\0", 7)) == [Outcome.TAKEN]


def test_what_is_held_is_bounded_and_what_is_past_its_validity_goes_first(tmp_path: Path) -> None:
    statuses = Statuses(tmp_path, 20_000)
    old = [report(b"old%04d\0" % number, number, 0) for number in range(100)]
    assert take(statuses, "gw", *old) == [Outcome.TAKEN] * 100
    far = 4_000_000_000_000  # nothing of these ends while the test runs
    for number in range(1_000, 1_200):
        take(statuses, "gw", report(b"new%04d\0" % number, number, far))
        assert statuses.kept()[1] <= 20_000
    with statuses._tables.reading() as txn:
        rows = [(bytes(key), bytes(value)) for key, value in txn.cursor(statuses._tables["newest"])]
    assert statuses.kept() == (len(rows), sum(len(key) + len(value) for key, value in rows))
    assert sum(key.startswith(b"new") for key, _ in rows) == 200  # they fit, without the old ones
    for number in range(2_000, 4_000):  # more than fit
        take(statuses, "gw", report(b"%04d\0" % number, number, far + number))
        assert statuses.kept()[1] <= 20_000
    statuses.close()


def test_damage_costs_the_name_that_it_is_at(tmp_path: Path, statuses: Statuses) -> None:
    take(statuses, "gw", report(b"a\0", 1), report(b"b\0", 2))
    with statuses._tables.writing() as txn:
        txn.put(b"a\0", b"\0\1", db=statuses._tables["newest"])
    assert take(statuses, "gw", report(b"a\0", 3)) == [Outcome.TAKEN]
    found = statuses.find(b"a\0")
    assert found is not None and entries.decode(found).number == 3


WRITER = """
import sys
from pathlib import Path
from resolver.status import entry as entries
from resolver.status.store import Report, Statuses
from csid.status import Told
statuses = Statuses(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    with statuses.writing() as writing:
        for _ in range(50):
            key = b"n%d\\0" % (number % 100)
            writing.take("gw", [Report(key, number, number, number, entries.pack(Told()))], 0)
            number += 1
    print(number, flush=True)
"""


def test_a_writer_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    reader = Readable(tmp_path, lambda: next(ticks))
    ticks = iter(range(1_000_000))
    begin = 0
    for _ in range(4):
        words = [sys.executable, "-c", WRITER, str(tmp_path), str(begin)]
        writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
        assert writer.stdout is not None
        for _ in range(20):
            told = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        numbers = [
            found.number
            for place in range(100)
            if (found := reader.find(b"n%d\0" % place)) is not None
        ]
        assert len(numbers) == 100
        assert max(numbers) >= told - 1  # what it has told is there, and whole transactions only
        assert max(numbers) - min(numbers) == 99 and max(numbers) % 50 == 49
        begin = max(numbers) + 1
    reader.close()
    statuses = Statuses(tmp_path)
    assert statuses.kept()[0] == 100
    with statuses._tables.reading() as txn:
        rows = txn.cursor(statuses._tables["newest"])
        assert statuses.kept()[1] == sum(len(key) + len(value) for key, value in rows)
    statuses.close()


def test_after_an_end_of_the_machine_nothing_is_believed(tmp_path: Path) -> None:
    statuses = Statuses(tmp_path)
    take(statuses, "gw", report(b"a\0", 1))
    statuses.close()
    again = Statuses(tmp_path)
    assert again.find(b"a\0") is not None
    again.close()
    (tmp_path / "status.boot").write_text("another boot")
    (tmp_path / "status.mdb").write_bytes(b"\xff" * 8_192)
    after = Statuses(tmp_path)
    assert after.find(b"a\0") is None
    assert take(after, "gw", report(b"a\0", 1)) == [Outcome.TAKEN]
    after.close()


def test_a_reader_finds_what_comes_later_and_another_store(tmp_path: Path) -> None:
    script = f"""
import itertools, sys
from pathlib import Path
from resolver.status.store import Readable
ticks = itertools.count()
reader = Readable(Path({str(tmp_path)!r}), lambda: next(ticks))
for line in sys.stdin:
    found = reader.find(b"a\\0")
    print(None if found is None else found.number, flush=True)
"""
    reading = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )

    def found() -> str:
        assert reading.stdin is not None and reading.stdout is not None
        reading.stdin.write("?\n")
        reading.stdin.flush()
        return reading.stdout.readline().strip()

    try:
        assert found() == "None"
        (tmp_path / "status.mdb").write_bytes(b"")  # one that is just being made
        assert found() == "None"
        statuses = Statuses(tmp_path)
        take(statuses, "gw", report(b"a\0", 1))
        eventually("the reader sees it", lambda: found() == "1")
        statuses.close()
        for file in tmp_path.iterdir():
            file.unlink()
        statuses = Statuses(tmp_path)
        take(statuses, "gw", report(b"a\0", 2))
        eventually("the reader sees it", lambda: found() == "2")
        statuses.close()
    finally:
        reading.kill()
        reading.communicate()


NUMBERS = st.lists(st.integers(0, 3 * BLOCKS * BLOCK_NUMBERS), max_size=60)


@given(NUMBERS)
def test_what_is_known_of_numbers(numbers: list[int]) -> None:
    rows: dict[bytes, bytes] = {}
    taken: set[int] = set()
    for number in numbers:
        seen = Numbers(b"gw", rows.get)
        its = digest(b"%d" % number)
        known = seen.take(number, its)
        if number in taken:
            assert known in (Seen.SAME, Seen.FORGOTTEN)
        else:
            assert known in (Seen.NEW, Seen.FORGOTTEN)
        newest = max(taken, default=0)
        if number // BLOCK_NUMBERS > newest // BLOCK_NUMBERS - BLOCKS:
            assert known is not Seen.FORGOTTEN
        if known is Seen.NEW:
            taken.add(number)
            rows |= dict(seen.rows())
        if known is not Seen.FORGOTTEN:
            for again in (seen, Numbers(b"gw", rows.get)):
                assert again.take(number, its) is Seen.SAME
                assert again.take(number, digest(b"x" + its)) is Seen.OTHER
            assert Numbers(b"gw2", rows.get).take(number, its) is Seen.NEW
    assert len(rows) <= BLOCKS
