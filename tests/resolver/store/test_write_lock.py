"""Waiting to write: with a limit, in turn, and not for those that are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from csid.errors import StoreError
from resolver.store.environment import Store
from resolver.store.write_lock import WriteLock
from tests.support.servers import make_data

HOLDER = """
import sys
from pathlib import Path
from resolver.store.write_lock import WriteLock
lock = WriteLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("given", flush=True)
sys.stdin.readline()
"""
LOOP = """
import sys, time
from pathlib import Path
from resolver.store.write_lock import WriteLock
lock = WriteLock(Path(sys.argv[1]))
print("begun", flush=True)
while True:
    lock.acquire()
    time.sleep(0.01)
    lock.release()
"""


def process(script: str, folder: Path) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert started.stdout is not None and started.stdout.readline()
    return started


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with process(HOLDER, tmp_path) as started:
        yield started
        started.kill()


def test_who_waits_too_long_is_told_whom_for(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    lock = WriteLock(tmp_path)
    with pytest.raises(StoreError, match=rf"now process {holder.pid}; nothing was changed") as said:
        lock.acquire(0.05)
    assert "\n" not in str(said.value)
    assert str(tmp_path) in str(said.value)


def test_who_waits_goes_on_when_the_other_is_through_or_dead(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert holder.stdin is not None
    lock = WriteLock(tmp_path)
    threading.Timer(0.05, lambda: holder.communicate("\n\n")).start()
    lock.acquire(10)
    lock.release()
    with process(HOLDER, tmp_path) as other:
        threading.Timer(0.05, other.kill).start()
        lock.acquire(10)
        lock.release()
    assert other.returncode == -signal.SIGKILL


def test_a_writer_that_comes_back_at_once_lets_others_in(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path)
    with process(LOOP, tmp_path) as other:
        for _ in range(10):
            lock.acquire(5)
            lock.release()
        other.kill()


def test_threads_of_one_process_take_turns(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path)
    with lock, pytest.raises(StoreError, match="now this process itself"):
        lock.acquire(0.01)
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(50):
            with lock:
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and len(most) == 200


def test_a_child_does_not_keep_what_its_parent_held(tmp_path: Path) -> None:
    """Not even one that was forked in the meantime and outlives it."""
    script = HOLDER.replace("lock.acquire()\n", "lock.acquire()\nimport os, time\n").replace(
        'print("held"', 'child = os.fork() or time.sleep(60)\nprint("held", child'
    )
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert started.stdout is not None
    child = int(started.stdout.readline().split()[1])
    started.kill()
    started.wait()
    try:
        os.kill(child, 0)
        with WriteLock(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        started.communicate()


def test_a_store_waits_for_another_process_with_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolver.store.write_lock.WRITE_WAIT_SECONDS", 0.05)
    path = make_data(tmp_path / "data")
    with process(HOLDER, path) as other:
        with pytest.raises(StoreError, match="others have been writing"):
            Store.create(path, "a.example.", "0.EXAMPLE")
        other.communicate("\n\n")
    with (
        Store.open(path, writable=True, patience=0.05) as store,
        process(HOLDER, path) as other,
    ):
        with pytest.raises(StoreError, match="others have been writing"), store.write():
            pass
        with pytest.raises(StoreError, match="others have been writing"):
            store.open_tables([b"new"])
        with store.read():
            pass
        other.communicate("\n\n")
        with store.write():
            pass


def test_what_fails_inside_gives_the_right_back(tmp_path: Path) -> None:
    with Store.open(make_data(tmp_path / "data"), writable=True) as store:
        with pytest.raises(KeyError), store.write():
            raise KeyError
        with store.write(keep=False):
            pass
        with store.write():
            pass
