"""Keys and zones of the configuration in the data of a running node: at its start, with SIGHUP."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from csid import names
from gateway.configuration.between import configured_of
from gateway.configuration.load import parse
from registry.network.configured import by_commands, steps
from registry.network.wanted import Configured, packed, unpacked
from registry.tables.transaction import open_tables
from resolver.store.environment import Store
from resolver.sync.settings import (
    EVERYWHERE,
    Subject,
    Target,
    follow_of,
    key_row,
    own_rights,
    own_targets,
    where,
)
from tests.support.commands import run
from tests.support.servers import Server, eventually, make_data, serving

SECRET, OTHER = "c2VjcmV0IG9mIHR3byBzZXJ2ZXJz", "YW5vdGhlciBzZWNyZXQgb2YgdHdv"
K1 = names.from_text("k1.")
OWN = names.key_of(names.from_text("csid.internal."))
FOLLOWED = names.key_of(names.from_text("followed.test."))

TEXT = """
[[key]]
name = "k1"
secret-file = "{folder}/k1.key"

[[zone]]
origin = "*"
transfer = ["192.0.2.0/24"]
notify = ["192.0.2.9"]

[[zone]]
origin = "csid.internal."
transfer = ["192.0.2.7+k1", "k1"]
notify = ["192.0.2.1", "192.0.2.2:5300"]
key = "k1"

[[zone]]
origin = "followed.test."
follow = ["127.0.0.1:1"]
"""


class Node:
    """A node with its configuration."""

    def __init__(self, folder: Path) -> None:
        self.data = make_data(folder / "data")
        self.file = folder / "csid.toml"
        self.key = folder / "k1.key"
        self.key.write_text(f"{SECRET}\n")
        self.say(TEXT)

    def say(self, text: str) -> None:
        """Have the configuration say this."""
        self.file.write_text(text.format(folder=self.file.parent))

    def check(self) -> list[str]:
        """What csid config check says, after its first line."""
        ran = run("config", "check", "--config", str(self.file), "--data", str(self.data))
        assert ran.code == 0, ran
        return ran.out.splitlines()[1:]

    def reload(self, server: Server) -> None:
        """Have the configuration read again, until its keys and zones are as it says."""
        server.process.send_signal(signal.SIGHUP)
        self.settle()

    def settle(self) -> None:
        """Wait until all is as configured."""
        eventually(
            "it is as configured", lambda: not any("not yet" in line for line in self.check())
        )


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_start_makes_keys_and_zones_as_configured(node: Node) -> None:
    assert len(node.check()) == 7
    with serving(node.data, "--config", str(node.file)) as server:
        node.settle()
        assert server.process.poll() is None
        with Store.open(node.data) as store, store.read() as read:
            row = key_row(read, K1)
            assert row is not None
            assert (row.algorithm, len(row.secret)) == ("hmac-sha256", 21)
            assert own_rights(read, EVERYWHERE)[:2] == ((Subject(b"\xc0\x00\x02\0", 24),), ())
            mine = own_rights(read, where(OWN))
            assert mine[0] == (Subject(b"\xc0\x00\x02\x07", 32, K1), Subject(key=K1))
            assert own_targets(read, where(OWN)) == (
                Target("192.0.2.1", 53, K1),
                Target("192.0.2.2", 5300, K1),
            )
            follow = follow_of(read, FOLLOWED)
            assert follow is not None
            assert follow.primaries == (Target("127.0.0.1", 1),)
        # The command line of no process shows the secret.
        for pid in [server.process.pid, *server.workers("registry.writer")]:
            assert SECRET not in Path(f"/proc/{pid}/cmdline").read_text()


def test_what_the_file_says_wins_and_what_commands_made_stays(node: Node) -> None:
    data = ("--data", str(node.data))
    assert run("key", "add", "k1", "--secret", OTHER, *data).code == 0
    assert run("key", "add", "k2", "--secret", OTHER, *data).code == 0
    for who in ("192.0.2.7", "203.0.113.1"):
        assert run("zone", "allow", "csid.internal.", "--transfer", who, *data).code == 0
    assert run("zone", "allow", "csid.internal.", "--update", "k2", *data).code == 0
    assert run("zone", "notify", "csid.internal.", "203.0.113.9", *data).code == 0
    assert run("zone", "follow", "other.test.", "--from", "127.0.0.1:1", *data).code == 0
    with serving(node.data, "--config", str(node.file)):
        node.settle()
        with Store.open(node.data) as store, store.read() as read:
            assert key_row(read, K1).secret != key_row(read, names.from_text("k2.")).secret
            rights = own_rights(read, where(OWN))
            assert set(rights.transfer) == {
                Subject(b"\xc0\x00\x02\x07", 32, K1),
                Subject(key=K1),
            }
            assert rights.update == (Subject(key=names.from_text("k2.")),)
            assert {one.host for one in own_targets(read, where(OWN))} == {"192.0.2.1", "192.0.2.2"}
            assert follow_of(read, names.key_of(names.from_text("other.test."))) is not None
    assert node.check() == [
        "由命令设置 by a command, stays: key k2.",
        "由命令设置 by a command, stays: zone other.test. follows 127.0.0.1:1",
        "由命令设置 by a command, stays: zone csid.internal.: update for 1",
    ]


def test_sighup_takes_what_has_changed_and_leaves_what_is_gone(node: Node) -> None:
    with serving(node.data, "--config", str(node.file)) as server:
        node.settle()
        node.key.write_text(f"{OTHER}\n")
        less = TEXT.replace('"192.0.2.7+k1", ', "").replace('"192.0.2.1", ', "")
        node.say(less.partition('[[zone]]\norigin = "followed')[0])
        node.reload(server)
        with Store.open(node.data) as store, store.read() as read:
            assert own_rights(read, where(OWN)).transfer == (Subject(key=K1),)
            assert own_targets(read, where(OWN)) == (Target("192.0.2.2", 5300, K1),)
            assert follow_of(read, FOLLOWED) is not None
        said = server.log.read_text()
        assert "zone followed.test.: no longer in the configuration" in said
        assert SECRET not in said
        assert OTHER not in said


def test_a_start_with_all_as_configured_changes_nothing(node: Node) -> None:
    for _ in range(2):
        with serving(node.data, "--config", str(node.file)) as server:
            node.settle()
            before = server.log.read_text().count("as configured")
    assert before == 0


def test_what_cannot_be_done_is_said_and_the_rest_is_done(node: Node) -> None:
    node.say(TEXT + '\n[[zone]]\norigin = "nobody-has.test."\ntransfer = ["k1"]\n')
    with serving(node.data, "--config", str(node.file)) as server:
        eventually(
            "it is said",
            lambda: "no zone with this apex is held here" in server.log.read_text(),
        )
        (left,) = node.check()
        assert "nobody-has.test." in left


def test_contradictions_are_refused_before_anything_is_served(node: Node) -> None:
    node.say('[[zone]]\norigin = "a.test."\n[[zone]]\norigin = "a.test."\n')
    ran = run("serve", "--config", str(node.file), "--data", str(node.data))
    assert ran.code == 2
    assert "[[zone]] a.test: 2 times" in ran.err


def test_what_is_packed_is_unpacked(node: Node) -> None:
    wanted = configured_of(parse(node.file.read_bytes(), ""))
    assert unpacked(packed(wanted)) == wanted
    assert unpacked(b"") == Configured()
    assert SECRET not in repr(wanted)
    with Store.open(node.data) as store:
        open_tables(store)
        with store.read() as read:
            assert len(list(steps(read, wanted))) == 7
            assert list(by_commands(read, wanted)) == []
