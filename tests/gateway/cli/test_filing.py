"""`csid init` of a node of the network, `csid filing`, and what other commands say of filing."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest

from registry.network import filings, receipts
from registry.receiving import Receipt
from registry.service import Registry
from registry.tables.enums import FilingState
from tests.registry.network.test_receipts import serial_at
from tests.support.commands import Node, Ran, run
from tests.support.joined import core_of
from tests.support.registering import OWNER, identifier

SECRET = base64.b64encode(bytes(range(32))).decode()
KEY = f"zhejiang-1.:hmac-sha256:{SECRET}"
CUT = f"{OWNER}/6450/330106"
FIRST, SECOND = str(identifier("0001")), str(identifier("0002"))
JOIN = ("--root", "127.0.0.1:5300", "--key", KEY, "--name", "zhejiang")


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A region node with an accredited provider."""
    node = Node.__new__(Node)
    node.data = tmp_path / "data"
    node.is_here(monkeypatch)
    made = run("init", "--data", node.data, "--role", "region", "--scope", "33", *JOIN)
    assert made.code == 0, made.err
    node.must("owner", "add", OWNER, "--kind", "resource", "--name", "甲", "--contact", "x")
    node.must("owner", "accredit", OWNER)
    return node


def said(node: Node, *words: str) -> str:
    """All that a command prints."""
    ran = node.run(*words)
    assert ran.code == 0, ran
    return ran.out


def receive(node: Node, name: str, code: int = 100, reason: str = "") -> None:
    """A receipt of the national node."""
    with Registry.open(node.data, writable=True) as registry:
        receipt = Receipt(name, 7, code, serial_at(registry, name), reason)
        receipts.take(core_of(registry), "zhejiang-1.", [receipt], int(time.time()))


def answer(node: Node, state: FilingState, reason: str = "") -> None:
    """An answer of the national node to the cut."""
    with Registry.open(node.data, writable=True) as registry:
        filings.answer(core_of(registry), ["zhejiang-1.", CUT, int(state), reason, ""])


