"""Another program (aics-tlog, Python 3.12 and later) reads and audits what a log exports."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from registry.audit import Log, MemoryStore, SigningKey
from registry.audit.static import publish

aics_tlog = pytest.importorskip("aics_tlog")

KEY = SigningKey.generate("example.cn/csid")
SIZE = 70_000


def test_an_exported_log_passes_the_audit_of_another_program(tmp_path: Path) -> None:
    store = MemoryStore()
    log = Log(store)
    log.append(b"change %d" % index for index in range(SIZE))
    publish(lambda: nullcontext(store), [log.checkpoint(KEY)], [KEY.verifier], tmp_path)

    theirs = aics_tlog.parse_vkey(str(KEY.verifier))
    note = aics_tlog.parse_note((tmp_path / "checkpoint").read_bytes())
    assert aics_tlog.verify_note(note, [theirs])
    point = aics_tlog.parse_checkpoint(note.text)
    assert (point.origin, point.size, point.root) == (KEY.name, SIZE, log.root())

    reader = aics_tlog.FileSystemTileReader(tmp_path)
    aics_tlog.audit_tiles(reader, SIZE, log.root())
    for index in (0, 255, 256, 65_535, 65_536, SIZE - 1):
        path = aics_tlog.inclusion_proof_from_tiles(reader, index, SIZE)
        assert path == log.inclusion(index)
        assert aics_tlog.verify_leaf_inclusion(
            b"change %d" % index, index, SIZE, log.inclusion(index), log.root()
        )
    for old in (1, 256, 300, 65_536, 65_537, SIZE):
        path = log.consistency(old)
        assert path == aics_tlog.consistency_proof_from_tiles(reader, old, SIZE)
        assert aics_tlog.verify_consistency(old, SIZE, log.root(old), log.root(), path)


def test_another_program_finds_what_was_changed_in_an_export(tmp_path: Path) -> None:
    store = MemoryStore()
    log = Log(store)
    log.append(b"change %d" % index for index in range(600))
    publish(lambda: nullcontext(store), [log.checkpoint(KEY)], [KEY.verifier], tmp_path)
    bundle = tmp_path / "tile/entries/001"
    bundle.write_bytes(bundle.read_bytes().replace(b"change 300", b"change 3OO"))
    with pytest.raises(aics_tlog.TileVerificationError):
        aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(tmp_path), 600, log.root())
