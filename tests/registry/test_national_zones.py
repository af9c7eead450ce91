"""The zones of the national node as files, rebuilt, damaged: cuts and nodes are the registry's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from csid import names
from registry.rules.participants import Judgement
from registry.rules.requests import (
    ChangeNode,
    FileCut,
    JudgeOwner,
    RekeyNode,
    SuspendNode,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.service import Registry
from resolver.sync import settings as sync
from tests.registry.test_national import HERE, must, opened, require_sound
from tests.support import damaged, zone_checkers
from tests.support.books import ask
from tests.support.commands import Ran, run
from tests.support.networking import ANYWHERE, BEIJING, CUT, NAMED, SUFFIX, ZHEJIANG, filing
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER

NAME = f"330106.6450.{OWNER}.{SUFFIX}".lower()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A national node with two cuts, one of which has a server in it."""
    path = tmp_path / "data"
    with opened(path) as registry:
        must(
            registry,
            ZHEJIANG,
            BEIJING,
            ANYWHERE,
            FileCut(CUT, "zhejiang", ((HERE, ("192.0.2.1",)), (f"zhejiang.nodes.{SUFFIX}", ()))),
            filing(f"{OTHER}/6440", "anywhere"),
        )
    yield path
    with Registry.open(path) as registry:
        require_sound(registry)


def dumped(data: Path, origin: str = SUFFIX) -> list[str]:
    return run("zone", "dump", origin, "--data", data).out.splitlines()


def load(data: Path, lines: list[str]) -> Ran:
    path = data.with_name("changed.zone")
    path.write_text("\n".join(lines) + "\n")
    return run("zone", "load", path, "--data", data, "--serial", "increment")


@pytest.mark.parametrize("origin", [SUFFIX, f"_catalog.{SUFFIX}"])
def test_other_servers_take_the_zones_for_sound(data: Path, tmp_path: Path, origin: str) -> None:
    path = tmp_path / "zone"
    path.write_text("\n".join(dumped(data, origin)) + "\n")
    options = ["-i", "full-sibling", "-k", "fail"] if origin == SUFFIX else ["-i", "none"]
    assert "OK" in zone_checkers.run("named-checkzone", *options, origin, str(path))


def test_what_was_dumped_loads_again(data: Path) -> None:
    lines = dumped(data)
    assert load(data, lines).code == 0
    assert load(data, [*lines, f"www.{SUFFIX} 60 IN A 192.0.2.7"]).code == 0


@pytest.mark.parametrize(
    ("without", "more", "said"),
    [
        (NAME, [], "no NS; expected: NS"),  # the server in it is still there
        (f"6440.{OTHER}".lower(), [], "is the network's, but is not there"),
        (f"zhejiang.nodes.{SUFFIX}", [], "does not hold what the registry says"),
        ("_sync._tcp.zhejiang", [], "is the network's, but is not there"),
        ("ns1.330106", [], "is the network's, but is not there"),
        ("", [f"{NAME} 3600 IN NS ns.example."], "another NS"),
        ("", [f"{NAME} 3600 IN TXT x"], "TXT"),
        ("", [f"x.{NAME} 3600 IN A 192.0.2.9"], "only the register of the network has"),
        ("", [f"330108.6450.{OWNER}.{SUFFIX} 60 IN NS ns.example."], "no cut is filed there"),
        ("", [f"acv.330108.6450.{OWNER}.{SUFFIX} 60 IN NS ns.example."], "no cut is filed there"),
        ("", [f"hebei.nodes.{SUFFIX} 60 IN A 192.0.2.9"], "only the register of the network has"),
        ("", [f"nodes.{SUFFIX} 60 IN TXT x"], "only the register of the network has"),
    ],
)
def test_a_load_neither_takes_nor_adds_what_the_register_says(
    data: Path, without: str, more: list[str], said: str
) -> None:
    lines = dumped(data)
    kept = [line for line in lines if not without or not line.startswith(without)]
    assert bool(more) or len(kept) < len(lines)
    ran = load(data, [*kept, *more])
    assert ran.code == 1
    assert said in ran.err


def test_another_ttl_is_found(data: Path) -> None:
    lines = [
        line.replace(" 3600 ", " 60 ") if line.startswith(NAME) else line for line in dumped(data)
    ]
    assert "NS with TTL 60" in load(data, lines).err


def test_delegations_of_other_names_are_free(data: Path) -> None:
    more = [f"lab.{SUFFIX} 60 IN NS ns.lab.{SUFFIX}", f"ns.lab.{SUFFIX} 60 IN A 192.0.2.9"]
    assert load(data, [*dumped(data), *more]).code == 0


@pytest.mark.parametrize("origin", [SUFFIX, f"_catalog.{SUFFIX}"])
def test_neither_zone_is_dropped(data: Path, origin: str) -> None:
    ran = run("zone", "drop", origin, "--data", data)
    assert ran.code == 1
    assert "of the network" in ran.err


