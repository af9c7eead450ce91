"""The data directory: made, opened, refused, written, swept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lmdb
import pytest

from csid import names
from csid.errors import StoreError, ZoneError
from csid.protocol import TXT
from resolver.store import node
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.meta import DATABASES
from resolver.store.node import RRset
from resolver.store.write import WriteTransaction
from tests.support import trees
from tests.support.commands import as_nobody
from tests.support.memory import zone_data
from tests.support.servers import SUFFIX, make_data, put_zone

MIB = 1 << 20
ZONE = """\
$TTL 60
@    SOA ns1 host 7 1 1 1 60
     NS  ns1
ns1  A   192.0.2.1
cut  NS  ns.elsewhere.
dn   DNAME other.example.
al   CNAME ns1
a.b  TXT "x"
*.w  TXT "wild"
"""
ORIGIN = names.from_text(SUFFIX)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(make_data(tmp_path / "data", ZONE), writable=True) as opened:
        yield opened


def key(text: str) -> bytes:
    """The key below the suffix of a name relative to it."""
    return names.key_of(names.from_text(f"{text}.{SUFFIX}"))[
        len(names.key_of(names.from_text(SUFFIX))) :
    ]


def blob(text: bytes, *more: int) -> bytes:
    rrsets = {TXT: RRset(60, [bytes((len(text),)) + text])}
    return node.encode(rrsets | {rrtype: RRset(60, [b"\x80"]) for rrtype in more})


def put(store: Store, name: str, content: bytes) -> int:
    with store.write() as txn:
        zone = txn.update(names.from_text(SUFFIX))
        effect = zone.put(key(name), content)
        zone.finish()
    return effect


# -- making and opening


def test_a_new_directory_keeps_what_it_was_made_with(tmp_path: Path) -> None:
    with Store.create(tmp_path / "a" / "b", SUFFIX, "0.EXAMPLE", 3 * MIB + 1) as made:
        made_settings = made.settings()
        # LMDB wants whole pages.
        assert made.usage()["map_octets"] == 3 * MIB + 4096
    with Store.open(tmp_path / "a" / "b") as opened:
        settings = opened.settings()
    assert settings == made_settings
    assert (settings.suffix, settings.handle_authority) == (SUFFIX, "0.EXAMPLE")
    assert len(settings.cookie_secret) == 16


def test_two_directories_have_secrets_of_their_own(tmp_path: Path) -> None:
    stores = [Store.create(tmp_path / name, SUFFIX, "0.EXAMPLE") for name in "ab"]
    assert stores[0].settings().cookie_secret != stores[1].settings().cookie_secret
    for one in stores:
        one.close()


def refusal(path: Path, writable: bool = False) -> str:
    with pytest.raises(StoreError) as caught:
        Store.open(path, writable)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_a_missing_directory_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    assert "csid init --data" in refusal(tmp_path / "none")
    assert "csid init --data" in refusal(tmp_path)


def test_a_text_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_text("Hello.\n" * 5_000)
    assert "no LMDB file" in refusal(tmp_path)


@pytest.mark.parametrize("octets", [0, 1, 100, 4096])
def test_a_file_cut_short_is_refused(tmp_path: Path, octets: int) -> None:
    whole = (make_data(tmp_path / "whole") / "data.mdb").read_bytes()
    (tmp_path / "data.mdb").write_bytes(whole[:octets])
    refusal(tmp_path)


def foreign(path: Path, entries: dict[bytes, dict[bytes, bytes]]) -> Path:
    environment = lmdb.open(str(path), max_dbs=8)
    with environment.begin(write=True) as txn:
        for name, content in entries.items():
            database = environment.open_db(name, txn=txn)
            for one, value in content.items():
                txn.put(one, value, db=database)
    environment.close()
    return path


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {b"meta": {}},
        {b"domains": {b"a": b"b"}},
        {name: {} for name in DATABASES},
        {name: {b"kind": b"other"} for name in DATABASES},
    ],
)
def test_an_lmdb_file_of_another_program_is_refused(
    tmp_path: Path, entries: dict[bytes, dict[bytes, bytes]]
) -> None:
    assert "not one of csid" in refusal(foreign(tmp_path / "other", entries))


@pytest.mark.parametrize("writable", [False, True])
def test_a_directory_of_a_newer_version_is_refused(tmp_path: Path, writable: bool) -> None:
    path = make_data(tmp_path / "data")
    foreign(path, {b"meta": {b"schema": b"3"}})
    assert "schema version 3, this program reads version 2; use" in refusal(path, writable)


@pytest.mark.parametrize("writable", [False, True])
def test_a_directory_of_an_older_version_is_refused_with_what_brings_it_up_to_date(
    tmp_path: Path, writable: bool
) -> None:
    path = make_data(tmp_path / "data")
    foreign(path, {b"meta": {b"schema": b"1"}})
    message = refusal(path, writable)
    assert "schema version 1, this program reads version 2" in message
    assert f"csid migrate --data {path}" in message


def test_a_directory_is_not_made_over_another(tmp_path: Path) -> None:
    path = make_data(tmp_path / "data")
    before = (path / "data.mdb").read_bytes()
    with pytest.raises(StoreError, match="holds a data file already"):
        Store.create(path, SUFFIX, "0.EXAMPLE")
    assert (path / "data.mdb").read_bytes() == before


def test_a_directory_that_could_not_be_made_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="map is full"):
        Store.create(tmp_path / "data", SUFFIX, "0.EXAMPLE", map_octets=4096)
    Store.create(tmp_path / "data", SUFFIX, "0.EXAMPLE").close()


def test_without_permission_the_directory_is_refused(open_folder: Path) -> None:
    path = make_data(open_folder / "data")
    (path / "data.mdb").chmod(0o000)
    with as_nobody():
        assert "ermission denied" in refusal(path)
        assert "ermission denied" in refusal(path, writable=True)
        with pytest.raises(StoreError, match="ermission denied"):
            Store.create(open_folder / "new", SUFFIX, "0.EXAMPLE")


def opened_up(open_folder: Path, data_mode: int, lock_mode: int) -> Path:
    """A data directory of root, into which others may look."""
    path = make_data(open_folder / "data")
    path.chmod(0o755)
    (path / "data.mdb").chmod(data_mode)
    (path / "lock.mdb").chmod(lock_mode)
    return path


def test_who_may_read_and_take_a_slot_reads(open_folder: Path) -> None:
    path = opened_up(open_folder, 0o640, 0o660)
    with as_nobody(), Store.open(path) as opened, opened.snapshot():
        assert opened.settings().suffix == SUFFIX
        assert opened.usage()["readers"] > 0


@pytest.mark.parametrize("lock_mode", [0o644, 0o600, None])
def test_nobody_reads_without_a_slot(open_folder: Path, lock_mode: int | None) -> None:
    """A writer would use pages again that are being read."""
    path = opened_up(open_folder, 0o644, lock_mode or 0o600)
    if lock_mode is None:
        (path / "lock.mdb").unlink()
    with as_nobody():
        message = refusal(path)
    assert "permission denied" in message
    assert "chmod g+rw lock.mdb" in message


def remount(disk: Path, *options: str) -> None:
    subprocess.run(["mount", "-o", ",".join(("remount", *options)), disk], check=True)


@pytest.mark.parametrize("with_lock_file", [True, False])
def test_on_a_file_system_that_nobody_can_write_reading_needs_no_slot(
    small_disk: Path, with_lock_file: bool
) -> None:
    path = make_data(small_disk / "data")
    if not with_lock_file:
        (path / "lock.mdb").unlink()
    remount(small_disk, "ro")
    with Store.open(path) as opened, opened.snapshot():
        assert opened.settings().suffix == SUFFIX
    assert "ead-only" in refusal(path, writable=True)


def test_on_a_mount_that_is_read_only_here_alone_a_reader_is_refused(small_disk: Path) -> None:
    path = make_data(small_disk / "data")
    view = small_disk / "a view"
    view.mkdir()
    subprocess.run(["mount", "--bind", path, view], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", view], check=True)
        assert "mounted read-only here, but can be written elsewhere" in refusal(view)
        Store.open(path).close()
    finally:
        subprocess.run(["umount", "-l", view], check=True)


def modes(path: Path) -> list[int]:
    return [file.stat().st_mode & 0o7777 for file in (path, *sorted(path.iterdir()))]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_files_are_their_owners_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = tmp_path / "above" / "data"
        with Store.create(path, SUFFIX, "0.EXAMPLE") as made, made.building():
            assert modes(path) == [0o700, 0o600, 0o600, 0o600, 0o600]
        shared = tmp_path / "shared"
        shared.mkdir()
        shared.chmod(0o2770)
        with Store.create(shared, SUFFIX, "0.EXAMPLE") as made, made.building():
            assert modes(shared) == [0o2770, 0o660, 0o660, 0o660, 0o660]
    finally:
        os.umask(before)


# -- a directory that was being made


@pytest.mark.parametrize("killed_at", range(1, 6))
def test_what_a_killed_maker_left_is_made_whole(tmp_path: Path, killed_at: int) -> None:
    """Killed before, after and at the system calls that write, wherever that is."""
    path = tmp_path / "data"
    maker = subprocess.run(
        [sys.executable, "-c", MAKER, str(path), str(killed_at)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert maker.returncode == -signal.SIGKILL, maker.stderr
    with Store.create(path, "other.example.", "0.OTHER", 3 * MIB, zone_nodes()) as made:
        assert made.settings()[:2] == ("other.example.", "0.OTHER")
        assert trees.serial(made, "other.example.") == 7
        assert made.usage()["map_octets"] == 3 * MIB
        trees.check(made)
    with pytest.raises(StoreError, match="holds a data file already"):
        Store.create(path, SUFFIX, "0.EXAMPLE")


MAKER = """
import os, signal, sys
from pathlib import Path
from resolver.store import environment
from resolver.store.environment import Store

