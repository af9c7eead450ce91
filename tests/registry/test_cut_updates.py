"""Nodes file cuts by UPDATE: what is taken, what is refused and in which words, and nothing by
halves. BIND's nsupdate is one that files.
"""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.tsigkeyring
import dns.update
import pytest

from registry import deployment
from registry.core import Core
from registry.network import seen, unseen
from registry.network.claims import claims
from registry.rules.decision import Decision
from registry.rules.requests import (
    ApproveCut,
    Body,
    RejectCut,
    RekeyNode,
    Request,
    SetFiling,
    SuspendNode,
    WithdrawCut,
)
from registry.service import Registry
from registry.tables.node_keys import SECRET, derive
from registry.tables.transaction import TransactionView
from registry.tables.view import get_cut, get_past_cut
from registry.writer.commit import commit
from registry.zones import updates
from tests.support import trees, updating
from tests.support.books import accredit
from tests.support.networking import ANYWHERE, BEIJING, CUT, SUFFIX, ZHEJIANG
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER

NAME = f"330106.6450.{OWNER}.{SUFFIX}".lower()
OTHERS = f"330108.6450.{OWNER}.{SUFFIX}".lower()
HOST = f"zhejiang.nodes.{SUFFIX}"


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """A national node with three region nodes."""
    data = tmp_path / "data"
    deployment.create(data, SUFFIX, "0.EXAMPLE", map_octets=1 << 28, national=True)
    with Registry.alone(data, sync=False) as registry:
        accredit(registry, OWNER, OTHER)
    core = updating.core(data)
    core.claims = claims()
    for node in (ZHEJIANG, BEIJING, ANYWHERE):
        submit(core, node)
    yield core
    trees.check(core.store)
    assert updating.verified(core.store).faults == []
    core.store.close()


def submit(core: Core, body: Body, reason: str = "") -> None:
    ((decision,),) = commit(core, [[Request(ADMINISTRATOR, body, reason)]])
    assert isinstance(decision, Decision) and decision.status.success, decision


def secret_of(core: Core, key: str) -> bytes:
    name, _, generation = key.rpartition("-")
    with core.store.read() as read:
        return derive(read.table(b"meta").get(SECRET) or b"", name, int(generation))


def change(core: Core, *steps: tuple[str, ...], key: str = "zhejiang-1") -> str:
    """What an UPDATE of these steps gets, and why."""
    message = updating.new(SUFFIX)
    for step, *given in steps:
        getattr(message, step)(*given)
    ring = dns.tsigkeyring.from_text(
        {key: ("hmac-sha256", base64.b64encode(secret_of(core, key)).decode())}
    )
    message.use_tsig(ring, key)
    packet = message.to_wire(max_size=65_535)
    answer = updates.answer(core, packet, updating.HERE, True, int(time.time()))
    told = updating.told(dns.message.from_wire(answer, keyring=ring, request_mac=message.mac))
    # What was done says as of which serial (registry/network/unseen.py).
    code, _, words = told.partition(" ")
    return code if code == "NOERROR" and unseen.serial_in(words) is not None else told


def filed(core: Core) -> dict[str, list[str]]:
    """The delegations of the root zone."""
    found: dict[str, list[str]] = {}
    for line in updating.text(core.store, SUFFIX):
        owner, _, _, rrtype, data = line.split(maxsplit=4)
        if rrtype == "NS" and owner != SUFFIX:
            found.setdefault(owner, []).append(data.strip())
    return {owner: sorted(hosts) for owner, hosts in found.items()}


def test_a_node_files_and_takes_back_a_cut(core: Core) -> None:
    assert change(core, ("add", NAME, 3600, "NS", HOST)) == "NOERROR"
    assert filed(core) == {NAME: [HOST]}
    assert change(core, ("add", NAME, 60, "NS", HOST)) == "NOERROR"  # again
    assert change(core, ("add", NAME, 60, "NS", "ns.example.cn.")) == "NOERROR"
    assert filed(core) == {NAME: ["ns.example.cn.", HOST]}
    assert change(core, ("delete", NAME, "NS", HOST)) == "NOERROR"
    assert filed(core) == {NAME: ["ns.example.cn."]}
    assert change(core, ("delete", NAME, "NS")) == "NOERROR"
    assert filed(core) == {}
    assert change(core, ("delete", NAME, "NS")) == "NOERROR"  # what is not there
    with core.store.read() as read:
        assert time.time() - seen.last(read, "zhejiang") < 60
        assert seen.last(read, "beijing") == 0


