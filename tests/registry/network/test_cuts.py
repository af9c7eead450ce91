"""The zones of a node that files with a national one: made with what is assigned first in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from csid import names
from csid.identifier import make
from csid.protocol import NS, SOA
from csid.record import encode
from registry.network.joining import takes
from registry.rules.filed import as_active, as_filing
from registry.rules.lifecycle import Verb
from registry.rules.requests import (
    AddNode,
    AddPool,
    Advance,
    Alias,
    Assign,
    FileCut,
    Import,
    Mint,
    Move,
    Request,
    RequestFiling,
    Update,
    UpdateOwner,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec, view
from registry.tables.changes import TreeChange
from registry.tables.enums import FilingState, NodeRole, State
from registry.tables.record_node import node_of
from registry.tables.view import View
from registry.verify.report import Report
from registry.zones.asked import Asked
from resolver.answer.source import Stages
from resolver.store import node
from tests.support.books import ask, resolved, status
from tests.support.importing import run_through, work_on
from tests.support.joined import REGION, follow_root, joined, national
from tests.support.registering import (
    ADMINISTRATOR,
    CLASS,
    OTHER,
    OTHERS_REGISTRAR,
    OWNER,
    RECORD,
    identifier,
)

CUT = f"{OWNER}/6450/330106"
ORIGIN = names.from_text(f"330106.6450.{OWNER.lower()}.csid.internal.")
ZHEJIANG = AddNode("zhejiang", "region", ("33",), ("127.0.0.1:5301",))
BEIJING = AddNode("beijing", "region", ("11",), ("127.0.0.2:5302",))
CLOUD = AddNode("cloud", "industry", ("64",), ("127.0.0.3:5303",))


def zones(registry: Registry) -> list[str]:
    with registry.store.read() as read:
        return [names.to_text(held.origin) for held in read.zones()]


def cut_state(registry: Registry, cut: str = CUT) -> FilingState | None:
    with registry.view() as seen:
        row = view.get_cut_filing(seen, cut)
        return row.state if row is not None else None


def state(registry: Registry, name: object) -> State | None:
    with registry.view() as seen:
        row = view.get_assignment(seen, str(name))
        return row.state if row is not None else None


def is_sound(registry: Registry) -> bool:
    report: Report = registry.verify(by_rules=True)
    assert not report.faults, list(map(str, report.faults))
    assert not report.by_rules, report.by_rules
    return True


def test_the_first_assignment_under_a_cut_makes_its_zone_and_files_it(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert ask(registry, Assign(identifier("1"), RECORD)).status is Status.DONE
        assert state(registry, identifier("1")) is State.FILING
        record = resolved(registry, str(identifier("1")))
        assert record is not None and record.state == "filing"
        assert cut_state(registry) is FilingState.WANTED
        with registry.store.read() as read:
            nodes = dict(read.nodes(read.zone(ORIGIN).generation))
            rrsets = dict(node.rrsets_of(nodes[b""]))
        server = names.from_text("zhejiang.nodes.csid.internal.")
        assert rrsets[NS].rdatas == [server] and rrsets[SOA].rdatas[0].startswith(server)
        kinds = [change.leaf.kind for change in registry.history(CUT)]
        assert kinds == ["filing.request"]
        first = registry.history(names.to_text(ORIGIN))[0]
        assert (first.leaf.kind, first.leaf.by) == ("zone.load", ADMINISTRATOR.name)
        assert status(registry, Assign(identifier("2"), RECORD)) is Status.DONE
        assert status(registry, RequestFiling(CUT)) is Status.UNCHANGED
        assert len(registry.history(CUT)) == 1
        assert is_sound(registry)


def test_every_way_to_a_new_code_makes_the_zone_of_its_cut(tmp_path: Path) -> None:
    place = f"{OWNER}/6450/330109/ACV"
    with joined(tmp_path / "data") as registry:
        assert status(registry, AddPool(place, CLASS, 9)) is Status.DONE
        assert status(registry, Mint(f"{place}/{CLASS}", RECORD)) is Status.DONE
        assert cut_state(registry, f"{OWNER}/6450/330109") is FilingState.WANTED
        assert status(registry, Assign(identifier("1"), RECORD)) is Status.DONE
        moved = identifier("1", OTHER)
        assert status(registry, Move(identifier("1"), moved)) is Status.DONE
        assert cut_state(registry, f"{OTHER}/6450/330106") is FilingState.WANTED
        assert state(registry, moved) is State.FILING
        assert status(registry, Assign(identifier("3"), RECORD)) is Status.DONE
        assert status(registry, Alias(identifier("3"), moved)) is Status.DONE
        assert status(registry, Update(moved, (("count", 9),))) is Status.DONE
        own = ask(registry, Assign(identifier("5", OTHER, "330110"), RECORD), OTHERS_REGISTRAR)
        assert own.status is Status.DONE
        assert len(zones(registry)) == 2 + 4
        assert is_sound(registry)


def test_nothing_is_made_for_what_is_refused(tmp_path: Path) -> None:
    def check(_seen: View, change: object) -> str:
        is_bad = isinstance(change, TreeChange) and change.name.endswith(identifier("9").spec)
        return "not today" if is_bad else ""

    with joined(tmp_path / "data") as registry:
        registry.submit(Request(ADMINISTRATOR, UpdateOwner(OTHER, (("quota", 0),))))
        before = registry.missing(), len(zones(registry))
        for body, why in (
            (Assign(identifier("1", OTHER), RECORD), Status.OWNER_QUOTA),
            (Assign(identifier("1", OWNER, "110108"), RECORD), Status.OUT_OF_SCOPE),
            (RequestFiling(OWNER), Status.OUT_OF_SCOPE),
            (RequestFiling(f"{OWNER}/6450/330106/ACV"), Status.BAD_VALUE),
        ):
            assert status(registry, body) is why
        assert ask(registry, RequestFiling(CUT), OTHERS_REGISTRAR).status is Status.OWNER_NOT_YOURS
        assert (registry.missing(), len(zones(registry))) == before
    with Registry.alone(tmp_path / "data", stages=Stages(check=(check,))) as registry:
        assert status(registry, Assign(identifier("9"), RECORD)) is Status.POLICY_PROHIBITS
        weighed = registry.weigh(Request(ADMINISTRATOR, Assign(identifier("1"), RECORD)))
        assert weighed.status is Status.DONE
        assert len(zones(registry)) == before[1] and cut_state(registry) is None


@pytest.mark.parametrize(
    ("theirs", "asked", "words"),
    [
        (f"{OWNER}/6450/330106", f"{OWNER}/6450/330106", "is delegated to beijing.nodes"),
        (f"{OWNER}/6450", f"{OWNER}/6450/330106", f"{OWNER}/6450 is delegated to beijing"),
        (OWNER, f"{OWNER}/6450/330106", f"{OWNER} is delegated to beijing.nodes"),
        (f"{OWNER}/6450/110108", f"{OWNER}/6450", f"{OWNER}/6450/110108, below"),
        (f"{OWNER}/6450/110108", OWNER, f"{OWNER}/6450/110108, below"),
    ],
)
def test_what_others_hold_by_the_root_zone_is_refused_at_once(
    tmp_path: Path, theirs: str, asked: str, words: str
) -> None:
    anywhere = replace(BEIJING, scope=())
    filed = FileCut(theirs, "beijing")
    root = national(tmp_path / "root", [anywhere, ZHEJIANG, filed])
    with joined(tmp_path / "data", REGION._replace(scope=())) as registry:
        follow_root(registry, root)
        decision = ask(registry, RequestFiling(asked))
        assert decision.status is Status.OUT_OF_SCOPE and words in decision.detail
        if asked.count("/") == 2:
            again = ask(registry, Assign(identifier("1"), RECORD))
            assert again.status is Status.OUT_OF_SCOPE and words in again.detail
        assert cut_state(registry, asked) is None
        free = Assign(identifier("1", OTHER), RECORD)
        assert status(registry, free) is Status.DONE  # beside a copy of the root zone
        assert is_sound(registry)


def test_ones_own_cut_in_the_root_zone_is_no_hindrance(tmp_path: Path) -> None:
    root = national(tmp_path / "root", [ZHEJIANG, FileCut(CUT, "zhejiang")])
    with joined(tmp_path / "data") as registry:
        follow_root(registry, root)
        assert status(registry, Assign(identifier("1"), RECORD)) is Status.DONE


def test_cuts_of_one_node_do_not_lie_in_each_other(tmp_path: Path) -> None:
    with joined(tmp_path / "data", REGION._replace(scope=())) as registry:
        assert status(registry, Assign(identifier("1"), RECORD)) is Status.DONE
        above = ask(registry, RequestFiling(f"{OWNER}/6450"))
        assert above.status is Status.OUT_OF_SCOPE and "lies below" in above.detail
        assert status(registry, RequestFiling(OTHER)) is Status.DONE
        below = ask(registry, RequestFiling(f"{OTHER}/6450/330106"))
        assert below.status is Status.OUT_OF_SCOPE and "of this node" in below.detail
        assert status(registry, Assign(identifier("1", OTHER), RECORD)) is Status.DONE
        assert cut_state(registry, f"{OTHER}/6450/330106") is None
        assert is_sound(registry)


def test_an_industry_node_sends_who_wants_codes_to_the_region_node(tmp_path: Path) -> None:
    root = national(tmp_path / "root", [ZHEJIANG, BEIJING, CLOUD])
    of = REGION._replace(role=NodeRole.INDUSTRY, name="cloud", scope=("64",), registers=False)
    with joined(tmp_path / "data", of) as registry:
        asked = ask(registry, Assign(identifier("1"), RECORD))
        assert asked.status is Status.OUT_OF_SCOPE
        assert asked.detail.endswith("ask the region node of location 330106")
        follow_root(registry, root)
        for location, where in (("330106", "zhejiang, at 127.0.0.1:5301"),) * 2 + (
            ("110108", "beijing, at 127.0.0.2:5302"),
        ):
            asked = ask(registry, Assign(identifier("1", OWNER, location), RECORD))
            assert asked.status is Status.OUT_OF_SCOPE and asked.detail.endswith(where)
        table = f"identifier,state\n{identifier('1')},active\n".encode()
        [fault] = [one for some in run_through(registry, work_on(registry), table) for one in some]
        assert "zhejiang, at 127.0.0.1:5301" in fault.reason
        assert status(registry, RequestFiling(CUT)) is Status.OUT_OF_SCOPE
        with registry.view() as seen:  # the owner of the table was not taken for one of its own
            assert not list(seen.scan(codec.OWNERS, b""))
        assert is_sound(registry)


def test_an_industry_node_with_a_registry_assigns_in_its_industries(tmp_path: Path) -> None:
    of = REGION._replace(role=NodeRole.INDUSTRY, name="cloud", scope=("64",))
    with joined(tmp_path / "data", of) as registry:
        assert status(registry, Assign(identifier("1"), RECORD)) is Status.DONE
        other = make(OWNER, "0111", "330106", "ACV", CLASS, "1")
        assert status(registry, Assign(other, RECORD)) is Status.OUT_OF_SCOPE
        assert status(registry, RequestFiling(f"{OWNER}/6431")) is Status.DONE


@pytest.mark.parametrize(
    ("role", "scope", "cut", "group", "wanted"),
    [
        (NodeRole.AGGREGATE, (), CUT, "zhejiang", True),
        (NodeRole.AGGREGATE, (), CUT, "own", False),
        (NodeRole.REGION, ("33",), CUT, "zhejiang", False),
        (NodeRole.INDUSTRY, ("64",), CUT, "zhejiang", True),
        (NodeRole.INDUSTRY, ("64",), CUT, "own", False),
        (NodeRole.INDUSTRY, ("01", "643"), CUT, "zhejiang", False),
        (NodeRole.INDUSTRY, ("01",), OWNER, "zhejiang", True),
        (NodeRole.INDUSTRY, (), CUT, "zhejiang", True),
    ],
)
def test_which_members_of_the_catalog_a_node_follows(
    role: NodeRole, scope: tuple[str, ...], cut: str, group: str, wanted: bool
) -> None:
    assert takes(role, "own", scope, cut, group) is wanted


def test_an_import_makes_the_zones_of_its_cuts_and_says_the_same_when_tried(tmp_path: Path) -> None:
    industries = ("6410", "6420", "6431", "6440", "6450")
    lines = ["identifier,state,count"]
    for owner in (OWNER, OTHER):
        for industry in industries:
            for serial in ("1", "2", "3"):
                one = make(owner, industry, "330106", "ACV", CLASS, serial)
                lines.append(f"{one},active,8")
    lines.append(f"{make(OWNER, '6450', '110108', 'ACV', CLASS, '1')},active,8")
    table = ("\n".join(lines) + "\n").encode()
    with joined(tmp_path / "data") as registry:
        tried = work_on(registry, keep=False)
        faults = [one for some in run_through(registry, tried, table) for one in some]
        assert (tried.tally.added, len(faults)) == (30, 1) and len(zones(registry)) == 2
        work = work_on(registry)
        again = [one for some in run_through(registry, work, table) for one in some]
        assert (work.tally.added, again) == (30, faults)
        assert len(zones(registry)) == 2 + 2 * len(industries)
        same = work_on(registry)
        list(run_through(registry, same, table))
        assert (same.tally.unchanged, same.tally.changed) == (30, 0)
        name = make(OTHER, "6450", "330106", "ACV", CLASS, "3")
        assert state(registry, name) is State.FILING
        record = resolved(registry, str(name))
        assert record is not None and record.state == "filing"
        assert is_sound(registry)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"name": "state=active", "extra": {"x": {"a": "st", "active": 1}}},
        {"extra": {"aa": {"x": "st", "active": 1}}},
        {"endpoints": ["https://a.example:8443/state=active", "https://b.example"]},
    ],
)
def test_an_active_record_is_made_one_that_is_filed_or_left_to_who_reads_it(
    facts: dict[str, object],
) -> None:
    record = RECORD.changed(**facts)
    filed = record.changed(state="filing")
    packed = encode(record)
    word, after, blob = as_filing(packed, node_of(record, packed, 7))
    if word:
        assert (word, after, blob) == ("filing", encode(filed), node_of(filed, after, 7))
        assert as_active(after, blob) == (packed, node_of(record, packed, 7))
    else:
        assert "extra" in facts and after == packed


def test_a_suspended_identifier_keeps_its_hold_and_its_code(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        one = identifier("1")
        assert status(registry, Assign(one, RECORD.changed(state="reserved"))) is Status.DONE
        assert state(registry, one) is State.RESERVED
        moved = identifier("1", OTHER)
        assert status(registry, Move(one, moved)) is Status.DONE
        assert state(registry, moved) is State.RESERVED
        assert status(registry, Advance(moved, Verb.FILE)) is Status.DONE
        assert status(registry, Advance(moved, Verb.ACTIVATE)) is Status.STATE_PROHIBITS
        assert status(registry, Advance(moved, Verb.WITHDRAW)) is Status.DONE
        held = identifier("2")
        assert status(registry, Import(held, RECORD.changed(state="suspended"))) is Status.DONE
        asked = ask(registry, Move(held, identifier("2", OTHER)))
        assert asked.status is Status.STATE_PROHIBITS and "suspended" in asked.detail
        assert status(registry, Advance(held, Verb.REINSTATE)) is Status.DONE
        assert status(registry, Move(held, identifier("2", OTHER))) is Status.DONE
        assert state(registry, identifier("2", OTHER)) is State.FILING
        assert is_sound(registry)


def test_the_zone_of_a_cut_that_was_dropped_goes_on_with_its_serial(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert status(registry, RequestFiling(CUT)) is Status.DONE
        asked = [Asked(ADMINISTRATOR, "").told(), ORIGIN]
        assert registry.perform("zone.drop", asked)[0] == "dropped"
        assert len(zones(registry)) == 2
        assert status(registry, Assign(identifier("1"), RECORD)) is Status.DONE
        with registry.view() as seen:
            row = view.get_zone(seen, names.to_text(ORIGIN))
        assert row is not None and (row.serial, row.held) == (2, True)
        assert is_sound(registry)
