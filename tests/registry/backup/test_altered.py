"""A backup that was altered, cut off, mixed up or is for others makes no node."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import lmdb
import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid.errors import CsidError, FileError
from registry.backup import (
    BackupError,
    FaultyError,
    Kind,
    Opener,
    Sealer,
    newest,
    of_file,
    of_stream,
    restore,
    to_passphrase,
    to_recipients,
)
from registry.backup.manifest import MAGIC
from registry.rules.requests import Assign
from tests.support.books import ask, opened
from tests.support.registering import RECORD, identifier
from tests.support.shelves import NO_KEY, Tables, back_up, held, made_of

PASSPHRASE = "correct horse battery staple"
IDENTITY = pyrage.x25519.Identity.generate()
OTHER_IDENTITY = pyrage.x25519.Identity.generate()
OPENER = Opener((str(IDENTITY),))


@pytest.fixture(scope="module")
def node() -> Iterator[Path]:
    """A node with some identifiers."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "node"
        with opened(data) as registry:
            for number in range(200):
                assert ask(registry, Assign(identifier(f"{number:04}"), RECORD)).status.success
        yield data


@pytest.fixture(scope="module")
def before(node: Path) -> Tables:
    return held(node)


@pytest.fixture(scope="module", params=["open", "age"])
def backup(node: Path, request: pytest.FixtureRequest) -> Path:
    """A full backup."""
    sealer = Sealer() if request.param == "open" else to_recipients([str(IDENTITY.to_public())])
    folder = node.with_name(f"shelf-{request.param}")
    return folder / back_up(node, folder, sealer).manifest.name


@settings(max_examples=40)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_an_octet_that_was_altered_is_noticed_or_means_nothing(
    backup: Path, before: Tables, where: float, flip: int
) -> None:
    octets = bytearray(backup.read_bytes())
    octets[int(len(octets) * where)] ^= flip
    with tempfile.TemporaryDirectory() as folder:
        altered, new = Path(folder) / backup.name, Path(folder) / "new"
        altered.write_bytes(octets)
        try:
            restore(of_file(altered), new, OPENER)
        except CsidError as error:
            assert str(error).startswith(str(altered))
            assert [one.name for one in Path(folder).iterdir()] == [backup.name]
        else:
            assert held(new) == before


@settings(max_examples=25)
@given(where=st.floats(0, 1, exclude_max=True))
def test_what_is_cut_off_is_refused(backup: Path, where: float) -> None:
    octets = backup.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        cut, new = Path(folder) / backup.name, Path(folder) / "new"
        cut.write_bytes(octets[: int(len(octets) * where)])
        with pytest.raises(BackupError):
            restore(of_file(cut), new, OPENER)
        assert [one.name for one in Path(folder).iterdir()] == [backup.name]


def test_what_goes_on_behind_its_end_is_refused(backup: Path, tmp_path: Path) -> None:
    longer = tmp_path / backup.name
    longer.write_bytes(backup.read_bytes() + b"more")
    with pytest.raises(BackupError):
        restore(of_file(longer), tmp_path / "new", OPENER)