def test_servers_in_the_cut_come_with_their_addresses_and_ds(core: Core) -> None:
    digest = "12345 13 2 " + "ab" * 32
    steps = [
        ("add", NAME, 3600, "NS", f"ns1.{NAME}"),
        ("add", f"ns1.{NAME}", 3600, "A", "192.0.2.1"),
        ("add", f"ns1.{NAME}", 3600, "AAAA", "2001:db8::1"),
        ("add", NAME, 3600, "DS", digest),
    ]
    assert change(core, steps[0]).startswith("REFUSED 421 DELEGATION_LOOPS")
    assert change(core, *steps) == "NOERROR"
    assert len([line for line in updating.text(core.store, SUFFIX) if NAME in line]) == 4
    assert change(core, ("delete", f"ns1.{NAME}", "A"), ("add", NAME, 1, "NS", HOST)) == "NOERROR"
    assert change(core, ("delete", NAME)) == "NOERROR"
    assert not [line for line in updating.text(core.store, SUFFIX) if NAME in line]


@pytest.mark.parametrize(
    ("key", "steps", "said"),
    [
        ("beijing-1", [("add", NAME, 1, "NS", HOST)], "414 NODE_SCOPE: location 330106"),
        (
            "zhejiang-1",
            [("add", f"acv.{NAME}", 1, "NS", HOST)],
            "416 CUT_TOO_DEEP",
        ),
        (
            "zhejiang-1",
            [("add", f"h60m07a1-0001-fy.acv.{NAME}", 1, "NS", HOST)],
            "416 CUT_TOO_DEEP",
        ),
        (
            "zhejiang-1",
            [("add", f"330106.6450.x0000000000000101t.{SUFFIX}", 1, "NS", HOST)],
            "400 OWNER_UNKNOWN",
        ),
        (
            "zhejiang-1",
            [("add", NAME, 1, "NS", HOST), ("add", f"www.{SUFFIX}", 1, "A", "192.0.2.1")],
            "belongs to no cut",
        ),
        (
            "zhejiang-1",
            [("add", NAME, 1, "NS", HOST), ("add", NAME, 1, "TXT", "x")],
            "NS, DS and addresses",
        ),
        ("zhejiang-1", [("add", f"www.{SUFFIX}", 1, "A", "192.0.2.1")], "may not update"),
        ("zhejiang-1", [("delete", HOST)], "may not update"),
    ],
)
def test_what_a_node_may_not_is_refused_and_nothing_is_done(
    core: Core, key: str, steps: list[tuple[str, ...]], said: str
) -> None:
    before = updating.text(core.store, SUFFIX)
    good = ("add", OTHERS, 1, "NS", HOST)
    answer = change(core, *steps, key=key)
    assert answer.startswith("REFUSED")
    assert said in answer
    assert change(core, good, *steps, key=key).startswith("REFUSED")  # all or nothing
    assert updating.text(core.store, SUFFIX) == before


def test_anothers_cut_is_neither_changed_nor_taken_back(core: Core) -> None:
    assert change(core, ("add", NAME, 1, "NS", HOST)) == "NOERROR"
    for steps in (
        [("add", NAME, 1, "NS", "ns.example.cn.")],
        [("add", NAME, 1, "NS", HOST)],
        [("delete", NAME)],
        [("add", f"6450.{OWNER}.{SUFFIX}", 1, "NS", "ns.example.cn.")],
    ):
        answer = change(core, *steps, key="anywhere-1")
        assert answer.startswith("REFUSED 417 CUT_OVERLAPS"), answer
    assert filed(core) == {NAME: [HOST]}


def test_strangers_change_no_cut(core: Core) -> None:
    updating.allow(core.store, SUFFIX)  # a key that may update the zone, and is no node's
    assert change(core, ("add", NAME, 1, "NS", HOST)) == "NOERROR"
    for step in (("add", NAME, 1, "NS", HOST), ("delete", NAME)):
        message = updating.new(SUFFIX)
        getattr(message, step[0])(*step[1:])
        assert "no key of a node" in updating.ask(core, message)
    message = updating.new(SUFFIX)
    message.delete(HOST)
    assert "does not hold what the registry says" in updating.ask(core, message)
    message = updating.new(f"_catalog.{SUFFIX}")
    message.add(f"x.zones._catalog.{SUFFIX}", 1, "PTR", NAME)
    updating.allow(core.store, f"_catalog.{SUFFIX}")
    assert "register of the network" in updating.ask(core, message)
    submit(core, RekeyNode("zhejiang", 60))


