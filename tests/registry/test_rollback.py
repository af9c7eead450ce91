"""An older copy in the place of a node's data is not written to until somebody says so."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from csid import names
from registry.rules.requests import SetScope
from registry.service import Registry
from registry.tables.naming import Names
from registry.tables.rollback import RollbackWatch
from registry.tables.transaction import TransactionView, append_leaves
from resolver.store import epochs
from resolver.store.difference import serial_in
from resolver.store.environment import Store
from resolver.sync import states
from resolver.sync.timers import AT_ONCE
from tests.support.books import ORIGIN, SUFFIX, ask
from tests.support.commands import Node, run
from tests.support.joined import follow_root, joined, national
from tests.support.killed import Say, all_said, start
from tests.support.registering import CLASS, OWNER, PLACE
from tests.support.servers import serving

OTHER_PLACE = f"{OWNER}/6450/330108/ACV"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with a pool of which one code was given."""
    made = Node(tmp_path / "node")
    made.accredit(OWNER)
    made.must("pool", "add", PLACE, "--class", CLASS, "--count", 100)
    made.must("assign", f"{PLACE}/{CLASS}")
    return made


def backed_up(node: Node) -> Path:
    """A copy of a node's data."""
    return Path(shutil.copytree(node.data, node.data.with_name("backup")))


def put_back(node: Node, backup: Path) -> None:
    """The copy in the place of the data."""
    shutil.rmtree(node.data)
    shutil.copytree(backup, node.data)


def test_a_code_that_was_minted_after_the_backup_is_not_given_twice(node: Node) -> None:
    backup = backed_up(node)
    given = [node.must("assign", f"{PLACE}/{CLASS}") for _ in range(3)]
    put_back(node, backup)

    refused = node.run("assign", f"{PLACE}/{CLASS}")
    assert refused.code == 2
    assert "lacks 3 of the leaves" in refused.err
    assert "csid audit resume --accept" in refused.err

    asked = node.run("audit", "resume")
    assert (asked.code, "3" in asked.err) == (1, True)
    assert "goes on without 3" in node.must("audit", "resume", "--accept", "--reason", "disk lost")
    assert node.must("assign", f"{PLACE}/{CLASS}") not in given
    assert node.run("audit", "resume").code == 0
    assert node.run("audit", "verify").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("owner", "suspend", OWNER),
        ("pool", "add", OTHER_PLACE, "--class", CLASS, "--count", 10),
        ("assign", f"{PLACE}/{CLASS}-A001"),
        ("scope", "set", "--location", "33"),
        ("audit", "checkpoint"),
    ],
)
def test_nothing_at_all_is_written_to_an_older_copy(node: Node, words: tuple[object, ...]) -> None:
    node.must("audit", "key", "--new", "example.cn/log")
    backup = backed_up(node)
    node.must("assign", f"{PLACE}/{CLASS}")
    put_back(node, backup)
    before = (node.data / "data.mdb").read_bytes()
    refused = node.run(*words)
    assert (refused.code, "older copy" in refused.err) == (2, True), refused
    assert (node.data / "data.mdb").read_bytes() == before


def test_an_older_copy_is_read_and_tried(node: Node) -> None:
    backup = backed_up(node)
    node.must("assign", f"{PLACE}/{CLASS}")
    put_back(node, backup)
    assert node.run("list", PLACE).code == 0
    assert node.run("assign", f"{PLACE}/{CLASS}", "--dry-run").code == 0


def test_a_running_node_answers_from_an_older_copy_and_its_writer_writes_nothing(
    node: Node,
) -> None:
    backup = backed_up(node)
    given = [node.must("assign", f"{PLACE}/{CLASS}") for _ in range(2)]
    put_back(node, backup)
    with serving(node.data) as server:
        refused = node.run("assign", f"{PLACE}/{CLASS}")
        assert (refused.code, "lacks 2 of the leaves" in refused.err) == (2, True), refused
        first = node.run("list", PLACE, "--json").json[0]["identifier"]
        asked = run("resolve", first, "--server", f"127.0.0.1:{server.port}")
        assert (asked.code, first in asked.out) == (0, True)
        node.must("audit", "resume", "--accept")
        assert node.must("assign", f"{PLACE}/{CLASS}") not in given


def assign_and_die(say: Say, data: Path) -> None:
    """Killed between commit and note."""
    RollbackWatch.committed = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore
    run("assign", f"{PLACE}/{CLASS}", "--data", data)