def test_a_zone_that_is_held_keeps_a_cut_from_being_filed_there(data: Path) -> None:
    at = f"6450.{OTHER}.{SUFFIX}"
    lines = [f"{at} 60 IN SOA a. b. 1 2 3 4 5", f"{at} 60 IN NS a."]
    assert load(data, lines).code == 0
    with Registry.open(data, writable=True, sync=False) as registry:
        for cut in (f"{OTHER}/6450", f"{OTHER}/6450/330106"):
            decision = ask(registry, filing(cut, "anywhere"))
            assert decision.status is Status.OUT_OF_SCOPE, decision
            assert "is held here" in decision.detail


def test_no_zone_hides_the_register(data: Path) -> None:
    at_cuts = [f"{OWNER}.{SUFFIX}", NAME, f"acv.{NAME}"]
    for origin in (f"nodes.{SUFFIX}", f"zones._catalog.{SUFFIX}", *at_cuts):
        lines = [f"{origin} 60 IN SOA a. b. 1 2 3 4 5", f"{origin} 60 IN NS a."]
        assert "would hide them" in load(data, lines).err


def test_what_is_filed_while_a_zone_is_loaded_is_carried_over(data: Path) -> None:
    """Read, changed by others, published: the cut that came is in it, the one that went is not."""
    with Registry.open(data, writable=True, sync=False) as registry:
        asked = (ADMINISTRATOR.name, "administrator", "", "", "test")
        with registry.store.read() as read:
            held = read.zone(NAMED.wire)
            nodes = list(read.nodes(held.generation))
        since = registry.perform("zone.since")
        must(
            registry,
            WithdrawCut(CUT, "zhejiang"),
            filing(f"{OWNER}/6450/330108"),
            FileCut(f"{OTHER}/6440", "anywhere", ((f"ns9.6440.{OTHER}.{SUFFIX}", ("192.0.2.8",)),)),
            ChangeNode("beijing", (("addresses", ("192.0.2.77:53",)),)),
            SuspendNode("zhejiang"),
        )
        expected = dumped(data)
        ((outcome, _, said),) = registry.perform(
            "zone.load", [asked, "increment", since, [(NAMED.wire, nodes)]]
        )
        assert outcome == "loaded", said
        apart = [line for line in dumped(data) if " SOA " not in line]
        assert apart == [line for line in expected if " SOA " not in line]
        require_sound(registry)


def test_a_rebuild_makes_the_network_names_as_the_rows_say(data: Path) -> None:
    with Registry.open(data, writable=True, sync=False) as registry:
        must(registry, JudgeOwner(OTHER, Judgement.SUSPEND))
    expected = dumped(data), dumped(data, f"_catalog.{SUFFIX}")
    for key in (NAMED.key(CUT), NAMED.key("nodes/beijing"), NAMED.key(f"owners/{OTHER}")):
        with damaged.table(data, b"tree") as rows:
            for stored, _ in rows.all():
                if stored[8:] == key[len(names.key_of(NAMED.wire)) :]:
                    rows.delete(stored)
    with Registry.open(data) as registry:
        reasons = [fault.reason for fault in registry.verify().faults]
    assert sum("is the network's, but is not there" in reason for reason in reasons) >= 3
    ran = run("zone", "rebuild", "--data", data)
    assert ran.code == 0, ran
    for one, other in zip(
        expected, (dumped(data), dumped(data, f"_catalog.{SUFFIX}")), strict=True
    ):
        assert [x for x in one if " SOA " not in x] == [x for x in other if " SOA " not in x]


@pytest.mark.parametrize("table", [sync.KEYS, sync.RIGHTS, sync.TARGETS])
def test_keys_rights_and_targets_of_nodes_are_verified_both_ways(data: Path, table: bytes) -> None:
    name = table.decode()
    with damaged.table(data, table) as rows:
        held = rows.all()
        rows.delete(held[0][0])
    with Registry.open(data, writable=True) as registry:
        faults = registry.verify().faults
        assert {fault.place for fault in faults} == {name} and faults
        assert any("was taken away" in fault.reason for fault in faults)
        must(registry, RekeyNode("beijing", 0))  # makes them anew
        assert registry.verify().faults == []
    with damaged.table(data, table) as rows:
        key, value = rows.all()[0]
        rows.put(key, value.replace(b"zhejiang", b"zhejianx").replace(b"beijing", b"beijinx"))
    with Registry.open(data, writable=True) as registry:
        assert registry.verify().faults != []
        must(registry, RekeyNode("beijing", 0))


def test_what_finds_and_counts_cuts_is_made_right(data: Path) -> None:
    with damaged.table(data, b"registry.cut_index") as rows:
        held = rows.all()
        rows.delete(held[0][0])
        rows.put(b"n/beijing/" + CUT.encode(), b"")
    with damaged.table(data, b"registry.counts") as rows:
        rows.put(b"n/zhejiang", b"\x92\5\5")
    assert "registry.cut_index" in run("audit", "verify", "--data", data).err
    assert "rows made right: 3" in run("audit", "rebuild-indexes", "--data", data).out


def test_a_stranger_adds_nothing_to_the_catalog(data: Path) -> None:
    words = ("zone", "catalog", "produce", f"_catalog.{SUFFIX}", "--add", f"other.{SUFFIX}")
    ran = run(*words, "--data", data)
    assert ran.code != 0
    assert "only the register of the network has" in ran.err, ran
