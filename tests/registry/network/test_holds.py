"""A region node suspends what lies in the cuts of an industry node in its divisions: the whole
network with its processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from csid.identifier import Identifier, make
from tests.support.commands import run
from tests.support.network import FILED_SECONDS, Member, Network, accredit
from tests.support.registering import CLASS, OTHER, OWNER
from tests.support.servers import eventually

WAIT = ("--wait", "30")
WHY = ("--reason", "安全审查 under review")
TEXT = "安全审查 under review"


class Supervised(Network):
    """Its industry node has a registry, and so cuts of its own."""

    def make(self) -> None:
        self.national.must("init", "--role", "national", "--address", "127.0.0.1")
        accredit(self.national)
        self.join(self.sum, "aggregate")
        self.join(self.zhejiang, "region", "--scope", "33")
        self.join(self.internet, "industry", "--scope", "64", init=["--with-registry"])
        accredit(self.zhejiang)
        accredit(self.internet)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    made = Supervised(tmp_path_factory.mktemp("network"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CSID_STATE", str(made.national.data.parent / "state"))
        made.make()
        with made.serving():
            yield made


def given(network: Network, owner: str, location: str, serial: str) -> Identifier:
    """An identifier of the industry node that is active everywhere."""
    one = make(owner, "6440", location, "ACV", CLASS, serial)
    network.internet.must("assign", one)
    network.sum.becomes(one, "active")
    return one


def held(node: Member, target: object) -> list[dict[str, Any]]:
    ran = node.run("filing", "holds", target, "--json")
    return list(ran.json) if ran.out else []


def soon(what: str, holds: Callable[[], bool]) -> None:
    eventually(what, holds, FILED_SECONDS)


def test_a_region_holds_a_cut_of_an_industry_node_and_releases_it(network: Network) -> None:
    zhejiang, internet = network.zhejiang, network.internet
    first, second = (given(network, OWNER, "330106", serial) for serial in ("0001", "0002"))
    internet.must("suspend", second, "--reason", "its own")
    network.sum.becomes(second, "suspended")
    cut = f"{OWNER}/6440/330106"

    said = zhejiang.must("filing", "hold", cut, *WHY, *WAIT)
    assert cut in said
    for node in network.running:
        node.becomes(first, "suspended")
    (row,) = held(internet, cut)
    assert (row["target"], row["node"], row["reason"]) == (cut, "zhejiang", TEXT)
    soon("the region knows", lambda: [one["state"] for one in held(zhejiang, cut)] == ["held"])
    for node in (network.national, network.sum, zhejiang):
        assert [one["node"] for one in held(node, cut)] == ["zhejiang"]

    ran = internet.run("reinstate", first)
    assert ran.code == 1 and "HELD" in ran.err and "region node zhejiang" in ran.err
    assert TEXT in ran.err
    third = make(OWNER, "6440", "330106", "ACV", CLASS, "0003")
    ran = internet.run("assign", third)
    assert ran.code == 1 and "HELD" in ran.err and "zhejiang" in ran.err
    for node in (internet, network.sum):
        assert TEXT in node.must("show", first)
    assert TEXT in internet.must("history", first)
    for server in ("--server", "--root"):
        at = f"{network.sum.host}:{network.sum.port}"
        (asked,) = run("resolve", first, server, at, "--json").json
        [over] = asked["held"]
        assert (over["target"], over["by"][0]["node"]) == (cut, "zhejiang")
    assert "zhejiang" in zhejiang.must("filing", "list", cut)

    zhejiang.must("filing", "release", cut, *WAIT)
    for node in network.running:
        node.becomes(first, "active")
    assert network.sum.state(second) == "suspended"  # as its own node has it
    assert held(internet, cut) == held(network.sum, cut) == []
    internet.must("reinstate", second)
    internet.must("assign", third)
    for one in (second, third):
        network.sum.becomes(one, "active")


def test_one_identifier_is_held_and_the_national_node_releases_it(network: Network) -> None:
    zhejiang, internet = network.zhejiang, network.internet
    one, other = (given(network, OTHER, "330108", serial) for serial in ("0001", "0002"))
    zhejiang.must("filing", "hold", one, *WHY, *WAIT)
    network.sum.becomes(one, "suspended")
    assert network.sum.state(other) == "active"
    network.national.must("filing", "release", one, "--reason", "appeal")
    network.sum.becomes(one, "active")
    soon("it knows", lambda: [row["state"] for row in held(zhejiang, one)] == ["released"])
    network.national.must("filing", "hold", one, *WHY)
    network.sum.becomes(one, "suspended")
    ran = internet.run("reinstate", one)
    assert ran.code == 1 and "the national node" in ran.err
    ran = zhejiang.run("filing", "release", one, *WAIT)
    assert "released" in ran.out and network.sum.state(one) == "suspended"
    network.national.must("filing", "release", one)
    network.sum.becomes(one, "active")


def test_what_is_not_the_regions_is_refused_in_words(network: Network) -> None:
    given(network, OWNER, "110105", "0001")
    own = make(OWNER, "6450", "330106", "ACV", CLASS, "0001")
    network.zhejiang.must("assign", own)
    network.zhejiang.becomes(own, "active")
    for target, status, text in (
        (f"{OWNER}/6440/110105", "NODE_SCOPE", "supervises 33 only"),
        (f"{OWNER}/6440", "NODE_SCOPE", "supervises 33 only"),
        (f"{OWNER}/6450/330106", "STATE_PROHIBITS", "csid suspend"),
        (f"{OWNER}/6440/330110", "NOT_FOUND", "no cut is filed"),
    ):
        ran = network.zhejiang.run("filing", "hold", target, *WHY, *WAIT)
        assert ran.code == 1 and status in ran.err and text in ran.err, ran
        (row,) = (one for one in held(network.zhejiang, target) if one["target"] == target)
        assert row["state"] == "refused" and text in row["answer"]
    ran = network.internet.run("filing", "hold", f"{OWNER}/6450/330106", *WHY)
    assert ran.code == 1 and "NODE_SCOPE" in ran.err
    ran = network.zhejiang.run("filing", "hold", f"{OWNER}/6440/330106")
    assert ran.code == 1 and "--reason" in ran.err


def test_what_is_asked_while_the_national_node_is_away_waits(network: Network) -> None:
    one = given(network, OWNER, "330109", "0001")
    with network.national.away():
        ran = network.zhejiang.run("filing", "hold", one, *WHY, "--wait", "1")
        assert ran.code == 2
        assert [row["state"] for row in held(network.zhejiang, one)] == ["wanted"]
    network.sum.becomes(one, "suspended")
    network.zhejiang.must("filing", "release", one, *WAIT)
    network.sum.becomes(one, "active")


def test_every_registry_verifies(network: Network, tmp_path: Path) -> None:
    for node in network.running:
        ran = node.run("audit", "verify")
        assert ran.code == 0, (node.name, ran)
