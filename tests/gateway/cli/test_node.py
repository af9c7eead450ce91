"""`csid node` and `csid filing` at the national node: what they print, for people and scripts."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import dns.message
import dns.query
import dns.tsigkeyring
import pytest

from tests.support.commands import Ran, run
from tests.support.networking import CUT, SUFFIX
from tests.support.registering import OWNER
from tests.support.servers import eventually, serving

NAME = f"330106.6450.{OWNER}.{SUFFIX}".lower()
ADD = ("node", "add", "zhejiang", "--role", "region", "--scope", "33", "--address")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A national node with one region node."""
    path = tmp_path / "data"
    assert run("init", "--data", path, "--role", "national").code == 0
    for words in (
        ("owner", "add", OWNER, "--kind", "resource", "--name", "甲", "--contact", "noc"),
        ("owner", "accredit", OWNER),
        (*ADD, "127.0.0.3:5300", "--root", "127.0.0.1:5300"),
    ):
        assert run(*words, "--data", path).code == 0
    return path


def test_what_is_printed_makes_the_node(data: Path, tmp_path: Path) -> None:
    (command,) = run("node", "key", "zhejiang", "--root", "[::1]:5300", "--data", data).lines
    program, *words = shlex.split(command.replace("DIR", str(tmp_path / "region")))
    assert program == "csid"
    assert "[::1]:5300" in words
    assert run(*words).code == 0
    said = run("audit", "verify", "--data", tmp_path / "region")
    assert said.code == 0, said


def test_the_aggregate_gets_the_secret_and_stays_sound(data: Path, tmp_path: Path) -> None:
    words = ("node", "add", "sum", "--role", "aggregate", "--address", "127.0.0.2:5300")
    _, told = run(*words, "--json", "--data", data).json
    assert "--network-secret" in told["command"]
    command = told["command"].replace("DIR", str(tmp_path / "sum"))
    assert run(*shlex.split(command)[1:]).code == 0
    ran = run("audit", "verify", "--data", tmp_path / "sum")
    assert ran.code == 0, ran


def test_json_of_a_node_and_of_nothing(data: Path) -> None:
    (said,) = run("node", "show", "zhejiang", "--json", "--data", data).json
    assert said["addresses"] == ["127.0.0.3:5300"]
    assert (said["state"], said["generation"], said["last_seen"]) == ("active", 1, None)
    assert run("node", "list", "--state", "suspended", "--json", "--data", data).json == []
    for verb in ("show", "key"):
        ran = run("node", verb, "hebei", "--data", data)
        assert ran.code == 1
        assert "412 NODE_UNKNOWN" in ran.err


def test_who_is_no_administrator_gets_no_key_and_changes_nothing(data: Path) -> None:
    ran = run("node", "key", "zhejiang", "--role", "auditor", "--data", data)
    assert (ran.code, ran.out) == (2, "")
    ran = run("node", "rekey", "zhejiang", "--actor-role", "auditor", "--data", data)
    assert (ran.code, ran.out) == (1, "")
    assert "300 ROLE_MAY_NOT" in ran.err


def test_a_dry_run_prints_no_key_and_keeps_nothing(data: Path) -> None:
    ran = run("node", "rekey", "zhejiang", "--dry-run", "--data", data)
    assert ran.code == 0
    assert "csid init" not in ran.out
    (said,) = run("node", "show", "zhejiang", "--json", "--data", data).json
    assert said["generation"] == 1


def test_under_an_idempotency_key_a_node_has_one_key_more(data: Path) -> None:
    for _ in range(2):
        assert run("node", "rekey", "zhejiang", "--key", "k", "--data", data).code == 0
    (said,) = run("node", "show", "zhejiang", "--json", "--data", data).json
    assert said["generation"] == 2


