"""Tables that only find or count are made right again from the log."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry.rules.requests import Actor, Assign, Role
from registry.service import Registry
from registry.verify import Verdict, indexes
from registry.verify.indexes import RebuildError
from tests.support import damaged
from tests.support.books import ask
from tests.support.commands import run
from tests.support.registering import ADMINISTRATOR, RECORD, identifier


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as the registry left it."""
    return damaged.make(tmp_path_factory.mktemp("sound") / "data")


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    """A copy of it, whose indexes have rows too many, too few and other ones."""
    copy = tmp_path / "data"
    shutil.copytree(sound, copy)
    for table in sorted(indexes.INDEXES):
        with damaged.table(copy, b"registry." + table.encode("ascii")) as rows:
            held = rows.all()
            if not held:  # that of cuts: test_national_zones.py
                continue
            rows.delete(held[0][0])
            rows.put(held[-1][0], b"\5")
            rows.put(held[-1][0] + b"0", held[-1][1])
    return copy


def test_indexes_are_made_right(data: Path) -> None:
    ran = run("audit", "verify", "--data", data, "--key", str(damaged.KEY.verifier))
    assert ran.code == 1
    assert ran.err.count("csid audit rebuild-indexes") == 9
    assert "rows made right: 9" in run("audit", "rebuild-indexes", "--data", data).out
    with Registry.open(data) as registry:
        assert registry.verify([damaged.KEY.verifier]).verdict is Verdict.SOUND
    assert "rows made right: 0" in run("audit", "rebuild-indexes", "--data", data).out


def test_what_the_log_does_not_say_by_now_is_not_written(data: Path) -> None:
    with Registry.open(data, writable=True, sync=False) as registry:
        said = []

        def perform(name: str, args: object) -> object:
            if not said:  # somebody else is quicker
                assert ask(registry, Assign(identifier("0900"), RECORD)).status.success
            said.append(registry.perform(name, args))
            return said[-1]

        assert indexes.rebuild(registry.store, perform, ADMINISTRATOR) > 0
        assert said == [False, True]
        assert registry.verify([damaged.KEY.verifier]).verdict is Verdict.SOUND


def test_who_may_not_changes_nothing(data: Path) -> None:
    with Registry.open(data, writable=True, sync=False) as registry:
        with pytest.raises(RebuildError, match="administrator"):
            registry.rebuild_indexes(Actor("chen", Role.AUDITOR))
        with registry.log() as log:
            args = ["li", "administrator", log.size, log.root(), [["owners", b"x", b"y"]]]
        with pytest.raises(RebuildError, match="is no index"):
            registry.perform(indexes.UNIT, args)
        assert len(registry.verify([damaged.KEY.verifier]).faults) == 9