def test_prerequisites_are_those_of_the_rfc(core: Core) -> None:
    add = ("add", NAME, 1, "NS", HOST)
    assert change(core, ("present", NAME), add) == "NXDOMAIN"
    assert change(core, ("present", NAME, "NS"), add) == "NXRRSET"
    assert change(core, ("absent", NAME), add) == "NOERROR"
    assert change(core, ("absent", NAME), add) == "YXDOMAIN"
    assert change(core, ("absent", NAME, "NS"), add) == "YXRRSET"


def test_by_hand_a_node_is_told_that_it_waits_and_why_it_is_rejected(core: Core) -> None:
    submit(core, SetFiling("manual"))
    add = ("add", NAME, 1, "NS", HOST)
    answer = change(core, add)
    with core.store.read() as read:
        row = get_cut(TransactionView(read), CUT)
    assert row is not None
    assert answer == f"REFUSED awaits approval (filing {row.number})"
    assert change(core, add) == answer
    assert filed(core) == {}
    submit(core, RejectCut(CUT), "资料不全")
    assert "资料不全" in change(core, add)
    submit(core, ApproveCut(CUT))
    assert change(core, add) == "NOERROR"
    assert filed(core) == {NAME: [HOST]}
    submit(core, WithdrawCut(CUT, "zhejiang"))
    assert change(core, add) == f"REFUSED awaits approval (filing {number_of(core)})"
    assert change(core, ("delete", NAME)) == "NOERROR"  # taken back while it waits
    with core.store.read() as read:
        assert get_past_cut(TransactionView(read), CUT) is not None


def number_of(core: Core) -> int:
    with core.store.read() as read:
        row = get_cut(TransactionView(read), CUT)
    assert row is not None
    return row.number


def test_a_suspended_node_is_told_so_and_its_cuts_stay(core: Core) -> None:
    assert change(core, ("add", NAME, 1, "NS", HOST)) == "NOERROR"
    submit(core, SuspendNode("zhejiang"))
    for step in (("add", OTHERS, 1, "NS", HOST), ("delete", NAME), ("add", NAME, 1, "NS", HOST)):
        answer = change(core, step)
        assert answer.startswith("REFUSED 413 NODE_SUSPENDED"), answer
    assert filed(core) == {NAME: [HOST]}


def test_a_key_that_was_followed_by_another_files_while_both_hold(core: Core) -> None:
    submit(core, RekeyNode("zhejiang", 3600))
    assert change(core, ("add", NAME, 1, "NS", HOST), key="zhejiang-1") == "NOERROR"
    assert change(core, ("add", OTHERS, 1, "NS", HOST), key="zhejiang-2") == "NOERROR"
    submit(core, RekeyNode("zhejiang", 0))
    assert "NOTAUTH" in change_unsigned(core, "zhejiang-2")


def change_unsigned(core: Core, key: str) -> str:
    """The response code that an UPDATE signed with a key that holds no more gets."""
    message = updating.new(SUFFIX)
    message.delete(NAME)
    ring = dns.tsigkeyring.from_text(
        {key: ("hmac-sha256", base64.b64encode(secret_of(core, key)).decode())}
    )
    message.use_tsig(ring, key)
    answer = updates.answer(core, message.to_wire(), updating.HERE, True, int(time.time()))
    return dns.rcode.to_text(dns.rcode.Rcode(answer[3] & 15))


@pytest.mark.skipif(shutil.which("nsupdate") is None, reason="nsupdate is not installed")
def test_nsupdate_files_a_cut(core: Core) -> None:
    """BIND's client, over UDP, against what the writer answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def answer() -> None:
            for _ in range(2):
                packet, peer = server.recvfrom(65_535)
                made = updates.answer(core, packet, updating.HERE, False, int(time.time()))
                server.sendto(made, peer)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        key = base64.b64encode(secret_of(core, "zhejiang-1")).decode()
        head = f"server 127.0.0.1 {server.getsockname()[1]}\nzone {SUFFIX}\n"
        head += f"key hmac-sha256:zhejiang-1 {key}\n"
        for name, code in ((NAME, 0), (f"110105.6450.{OWNER}.{SUFFIX}", 2)):
            script = f"{head}update add {name} 3600 NS {HOST}\nsend\n"
            ran = subprocess.run(
                ["nsupdate"], input=script, capture_output=True, text=True, timeout=20, check=False
            )
            assert ran.returncode == code, ran
        assert "REFUSED" in ran.stderr
        thread.join(10)
    assert filed(core) == {NAME: [HOST]}
