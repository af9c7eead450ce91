"""`csid key`, `csid zone allow`, `csid zone notify`, as a user types them."""

from __future__ import annotations

import base64
import io
import ipaddress
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from csid import names
from resolver.store.environment import Store
from resolver.sync import access, settings
from resolver.sync.settings import Follow, KeyRow, Target
from tests.support.commands import Ran, run
from tests.support.servers import CHECKOUT, serving

SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
ZONE = "csid.internal."
APEX = names.key_of(names.from_text(ZONE))


@pytest.fixture
def keyed(data: Path) -> Path:
    """A node that has a key."""
    assert run("key", "add", "the-key", "--secret", SECRET, "--data", data).code == 0
    return data


def row(data: Path, name: str) -> KeyRow | None:
    with Store.open(data) as store, store.read() as read:
        return settings.key_row(read, names.from_text(name))


def must(*words: object) -> Ran:
    ran = run(*words)
    assert ran.code == 0, ran.err
    return ran


# -- keys


def test_a_key_is_made_and_its_secret_shown_once(data: Path) -> None:
    ran = must("key", "add", "Made.Example", "--data", data)
    held = row(data, "made.example.")
    assert held is not None and held.algorithm == "hmac-sha256" and len(held.secret) == 32
    secret = base64.b64encode(held.secret).decode()
    assert ran.out.count(secret) == 5  # csid, Knot, BIND, NSD, dig
    for words in (("key", "list"), ("key", "list", "--json"), ("zone", "allow", ZONE)):
        said = must(*words, "--data", data)
        assert secret not in said.out + said.err
    again = run("key", "add", "made.example", "--data", data)
    assert again.code == 2 and "a key of this name is here" in again.err
    assert row(data, "made.example.") == held


def test_the_lines_printed_are_taken_by_those_they_are_for(data: Path, tmp_path: Path) -> None:
    out = must("key", "add", "made", "--algorithm", "hmac-sha512", "--data", data).out
    lines = {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in out.split("\n# ")[1:]}
    held = row(data, "made.")
    (_, *words) = lines["csid"].split()
    other = tmp_path / "other"
    must("init", "--data", other, "--suffix", ZONE)
    must(*[other if word == "DIR" else word for word in words])
    theirs = row(other, "made.")
    assert held is not None and theirs is not None
    assert held[:2] == theirs[:2]
    for name, program, tail in (
        ("Knot", ["knotc", "-c", "FILE", "conf-check"], ""),
        ("BIND", ["named-checkconf", "FILE"], ""),
        ("NSD", ["nsd-checkconf", "FILE"], "\nserver:\n    username: \"\"\n"),
    ):  # fmt: skip
        path = tmp_path / name
        path.write_text(lines[name] + "\n" + tail)
        tool = shutil.which(program[0], path="/usr/sbin:/usr/bin:/sbin")
        if tool is None:
            continue
        asked = [tool, *(str(path) if word == "FILE" else word for word in program[1:])]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_key_is_given_and_listed_and_removed(keyed: Path) -> None:
    (listed,) = must("key", "list", "--json", "--data", keyed).json
    assert listed["key"] == "the-key." and "secret" not in listed
    assert "the-key." in must("key", "list", "--data", keyed).out
    same = must("key", "add", "the-key", "--secret", SECRET, "--data", keyed)
    assert "unchanged" in same.out and SECRET not in same.out
    assert must("key", "remove", "the-key", "--data", keyed).out.startswith("the-key.")
    assert row(keyed, "the-key.") is None
    gone = run("key", "remove", "the-key", "--data", keyed)
    assert gone.code == 2 and "no key of this name" in gone.err


def test_a_secret_may_come_by_stdin(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET + "\n"))
    must("key", "add", "piped", "--secret", "-", "--data", data)
    held = row(data, "piped.")
    assert held is not None and base64.b64encode(held.secret).decode() == SECRET


def test_a_secret_on_the_command_line_is_hidden_from_lists_of_processes() -> None:
    code = (
        "import sys; from pathlib import Path; from gateway.cli.hidden import hide; "
        "hide(sys.argv[1]); print(Path('/proc/self/cmdline').read_bytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, SECRET, f"--secret={SECRET}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKOUT,
    )
    assert SECRET not in done.stdout and "*" * len(SECRET) in done.stdout
    assert "--secret=*" in done.stdout


