"""What an import keeps of the identifiers that a table has given."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.errors import StoreError
from registry.bulk import marks
from registry.bulk.marks import Marks, line_of, mark_of, same_node

ROWS = st.dictionaries(st.binary(max_size=9), st.tuples(st.integers(1, 2**37 - 1), st.binary()))


@given(st.lists(ROWS, max_size=4))
def test_what_was_given_is_found_and_nothing_else(
    batches: list[dict[bytes, tuple[int, bytes]]],
) -> None:
    kept = Marks(Path("/nowhere"))
    given: dict[bytes, tuple[int, bytes]] = {}
    for batch in batches:
        rows = [(key, *row) for key, row in batch.items()]
        found = kept.among(rows)
        assert found == {key: mark_of(*given[key]) for key in batch if key in given}
        kept.add([row for row in rows if row[0] not in given])
        given = batch | given
    for line, node in given.values():
        assert line_of(mark_of(line, node)) == line
        assert same_node(mark_of(line, node), node)
        assert not same_node(mark_of(line, node), node + b"x")


@pytest.mark.parametrize("memory", [0, marks.MEMORY_OCTETS])
def test_a_table_grows_in_memory_and_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    monkeypatch.setattr(marks, "MEMORY_OCTETS", memory)
    kept = Marks(tmp_path)
    rows = [(b"%d" % number, number, b"") for number in range(2, 50_002)]
    for start in range(0, len(rows), 5_000):
        assert kept.among(rows[start:]) == {}
        kept.add(rows[start : start + 5_000])
    assert kept.among(rows) == {key: mark_of(line, node) for key, line, node in rows}
    assert list(tmp_path.iterdir()) == []  # the file has no name


def test_a_million_marks_take_no_more_than_32_mib(tmp_path: Path) -> None:
    program = f"""
import resource
from pathlib import Path
from registry.bulk.marks import Marks
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
marks = Marks(Path({str(tmp_path)!r}))
for start in range(1, 1_000_001, 1_000):
    marks.add([(b"%d" % number, number, b"") for number in range(start, start + 1_000)])
assert marks._taken == 1_000_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    # While it grows, the table before is there as well.
    assert int(done.stdout) <= (32 + 16 + 2) << 10, done.stderr


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MEMORY_OCTETS", 0)
    with pytest.raises(StoreError, match=r"no room for the 0 MiB .*: File too large"):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
        try:
            Marks(tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
