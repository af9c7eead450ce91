"""A node that is made of a backup holds what the node held at that moment."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.backup import Kind, of_stream, restore, to_stream
from registry.rules.lifecycle import Verb
from registry.rules.requests import (
    AddPool,
    Advance,
    Assign,
    Body,
    Mint,
    Retire,
    SetScope,
    Update,
)
from registry.service import Registry
from resolver.store.environment import Store
from tests.support.books import ask, opened
from tests.support.registering import PLACE, RECORD, identifier
from tests.support.shelves import NO_KEY, OPEN, back_up, held, made_of

CODES = [identifier(f"{number:04}") for number in range(5)]
code = st.sampled_from(CODES)
# Some of it is refused, as it comes; what is refused changes nothing.
bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(Assign, code, st.just(RECORD)),
    st.builds(Update, code, st.just((("count", 9),))),
    st.builds(Advance, code, st.sampled_from([Verb.SUSPEND, Verb.REINSTATE])),
    st.builds(Retire, code),
    st.just(AddPool(PLACE, "H61M07A1", 20)),
    st.just(Mint(f"{PLACE}/H61M07A1", RECORD)),
    st.just(SetScope(("33",))),
)
BACKUP = None
steps = st.lists(st.one_of(bodies, st.just(BACKUP)), min_size=1, max_size=25)


@settings(max_examples=15)
@given(steps)
def test_each_backup_of_a_row_of_them_is_the_node_of_its_moment(work: list[Body | None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        moments = []
        with opened(place / "node") as registry:
            for step in [*work, BACKUP]:
                if step is not BACKUP:
                    ask(registry, step)
                    continue
                taken = back_up(registry.store, place / "shelf")
                moments.append((taken, held(place / "node")))
        assert moments[0][0].manifest.kind is Kind.FULL
        for number, (taken, before) in enumerate(moments):
            new = place / f"new{number}"
            restored = made_of(place / "shelf" / taken.manifest.name, new)
            assert not restored.report.faults
            assert held(new) == before


def test_a_difference_is_small_and_stands_on_the_backup_before(tmp_path: Path) -> None:
    with opened(tmp_path / "node") as registry:
        for number in range(600):
            ask(registry, Assign(identifier(f"{number:04}"), RECORD))
        first = back_up(registry.store, tmp_path / "shelf")
        ask(registry, Assign(identifier("9000"), RECORD))
        second = back_up(registry.store, tmp_path / "shelf")
    assert second.manifest.kind is Kind.DIFFERENCE
    assert second.manifest.base is not None
    assert second.manifest.base.name == first.manifest.name
    assert second.new_pages * 2 < second.manifest.pages
    assert second.octets * 2 < first.octets
    made_of(tmp_path / "shelf", tmp_path / "new")
    assert held(tmp_path / "new") == held(tmp_path / "node")


def test_of_so_many_backups_one_is_full(tmp_path: Path) -> None:
    with opened(tmp_path / "node") as registry:
        for number in range(100):
            ask(registry, Assign(identifier(f"{number:04}"), RECORD))
    kinds = [
        back_up(tmp_path / "node", tmp_path / "shelf", every=3).manifest.kind for _ in range(7)
    ]
    full, part = Kind.FULL, Kind.DIFFERENCE
    assert kinds == [full, part, part, full, part, part, full]


def test_a_stream_has_all_of_it(tmp_path: Path) -> None:
    opened(tmp_path / "node").close()
    path = tmp_path / "stream"
    with Store.open(tmp_path / "node") as store, path.open("wb") as out:
        to_stream(store, out, OPEN)
    with path.open("rb") as file:
        restore(of_stream(file), tmp_path / "new", NO_KEY)
    assert held(tmp_path / "new") == held(tmp_path / "node")


def test_a_node_that_is_restored_serves_the_registry_it_had(tmp_path: Path) -> None:
    with opened(tmp_path / "node") as registry:
        assert ask(registry, Assign(CODES[0], RECORD), key="k").status.success
        history = registry.history(str(CODES[0]))
    back_up(tmp_path / "node", tmp_path / "shelf")
    made_of(tmp_path / "shelf", tmp_path / "new")
    with Registry.open(tmp_path / "new") as registry:
        assert registry.history(str(CODES[0])) == history


def test_what_tells_pages_apart_is_not_needed_and_not_trusted(tmp_path: Path) -> None:
    with opened(tmp_path / "node") as registry:
        for number in range(100):
            ask(registry, Assign(identifier(f"{number:04}"), RECORD))
    taken = back_up(tmp_path / "node", tmp_path / "shelf")
    pages = tmp_path / "shelf" / f"{taken.manifest.name}.pages"
    octets = bytearray(pages.read_bytes())
    octets[-1] ^= 1
    pages.write_bytes(octets)
    second = back_up(tmp_path / "node", tmp_path / "shelf")
    assert second.manifest.kind is Kind.FULL
    assert "not whole" in second.why_full
    pages.unlink()
    made_of(tmp_path / "shelf" / taken.manifest.name, tmp_path / "new")
    assert held(tmp_path / "new") == held(tmp_path / "node")


@pytest.mark.parametrize("name", ["audit-key.pem", "audit-key.pem.pub", "audit-key.pem.1"])
def test_the_files_of_the_keys_of_the_log_come_along(tmp_path: Path, name: str) -> None:
    opened(tmp_path / "node").close()
    (tmp_path / "node" / name).write_bytes(b"key of " + name.encode())
    (tmp_path / "node" / "notes.txt").write_bytes(b"somebody's own")
    back_up(tmp_path / "node", tmp_path / "shelf")
    made_of(tmp_path / "shelf", tmp_path / "new")
    made = tmp_path / "new" / name
    assert made.read_bytes() == b"key of " + name.encode()
    assert made.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "new" / "notes.txt").exists()
