"""Data of version 1 become data of version 2 with all they say, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import lmdb
import msgpack
import pytest

from csid import names
from registry.audit import VerifierKey
from registry.migration import migrate, run
from registry.rules.requests import Actor, Role
from registry.service import Registry
from registry.tables import view
from registry.tables.carried import OCTETS_MAX, parts, rows_of
from registry.verify import Verdict
from registry.zones.asked import Asked
from resolver.store import migration, node
from resolver.store.migration import OldData
from resolver.store.write import WriteTransaction
from tests.support import version_1
from tests.support.commands import Node
from tests.support.killed import Say, all_said, finished, killed_after, moments, start
from tests.support.registering import CLASS, OTHER, OWNER, PLACE, identifier
from tests.support.servers import alive

ASKED = Asked(Actor("li", Role.ADMINISTRATOR), "")
FACTS = "--endpoint", "https://gw.a.example.cn:8443"
KILLS = 8
Record = tuple[bytes, int, int, bytes]  # owner in wire form, type, TTL, data


@pytest.fixture
def old(tmp_path: Path) -> Node:
    """A node of version 1."""
    made = Node.__new__(Node)
    made.data = version_1.write(tmp_path / "node")
    shutil.copy(version_1.VERIFIER, made.data / "audit-key.pem.pub")
    return made


def records_of_old(data: Path) -> set[Record]:
    """All that the old data answer."""
    with OldData(data, alone=False) as old:
        return {
            (names.wire_of_key(apex[1:] + key[8:]), rrtype, ttl, rdata)
            for apex, entry in old.rows(b"apexes")
            for key, blob in old.rows(b"tree")
            if key.startswith(entry[:8])
            for rrtype, (ttl, rdatas) in node.rrsets_of(blob)
            for rdata in rdatas
        }


def records_of(data: Path) -> set[Record]:
    """The same of new data."""
    with Registry.open(data) as registry, registry.store.read() as read:
        return {record for zone in read.zones() for record in read.rows(zone)}


def assert_sound(data: Path) -> None:
    """Everything is as the log says, and signed as far as it was."""
    with Registry.open(data) as registry:
        report = registry.verify([VerifierKey.parse(version_1.VERIFIER.read_text())])
    assert report.verdict is Verdict.SOUND, report.faults


def test_a_directory_of_version_1_says_what_to_do(old: Node) -> None:
    refused = old.run("list", OWNER)
    assert (refused.code, f"csid migrate --data {old.data}" in refused.err) == (2, True)


def test_all_that_was_answered_is_answered_the_same(old: Node) -> None:
    before = records_of_old(old.data)
    assert len(before) > 40
    said = old.run("migrate", "--reason", "升级")
    assert said.code == 0
    assert str(old.data / "data.version-1.mdb") in said.out
    assert records_of(old.data) == before
    assert_sound(old.data)


def test_ttls_are_those_of_the_tree(old: Node) -> None:
    old.must("migrate")
    with Registry.open(old.data) as registry, registry.view() as seen:
        ttls = {name[-5:]: row.ttl for name, row in view.assignments(seen, OTHER)}
    assert (ttls["T1-PY"], ttls["T2-P9"]) == (60, 60)
    assert ttls["T3-WA"] == 300, "an update in version 1 took its 900 seconds away"


def test_what_was_done_under_a_key_is_not_done_again(old: Node) -> None:
    old.must("migrate")
    asked = ("assign", f"{PLACE}/{CLASS}", *FACTS, "--key", "order-1", "--as", "li")
    again = old.run(*asked, "--json").json[0]
    assert (again["name"], again["subject"][-7:]) == ("REPLAYED", "0001-FY")
    other = old.run("assign", f"{PLACE}/{CLASS}", "--key", "order-1", "--as", "li", "--json")
    assert other.json[0]["name"] == "KEY_REUSED"


def test_checkpoints_of_version_1_hold(old: Node, tmp_path: Path) -> None:
    notes = [value for table, _, value in version_1.rows() if table == b"registry.checkpoints"]
    old.must("migrate")
    with Registry.open(old.data) as registry:
        assert [note.encode() for note in registry.checkpoints()] == notes
    for number, note in enumerate(notes):
        (tmp_path / f"{number}").write_bytes(note)
        assert old.run("audit", "verify", "--checkpoint", tmp_path / f"{number}").code == 0


def test_a_migrated_node_goes_on(old: Node) -> None:
    old.must("migrate")
    given = old.must("assign", identifier("Z001", location="330108"), *FACTS)
    old.must("suspend", given)
    assert_sound(old.data)
    (first, *_) = old.run("history", "csid.internal.", "--json").json
    assert first["kind"] == "node.migrate"


def test_old_data_put_back_and_migrated_again_are_known_as_an_older_copy(
    old: Node, tmp_path: Path
) -> None:
    backup = shutil.copytree(old.data, tmp_path / "backup")
    old.must("migrate")
    old.must("assign", identifier("Z001", location="330108"), *FACTS)
    shutil.rmtree(old.data)
    shutil.copytree(backup, old.data)
    old.must("migrate")
    asked = ("assign", identifier("Z002", location="330108"), *FACTS)
    refused = old.run(*asked)
    assert (refused.code, "lacks 1 of the leaves" in refused.err) == (2, True), refused
    old.must("audit", "resume", "--accept")
    old.must(*asked)
    assert_sound(old.data)


def test_given_again_it_does_nothing(old: Node) -> None:
    old.must("migrate")
    before = (old.data / "data.mdb").read_bytes()
    assert "nothing was done" in old.run("migrate").out
    assert (old.data / "data.mdb").read_bytes() == before


def test_a_directory_whose_registry_was_never_used_is_migrated_as_well(old: Node) -> None:
    with lmdb.open(str(old.data), max_dbs=32) as environment:
        with environment.begin() as txn:
            tables = [bytes(name) for name, _ in txn.cursor() if name.startswith(b"registry.")]
        for table in tables:
            database = environment.open_db(table)
            with environment.begin(write=True) as txn:
                txn.drop(database)
        generation = b"\0" * 7 + b"\1"
        tree = environment.open_db(b"tree")
        with environment.begin(write=True, db=tree) as txn:
            for key in [bytes(key) for key, _ in txn.cursor() if len(key) > 20]:
                if key.startswith(generation):
                    txn.delete(key)
    before = records_of_old(old.data)
    old.must("migrate")
    assert records_of(old.data) == before
    with Registry.open(old.data) as registry:
        assert registry.verify().agrees


def test_whoever_comes_second_finds_it_done(old: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    sole_use = run.sole_use

    def late(data: Path) -> contextlib.AbstractContextManager[None]:
        monkeypatch.undo()
        assert old.run("migrate").code == 0
        return sole_use(data)

    monkeypatch.setattr(run, "sole_use", late)
    assert "nothing was done" in old.run("migrate").out
    assert_sound(old.data)


# -- who else uses it


def be_open(say: Say, data: Path) -> None:
    """Have a directory open as a server of version 1 has, until killed."""
    with lmdb.open(str(data), readonly=True, max_dbs=32) as environment, environment.begin():
        say("open")
        signal.pause()


def test_a_directory_that_is_open_is_not_migrated(old: Node) -> None:
    user = start(be_open, old.data)
    assert user.said.readline() == b"open\n"
    try:
        refused = old.run("migrate")
        assert (refused.code, f"process {user.process.pid} has it open" in refused.err) == (2, True)
        assert old.run("migrate", "--dry-run").code == 0
    finally:
        user.process.kill()
        all_said(user)
    assert sorted(path.name for path in old.data.iterdir()) == [
        "audit-key.pem.pub",
        "data.mdb",
        "lock.mdb",
    ]
    assert old.run("migrate").code == 0


def write_late(say: Say, data: Path) -> None:
    """Have a directory open as a command of version 1 has, and write to it as soon as one may."""
    with lmdb.open(str(data), max_dbs=32) as environment:
        say("open")
        database = environment.open_db(b"tree")
        (_, key, blob), *_ = (
            row
            for row in version_1.rows()
            if row[0] == b"tree" and row[1][7] == 2 and len(row[1]) > 8
        )
        with environment.begin(write=True, db=database) as txn:
            say("writes")
            txn.put(key[:8] + b"new\0", blob)


def migrate_beside(say: Say, data: Path) -> None:
    """Migrate while others have it open; say how far that is."""
    migrate(
        data,
        ASKED,
        lambda what, done, _: say(f"{what} {done}"),
        waiting=lambda process: say(f"waits {process}"),
    )


def until(said: Iterable[bytes], word: str) -> str:
    """The next line that begins with a word."""
    return next(line.decode() for line in said if line.startswith(word.encode())).rstrip()


def test_it_is_migrated_while_others_answer_from_it(old: Node) -> None:
    before = records_of_old(old.data)
    user = start(be_open, old.data)
    assert user.said.readline() == b"open\n"
    beside = start(migrate_beside, old.data)
    try:
        # Here the old server answers on, from the old data, which are in use until it ends.
        assert until(beside.said, "waits") == f"waits {user.process.pid}"
        with OldData(old.data, alone=False) as found:
            assert found.version() == "1"
        assert alive(user.process.pid)
    finally:
        user.process.kill()
        all_said(user)
    finished(beside)
    assert records_of(old.data) == before
    assert_sound(old.data)
    assert not (old.data / "migrating").exists()


def test_nobody_writes_while_it_waits_and_nothing_that_is_written_is_lost(old: Node) -> None:
    user = start(be_open, old.data)
    assert user.said.readline() == b"open\n"
    beside = start(migrate_beside, old.data)
    until(beside.said, "waits")
    writer = start(write_late, old.data)
    assert writer.said.readline() == b"open\n"
    user.process.kill()
    all_said(user)
    # The writer is waited for as well, and its turn does not come: it is ended, as it should be.
    assert not select.select([writer.said], [], [], 0.3)[0]
    assert alive(beside.process.pid)
    beside.process.kill()
    all_said(beside)
    assert until(writer.said, "writes") == "writes"
    all_said(writer)
    before = records_of_old(old.data)
    finished(start(migrate_beside, old.data))  # what was made ready is of other data: made anew
    assert records_of(old.data) == before


def test_what_is_ready_is_not_made_again(old: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    before = records_of_old(old.data)
    user = start(be_open, old.data)
    assert user.said.readline() == b"open\n"
    beside = start(migrate_beside, old.data)
    until(beside.said, "waits")
    for process in (beside, user):
        process.process.kill()
        all_said(process)
    monkeypatch.setattr(run, "_Migration", None)
    assert old.must("migrate", "--json")
    assert records_of(old.data) == before
    assert_sound(old.data)


def test_the_command_says_whom_it_waits_for(old: Node) -> None:
    user = start(be_open, old.data)
    assert user.said.readline() == b"open\n"
    ending = threading.Timer(1.0, user.process.kill)
    ending.start()
    ran = old.run("migrate", "--while-serving")
    ending.join()
    all_said(user)
    assert ran.code == 0
    assert f"as soon as process {user.process.pid} has ended" in ran.err
    assert_sound(old.data)


def use_alone(say: Say, data: Path) -> None:
    """Have a directory as a migration has, until killed."""
    with migration.sole_use(data):
        say("alone")
        signal.pause()


def test_nobody_opens_what_is_being_migrated(old: Node) -> None:
    user = start(use_alone, old.data)
    assert user.said.readline() == b"alone\n"
    try:
        for words in (("list", OWNER), ("migrate",), ("audit", "verify")):
            refused = old.run(*words)
            assert (refused.code, "migrated by another process" in refused.err) == (2, True)
    finally:
        user.process.kill()
        all_said(user)


# -- what is not as the log says


def change(data: Path, table: bytes, key: bytes, value: bytes | None) -> None:
    """Change a row of old data by another tool."""
    with lmdb.open(str(data), max_dbs=32) as environment:
        database = environment.open_db(table)
        with environment.begin(write=True, db=database) as txn:
            if value is None:
                assert txn.delete(key)
            else:
                txn.put(key, value)


def damages() -> Iterator[tuple[str, bytes, bytes, bytes | None]]:
    """A row of each table changed, and one taken away."""
    seen = set()
    for table, key, value in version_1.rows():
        mere_index = table in (b"registry.counts", b"registry.places", b"registry.by_state")
        if table in seen or not table.startswith(b"registry.") or mere_index:
            continue
        seen.add(table)
        if table != b"registry.replays":  # which no leaf of version 1 vouches for
            yield f"{table.decode()} changed", table, key, value[:-1] + bytes((value[-1] ^ 1,))
            if table != b"registry.checkpoints":  # nor says how many there are
                yield f"{table.decode()} gone", table, key, None


@pytest.mark.parametrize(
    ("table", "key", "value"), [pytest.param(*row, id=name) for name, *row in damages()]
)
def test_what_the_log_does_not_say_is_not_carried_over(
    old: Node, table: bytes, key: bytes, value: bytes | None
) -> None:
    change(old.data, table, key, value)
    before = (old.data / "data.mdb").read_bytes()
    for words in (("migrate", "--dry-run"), ("migrate",)):
        refused = old.run(*words)
        assert refused.code == 1, refused
        assert "nothing was migrated" in refused.err
    assert (old.data / "data.mdb").read_bytes() == before
    assert not (old.data / "migrating").exists()


def test_a_code_that_the_log_does_not_know_is_named(old: Node) -> None:
    (key, value), *_ = ((k, v) for t, k, v in version_1.rows() if t == b"registry.assignments")
    change(old.data, b"registry.assignments", key[:-2] + b"ZZ", value)
    assert f"{key[:-2].decode()}ZZ" in old.run("migrate").err


@pytest.mark.parametrize("table", [b"registry.counts", b"registry.places", b"registry.by_state"])
def test_an_index_that_is_wrong_is_put_right(old: Node, table: bytes) -> None:
    (key, _), *_ = ((k, v) for t, k, v in version_1.rows() if t == table)
    change(old.data, table, key, None)
    assert "1 行索引改正" in old.run("migrate").out
    assert_sound(old.data)


def test_a_key_that_is_not_of_this_program_is_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), max_dbs=4) as environment:
        environment.open_db(b"meta")
    refused = Node.run(_at(tmp_path), "migrate")
    assert (refused.code, "not one of csid" in refused.err) == (2, True)


def test_a_newer_version_is_left_alone(old: Node) -> None:
    change(old.data, b"meta", b"schema", b"3")
    refused = old.run("migrate")
    assert (refused.code, "schema version 3" in refused.err) == (2, True)


def _at(data: Path) -> Node:
    made = Node.__new__(Node)
    made.data = data
    return made


# -- killed


def migrate_slowly(say: Say, data: Path) -> None:
    """Say so after each step, and take a moment."""

    def told(what: str, done: int, _whole: int) -> None:
        say(f"{what} {done}")
        time.sleep(0.001)

    migrate(data, ASKED, told)


def assert_whole(data: Path, before: set[Record]) -> str:
    """It is a whole directory of version 1 or 2; which."""
    with OldData(data, alone=False) as found:
        version = found.version()
    if version == "1":
        assert records_of_old(data) == before
        with OldData(data, alone=False) as found:
            rows = [(table, *row) for table in found.tables() for row in found.rows(table)]
        assert sorted(rows) == sorted(version_1.rows())
    else:
        assert records_of(data) == before
        assert_sound(data)
    return version


def test_killed_at_any_moment_it_leaves_one_whole_version_and_goes_on(tmp_path: Path) -> None:
    before = records_of_old(version_1.write(tmp_path / "first"))
    lines = len(finished(start(migrate_slowly, tmp_path / "first")))
    assert lines > 10
    for number, (behind, seconds) in enumerate(moments(KILLS, lines)):
        data = version_1.write(tmp_path / f"{number}")
        killed_after(start(migrate_slowly, data), behind, seconds)
        assert_whole(data, before)
        finished(start(migrate_slowly, data))
        assert assert_whole(data, before) == "2"
        assert not (data / "migrating").exists()


def migrate_and_die(say: Say, data: Path, where: str, last: bool) -> None:
    """Be killed at a call, before it or behind it."""
    owner, name = {
        "link": (os, "link"),
        "rename": (Path, "rename"),
        "rmtree": (shutil, "rmtree"),
        "leaves": (run, "append_leaves"),
        "node": (run, "note_node"),
        "point": (WriteTransaction, "point"),
    }[where]
    called = getattr(owner, name)

    def die(*given: object, **named: object) -> object:
        if last:
            called(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(owner, name, die)
    migrate_slowly(say, data)


@pytest.mark.parametrize(
    ("where", "last"),
    [
        ("point", True),
        ("node", True),
        ("leaves", False),
        ("leaves", True),
        ("link", False),
        ("link", True),
        ("rename", False),
        ("rename", True),
        ("rmtree", True),
    ],
)
def test_killed_at_each_step_of_the_end_it_goes_on(tmp_path: Path, where: str, last: bool) -> None:
    data = version_1.write(tmp_path / "node")
    before = records_of_old(data)
    killed = start(migrate_and_die, data, where, last)
    all_said(killed)
    assert killed.process.exitcode == -signal.SIGKILL
    assert_whole(data, before)
    finished(start(migrate_slowly, data))
    assert assert_whole(data, before) == "2"
    assert not (data / "migrating").exists()


def test_old_data_that_were_changed_since_are_copied_anew(tmp_path: Path) -> None:
    data = version_1.write(tmp_path / "node")
    killed = start(migrate_and_die, data, "link", False)
    all_said(killed)
    assert (data / "migrating" / "data.mdb").exists()
    (_, key, blob), *_ = (
        row for row in version_1.rows() if row[0] == b"tree" and row[1][7] == 2 and len(row[1]) > 8
    )
    change(data, b"tree", key[:8] + b"new\0", blob)
    before = records_of_old(data)
    finished(start(migrate_slowly, data))
    assert records_of(data) == before


def test_the_new_file_has_owner_and_permissions_of_the_old(old: Node) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(old.data / "data.mdb", 12_345, 23_456)
    (old.data / "data.mdb").chmod(0o640)
    old.must("migrate")
    found = (old.data / "data.mdb").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12_345, 23_456, 0o640)


def test_the_old_data_of_an_earlier_migration_are_not_lost(old: Node) -> None:
    (old.data / "data.version-1.mdb").write_bytes(b"of an earlier one")
    refused = old.run("migrate")
    assert (refused.code, "move it away first" in refused.err) == (2, True)
    assert (old.data / "data.version-1.mdb").read_bytes() == b"of an earlier one"
    assert not (old.data / "migrating").exists()


def test_too_little_room_is_said_before_anything_is_made(
    old: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(old.data)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    refused = old.run("migrate")
    assert (refused.code, "1,000 are free" in refused.err) == (2, True)
    assert not (old.data / "migrating").exists()


def test_rows_that_no_leaf_may_hold_at_once_are_in_several() -> None:
    rows = [("replays", number.to_bytes(32, "big"), bytes(100)) for number in range(2_000)]
    made = list(parts(rows))
    assert len(made) > 3
    assert max(map(len, made)) <= OCTETS_MAX
    assert [row for part in made for row in rows_of(part)] == rows
    assert [rows_of(part) for part in parts([])] == [[]]


@pytest.mark.parametrize("rows", [[["nothing", b"", b""]], [["owners", "text", b""]], [[1]], 7])
def test_what_carries_no_rows_of_the_registry_is_refused(rows: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        rows_of(msgpack.packb(rows))
