"""`csid lock`, `csid transfer offer, accept …`, `csid renew` and `csid validity`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from csid.identifier import Identifier
from gateway.cli import options
from registry.rules.moves import moved
from tests.support.commands import Node, Ran
from tests.support.registering import OTHER, OWNER, identifier

ONE, TWO = identifier("0001"), identifier("0002")
THERE = moved(ONE, owner=OTHER)
URI = "https://a.example:8443"
OURS = ("--as", "wang", "--role", "registrar", "--owner", OWNER)
THEIRS = ("--as", "zhao", "--role", "registrar", "--owner", OTHER)


def assign(node: Node, *words: object, code: Identifier = ONE) -> None:
    """One that is in use."""
    node.must("assign", code, "--endpoint", URI, *words)


def shown(node: Node, code: Identifier = ONE) -> dict[str, object]:
    """What `csid show` tells scripts."""
    (value,) = node.run("show", code, "--json").json
    assert isinstance(value, dict)
    return value


def test_identifiers_are_locked_and_unlocked_by_the_one_and_the_other(node: Node) -> None:
    for code in (ONE, TWO):
        assign(node, code=code)
    node.must("lock", "add", ONE, TWO, "--key", "k")
    node.must("lock", "add", ONE, "--lock", "renew", *OURS)
    found = node.run("lock", "list", "--json").json
    assert [one["identifier"] for one in found] == [str(ONE), str(TWO)]
    assert found[0]["node"] == ["update", "transfer", "retire"]
    assert found[0]["owner"] == ["renew"]
    assert shown(node)["epp"] == [
        "clientRenewProhibited",
        "serverUpdateProhibited",
        "serverTransferProhibited",
        "serverDeleteProhibited",
    ]
    refused = node.run("retire", ONE)
    assert refused.code == 1
    assert "209 LOCKED" in refused.err
    assert node.run("lock", "remove", ONE, "--of", "node", *OURS).code == 1
    both = node.run("lock", "remove", ONE, identifier("0009"), "--json")
    assert (both.code, [one["status"] for one in both.json]) == (1, [100, 201])
    assert node.run("lock", "list", "--limit", "1").lines[-1].startswith(str(ONE))
    assert node.run("lock", "list", "--after", ONE, "--json").json[0]["identifier"] == str(TWO)
    assert "节点 node: update" in node.run("history", ONE).out
    node.must("audit", "verify")


def test_a_dry_run_locks_nothing(node: Node) -> None:
    assign(node)
    assert node.run("lock", "add", ONE, "--dry-run").code == 0
    assert node.run("lock", "list", "--json").json == []


def transfer(node: Node, *words: object) -> Ran:
    """`csid transfer`."""
    return node.run("transfer", *words)


def test_both_agree_to_a_transfer_and_to_the_way_back(node: Node) -> None:
    assign(node)
    assert transfer(node, "offer", ONE, "--to", OTHER, *OURS).code == 0
    (offer,) = transfer(node, "list", "--to", OTHER, "--json").json
    assert (offer["identifier"], offer["offered_by"]) == (str(ONE), "wang")
    assert transfer(node, "list", "--to", OWNER, "--json").json == []
    assert shown(node)["epp"] == ["pendingTransfer"]
    taken = transfer(node, "accept", ONE, "--reason", "bought", *THEIRS)
    assert (taken.code, taken.out.strip()) == (0, str(THERE))
    agreed = shown(node, THERE)["transfer"]
    assert isinstance(agreed, dict)
    assert (agreed["agreed"], agreed["offered_by"], agreed["by"]) == (True, "wang", "zhao")
    transfer(node, "offer", THERE, "--to", OWNER, *THEIRS)
    assert transfer(node, "accept", THERE, *OURS).out.strip() == str(ONE)
    assert "accepted by wang (registrar)" in node.run("show", ONE).out
    kinds = [one["kind"] for one in node.run("history", ONE, "--json").json]
    assert kinds == ["assign", *(["transfer.offer", "transfer.accept"] * 2)]
    assert node.state(ONE) == "active"
    node.must("audit", "verify")


def test_what_an_administrator_transfers_is_shown_as_his(node: Node) -> None:
    assign(node)
    node.must("transfer", ONE, "--to", OTHER, "--as", "li", "--reason", "court order")
    agreed = shown(node, THERE)["transfer"]
    assert isinstance(agreed, dict)
    assert (agreed["agreed"], agreed["by"], agreed["reason"]) == (False, "li", "court order")
    assert "by li (administrator) alone" in node.run("show", THERE).out


def test_a_code_is_printed_once_and_asked_for(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    assign(node)
    made = transfer(node, "offer", ONE, "--new-code", *OURS)
    code = made.lines[-1]
    assert len(code) >= 20
    assert transfer(node, "accept", ONE, *THEIRS).code == 1
    assert "302 CODE_WRONG" in transfer(node, "accept", ONE, "--code", "x", *THEIRS).err
    monkeypatch.setenv("CSID_TRANSFER_CODE", code)
    assert transfer(node, "accept", ONE, *THEIRS).out.strip() == str(THERE)
    assert code not in node.run("history", THERE, "--json").out


def test_an_offer_is_rejected_or_taken_back(node: Node) -> None:
    assign(node)
    for words in (("reject", ONE, *THEIRS), ("cancel", ONE, *OURS)):
        transfer(node, "offer", ONE, "--to", OTHER, *OURS)
        assert transfer(node, *words).code == 0
        assert transfer(node, "accept", ONE, *THEIRS).code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("offer",), "say which identifier"),
        (("give", ONE), "is no action"),
        ((ONE,), "--to"),
        (("accept", ONE), "for which owner"),
    ],
)
def test_what_is_missing_is_said(node: Node, words: tuple[object, ...], said: str) -> None:
    ran = transfer(node, *words)
    assert ran.code == 2
    assert said in ran.err


def test_what_has_expired_is_suspended_and_renewed(node: Node) -> None:
    today = options.today()
    assign(node, "--valid-until", today - timedelta(1))
    assign(node, "--valid-until", today + timedelta(10), code=TWO)
    phases = {
        one["identifier"]: one["phase"] for one in node.run("validity", "list", "--json").json
    }
    assert phases == {str(ONE): "expired", str(TWO): "expiring"}
    swept = node.run("validity", "sweep", "--json").json
    assert swept == [{"expired": 1, "ended": 0, "refused": 0}]
    assert node.state(ONE) == "suspended"
    (found,) = node.run("validity", "list", "--phase", "expired", "--json").json
    assert found["renewable_until"] == (today + timedelta(30)).isoformat()
    assert node.run("reinstate", ONE).code == 1
    node.must("renew", ONE, "--until", today + timedelta(365), *OURS)
    assert node.state(ONE) == "active"
    validity = shown(node)["validity"]
    assert isinstance(validity, dict)
    assert validity["phase"] == "valid"
    assert node.run("validity", "sweep", "--json").json[0]["expired"] == 0
    assert [one["kind"] for one in node.run("history", ONE, "--json").json] == [
        "assign",
        "expire",
        "renew",
    ]
    node.must("audit", "verify", "--rules")


def test_the_days_are_set_one_by_one(node: Node) -> None:
    node.must("validity", "set", "--grace", "7")
    node.must("validity", "set", "--expiring", "9")
    assert node.run("validity", "show", "--json").json == [{"expiring": 9, "grace": 7}]
    assert node.run("validity", "set", "--grace", "99999").code == 1
    assert node.run("validity", "set", "--grace", "8", *OURS).code == 1
    assert [one["kind"] for one in node.run("history", "validity", "--json").json] == [
        "validity.set",
        "validity.set",
    ]


def test_a_page_of_what_expires_goes_on_behind_the_last(node: Node) -> None:
    past = options.today() - timedelta(3)
    for serial in ("0001", "0002", "0003"):
        assign(node, "--valid-until", past, code=identifier(serial))
    first = node.run("validity", "list", "--limit", "2", "--json")
    assert [one["identifier"] for one in first.json] == [str(ONE), str(TWO)]
    rest = node.run("validity", "list", "--after", TWO, "--json").json
    assert [one["identifier"] for one in rest] == [str(identifier("0003"))]
