"""Many threads and processes write at once: each code is given once, each answer is durable."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from csid.errors import StoreError
from registry.rules.requests import AddPool, Assign, Mint, Request
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import view
from registry.writer.threads import _Ticket
from tests.support.books import ORIGIN, accredit, ask, create, opened, resolved, status
from tests.support.registering import ADMINISTRATOR, CLASS, OWNER, PLACE, POOL, RECORD, identifier
from tests.support.servers import CHECKOUT

CLIENTS = 16

RACER = """
import sys
from pathlib import Path
from tests.support.registering import ADMINISTRATOR, RECORD, identifier
from registry.rules.requests import Assign, Request
from registry.service import Registry
with Registry.open(Path(sys.argv[1]), writable=True, sync=False) as registry:
    print("begun", flush=True)
    sys.stdin.readline()
    for number in range(60):
        made = Request(ADMINISTRATOR, Assign(identifier(f"{number:04d}"), RECORD), sys.argv[2])
        print(registry.submit(made).status.name)
"""


def together(registry: Registry, requests: list[list[Request]]) -> list[list[Status]]:
    """Each list by a thread of its own, all at the same time; the statuses."""
    barrier = Barrier(len(requests))

    def client(mine: list[Request]) -> list[Status]:
        barrier.wait()
        return [registry.submit(request).status for request in mine]

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(client, requests))


def commits(registry: Registry) -> int:
    with registry.store.read() as read:
        return len(list(read.journal(read.zone(ORIGIN)).steps()))


def test_of_many_threads_that_want_a_code_one_gets_it(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as registry:
        wanted = [Request(ADMINISTRATOR, Assign(identifier(f"{n:04d}"), RECORD)) for n in range(40)]
        answers = together(registry, [wanted] * CLIENTS)
        for number in range(40):
            got = [mine[number] for mine in answers]
            assert got.count(Status.DONE) == 1
            assert got.count(Status.EXISTS) == CLIENTS - 1
            assert resolved(registry, str(identifier(f"{number:04d}"))) == RECORD
        assert registry.verify().agrees


def test_requests_that_wait_together_share_a_commit(tmp_path: Path) -> None:
    with opened(tmp_path / "data", sync=True) as registry:
        wanted = [
            [Request(ADMINISTRATOR, Assign(identifier(f"{c:X}{n:03d}"), RECORD)) for n in range(20)]
            for c in range(CLIENTS)
        ]
        answers = together(registry, wanted)
        assert {one for mine in answers for one in mine} == {Status.DONE}
        assert commits(registry) < CLIENTS * 20 / 4
        assert registry.verify().agrees


def test_threads_that_mint_from_one_pool_get_codes_of_their_own(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as registry:
        assert ask(registry, AddPool(PLACE, CLASS, 200)).status is Status.DONE
        minted = [[Request(ADMINISTRATOR, Mint(POOL, RECORD))] * 10 for _ in range(CLIENTS)]
        assert {one for mine in together(registry, minted) for one in mine} == {Status.DONE}
        with registry.view() as seen:
            assert len(list(view.assignments(seen, OWNER))) == CLIENTS * 10


def test_one_idempotency_key_gives_one_code_to_all_who_ask(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as registry:
        ask(registry, AddPool(PLACE, CLASS, 200))
        same = Request(ADMINISTRATOR, Mint(POOL, RECORD), key="order 7")
        answers = [one for mine in together(registry, [[same]] * CLIENTS) for one in mine]
        assert answers.count(Status.DONE) == 1
        assert answers.count(Status.REPLAYED) == CLIENTS - 1
        with registry.view() as seen:
            assert len(list(view.assignments(seen, OWNER))) == 1


def test_of_many_processes_that_want_a_code_one_gets_it(tmp_path: Path) -> None:
    data = create(tmp_path / "data")
    with Registry.open(data, writable=True) as registry:
        accredit(registry, OWNER)
    paths = [str(CHECKOUT), *sys.path]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, data, f"racer {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        for number in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "begun\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=60)[0].split() for racer in racers]
    assert [len(mine) for mine in answers] == [60] * 4
    for number in range(60):
        got = [mine[number] for mine in answers]
        assert sorted(got) == ["DONE", "EXISTS", "EXISTS", "EXISTS"]
    with Registry.open(data) as registry:
        assert registry.verify().agrees
        for number in range(60):
            name = str(identifier(f"{number:04d}"))
            won = [mine[number] for mine in answers].index("DONE")
            assert [change.leaf.why for change in registry.history(name)] == [f"racer {won}"]


def test_a_request_that_goes_wrong_does_not_disturb_its_neighbours(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as registry:
        broken = Request(ADMINISTRATOR, AddPool(None, CLASS, 5))  # type: ignore[arg-type]
        good = [Request(ADMINISTRATOR, Assign(identifier(f"{n:04d}"), RECORD)) for n in range(8)]

        def client(request: Request) -> Status | str:
            try:
                return registry.submit(request).status
            except (TypeError, AttributeError):
                return "wrong"

        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(client, [x for one in good for x in (one, broken)]))
        assert answers == [Status.DONE, "wrong"] * 8
        assert registry.verify().agrees


def test_a_caller_that_gives_up_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as registry:
        writer = registry.writer
        held, left = identifier("0001"), identifier("0002")
        writer._is_led = True  # as if a thread were leading
        waiting = [_Ticket([Request(ADMINISTRATOR, Assign(code, RECORD))]) for code in (held, left)]
        writer._waiting.extend(waiting)
        writer._hand_on(())
        assert waiting[0].leads and not waiting[1].leads
        writer._withdraw(waiting[0])
        assert waiting[1].leads
        writer._lead()
        assert [one.status for one in waiting[1].result()] == [Status.DONE]
        assert status(registry, Assign(held, RECORD)) is Status.DONE


def test_a_refused_request_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as registry:
        assert ask(registry, Assign(identifier(), RECORD)).status is Status.DONE
        before = commits(registry)
        assert ask(registry, Assign(identifier(), RECORD)).status is Status.EXISTS
        assert commits(registry) == before
        with registry.log() as log:
            assert log.size == 7


def test_a_full_map_is_told_to_all_and_loses_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "data", map_octets=3 << 20) as registry:

        def client(part: int) -> tuple[list[str], str]:
            done = []
            for number in range(10_000):
                made = identifier(f"{part:X}{number:05d}")
                try:
                    assert ask(registry, Assign(made, RECORD)).status is Status.DONE
                except StoreError as error:
                    return done, str(error)
                done.append(str(made))
            raise AssertionError("the map never was full")

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(client, range(8)))
        for _, told in results:
            assert "the map is full; nothing of this step was written" in told
        acknowledged = {name for done, _ in results for name in done}
        with registry.view() as seen:
            assert {name for name, _ in view.assignments(seen, OWNER)} == acknowledged
        assert registry.verify().agrees


def test_a_registry_opened_for_reading_takes_no_requests(tmp_path: Path) -> None:
    opened(tmp_path / "data").close()
    with Registry.open(tmp_path / "data") as registry:
        with pytest.raises(StoreError, match="may not be used as asked"):
            ask(registry, Assign(identifier(), RECORD))
        made = Request(ADMINISTRATOR, Assign(identifier(), RECORD))
        assert registry.weigh(made).status is Status.DONE