def test_a_key_ends_when_it_is_said(keyed: Path) -> None:
    must("key", "add", "the-key", "--until", "2030-01-01", "--data", keyed)
    held = row(keyed, "the-key.")
    assert held is not None and held.until == 1_893_427_200  # midnight in China
    with Store.open(keyed) as store, store.read() as read:
        name = names.from_text("the-key.")
        assert access.keyring(read, held.until - 1)(name) is not None
        assert access.keyring(read, held.until)(name) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("k", "--algorithm", "hmac-md5"), "MD5 and SHA-1 protect nobody"),
        (("k", "--algorithm", "hmac-sha1"), "MD5 and SHA-1 protect nobody"),
        (("k", "--algorithm", "rsa"), "no algorithm for keys"),
        (("k", "--secret", "not base64!"), "expected base64"),
        (("k", "--secret", ""), "expected base64"),
        ((".",), "the root is no name of a key"),
        (("a..b",), "empty label"),
    ],
)
def test_a_key_that_is_none_is_refused_in_words(
    data: Path, words: tuple[str, ...], said: str
) -> None:
    ran = run("key", "add", *words, "--data", data)
    assert ran.code == 2 and said in ran.err and "not base64" not in ran.err
    assert must("key", "list", "--json", "--data", data).json == []


def test_a_short_secret_is_warned_of(data: Path) -> None:
    ran = must("key", "add", "k", "--secret", "c2hvcnQ=", "--data", data)
    assert "5 字节偏短 octets; RFC 8945 asks for 32" in ran.err


def test_only_administrators_change_keys_and_rights(keyed: Path) -> None:
    for words in (
        ("key", "add", "other"),
        ("key", "remove", "the-key"),
        ("zone", "allow", ZONE, "--transfer", "the-key"),
        ("zone", "notify", ZONE, "127.0.0.1:53"),
    ):
        ran = run(*words, "--data", keyed, "--role", "auditor")
        assert ran.code == 2 and "administrator" in ran.err


def test_a_key_that_is_named_is_kept_and_it_is_said_by_what(keyed: Path) -> None:
    must("zone", "allow", ZONE, "--transfer", "10.0.0.0/8+the-key", "--data", keyed)
    must("zone", "notify", ZONE, "127.0.0.1:53", "--key", "the-key", "--data", keyed)
    with Store.open(keyed, writable=True) as store, store.write() as txn:
        follow = Follow((Target("127.0.0.1", 53, names.from_text("the-key.")),))
        place = settings.where(names.key_of(names.from_text("followed.")))
        txn.table(settings.FOLLOWS).put(place, settings.pack(follow))
    ran = run("key", "remove", "the-key", "--data", keyed)
    assert ran.code == 1
    for said in (f"{ZONE}: rights", f"{ZONE}: to be notified", "followed.: primaries"):
        assert said in ran.err
    assert row(keyed, "the-key.") is not None
    must("key", "remove", "the-key", "--force", "--data", keyed)
    assert row(keyed, "the-key.") is None


def test_a_key_of_a_node_is_the_register_s(keyed: Path) -> None:
    with Store.open(keyed, writable=True) as store, store.write() as txn:
        held = KeyRow("hmac-sha256", b"x" * 32, "zhejiang")
        txn.table(settings.KEYS).put(names.from_text("zhejiang-1."), settings.pack(held))
    for words in (("add", "zhejiang-1", "--secret", SECRET), ("remove", "zhejiang-1")):
        ran = run("key", *words, "--data", keyed)
        assert ran.code == 2 and "node zhejiang" in ran.err


# -- rights


def may(data: Path, right: access.Right, address: str, key: str = "") -> bool:
    name = names.from_text(key) if key else b""
    with Store.open(data) as store, store.read() as read:
        return access.may(read, APEX, right, ipaddress.ip_address(address).packed, name)


def test_rights_are_given_listed_and_taken(keyed: Path) -> None:
    give = ("--transfer", "10.0.0.0/8", "the-key", "2001:db8::/32+the-key", "--update", "the-key")
    must("zone", "allow", ZONE, *give, "--data", keyed)
    assert may(keyed, "transfer", "10.1.2.3") and may(keyed, "transfer", "192.0.2.1", "the-key.")
    assert not may(keyed, "transfer", "192.0.2.1") and not may(keyed, "update", "10.1.2.3")
    listed = must("zone", "allow", ZONE, "--json", "--data", keyed).json
    assert {(one["right"], one["who"]) for one in listed} == {
        ("transfer", "10.0.0.0/8"),
        ("transfer", "the-key."),
        ("transfer", "2001:db8::/32+the-key."),
        ("update", "the-key."),
    }
    again = must("zone", "allow", ZONE, "--transfer", "the-key", "--data", keyed)
    assert "unchanged" in again.out
    must("zone", "allow", ZONE, *give, "--remove", "--data", keyed)
    assert must("zone", "allow", ZONE, "--json", "--data", keyed).json == []
    assert not may(keyed, "transfer", "10.1.2.3")