def rewritten(path: Path, **said: object) -> None:
    """Give a backup another manifest, with the right sum below it."""
    _, line, _, content = path.read_bytes().split(b"\n", 3)
    head = json.dumps(json.loads(line) | said, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    sum_ = sha256(head).hexdigest().encode() + b"\n"
    path.write_bytes(MAGIC + head + sum_ + content)


@pytest.mark.parametrize(
    "said",
    [
        {"node": "0" * 32},
        {"suffix": "other.internal."},
        {"size": 3},
        {"root": "0" * 64},
        {"sha256": "0" * 64},
        {"checkpoint": "none"},
        {"pages": 3},
        {"page": 8192},
        {"page": 0},
        {"pages": -1},
        {"schema": "3"},
        {"kind": "difference"},
        {"kind": "half"},
        {"time": "2026-01-01T00:00:00"},
        {"files": [{"name": "../x", "octets": 1, "sha256": "0" * 64}]},
        {"files": [{"name": "audit-key.pem", "octets": 1 << 40, "sha256": "0" * 64}]},
        {"sealing": "age"},
        {"more": 1},
        {"base": {"name": "x", "sha256": "0" * 64, "size": 1, "root": "0" * 64}},
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    node: Path, tmp_path: Path, said: dict[str, object]
) -> None:
    taken = back_up(node, tmp_path / "shelf")
    path = tmp_path / "shelf" / taken.manifest.name
    rewritten(path, **said)
    with pytest.raises(BackupError):
        restore(of_file(path), tmp_path / "new", NO_KEY)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [b"", b"csid backup 2\n{}\n", b"SQLite format 3\0", MAGIC])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(BackupError, match=str(path)):
        restore(of_file(path), tmp_path / "new", NO_KEY)


def test_a_difference_needs_the_very_backup_that_it_stands_on(node: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    first, second = back_up(node, shelf), back_up(node, shelf)
    assert second.manifest.kind is Kind.DIFFERENCE
    full = shelf / first.manifest.name
    aside = full.rename(tmp_path / "aside")
    with pytest.raises(BackupError, match="is not in"):
        made_of(shelf / second.manifest.name, tmp_path / "new")
    with opened(tmp_path / "other") as registry:
        other = back_up(registry.store, tmp_path / "others")
    shutil.copy(tmp_path / "others" / other.manifest.name, full)
    with pytest.raises(BackupError, match="is not the backup that"):
        made_of(shelf / second.manifest.name, tmp_path / "new")
    full.unlink()
    aside.rename(full)
    made_of(shelf / second.manifest.name, tmp_path / "new")
    with (
        (shelf / second.manifest.name).open("rb") as file,
        pytest.raises(BackupError, match="put both into one folder"),
    ):
        restore(of_stream(file), tmp_path / "newer", NO_KEY)


def test_a_folder_with_backups_of_several_nodes_asks_which(node: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    opened(tmp_path / "other").close()
    first, second = back_up(node, shelf), back_up(tmp_path / "other", shelf)
    assert second.manifest.kind is Kind.FULL
    with pytest.raises(BackupError, match="--node"):
        newest(shelf)
    assert newest(shelf, first.manifest.node[:6]).name == first.manifest.name
    with pytest.raises(BackupError, match="has no backup of node"):
        newest(shelf, "xyz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackupError, match="has no backup"):
        newest(tmp_path / "empty")


def test_a_directory_that_is_there_is_not_written_over(node: Path, tmp_path: Path) -> None:
    taken = back_up(node, tmp_path / "shelf")
    path = tmp_path / "shelf" / taken.manifest.name
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").write_text("somebody's")
    with pytest.raises(FileError, match="is there already"):
        restore(of_file(path), tmp_path / "new", NO_KEY)
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["file"]
    (tmp_path / "empty").mkdir()
    restore(of_file(path), tmp_path / "empty", NO_KEY)
    assert held(tmp_path / "empty") == held(node)


def test_what_is_not_as_its_log_says_is_no_node_unless_there_is_nothing_better(
    node: Path, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(node, tmp_path / "damaged"))
    with lmdb.open(str(damaged), max_dbs=64) as environment:
        table = environment.open_db(b"registry.assignments", create=False)
        with environment.begin(write=True, db=table) as txn:
            txn.delete(str(identifier("0007")).encode())
    taken = back_up(damaged, tmp_path / "shelf")
    path = tmp_path / "shelf" / taken.manifest.name
    with pytest.raises(FaultyError, match="--despite-faults"):
        restore(of_file(path), tmp_path / "new", NO_KEY)
    assert not (tmp_path / "new").exists()
    made = restore(of_file(path), tmp_path / "new", NO_KEY, despite_faults=True)
    assert made.report.faults
    assert held(tmp_path / "new") == held(damaged)


def test_each_recipient_opens_it_and_nobody_else(node: Path, tmp_path: Path) -> None:
    both = to_recipients([str(one.to_public()) for one in (IDENTITY, OTHER_IDENTITY)])
    taken = back_up(node, tmp_path / "shelf", both)
    path = tmp_path / "shelf" / taken.manifest.name
    assert str(identifier("0007")).encode() not in path.read_bytes()
    for number, identity in enumerate((IDENTITY, OTHER_IDENTITY)):
        made_of(path, tmp_path / f"new{number}", Opener((str(identity),)))
        assert held(tmp_path / f"new{number}") == held(node)
    stranger = Opener((str(pyrage.x25519.Identity.generate()),))
    for opener, told in ((stranger, "cannot be decrypted"), (NO_KEY, "--identity")):
        with pytest.raises(BackupError, match=told):
            made_of(path, tmp_path / "new", opener)


def test_a_passphrase_opens_what_it_has_sealed_and_another_does_not(
    node: Path, tmp_path: Path
) -> None:
    sealer = to_passphrase(PASSPHRASE)
    back_up(node, tmp_path / "shelf", sealer)
    taken = back_up(node, tmp_path / "shelf", sealer)
    assert taken.manifest.kind is Kind.DIFFERENCE
    made_of(tmp_path / "shelf", tmp_path / "new", Opener(passphrase=PASSPHRASE))
    assert held(tmp_path / "new") == held(node)
    for opener, told in ((Opener(passphrase="wrong"), "is not the one"), (NO_KEY, "--passphrase")):
        with pytest.raises(BackupError, match=told):
            made_of(tmp_path / "shelf", tmp_path / "newer", opener)


def test_a_difference_is_opened_with_what_opens_the_backup_that_it_stands_on(
    node: Path, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    one = to_recipients([str(IDENTITY.to_public())])
    other = to_recipients([str(OTHER_IDENTITY.to_public())])
    taken = [back_up(node, shelf, sealer) for sealer in (one, one, other, Sealer(), Sealer())]
    full, part = Kind.FULL, Kind.DIFFERENCE
    assert [each.manifest.kind for each in taken] == [full, part, full, full, part]
    assert "is not encrypted as" in taken[2].why_full