def test_a_code_of_a_commit_that_nobody_noted_is_not_given_again(node: Node) -> None:
    backup = backed_up(node)
    node.must("assign", f"{PLACE}/{CLASS}")
    all_said(start(assign_and_die, node.data))
    given = {one["identifier"] for one in node.run("list", PLACE, "--json").json}
    assert len(given) == 3
    put_back(node, backup)
    node.must("audit", "resume", "--accept")
    assert node.must("assign", f"{PLACE}/{CLASS}") not in given
    assert node.run("audit", "verify").code == 0


def test_what_was_undone_is_not_missing(node: Node) -> None:
    backup = backed_up(node)
    with Registry.alone(node.data, sync=False) as registry:
        with registry.store.write(keep=False) as txn:
            size = TransactionView(txn).leaves()
            append_leaves(txn, [b"leaf"] * 50, size + 50)
        assert ask(registry, SetScope(("33",))).status.success
    put_back(node, backup)
    assert "goes on without 1 " in node.must("audit", "resume", "--accept")


def test_a_second_roll_back_is_noticed_as_well(node: Node) -> None:
    backup = backed_up(node)
    given = [node.must("assign", f"{PLACE}/{CLASS}") for _ in range(5)]
    put_back(node, backup)
    node.must("audit", "resume", "--accept")
    given += [node.must("assign", f"{PLACE}/{CLASS}") for _ in range(2)]
    put_back(node, backup)
    # 5 were lost the first time, then come the leaf that says so and 2 more.
    assert node.run("audit", "resume", "--json").json == [{"missing": 8, "restored": False}]
    node.must("audit", "resume", "--accept")
    assert node.must("assign", f"{PLACE}/{CLASS}") not in given


def test_a_pool_that_was_lost_and_is_added_again_gives_no_code_twice(node: Node) -> None:
    backup = backed_up(node)
    again = ("pool", "add", OTHER_PLACE, "--class", CLASS, "--count", 10)
    node.must(*again)
    given = [node.must("assign", f"{OTHER_PLACE}/{CLASS}") for _ in range(3)]
    put_back(node, backup)
    node.must("audit", "resume", "--accept")  # without 4 leaves
    refused = node.run(*again[:-1], 4)
    assert (refused.code, "expected more than 4 codes" in refused.err) == (1, True), refused
    node.must(*again)
    now = [node.must("assign", f"{OTHER_PLACE}/{CLASS}") for _ in range(6)]
    assert not {*given} & {*now}
    assert node.run("assign", f"{OTHER_PLACE}/{CLASS}").code == 1, "six of ten were left"
    assert node.run("audit", "verify", "--rules").code == 0