def test_the_rights_of_all_hold_where_a_zone_has_none_of_its_own(keyed: Path) -> None:
    must("zone", "allow", "--all", "--transfer", "192.0.2.0/24", "--data", keyed)
    assert may(keyed, "transfer", "192.0.2.7")
    (listed,) = must("zone", "allow", ZONE, "--json", "--data", keyed).json
    assert listed["of"] is None
    ran = must("zone", "allow", ZONE, "--update", "the-key", "--data", keyed)
    assert "none of the rights of --all hold" in ran.err
    assert not may(keyed, "transfer", "192.0.2.7")
    ran = must("zone", "allow", ZONE, "--update", "the-key", "--remove", "--data", keyed)
    assert "those of --all hold again" in ran.err
    assert may(keyed, "transfer", "192.0.2.7")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.", "--transfer", "10.0.0.1"), "no zone with this apex"),
        (("nowhere.",), "no zone with this apex"),
        ((ZONE, "--transfer", "no-key"), "no key of this name"),
        ((ZONE, "--transfer", "10.0.0.1/8"), "host bits"),
        ((ZONE, "--transfer", "10.0.0.0/33"), "no network"),
        ((ZONE, "--update", "the-key+10.0.0.1"), "expected ADDRESS"),
        ((ZONE, "--update", "10.0.0.1+"), "expected ADDRESS"),
        ((ZONE, "--remove"), "which right"),
        ((), "which zone"),
        ((ZONE, "--all"), "which zone"),
    ],
)
def test_rights_that_cannot_be_given(keyed: Path, words: tuple[str, ...], said: str) -> None:
    ran = run("zone", "allow", *words, "--data", keyed)
    assert ran.code == 2 and said in ran.err


def test_an_update_without_a_signature_is_warned_of(keyed: Path) -> None:
    assert "forges" in must("zone", "allow", ZONE, "--update", "10.0.0.1", "--data", keyed).err
    ran = must("zone", "allow", ZONE, "--update", "10.0.0.1+the-key", "--data", keyed)
    assert not ran.err


# -- servers to be notified


def test_servers_are_notified_or_not(keyed: Path) -> None:
    must("zone", "notify", ZONE, "192.0.2.1", "--key", "the-key", "--data", keyed)
    must("zone", "notify", ZONE, "[2001:db8::1]:5353", "--data", keyed)
    listed = must("zone", "notify", ZONE, "--json", "--data", keyed).json
    assert [(one["server"], one["key"]) for one in listed] == [
        ("192.0.2.1:53", "the-key."),
        ("[2001:db8::1]:5353", ""),
    ]
    with Store.open(keyed) as store, store.read() as read:
        found = settings.targets_of(read, APEX)
    assert found[0] == Target("192.0.2.1", 53, names.from_text("the-key."))
    must("zone", "notify", ZONE, "192.0.2.1", "--data", keyed)  # the same, by no key from now on
    listed = must("zone", "notify", ZONE, "--json", "--data", keyed).json
    assert sorted((one["server"], one["key"]) for one in listed) == [
        ("192.0.2.1:53", ""),
        ("[2001:db8::1]:5353", ""),
    ]
    for server in ("192.0.2.1", "[2001:db8::1]:5353"):
        must("zone", "notify", ZONE, server, "--remove", "--data", keyed)
    assert must("zone", "notify", ZONE, "--json", "--data", keyed).json == []
    must("zone", "notify", "--all", "192.0.2.2", "--data", keyed)
    (listed,) = must("zone", "notify", ZONE, "--json", "--data", keyed).json
    assert (listed["server"], listed["of"]) == ("192.0.2.2:53", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.", "192.0.2.1"), "no zone with this apex"),
        ((ZONE, "192.0.2.1", "--key", "no-key"), "no key of this name"),
        ((ZONE, "192.0.2.1:0"), "192.0.2.1:0"),
        ((ZONE, "192.0.2.1", "--tls", "maybe"), "opportunistic"),
        ((ZONE, "192.0.2.1", "192.0.2.2"), "one server at a time"),
        ((ZONE, "--remove"), "which server"),
        ((), "which zone"),
    ],
)
def test_servers_that_cannot_be_notified(keyed: Path, words: tuple[str, ...], said: str) -> None:
    ran = run("zone", "notify", *words, "--data", keyed)
    assert ran.code == 2 and said in ran.err


def test_while_a_node_runs_its_writer_sets_it_and_it_holds_at_once(keyed: Path) -> None:
    if shutil.which("dig") is None:
        pytest.skip("dig is not installed")
    key = f"hmac-sha256:the-key.:{SECRET}"
    with serving(keyed) as server:
        asked = ["dig", "@127.0.0.1", "-p", str(server.port), "-y", key, ZONE, "AXFR"]

        def transferred() -> bool:
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            return done.stdout.count("SOA") == 2

        assert not transferred()
        must("zone", "allow", ZONE, "--transfer", "the-key", "--data", keyed)
        assert transferred()
        must("key", "remove", "the-key", "--force", "--data", keyed)
        assert not transferred()
        assert SECRET not in server.log.read_text()
    assert json.loads(must("zone", "allow", ZONE, "--json", "--data", keyed).lines[0])