steps = ["make_directory", "_clear_unfinished", "_open_environment", "set_mode", "fill"]
name = steps[int(sys.argv[2]) - 1]
step = getattr(environment, name)

def killed(*words, **options):
    if name != "fill":  # what is written with one commit is there or not
        step(*words, **options)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(environment, name, killed)
Store.create(Path(sys.argv[1]), "first.example.", "0.EXAMPLE")
"""


def zone_nodes() -> list[tuple[bytes, bytes]]:
    return list(build(*zone_data(ZONE, "other.example.")))


def test_an_empty_data_file_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").touch()
    Store.create(tmp_path, SUFFIX, "0.EXAMPLE").close()


def test_a_directory_whose_zones_were_dropped_is_not_unfinished(tmp_path: Path) -> None:
    path = make_data(tmp_path / "data")
    with Store.open(path, writable=True) as store, store.write() as txn:
        txn.drop_zone(names.from_text(SUFFIX))
    with pytest.raises(StoreError, match="holds a data file already"):
        Store.create(path, SUFFIX, "0.EXAMPLE")


def test_a_directory_with_tables_of_others_is_not_unfinished(tmp_path: Path) -> None:
    with Store.create(tmp_path / "data", SUFFIX, "0.EXAMPLE") as store:
        store.open_tables([b"registry.something"])
    with pytest.raises(StoreError, match="holds a data file already"):
        Store.create(tmp_path / "data", SUFFIX, "0.EXAMPLE")


def test_of_two_who_make_the_same_directory_one_does(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from resolver.store.environment import Store;"
        "from tests.resolver.store.test_environment import zone_nodes;"
        "sys.stdin.readline();"
        "zone = zone_nodes();"
        "Store.create(Path(sys.argv[1]), 'a.example.', '0.EXAMPLE', first_zone=zone).close()"
    )
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "data")],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(4)
    ]
    errors = [maker.communicate("go\n")[1] for maker in makers]
    assert sorted(maker.returncode for maker in makers) == [0, 1, 1, 1]
    assert sum("holds a data file already" in error for error in errors) == 3


# -- many threads


def test_threads_see_each_their_own_moment(store: Store) -> None:
    """A zone that is replaced over and over again: no thread may find one moment's zone in
    another's tree.
    """
    wrong: list[object] = []
    stop = threading.Event()

    def read() -> None:
        apex = names.key_of(names.from_text(SUFFIX))
        while not stop.is_set():
            with store.snapshot() as snapshot, store.read() as other:
                for one in (snapshot, other.snapshot):
                    zone = one.zone_of(apex)
                    assert zone is not None
                    if one.get(zone.generation) is None:
                        wrong.append(zone.generation)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read) for _ in range(4)]
            for _ in range(30):
                put_zone(store, ZONE)
                store.sweep()
            stop.set()
            for reader in readers:
                reader.result()
    finally:
        stop.set()
        sys.setswitchinterval(interval)
    assert not wrong


# -- full


def test_a_full_map_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    with Store.create(tmp_path / "data", SUFFIX, "0.EXAMPLE", map_octets=MIB) as small:
        put_zone(small, ZONE)
        with pytest.raises(StoreError, match=r"the map is full.*--map-size") as caught:
            for number in range(10_000):
                put(small, f"n{number}", blob(b"x" * 250))
        assert "\n" not in str(caught.value)
        trees.check(small)
        assert 100 < number == len(trees.owners(small, SUFFIX)) - 7
    with Store.open(tmp_path / "data", writable=True) as small:
        trees.check(small)


def test_a_full_disk_is_one_line_and_loses_nothing(small_disk: Path) -> None:
    with Store.create(small_disk / "data", SUFFIX, "0.EXAMPLE") as small:
        put_zone(small, ZONE)
        with pytest.raises(StoreError, match="the disk is full") as caught:
            for number in range(20_000):
                put(small, f"n{number}", blob(b"x" * 250))
        assert "\n" not in str(caught.value)
        trees.check(small)
        assert number == len(trees.owners(small, SUFFIX)) - 7


# -- generations


def nodes(text: str = ZONE) -> list[tuple[bytes, bytes]]:
    return list(build(*zone_data(text, SUFFIX)))


def test_what_is_replaced_or_dropped_is_swept_in_pieces(store: Store) -> None:
    put_zone(store, ZONE)
    put_zone(store, ZONE.replace("192.0.2.1", "192.0.2.2"), "other.example.")
    assert trees.leftovers(store) == len(nodes()) + 1
    with store.write() as txn:
        txn.drop_zone(names.from_text("other.example."))
    assert store.sweep(most=3) == 2
    assert trees.leftovers(store) == 0
    trees.check(store)


def test_a_zone_in_several_parts_is_seen_once_it_is_published(store: Store) -> None:
    content = nodes(ZONE + "new TXT x\n")
    with store.building() as generation:
        for at in range(0, len(content), 2):
            with store.write() as txn:
                txn.put_nodes(ORIGIN, generation, content[at : at + 2])
            assert f"new.{SUFFIX}" not in trees.owners(store, SUFFIX)
            assert store.sweep() == 0
            assert store.sweep_some(10) == (0, 0)  # nothing left to wait for
        with store.write() as txn:
            txn.publish(names.from_text(SUFFIX), generation, 1)
    assert f"new.{SUFFIX}" in trees.owners(store, SUFFIX)
    assert store.sweep() == 1
    assert trees.leftovers(store) == 0
    trees.check(store)


def test_a_zone_that_was_given_up_is_swept(store: Store) -> None:
    with store.building() as generation, store.write() as txn:
        txn.put_nodes(ORIGIN, generation, nodes())
    assert trees.leftovers(store) > 0
    assert store.sweep() == 1
    assert trees.leftovers(store) == 0


def test_parts_of_two_zones_may_alternate(store: Store) -> None:
    origins = [names.from_text(f"{name}.example.") for name in ("one", "other")]
    contents = [list(build(*zone_data(ZONE, names.to_text(origin)))) for origin in origins]
    with store.building() as one, store.building() as other:
        for at in range(0, len(contents[0]), 3):
            for origin, generation, content in zip(origins, (one, other), contents, strict=True):
                with store.write() as txn:
                    txn.put_nodes(origin, generation, content[at : at + 3])
        with store.write() as txn:
            for origin, generation in zip(origins, (one, other), strict=True):
                txn.publish(origin, generation, 1)
    trees.check(store)
    with store.read() as read:
        for origin, content in zip(origins, contents, strict=True):
            assert dict(read.nodes(read.zone(origin).generation)) == dict(content)


def test_nodes_out_of_order_are_a_mistake_of_the_caller(store: Store) -> None:
    with store.building() as generation, pytest.raises(ValueError, match="order"):  # noqa: SIM117
        with store.write() as txn:
            txn.put_nodes(ORIGIN, generation, reversed(nodes()))


BUILDER = """
import sys
from pathlib import Path
from resolver.store.environment import Store
with Store.open(Path(sys.argv[1]), writable=True) as store, store.building() as generation:
    with store.write() as txn:
        txn.put_nodes(b"\\0", generation, [(b"", b"\\0\\0"), (b"a\\0", b"\\0\\0")])
    print("built", flush=True)
    sys.stdin.read()