def test_the_newest_checkpoint_says_how_much_is_missing_on_another_machine(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.must("audit", "key", "--new", "example.cn/log")
    backup = backed_up(node)
    given = [node.must("assign", f"{PLACE}/{CLASS}") for _ in range(4)]
    point = tmp_path / "newest"
    node.must("audit", "checkpoint", "--output", point)
    put_back(node, backup)
    monkeypatch.setenv(epochs.FOLDER_VARIABLE, str(tmp_path / "another machine"))
    assert node.run("audit", "resume").code == 0, "it has seen nothing of the node"
    assert "goes on without 4" in node.must("audit", "resume", "--checkpoint", point)
    assert node.must("assign", f"{PLACE}/{CLASS}") not in given


def test_a_checkpoint_with_another_signature_says_nothing(node: Node, tmp_path: Path) -> None:
    node.must("audit", "key", "--new", "example.cn/log")
    point = tmp_path / "point"
    node.must("audit", "checkpoint", "--output", point)
    size = int(point.read_text().split("\n")[1])
    point.write_text(point.read_text().replace(f"\n{size}\n", f"\n{size + 1_000}\n"))
    refused = node.run("audit", "resume", "--checkpoint", point)
    assert (refused.code, "signature" in refused.err) == (2, True)


def test_a_checkpoint_of_another_log_is_no_reason_to_go_on(node: Node, tmp_path: Path) -> None:
    node.must("audit", "key", "--new", "example.cn/log")
    other = Node(tmp_path / "other")
    for name in ("audit-key.pem", "audit-key.pem.pub"):
        shutil.copy(node.data / name, other.data / name)
    other.accredit("91350100M000100Y43")
    point = tmp_path / "point"
    other.must("audit", "checkpoint", "--output", point)
    refused = node.run("audit", "resume", "--checkpoint", point)
    assert (refused.code, "not those of the checkpoint" in refused.err) == (2, True)


def test_secondaries_get_serials_that_none_of_them_has_seen(node: Node) -> None:
    backup = backed_up(node)
    for _ in range(3):
        node.must("assign", f"{PLACE}/{CLASS}")
    (seen,) = (zone["serial"] for zone in node.run("zone", "list", "--json").json)
    put_back(node, backup)
    node.must("audit", "resume", "--accept")
    (now,) = (zone["serial"] for zone in node.run("zone", "list", "--json").json)
    assert now > seen


def test_the_zone_of_a_cut_that_was_lost_begins_behind_what_others_have_of_it(
    tmp_path: Path,
) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    joined(data).close()
    first, lost = f"{PLACE}/{CLASS}-A001", f"{OTHER_PLACE}/{CLASS}-A001"
    assert run("assign", first, "--data", data).code == 0
    shutil.copytree(data, backup)
    for number in range(1, 5):
        assert run("assign", f"{lost[:-1]}{number}", "--data", data).code == 0
    seen = serial_of(data)
    shutil.rmtree(data)
    shutil.copytree(backup, data)
    assert run("audit", "resume", "--accept", "--reason", "x", "--data", data).code == 0
    assert run("assign", lost, "--data", data).code == 0
    assert serial_of(data) > seen
    assert run("audit", "verify", "--data", data).code == 0


def serial_of(data: Path, origin: bytes = b"") -> int:
    """Of a zone, of that of the cut at OTHER_PLACE if none is named."""
    cut = "/".join(OTHER_PLACE.split("/")[:3])
    with Store.open(data) as store, store.read() as read:
        held = read.zone(origin or Names(SUFFIX).target(cut))
        return serial_in(read.tree(held.generation).get(b"") or b"")


def test_a_zone_that_follows_another_server_keeps_the_serial_it_has_from_there(
    tmp_path: Path,
) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with joined(data) as registry:
        follow_root(registry, national(tmp_path / "root", []))
    serial, apex = serial_of(data, ORIGIN), names.key_of(ORIGIN)
    with Store.open(data, writable=True) as store, store.write() as txn:
        states.settle(txn, [states.Settled(apex, AT_ONCE, states.StateRow(due=2**31))])
    shutil.copytree(data, backup)
    assert run("assign", f"{PLACE}/{CLASS}-A001", "--data", data).code == 0
    shutil.rmtree(data)
    shutil.copytree(backup, data)
    assert run("audit", "resume", "--accept", "--reason", "x", "--data", data).code == 0
    assert serial_of(data, ORIGIN) == serial
    with Store.open(data) as store, store.read() as read:
        state = states.state_of(read, apex)
    assert state is not None and state.due < 2**31  # what its primary said since is asked for
    assert run("audit", "verify", "--data", data).code == 0


def test_a_copy_that_is_made_another_node_goes_its_own_way(node: Node) -> None:
    copy = Node.__new__(Node)
    copy.data = backed_up(node)
    node.must("assign", f"{PLACE}/{CLASS}")
    assert copy.run("assign", f"{PLACE}/{CLASS}").code == 2
    copy.must("audit", "resume", "--new-node")
    copy.must("assign", f"{PLACE}/{CLASS}")
    node.must("assign", f"{PLACE}/{CLASS}")
    assert copy.run("audit", "verify").code == 0


def test_only_an_administrator_says_how_a_node_goes_on(node: Node) -> None:
    backup = backed_up(node)
    node.must("assign", f"{PLACE}/{CLASS}")
    put_back(node, backup)
    for said in ("--accept", "--new-node"):
        refused = node.run("audit", "resume", said, "--role", "auditor")
        assert (refused.code, "administrator" in refused.err) == (2, True)


def test_where_nothing_can_be_noted_work_goes_on_with_a_warning(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(epochs.FOLDER_VARIABLE, "/proc/nowhere")
    node.must("assign", f"{PLACE}/{CLASS}")
    node.must("assign", f"{PLACE}/{CLASS}")
    assert caplog.text.count("an older copy of this data directory would not be noticed") == 1


def test_a_number_never_goes_back(tmp_path: Path) -> None:
    epoch = epochs.Epoch(tmp_path / "state" / "one")
    epoch.note(7)
    epoch.note(5)
    assert epochs.Epoch(tmp_path / "state" / "one").seen == 7


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CSID_STATE": "/s"}, "/s"),
        ({"XDG_STATE_HOME": "/x"}, "/x/csid/epochs"),
        ({"HOME": "/h"}, "/h/.local/state/csid/epochs"),
    ],
)
def test_where_the_numbers_are(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CSID_STATE", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.geteuid", lambda: 1_000)
    assert epochs.folder() == Path(expected)


def test_the_numbers_of_root_are_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CSID_STATE", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert epochs.folder() == Path("/var/lib/csid/epochs")
