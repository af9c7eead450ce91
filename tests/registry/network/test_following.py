"""Zones that follow others are begun, refused, ended; what is the primary's stays the primary's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csid import names
from csid.errors import ZoneError
from csid.identifier import parse
from registry.network.following import FOLLOW, REFRESH, UNFOLLOW
from registry.network.targets import TargetError
from registry.rules.decision import Decision
from registry.rules.requests import Actor, AddOwner, Assign, Judgement, JudgeOwner, Request, Role
from registry.service import Registry
from registry.tables.enums import Kind
from registry.zones.small import REFUSED
from resolver.store.apexes import EXPIRED, NOT_READY, SERVED
from resolver.store.build import build
from resolver.sync import states
from resolver.sync.settings import STATES, Target, follow_of, pack, where
from tests.support.commands import run
from tests.support.memory import zone_data
from tests.support.registering import RECORD
from tests.support.servers import put_zone
from tests.support.syncing import ADMINISTRATOR, zone_text

ORIGIN = "example.test."
WIRE = names.from_text(ORIGIN)
APEX = names.key_of(WIRE)
TARGETS = [Target("192.0.2.1", 53)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    assert run("init", "--data", path, "--suffix", "csid.internal.").code == 0
    return path


@pytest.fixture
def registry(data: Path) -> Iterator[Registry]:
    with Registry.alone(data) as opened:
        yield opened


def follow(registry: Registry, origin: str = ORIGIN, targets: list[Target] = TARGETS) -> bool:
    done: bool = registry.perform(FOLLOW, (ADMINISTRATOR, names.from_text(origin), targets, True))
    return done


def flags(registry: Registry) -> int:
    with registry.store.read() as read:
        return read.zone(WIRE).flags


def arrive(registry: Registry, serial: int = 1, origin: str = ORIGIN) -> None:
    """As a transfer does."""
    put_zone(registry.store, zone_text(serial), origin)


def test_a_zone_follows_and_is_due_at_once(registry: Registry) -> None:
    assert follow(registry)
    assert flags(registry) == NOT_READY
    with registry.store.read() as read:
        state = states.state_of(read, APEX)
        assert state is not None and state.is_open


def test_given_again_it_has_other_primaries_and_keeps_its_data(registry: Registry) -> None:
    follow(registry)
    arrive(registry)
    assert not follow(registry, targets=[Target("192.0.2.9", 53)])
    assert flags(registry) == SERVED
    with registry.store.read() as read:
        followed = follow_of(read, APEX)
        assert followed is not None and followed.servers == "192.0.2.9:53"


def test_the_nodes_own_zone_does_not_follow(registry: Registry) -> None:
    arrive(registry)
    with pytest.raises(ZoneError, match="this node's own"):
        follow(registry)


def test_an_unknown_key_is_refused(registry: Registry) -> None:
    with pytest.raises(TargetError, match="no key of this name"):
        follow(registry, targets=[Target("192.0.2.1", 53, names.from_text("k."))])


def test_only_administrators_may(registry: Registry) -> None:
    who = ("somebody", "auditor", "", "", "")
    with pytest.raises(ZoneError, match="administrator"):
        registry.perform(FOLLOW, (who, WIRE, TARGETS, True))


IDENTIFIER = "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY"


def assign(registry: Registry) -> Decision:
    actor = Actor("test", Role.ADMINISTRATOR)
    owner = IDENTIFIER[:18]
    for body in (
        AddOwner(owner, (Kind.RESOURCE_PROVIDER,), "主体", "noc@example.cn", None),
        JudgeOwner(owner, Judgement.ACCREDIT),
    ):
        registry.submit(Request(actor, body))
    return registry.submit(Request(actor, Assign(parse(IDENTIFIER), RECORD)))


def test_nothing_follows_where_identifiers_lie(registry: Registry) -> None:
    assert assign(registry).status.success
    below = "330106.6450.91330106673959654p.csid.internal."
    with pytest.raises(ZoneError, match="identifiers that this node has assigned lie in it"):
        follow(registry, below)


def test_nothing_is_assigned_into_what_follows(registry: Registry) -> None:
    below = "330106.6450.91330106673959654p.csid.internal."
    follow(registry, below)
    arrive(registry, origin=below)
    decision = assign(registry)
    assert not decision.status.success
    assert "follows 192.0.2.1:53; assign there" in decision.detail


def test_what_follows_is_neither_loaded_nor_dropped_nor_rebuilt(
    registry: Registry, data: Path, tmp_path: Path
) -> None:
    follow(registry)
    arrive(registry)
    apex, zone = zone_data(zone_text(9), ORIGIN)
    nodes = list(build(apex, zone))
    ((outcome, _, said),) = registry.perform(
        "zone.load", (ADMINISTRATOR, "keep", 0, [(WIRE, nodes)])
    )
    assert outcome == REFUSED and "follows 192.0.2.1:53" in said[0]
    with pytest.raises(ZoneError, match=r"follows 192\.0\.2\.1:53"):
        registry.perform("zone.begin", (ADMINISTRATOR, WIRE, 0))
    outcome, _, said = registry.perform("zone.drop", (ADMINISTRATOR, WIRE))
    assert outcome == REFUSED and "csid zone unfollow" in said[0]
    with registry.store.read() as read:
        assert read.summary(read.zone(WIRE)).serial == 1


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_commands_refuse_to_change_what_follows(data: Path, tmp_path: Path, dry: list[str]) -> None:
    with Registry.alone(data) as registry:
        follow(registry)
        arrive(registry)
    file = tmp_path / "zone"
    for count in (1, 20_000):  # a small zone, and one that is loaded in pieces
        more = "".join(f"n{number} A 192.0.2.1\n" for number in range(count))
        file.write_text(f"$ORIGIN {ORIGIN}\n{zone_text(9, more=more)}")
        refused = run("zone", "load", file, "--data", data, *dry)
        assert refused.code == 1 and "follows 192.0.2.1:53" in refused.err
    refused = run("zone", "drop", ORIGIN, "--data", data, "--yes", *dry)
    assert refused.code == 1 and "csid zone unfollow" in refused.err
    assert ORIGIN not in run("zone", "rebuild", "--data", data, *dry).out


def test_commands_follow_and_tell(data: Path) -> None:
    followed = run("zone", "follow", ORIGIN, "--from", "192.0.2.1", "--data", data, "--json")
    assert followed.json == [{"origin": ORIGIN, "outcome": "followed"}]
    (row,) = run("sync", "status", "--data", data, "--json").json
    assert (row["origin"], row["state"], row["primaries"]) == (ORIGIN, "waiting", ["192.0.2.1:53"])
    assert run("sync", "status", ORIGIN, "--data", data).code == 1
    unfollowed = run("zone", "unfollow", ORIGIN, "--data", data, "--json")
    assert unfollowed.json == [{"origin": ORIGIN, "outcome": "dropped"}]
    assert run("sync", "status", "--data", data, "--json").json == []


@pytest.mark.parametrize(
    ("changes", "said", "code"),
    [
        ({}, "current", 0),
        ({"there": 2}, "behind", 1),
        ({"there": 2**31 + 2}, "current", 0),  # before 1 (RFC 1982): what is held is newer
        ({"there": 2**31 + 2, "error": "has an older serial"}, "ahead", 1),
        ({"failures": 1, "error": "is away"}, "failing", 1),
        ({"due": states.StateRow().due}, "current", 0),  # it is being looked at
        ({"due": 1_000}, "overdue", 1),
    ],
)
def test_the_state_of_a_zone_is_told_as_it_is(
    data: Path, changes: dict[str, Any], said: str, code: int
) -> None:
    with Registry.alone(data) as registry:
        follow(registry)
        arrive(registry)
        later = int(time.time()) + 100
        row = states.StateRow(later, 1, 1, later, later)._replace(**changes)
        with registry.store.write() as txn:
            txn.table(STATES).put(where(APEX), pack(row))
    told = run("sync", "status", ORIGIN, "--data", data, "--json")
    assert (told.json[0]["state"], told.code) == (said, code)
    assert (said == "overdue") == ("csid serve" in told.json[0]["error"])


def test_commands_page_through_zones(data: Path) -> None:
    with Registry.alone(data) as registry:
        for number in range(5):
            follow(registry, f"z{number}.test.")
    first = run("sync", "status", "--data", data, "--json", "--limit", "2").json
    rest = run("sync", "status", "--data", data, "--json", "--after", first[-1]["origin"]).json
    assert [row["origin"] for row in first + rest] == [f"z{number}.test." for number in range(5)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "192.0.2.1:x"], "no address of a server"),
        (["--from", "192.0.2.1", "--tls", "yes"], "opportunistic"),
        (["--from", "192.0.2.1", "--tls", "pin:AAAA"], "44 characters"),
        (["--from", "192.0.2.1", "--key", "k"], "csid key add"),
    ],
)
def test_commands_say_what_is_wrong(data: Path, words: list[str], said: str) -> None:
    refused = run("zone", "follow", ORIGIN, *words, "--data", data)
    assert refused.code == 2 and said in refused.err


@pytest.mark.parametrize("origin", [ORIGIN, "330106.6450.91330106673959654p.csid.internal."])
@pytest.mark.parametrize("is_there", [False, True])
def test_verification_passes_over_it_by_name(
    registry: Registry, origin: str, is_there: bool
) -> None:
    follow(registry, origin)
    if is_there:
        arrive(registry, origin=origin)
    report = registry.verify()
    assert not report.faults
    assert any(f"{origin} is followed from 192.0.2.1:53" in one for one in report.exceptions)


def test_it_is_dropped_when_it_follows_no_more(registry: Registry) -> None:
    follow(registry)
    arrive(registry)
    assert not registry.perform(UNFOLLOW, (ADMINISTRATOR, WIRE, False))
    with registry.store.read() as read:
        assert states.state_of(read, APEX) is None and follow_of(read, APEX) is None
        with pytest.raises(ZoneError):
            read.zone(WIRE)
    assert not registry.verify().faults


def test_it_is_kept_and_served_again_if_that_is_asked(registry: Registry) -> None:
    follow(registry)
    with pytest.raises(ZoneError, match="nothing of it is here yet"):
        registry.perform(UNFOLLOW, (ADMINISTRATOR, WIRE, True))
    arrive(registry)
    with registry.store.write() as txn:
        txn.set_flags(WIRE, EXPIRED)
    assert registry.perform(UNFOLLOW, (ADMINISTRATOR, WIRE, True))
    assert flags(registry) == SERVED


def test_below_the_suffix_nothing_is_kept(registry: Registry) -> None:
    below = "330106.6450.91330106673959654p.csid.internal."
    follow(registry, below)
    arrive(registry, origin=below)
    with pytest.raises(ZoneError, match="the registry is the authority"):
        registry.perform(UNFOLLOW, (ADMINISTRATOR, names.from_text(below), True))


def test_who_follows_nobody_is_told_so(registry: Registry) -> None:
    with pytest.raises(ZoneError, match="follows no other server"):
        registry.perform(UNFOLLOW, (ADMINISTRATOR, WIRE, False))
    with pytest.raises(ZoneError, match="follows no other server"):
        registry.perform(REFRESH, (WIRE, False))