def test_a_node_says_what_it_is(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    for role, more in (
        ("region", ("--scope", "33,35")),
        ("industry", ("--scope", "64", "--with-registry")),
        ("industry", ("--scope", "64")),
        ("aggregate", ("--network-secret", SECRET)),
    ):
        data = tmp_path / f"{role}{len(more)}"
        made = run("init", "--data", data, "--role", role, *more, *JOIN[:3], f"@{key}", *JOIN[4:])
        assert made.code == 0, made.err
        assert "127.0.0.1:5300" in made.out and f"{role}" in made.out and "zhejiang" in made.out
        assert SECRET not in made.out
        assert run("audit", "verify", "--data", data).code == 0
    shown = run("scope", "show", "--data", tmp_path / "region2", "--json").json[0]
    assert shown == {"locations": ["33", "35"], "industries": []}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--role", "region", *JOIN), "needs --scope"),
        (("--role", "region", "--scope", "33"), "needs --root, --key, --name"),
        (("--role", "region", "--scope", "33", *JOIN[:3], "x:y", *JOIN[4:]), "has 2 parts"),
        (("--role", "region", "--scope", "33", *JOIN[:3], "x:md5:AA==", *JOIN[4:]), "md5"),
        (("--role", "region", "--scope", "33", *JOIN[:3], f"{KEY}!", *JOIN[4:]), "no base64"),
        (("--role", "region", "--scope", "33", *JOIN[:3], "@nowhere", *JOIN[4:]), "nowhere"),
        (("--role", "region", "--scope", "33", *JOIN[:4], "--name", "a b"), "one label"),
        (("--role", "region", "--scope", "杭", *JOIN), "begins no location code"),
        (("--role", "region", "--scope", "33", *JOIN, "--ns", "a.example"), "--ns"),
        (("--role", "region", "--scope", "33", *JOIN, "--with-registry"), "--role industry"),
        (("--role", "region", "--scope", "3", *JOIN, "--network-secret", "AA=="), "aggregate"),
        (("--role", "aggregate", *JOIN), "--network-secret"),
        (("--role", "region", "--scope", "33", "--root", "x", *JOIN[2:]), "HOST:PORT"),
        (("--root", "127.0.0.1:5300"), "--role"),
    ],
)
def test_what_does_not_go_together_makes_no_directory(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    made: Ran = run("init", "--data", tmp_path / "data", *options)
    assert made.code == 2 and words in made.err
    assert not (tmp_path / "data" / "data.mdb").exists()


def test_what_waits_is_told_until_it_is_answered(region: Node) -> None:
    region.must("assign", FIRST, "--count", "8")
    told = said(region, "filing", "status")
    assert "127.0.0.1:5300" in told and f"{CUT}  待报 wanted" in told and "wait 1" in told
    [cut] = region.run("filing", "status", "--json").json
    assert (cut["cut"], cut["state"], cut["waiting"]) == (CUT, "wanted", 1) and cut["oldest"]
    answer(region, FilingState.FILED)
    assert "wait 1" in said(region, "filing", "status")
    receive(region, FIRST)
    assert region.run("filing", "status", "--json").lines == []
    [cut] = region.run("filing", "status", "--all", "--json").json
    assert (cut["state"], cut["waiting"]) == ("filed", 0)
    assert "wait 0" in said(region, "filing", "status")


def test_a_request_waits_for_the_answer_and_prints_it(region: Node) -> None:
    tried = region.run("filing", "request", CUT, "--dry-run")
    assert tried.code == 0 and "dry run" in tried.out
    assert region.run("filing", "status", "--json").lines == []
    waited = region.run("filing", "request", CUT, "--wait", "1")
    assert waited.code == 2 and "待报 wanted" in waited.out and "csid serve" in waited.err
    answer(region, FilingState.REFUSED, "超出管辖范围")
    again = region.run("filing", "request", CUT)
    assert again.code == 0 and "待报 wanted" in again.out
    answer(region, FilingState.REFUSED, "超出管辖范围")
    told = region.run("assign", FIRST, "--count", "8")
    assert told.code == 1 and "超出管辖范围" in told.err and "csid filing request" in told.err
    region.must("filing", "request", CUT)
    answer(region, FilingState.FILED)
    filed = region.run("filing", "request", CUT, "--wait", "9", "--json")
    assert filed.code == 0 and filed.json[0]["state"] == "filed"
    outside = region.run("filing", "request", f"{OWNER}/6450/110108")
    assert outside.code == 1 and "403 OUT_OF_SCOPE" in outside.err
    history = said(region, "history", CUT)
    assert "申请切分点 filing.request" in history and "超出管辖范围" in history


def test_others_find_what_has_its_receipt_and_all_says_the_rest(region: Node) -> None:
    region.must("assign", FIRST, "--count", "8")
    region.must("assign", SECOND, "--count", "8")
    receive(region, FIRST)
    receive(region, SECOND, 403, "不属该节点")
    listed = said(region, "list").splitlines()
    assert [line.split()[0] for line in listed] == [FIRST]
    assert len(said(region, "list", "--all").splitlines()) == 2
    assert said(region, "list", "--state", "refused").split()[:2] == [SECOND, "备案未通过"]
    exported = region.run("export", "--output", region.data.parent / "all.csv")
    assert "2" in exported.out + exported.err
    shown = said(region, "show", SECOND)
    assert "备案未通过 refused" in shown and "403 OUT_OF_SCOPE" in shown and "不属该节点" in shown
    receipt = region.run("show", SECOND, "--json").json[0]["receipt"]
    assert (receipt["number"], receipt["status"], receipt["reason"]) == (7, 403, "不属该节点")
    assert region.run("show", FIRST, "--json").json[0]["receipt"]["name"] == "DONE"
    lines = said(region, "history", SECOND).splitlines()
    assert "回执 receipt 7 403 OUT_OF_SCOPE" in lines[1] and "refused" in lines[1]
    told = said(region, "filing", "status")
    assert SECOND in told and "回执 receipt 7" in told and "未通过 refused 1" in told
    region.must("update", SECOND, "--count", "9")
    assert "备案中 filing" in said(region, "list", "--all", SECOND)
    assert region.run("activate", SECOND).code == 1


def test_a_node_by_itself_files_with_nobody(node: Node) -> None:
    assert "未设国家节点" in node.must("filing", "status")
    asked = node.run("filing", "request", CUT)
    assert asked.code == 1 and "--root" in asked.err
    node.must("assign", FIRST, "--state", "reserved", "--count", "8")
    assert len(node.must("list").splitlines()) == 1  # nothing is left out there


def test_what_waits_or_was_refused_is_exported_and_restored_as_it_is(
    region: Node, tmp_path: Path
) -> None:
    for name in (FIRST, SECOND):
        region.must("assign", name, "--count", "8")
    receive(region, SECOND, 403, "不属该节点")
    lines = tmp_path / "all.jsonl"
    region.must("export", "--output", lines)
    other = Node.__new__(Node)
    other.data = tmp_path / "other"
    assert run("init", "--data", other.data).code == 0
    other.accredit(OWNER)
    other.must("restore", lines)
    assert (other.state(FIRST), other.state(SECOND)) == ("filing", "refused")
    assert other.run("audit", "verify").code == 0
    table = tmp_path / "all.csv"
    region.must("export", "--output", table)
    assert "refused" in table.read_text()
    assert region.run("import", table, "--json").code == 0
    assert [one["state"] for one in region.run("list", "--all", "--json").json] == [
        "filing",
        "refused",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--key", f"hebei-1:{KEY.partition(':')[2]}"), "is that of node hebei"),
        (("--address", "192.0.2.1"), "the addresses of its register entry"),
        (("--receipt-key", "AAAA"), "csid node key prints it"),
    ],
)
def test_what_would_make_another_node_than_was_meant_is_refused(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    ran = run("init", "--role", "region", "--scope", "33", *JOIN, *words, "--data", tmp_path / "d")
    assert ran.code == 2 and said in ran.err, ran
    assert not (tmp_path / "d").exists()
