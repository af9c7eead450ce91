"""The writer of a running node: real servers, real commands, killed, stopped, replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from csid.errors import StoreError
from registry.rules.decision import Decision
from registry.rules.plan import MintAll
from registry.rules.requests import AddPool, Assign, Request
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import view
from registry.writer import client, protocol
from registry.writer.address import Place
from registry.writer.client import Client
from tests.support.books import OWNERS, accredit, ask, create, resolved
from tests.support.killed import Say, finished, start
from tests.support.looping import Raw
from tests.support.registering import (
    ADMINISTRATOR,
    CLASS,
    OWNER,
    PLACE,
    POOL,
    RECORD,
    identifier,
)
from tests.support.servers import PATIENCE, Server, eventually, run, serving
from tests.support.supervised import HASTY, supervised

WRITER = "gateway.writing"
US = f"{os.geteuid()}/{os.getegid()}"
CLIENTS = 16
EACH = 25


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = create(tmp_path / "data")
    with Registry.alone(path, sync=False) as registry:
        accredit(registry, *OWNERS)
    return path


@pytest.fixture
def node(data: Path) -> Iterator[Server]:
    with serving(data) as server:
        yield server


@pytest.fixture
def hasty(data: Path) -> Iterator[Server]:
    """A node whose supervisor has little patience."""
    with supervised(data, writer=True, timing=HASTY) as server:
        yield server


def says(server: Server, *words: str) -> None:
    """Wait until the server has said something on stderr."""
    eventually(
        f"{words} in {server.log.read_text()!r}",
        lambda: any(
            all(word in line for word in words) for line in server.log.read_text().splitlines()
        ),
    )


def connected(data: Path) -> Client:
    """A connection to the writer, without a store beside it: of that a process has one."""
    writer = client.connected(data)
    assert writer is not None
    return writer


def assigned(writer: Client, serial: str) -> Decision:
    return writer.submit([Request(ADMINISTRATOR, Assign(identifier(serial), RECORD))])[0]


def is_greeted(data: Path) -> bool:
    writer = client.connected(data)
    if writer is not None:
        writer.close()
    return writer is not None


def through_the_writer(registry: Registry) -> bool:
    return isinstance(registry.writer, Client)


# Each says what was acknowledged: "assigned NAME".


def assign_singly(say: Say, data: Path, client_: int) -> None:
    with Registry.open(data, writable=True) as registry:
        assert through_the_writer(registry)
        for number in range(EACH):
            code = identifier(f"{client_:X}{number:03d}")
            if ask(registry, Assign(code, RECORD)).status is Status.DONE:
                say(f"assigned {code}")


def assign_many_in_flight(say: Say, data: Path, client_: int) -> None:
    with closing(connected(data)) as writer:
        codes = [identifier(f"{client_:X}{number:03d}") for number in range(EACH)]
        asked = [writer.ask([Request(ADMINISTRATOR, Assign(code, RECORD))]) for code in codes]
        for code, pending in zip(codes, asked, strict=True):
            if writer.decisions(pending)[0].status is Status.DONE:
                say(f"assigned {code}")


@pytest.mark.parametrize("work", [assign_singly, assign_many_in_flight])
def test_of_many_processes_none_loses_a_code_and_none_gets_one_twice(
    data: Path, node: Server, work: object
) -> None:
    assert callable(work)
    started = [start(work, data, number) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        said = [line.split()[1] for lines in threads.map(finished, started) for line in lines]
    assert len(said) == len(set(said)) == CLIENTS * EACH
    with Registry.open(data) as registry:
        assert registry.verify().agrees
        with registry.view() as seen:
            assert {name for name, _ in view.assignments(seen, OWNER)} == set(said)
        assert resolved(registry, said[0]) == RECORD
        assert {change.leaf.peer for change in registry.history(said[-1])} == {US}


def test_of_many_processes_that_want_a_code_one_gets_it(data: Path, node: Server) -> None:
    started = [start(assign_singly, data, 7) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        said = [line for lines in threads.map(finished, started) for line in lines]
    assert len(said) == len(set(said)) == EACH


def test_threads_share_a_connection(data: Path, node: Server) -> None:
    with Registry.open(data, writable=True) as registry:

        def client_(number: int) -> list[Status]:
            codes = [identifier(f"{number:X}{turn:03d}") for turn in range(EACH)]
            return [ask(registry, Assign(code, RECORD)).status for code in codes]

        with ThreadPoolExecutor(CLIENTS) as threads:
            answers = [one for mine in threads.map(client_, range(CLIENTS)) for one in mine]
        assert answers == [Status.DONE] * CLIENTS * EACH
        assert registry.verify().agrees


def test_what_the_rules_say_is_the_same_with_a_node_and_without(data: Path, tmp_path: Path) -> None:
    words = [
        ("pool", "add", PLACE, "--class", CLASS, "--count", "4", "--key", "p"),
        ("pool", "mint", POOL, "--number", "7"),
        ("pool", "mint", POOL, "--number", "2", "--key", "m"),
        ("assign", str(identifier("0100")), "--endpoint", "https://a.example"),
        ("assign", str(identifier("0100")), "--endpoint", "https://a.example"),
        ("assign", str(identifier("0101")), "--as", "wang", "--role", "auditor"),
        ("owner", "suspend", OWNER),
        ("owner", "add", OWNER, "--kind", "resource", "--name", "x" * 300, "--contact", "y"),
        ("transfer", OWNER, "--to", "X00000000000000015"),
        ("transfer", "not/a/prefix", "--to", OWNER),
        ("location", "retire", "330106", "330108"),
        ("scope", "set", "--location", "33", "--reason", os.fsdecode(b"\xff")),
    ]
    told = []
    with serving(data):
        told.append([run(*one, "--data", str(data)) for one in words])
    other = create(tmp_path / "other")
    with Registry.alone(other, sync=False) as registry:
        accredit(registry, *OWNERS)
    told.append([run(*one, "--data", str(other)) for one in words])
    for with_node, without in zip(*told, strict=True):
        assert with_node.returncode == without.returncode
        assert with_node.stdout == without.stdout
        assert with_node.stderr.replace(str(data), "") == without.stderr.replace(str(other), "")
    with Registry.open(data) as one, Registry.open(other) as two:
        for subject in (OWNER, str(identifier("0100"))):
            kinds = [[c.leaf.kind for c in registry.history(subject)] for registry in (one, two)]
            assert kinds[0] == kinds[1] != []
        assert one.verify().agrees


def test_a_dry_run_asks_no_writer(data: Path, node: Server) -> None:
    os.kill(*node.workers(WRITER), signal.SIGSTOP)
    tried = run("assign", str(identifier()), "--dry-run", "--data", str(data))
    assert (tried.returncode, "DONE" in tried.stdout + tried.stderr) == (0, True)


# -- what happens to the writer


def test_a_writer_that_is_stopped_is_said_and_replaced_and_commands_go_on(
    data: Path, hasty: Server
) -> None:
    (pid,) = hasty.workers(WRITER)
    os.kill(pid, signal.SIGSTOP)
    done = run("assign", str(identifier()), "--data", str(data))
    assert (done.returncode, done.stdout) == (0, f"{identifier()}\n")
    says(hasty, f"csid: writer, process {pid}, has not answered for", "killed")
    says(hasty, "csid: writer ended by signal 9; it is replaced")
    eventually("another writes", lambda: hasty.workers(WRITER) not in ([], [pid]))
    eventually("it is asked", partial(is_asked, data))


def is_asked(data: Path) -> bool:
    with Registry.open(data, writable=True) as registry:
        return through_the_writer(registry)


def test_a_writer_that_is_killed_is_replaced_and_who_waited_is_told_what_is_not_known(
    data: Path, hasty: Server
) -> None:
    order = Request(ADMINISTRATOR, Assign(identifier(), RECORD), "test", "order")
    with closing(connected(data)) as writer:
        (pid,) = hasty.workers(WRITER)
        os.kill(pid, signal.SIGSTOP)
        pending = writer.ask([order])  # all of it is sent when this returns
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(StoreError, match=r"whether this was done is not known.*--key"):
            writer.decisions(pending)
        # The same connection goes on, to the next writer; under the same key nothing is done twice.
        assert writer.submit([order])[0].status.success
        assert writer.submit([order])[0].status is Status.REPLAYED
    says(hasty, "writer ended by signal 9; it is replaced")


def test_when_a_writer_ends_in_order_nobody_notices(data: Path, node: Server) -> None:
    def assign(writer: Client, number: int) -> list[Status]:
        with closing(writer):
            return [assigned(writer, f"{number:X}{turn:04d}").status for turn in range(400)]

    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(assign, connected(data), number) for number in range(4)]
        for _ in range(3):
            time.sleep(0.2)
            eventually("one writes", lambda: len(node.workers(WRITER)) == 1)
            os.kill(*node.workers(WRITER), signal.SIGTERM)
            eventually("another writes", partial(is_greeted, data))
        node.process.send_signal(signal.SIGHUP)
        answers = [one for mine in running for one in mine.result()]
    assert answers == [Status.DONE] * 1_600
    with Registry.open(data) as registry:
        assert registry.verify().agrees


def test_sighup_lets_a_new_writer_follow(data: Path, node: Server) -> None:
    before = node.workers(WRITER)
    node.process.send_signal(signal.SIGHUP)
    says(node, "all processes have opened it anew")
    eventually("the new one alone is left", lambda: len(node.workers(WRITER)) == 1)
    assert node.workers(WRITER) != before
    eventually("it is asked", partial(is_asked, data))
    assert (data / "writer.sock").exists()


def test_a_directory_that_takes_the_place_of_another_is_written_from_then_on(
    data: Path, node: Server, tmp_path: Path
) -> None:
    with Registry.open(data, writable=True) as registry:
        assert ask(registry, Assign(identifier("0001"), RECORD)).status is Status.DONE
    other = create(tmp_path / "other")
    with Registry.alone(other, sync=False) as registry:
        accredit(registry, *OWNERS)
    data.rename(tmp_path / "away")
    other.rename(data)
    # Before the server has noticed, nobody is asked who writes another directory.
    with Registry.open(data, writable=True) as registry:
        assert ask(registry, Assign(identifier("0002"), RECORD)).status is Status.DONE
    says(node, "all processes have opened it anew")
    eventually("it is asked", partial(is_asked, data))
    with Registry.open(data, writable=True) as registry:
        assert ask(registry, Assign(identifier("0003"), RECORD)).status is Status.DONE
        with registry.view() as seen:
            names = [name for name, _ in view.assignments(seen, OWNER)]
    assert names == [str(identifier(serial)) for serial in ("0002", "0003")]
    assert not (tmp_path / "away" / "writer.sock").exists()


def test_a_second_server_waits_for_the_place_of_the_first(data: Path, tmp_path: Path) -> None:
    with serving(data) as first:
        (writer,) = first.workers(WRITER)
        with supervised(data, writer=True, log=tmp_path / "second.log") as second:
            says(second, f"the writer of another server, process {first.process.pid}, writes it")
            assert is_asked(data)
            assert len(second.workers(WRITER)) == 1
            assert first.workers(WRITER) == [writer]
            first.stop()
            eventually("the second one is asked", partial(is_asked, data))
            assert run("assign", str(identifier()), "--data", str(data)).returncode == 0
        assert not (data / "writer.sock").exists()
        with Registry.open(data, writable=True) as registry:
            assert not through_the_writer(registry)


def test_a_socket_that_a_killed_node_has_left_keeps_nobody(data: Path) -> None:
    with serving(data) as server:
        os.kill(*server.workers(WRITER), signal.SIGSTOP)
        server.process.kill()
        server.process.wait()
    assert (data / "writer.sock").exists()
    assert run("assign", str(identifier()), "--data", str(data)).returncode == 0
    with serving(data):
        assert is_asked(data)


def test_the_socket_is_as_private_as_the_data(tmp_path: Path) -> None:
    for setgid, mode in ((0, 0o600), (0o2000, 0o660)):
        folder = tmp_path / f"data{setgid}"
        folder.mkdir()
        folder.chmod(0o700 | setgid)
        place = Place(folder)
        assert place.taken() and not Place(folder).taken()
        with place.listen():
            assert (folder / "writer.sock").stat().st_mode & 0o777 == mode
            assert (folder / "listener.lock").stat().st_mode & 0o777 == mode
        place.leave()


def test_a_directory_with_a_long_path_has_a_writer(tmp_path: Path) -> None:
    data = tmp_path.joinpath(*["x" * 100] * 3)
    data.mkdir(parents=True)
    create(data)
    with serving(data):
        assert len(str(data)) > 300
        assert is_asked(data)


def test_a_node_of_another_version_is_told_in_words(data: Path) -> None:
    place = Place(data)
    assert place.taken()
    with place.listen() as listener, ThreadPoolExecutor(1) as threads:
        listener.settimeout(PATIENCE)

        def speak() -> None:
            sock, _ = listener.accept()
            sock.recv(1_000)
            sock.sendall(protocol.frame(protocol.NAME, 99, "whatever"))

        threads.submit(speak)
        done = run("assign", str(identifier()), "--data", str(data))
    place.leave()
    assert done.returncode == 2
    assert "speaks version 99 of the writer's protocol, this csid version 1" in done.stderr


def test_a_writer_that_says_nothing_is_told_in_words(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.3)
    place = Place(data)
    assert place.taken()
    with place.listen(), pytest.raises(StoreError, match=r"\(csid serve\) does not answer"):
        Registry.open(data, writable=True)
    place.leave()


def test_an_answer_that_does_not_come_is_told_in_words(
    data: Path, node: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", 2.0)
    with Registry.open(data, writable=True) as registry:
        os.kill(*node.workers(WRITER), signal.SIGSTOP)
        with pytest.raises(StoreError, match=r"has not answered for.*--key"):
            ask(registry, Assign(identifier(), RECORD))


def hold_the_lock(say: Say, data: Path, seconds: float) -> None:
    with Registry.alone(data) as registry, registry.store.write():
        say("holds")
        time.sleep(seconds)


def test_a_writer_that_waits_for_others_is_alive(data: Path, hasty: Server) -> None:
    before = hasty.workers(WRITER)
    other = start(hold_the_lock, data, 2.5)
    assert other.said.readline() == b"holds\n"
    begun = time.monotonic()
    assert run("assign", str(identifier()), "--data", str(data)).returncode == 0
    assert time.monotonic() - begun > 1.0
    assert hasty.workers(WRITER) == before
    assert finished(other) == []


# -- room


def test_a_full_map_is_told_to_all_and_loses_nothing(tmp_path: Path) -> None:
    data = create(tmp_path / "data", 3 << 20)
    with Registry.alone(data, sync=False) as registry:
        accredit(registry, *OWNERS)

    def assign(part: int) -> tuple[list[str], str]:
        done: list[str] = []
        with closing(connected(data)) as writer:
            for number in range(10_000):
                try:
                    decision = assigned(writer, f"{part:X}{number:05d}")
                except StoreError as error:
                    return done, str(error)
                assert decision.status is Status.DONE
                done.append(decision.subject)
        raise AssertionError("the map never was full")

    with serving(data) as server:
        with ThreadPoolExecutor(4) as threads:
            results = list(threads.map(assign, range(4)))
        says(server, "writer:", "the map is full")
        assert len(server.workers(WRITER)) == 1
    assert {"the map is full; nothing of this step was written" in told for _, told in results} == {
        True
    }
    acknowledged = {name for done, _ in results for name in done}
    with Registry.open(data) as registry:
        with registry.view() as seen:
            assert {name for name, _ in view.assignments(seen, OWNER)} == acknowledged
        assert registry.verify().agrees


@pytest.mark.parametrize("small_disk", [4], indirect=True)
def test_a_directory_that_cannot_be_written_is_served_without_a_writer(small_disk: Path) -> None:
    data = create(small_disk / "data", 1 << 20)
    with Registry.alone(data, sync=False) as registry:
        accredit(registry, *OWNERS)
        assert ask(registry, Assign(identifier(), RECORD)).status is Status.DONE
    (data / "lock.mdb").unlink(missing_ok=True)
    with Registry.open(data):
        pass
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    log = small_disk.parent / "ro.log"
    with supervised(data, writer=True, log=log) as server:
        says(server, "served without a writer")
        time.sleep(5 * HASTY.look_seconds)
        assert log.read_text().count("served without a writer") == 1
        assert "replaced" not in log.read_text()
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)


def test_ten_thousand_connections_keep_nobody_from_being_served(data: Path, node: Server) -> None:
    held = []
    for _ in range(5_000):
        try:
            held.append(Raw(data))
        except (OSError, AssertionError):  # no descriptors are left, here
            break
    assert len(held) > 200
    done = run("assign", str(identifier()), "--data", str(data))
    assert (done.returncode, done.stderr) == (0, "")


# -- long work


def test_a_plan_gives_way_to_single_requests(data: Path, node: Server) -> None:
    waits: list[float] = []
    with Registry.open(data, writable=True) as registry:
        ask(registry, AddPool(PLACE, CLASS, 3_000))

        with ThreadPoolExecutor(1) as threads, closing(connected(data)) as writer:
            minting = threads.submit(registry.run, MintAll(POOL, RECORD, 3_000), ADMINISTRATOR)
            while not minting.done():
                begun = time.monotonic()
                assert assigned(writer, f"X{len(waits):04d}").status is Status.DONE
                waits.append(time.monotonic() - begun)
            assert minting.result().done == 3_000
        assert registry.verify().agrees
    assert len(waits) > 10
    assert sorted(waits)[len(waits) // 2] < 0.2  # of one unit and one commit, on a busy machine


def test_what_each_has_done_is_reported(data: Path, node: Server) -> None:
    with Registry.open(data, writable=True) as registry:
        for number in range(5):
            ask(registry, Assign(identifier(f"{number:04d}"), RECORD))
    node.process.send_signal(signal.SIGUSR1)
    says(node, "report: writer: process", "requests 5, commits 5")


def test_commands_show_who_asked(data: Path, node: Server) -> None:
    assert run("assign", str(identifier()), "--as", "li", "--data", str(data)).returncode == 0
    told = json.loads(run("history", str(identifier()), "--json", "--data", str(data)).stdout)
    assert (told["by"], told["peer"]) == ("li", US)