@pytest.mark.parametrize("words", [(), ("--role", "region")])
def test_a_node_that_is_no_national_one_has_no_register(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    if words:
        words += ("--name", "a", "--scope", "33", "--root", "127.0.0.1:53")
        words += ("--key", "a-1:hmac-sha256:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    assert run("init", "--data", tmp_path / "d", *words).code == 0
    ran = run(*ADD, "127.0.0.3:5300", "--root", "127.0.0.1:53", "--data", tmp_path / "d")
    assert ran.code == 1
    assert "411 NOT_NATIONAL" in ran.err


def nsupdate(key: str, port: int, step: str) -> Ran:
    """What BIND's client says of one UPDATE."""
    name, algorithm, secret = key.split(":")
    script = f"server 127.0.0.1 {port}\nzone {SUFFIX}\nkey {algorithm}:{name} {secret}\n"
    ran = subprocess.run(
        ["nsupdate"],
        input=f"{script}update {step}\nsend\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.skipif(shutil.which("nsupdate") is None, reason="nsupdate is not installed")
def test_a_served_national_node_takes_cuts_from_nsupdate(data: Path) -> None:
    (told,) = run("node", "key", "zhejiang", "--json", "--data", data).json
    with serving(data) as server:
        port = server.port
        add = f"add {NAME} 3600 NS zhejiang.nodes.{SUFFIX}"
        assert nsupdate(told["key"], port, add).code == 0
        (said,) = run("filing", "show", CUT, "--json", "--data", data).json
        assert (said["state"], said["node"]) == ("filed", "zhejiang")
        assert run("filing", "mode", "manual", "--data", data).code == 0
        other = add.replace("330106", "330108", 1)
        assert "REFUSED" in nsupdate(told["key"], port, other).err
        waiting = run("filing", "list", "--state", "waiting", "--json", "--data", data).json
        (cut,) = [one["cut"] for one in waiting]
        assert run("filing", "reject", cut, "--data", data).code == 1  # without a reason
        assert run("filing", "reject", cut, "--reason", "资料不全", "--data", data).code == 0
        (past,) = run("filing", "list", "--state", "rejected", "--json", "--data", data).json
        assert (past["cut"], past["reason"]) == (cut, "资料不全")
        assert run("filing", "approve", cut, "--data", data).code == 0
        assert [one["cut"] for one in listed(data, "--node", "zhejiang")] == [CUT, cut]
        assert [one["cut"] for one in listed(data, OWNER, "--after", CUT)] == [cut]
        assert nsupdate(told["key"], port, f"delete {NAME} NS").code == 0
        assert run("filing", "withdraw", cut, "--data", data).code == 0
        assert listed(data) == []
        (node,) = run("node", "show", "zhejiang", "--json", "--data", data).json
        assert node["last_seen"] is not None
        assert server.stop() == 0
    kinds = [line.split()[4] for line in run("history", CUT, "--data", data).lines]
    assert kinds == ["cut.file", "cut.withdraw"]
    assert run("audit", "verify", "--data", data).code == 0


def listed(data: Path, *words: str) -> list[dict[str, object]]:
    return run("filing", "list", *words, "--json", "--data", data).json


def test_a_node_was_seen_once_it_has_signed_a_query(data: Path) -> None:
    (told,) = run("node", "key", "zhejiang", "--json", "--data", data).json
    name, algorithm, secret = told["key"].split(":")
    query = dns.message.make_query(SUFFIX, "SOA")
    query.use_tsig(dns.tsigkeyring.from_text({name: (algorithm, secret)}), name)

    def is_seen() -> bool:
        dns.query.udp(query, "127.0.0.1", port=server.port, timeout=10)
        (node,) = run("node", "show", "zhejiang", "--json", "--data", data).json
        return node["last_seen"] is not None

    with serving(data) as server:
        eventually("the node was seen", is_seen)


@pytest.mark.parametrize("name", ["zhejiang-1", "zhejiang-2", "Hebei-1."])
def test_names_of_keys_of_nodes_are_kept_free_for_them(data: Path, name: str) -> None:
    ran = run("key", "add", name, "--data", data)
    assert (ran.code, ran.out) == (2, "")
    assert "csid node add" in ran.err
    assert run("key", "add", "knot", "--data", data).code == 0
    ran = run("key", "remove", "zhejiang-1", "--force", "--data", data)
    assert ran.code == 2


def test_what_rekey_prints_gives_the_node_its_key(data: Path, tmp_path: Path) -> None:
    (made,) = run("node", "key", "zhejiang", "--data", data).lines
    assert run(*shlex.split(made.replace("DIR", str(tmp_path / "region")))[1:]).code == 0
    _, use, again = run("node", "rekey", "zhejiang", "--data", data).lines
    program, *words = shlex.split(use.replace("DIR", str(tmp_path / "region")))
    assert (program, words[:2]) == ("csid", ["node", "use-key"])
    (said,) = run(*words, "--json").json
    assert (said["key"], said["also"]) == ("zhejiang-2.", ["zhejiang-1."])
    file = tmp_path / "key"
    file.write_text(f"{words[2]}\n")
    ran = run("node", "use-key", f"@{file}", "--root", "[::1]:5300", "--data", tmp_path / "region")
    assert (ran.code, ran.lines[1].split()[-1]) == (0, "[::1]:5300")
    assert run("audit", "verify", "--data", tmp_path / "region").code == 0
    assert "zhejiang-2" in again


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give the key"),
        (("zhejiang-2:hmac-sha256",), "NAME:ALGORITHM:BASE64"),
        (("zhejiang-2:hmac-md5:AAAA",), "hmac-md5"),
        (("beijing-1:hmac-sha256:AAAA",), "this is node zhejiang"),
        (("@nowhere",), "nowhere"),
        (("--root", "a:b"), "a:b"),
    ],
)
def test_a_key_that_cannot_be_used_changes_nothing(
    data: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (made,) = run("node", "key", "zhejiang", "--data", data).lines
    assert run(*shlex.split(made.replace("DIR", str(tmp_path / "region")))[1:]).code == 0
    ran = run("node", "use-key", *words, "--data", tmp_path / "region")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert run("node", "use-key", *words, "--root", "127.0.0.1:53", "--data", data).code == 2


def test_a_scope_is_given_piece_by_piece_or_with_commas(data: Path) -> None:
    words = ("node", "add", "grid", "--role", "industry", "--address", "127.0.0.7:53")
    assert run(*words, "--scope", "64, 65", "--scope", "66", "--data", data).code == 0
    (said,) = run("node", "show", "grid", "--json", "--data", data).json
    assert said["scope"] == ["64", "65", "66"]
    assert run("node", "change", "grid", "--scope", "64,65", "--data", data).code == 0
    (said,) = run("node", "show", "grid", "--json", "--data", data).json
    assert said["scope"] == ["64", "65"]


def test_addresses_of_one_node_have_one_port(data: Path) -> None:
    words = ("node", "add", "v6", "--role", "region", "--scope", "44", "--address", "[::1]:53")
    ran = run(*words, "--address", "192.0.2.1:5300", "--data", data)
    assert (ran.code, ran.out) == (1, "")
    assert "53, 5300" in ran.err
    assert run(*words, "--address", "192.0.2.1:53", "--data", data).code == 0


@pytest.mark.parametrize("verb", ["add", "rekey"])
def test_a_root_that_is_none_is_refused_before_anything_is_done(data: Path, verb: str) -> None:
    words = ("--role", "region", "--scope", "44", "--address", "192.0.2.1:53")
    ran = run(
        "node", verb, "new" if verb == "add" else "zhejiang", *(words if verb == "add" else ()),
        "--root", "a:b:c", "--data", data,
    )  # fmt: skip
    assert ran.code == 2
    (said,) = run("node", "list", "--json", "--data", data).json
    assert (said["node"], said["generation"]) == ("zhejiang", 1)


def test_what_is_not_filed_is_not_withdrawn(data: Path) -> None:
    ran = run("filing", "withdraw", CUT, "--data", data)
    assert (ran.code, ran.out) == (1, "")
    assert "201 NOT_FOUND" in ran.err and CUT in ran.err
    (said,) = run("filing", "withdraw", CUT, "--json", "--data", data).json
    assert (said["status"], said["subject"]) == (201, CUT)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("node", "change", "zhejiang"), 2, "give --role, --scope, --address or --contact"),
        (("node", "show", "nobody"), 1, "csid node list"),
        (("filing", "show", CUT), 1, "csid filing list"),
        (("filing", "status"), 0, "csid filing list"),
    ],
)
def test_who_gets_it_wrong_is_told_what_to_do_next(
    data: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    ran = run(*words, "--data", data)
    assert ran.code == code and said in ran.out + ran.err, ran
