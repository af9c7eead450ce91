"""Commits are told of: each of them, to whoever listens, once it can be read."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from resolver.store.commits import SOCKET, Commits, Listening
from resolver.store.environment import Store
from tests.support.servers import make_data

COMMITS = 300
WRITER = f"""
import sys
from pathlib import Path
from resolver.store.environment import Store
with Store.open(Path(sys.argv[1]), writable=True) as store:
    for number in range({COMMITS}):
        with store.write() as txn:
            txn.table(b"sync.states").put(b"\\1x", b"%d" % number)
"""


def is_told(listening: Listening, seconds: float = 0.0) -> bool:
    return bool(select.select([listening.socket], [], [], seconds)[0])


def test_who_is_told_of_a_commit_sees_it(tmp_path: Path) -> None:
    with Store.open(make_data(tmp_path / "data")) as store:
        listening = Listening(store.path)
        listening.turn(True)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        seen = [b""]
        command = [sys.executable, "-c", WRITER, str(store.path)]
        with subprocess.Popen(command, env=environment) as writer:
            while seen[-1] != b"%d" % (COMMITS - 1):  # the last one is not missed, nor any that
                assert is_told(listening, 60.0)  # it would take another commit to be told of
                listening.drain()
                with store.read() as read:
                    seen.append(read.table(b"sync.states").get(b"\1x") or b"")
        assert writer.returncode == 0
        assert len(set(seen)) > 10
        listening.close()


def test_what_is_undone_is_not_told(tmp_path: Path) -> None:
    with Store.open(make_data(tmp_path / "data"), writable=True) as store:
        listening = Listening(store.path)
        listening.turn(True)
        with store.write(keep=False) as txn:
            txn.table(b"sync.states").put(b"\1x", b"y")
        with pytest.raises(ZeroDivisionError), store.write() as txn:
            raise ZeroDivisionError
        assert not is_told(listening)
        with store.write() as txn:
            txn.table(b"sync.states").put(b"\1x", b"y")
        assert is_told(listening)
        listening.close()


def test_who_does_not_want_to_be_woken_is_not(tmp_path: Path) -> None:
    telling, listening = Commits(tmp_path), Listening(tmp_path)
    telling.tell()
    assert not is_told(listening)
    assert listening.turn(True)  # what was committed before has to be looked for
    assert not listening.turn(True)
    telling.tell()
    assert is_told(listening)
    listening.drain()
    assert not is_told(listening)
    assert not listening.turn(False)
    telling.tell()
    assert not is_told(listening)
    telling.close()
    listening.close()


def test_who_does_not_listen_any_more_or_not_fast_enough_holds_nobody_up(tmp_path: Path) -> None:
    telling, killed = Commits(tmp_path), Listening(tmp_path)
    killed.turn(True)
    for _ in range(10_000):
        telling.tell()
    killed.close()  # as when it is killed, its socket stays
    telling.tell()
    listening = Listening(tmp_path)
    assert not (tmp_path / SOCKET).exists()
    listening.turn(True)
    telling.tell()
    assert is_told(listening)
    telling.close()
    listening.close()


def test_a_path_may_be_longer_than_an_address_of_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    telling, listening = Commits(deep), Listening(deep)
    listening.turn(True)
    telling.tell()
    assert is_told(listening)
    telling.close()
    listening.close()


def test_nobody_else_may_tell(tmp_path: Path) -> None:
    listening = Listening(tmp_path)
    listening.turn(True)
    assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600
    listening.close()