"""


def test_nobody_sweeps_what_another_process_is_building_until_it_dies(store: Store) -> None:
    builder = subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(store.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "built\n"
        assert store.sweep() == 0
        assert trees.leftovers(store) == 3
        builder.kill()
    assert store.sweep() == 1
    assert trees.leftovers(store) == 0


# -- transactions


def test_a_trial_keeps_nothing(store: Store) -> None:
    with store.write(keep=False) as txn:
        txn.replace_zone(names.from_text("trial.example."), nodes())
    with store.read() as read:
        assert [held.origin for held in read.zones()] == [names.from_text(SUFFIX)]


def test_the_deepest_zone_is_found_while_zones_come_and_go(store: Store) -> None:
    child = names.from_text(f"child.{SUFFIX}")
    below = names.key_of(names.from_text(f"x.child.{SUFFIX}"))
    with store.write() as txn:
        assert txn.deepest_zone(below) == names.key_of(names.from_text(SUFFIX))
        txn.replace_zone(child, nodes())
        assert txn.deepest_zone(below) == names.key_of(child)
        txn.drop_zone(child)
        assert txn.deepest_zone(below) == names.key_of(names.from_text(SUFFIX))
        assert txn.deepest_zone(names.key_of(names.from_text("com."))) is None


# -- what comes with the first commit


def test_more_may_come_with_the_commit_that_makes_a_directory(tmp_path: Path) -> None:
    def also(txn: WriteTransaction) -> None:
        assert txn.serial(names.from_text(SUFFIX)) == 7
        txn.table(b"more").put(b"key", b"value")

    path = tmp_path / "data"
    with Store.create(path, SUFFIX, "0.EXAMPLE", first_zone=nodes(), tables=[b"more"], also=also):
        pass
    with Store.open(path) as opened:
        opened.open_tables([b"more"])
        with opened.read() as read:
            assert list(read.table(b"more").scan(b"")) == [(b"key", b"value")]
        trees.check(opened)


def test_what_may_not_come_with_it_keeps_the_directory_from_being_made(tmp_path: Path) -> None:
    def also(txn: WriteTransaction) -> None:
        raise ZoneError("x.", "no")

    path = tmp_path / "data"
    with pytest.raises(ZoneError):
        Store.create(path, SUFFIX, "0.EXAMPLE", first_zone=nodes(), tables=[b"more"], also=also)
    with Store.create(path, SUFFIX, "0.EXAMPLE") as made, made.read() as read:
        assert list(read.zones()) == []


def test_two_directories_are_told_apart(tmp_path: Path) -> None:
    made = [Store.create(tmp_path / name, SUFFIX, "0.EXAMPLE") for name in "ab"]
    ids = [store.settings().node for store in made]
    assert ids[0] != ids[1] and {len(one) for one in ids} == {16}
    for store in made:
        store.close()
