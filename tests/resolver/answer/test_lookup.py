"""Lookups in random trees against a slow and plain reading of RFC 1034 section 4.3.2.

The reference holds names as tuples of labels, root first, and walks from the apex down, one label
at a time, as the RFC says it: with wildcards after RFC 4592 and DNAME after RFC 6672. It knows
nothing of keys, covers and neighbours, which is what the tree answers from.
"""

from __future__ import annotations

import struct
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import dns.flags
import dns.rdata
import dns.rdatatype
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csid import names
from csid.limits import MAX_CHAIN
from csid.protocol import CNAME, DNAME, DS, NOERROR, NS, NXDOMAIN, REFUSED, SOA, TXT, YXDOMAIN
from resolver.answer.edns import OptWriter
from resolver.answer.lookup import (
    DELEGATION,
    EXACT,
    NO_NAME,
    REDIRECT,
    WILDCARD,
    Snapshot,
    find,
    shared_ancestor,
)
from resolver.answer.process import Answerer
from resolver.answer.resolve import TreeSource
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.node import RRset, rrsets_of
from tests.support.memory import MemoryTree
from tests.support.packets import NOW, PEER, parsed, query, records

Name = tuple[str, ...]  # labels, root first; () is the root
RRsets = dict[int, list[bytes]]
Zone = dict[Name, RRsets]

TTL = 300
NEGATIVE_TTL = 60


# -- the reference


class Found(NamedTuple):
    """What a zone holds for a name: an outcome of `answer.lookup`, and whose data it is."""

    outcome: int
    owner: Name
    encloser: int  # labels of the closest encloser or of the name the outcome speaks of


def exists(zone: Zone, name: Name) -> bool:
    """Whether data stands at the name or anywhere below it (RFC 4592 section 2.2.2)."""
    return any(owner[: len(name)] == name for owner in zone)


def walk(zone: Zone, apex: Name, name: Name) -> Found:
    """RFC 1034 section 4.3.2, step 3: down from the apex, label by label."""
    for depth in range(len(apex), len(name) + 1):
        at = name[:depth]
        held = zone.get(at, {})
        if NS in held and at != apex:
            return Found(DELEGATION, at, depth)
        if at == name:
            return Found(EXACT, at, depth)
        if DNAME in held:
            return Found(REDIRECT, at, depth)
        if not exists(zone, name[: depth + 1]):
            wildcard = (*at, "*")
            if exists(zone, wildcard):
                return Found(WILDCARD, wildcard, depth)
            return Found(NO_NAME, at, depth)
    raise AssertionError("the walk ends at the name at the latest")


class Answer(NamedTuple):
    """What a server says; records as text, each once, though a chain may pass it again."""

    rcode: int
    authoritative: bool
    answer: Counter[str]
    authority: Counter[str]


def resolve(zones: dict[Name, Zone], name: Name, qtype: int) -> Answer:
    """RFC 1034 section 4.3.2 from the choice of the zone to the sections of the answer."""
    answer: Counter[str] = Counter()
    none: Counter[str] = Counter()
    passed: set[Name] = set()
    while name not in passed and len(passed) <= MAX_CHAIN:
        aliased = bool(passed)
        passed.add(name)
        holders = [apex for apex in zones if name[: len(apex)] == apex]
        if not holders:
            return Answer(NOERROR if aliased else REFUSED, aliased, answer, none)
        apex = max(holders, key=len)
        if qtype == DS and apex == name and len(holders) > 1:  # RFC 4035 section 3.1.4.1
            apex = max((one for one in holders if one != name), key=len)
        zone = zones[apex]
        soa = text_of(apex, SOA, zone[apex][SOA], NEGATIVE_TTL)
        outcome, owner, _ = walk(zone, apex, name)
        held = zone.get(owner, {})
        if outcome == DELEGATION and not (qtype == DS and owner == name):
            return Answer(NOERROR, aliased, answer, text_of(owner, NS, held[NS]))
        if outcome == NO_NAME:
            return Answer(NXDOMAIN, True, answer, soa)
        ends = len(passed) > MAX_CHAIN  # that many aliases were followed
        if outcome == REDIRECT and ends:
            return Answer(NOERROR, True, answer, none)
        if outcome == REDIRECT:
            answer |= text_of(owner, DNAME, held[DNAME])
            target = name_of(held[DNAME][0]) + name[len(owner) :]
            if len(wire_of(target)) > 255:
                return Answer(YXDOMAIN, True, answer, none)
            answer |= text_of(name, CNAME, [wire_of(target)])
            if qtype == CNAME:
                return Answer(NOERROR, True, answer, none)
            name = target
        elif qtype in held:
            answer |= text_of(name, qtype, held[qtype])
            whole = qtype == NS and name == apex
            return Answer(
                NOERROR, True, answer, none if whole else text_of(apex, NS, zone[apex][NS])
            )
        elif CNAME in held and ends:
            return Answer(NOERROR, True, answer, none)
        elif CNAME in held:
            answer |= text_of(name, CNAME, held[CNAME])
            name = name_of(held[CNAME][0])
        else:
            return Answer(NOERROR, True, answer, soa)
    return Answer(NOERROR, True, answer, none)


def wire_of(name: Name) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in reversed(name)) + b"\0"


def name_of(wire: bytes) -> Name:
    return tuple(label.decode() for label in reversed(names.labels_of(wire)))


def text_of(owner: Name, rrtype: int, rdatas: Iterable[bytes], ttl: int = TTL) -> Counter[str]:
    """Records as `tests.support.packets.records` writes them."""
    shown = names.to_text(wire_of(owner))
    kind = dns.rdatatype.RdataType(rrtype)
    read = (dns.rdata.from_wire("IN", kind, rdata, 0, len(rdata)) for rdata in rdatas)
    return Counter(f"{shown} {ttl} {dns.rdatatype.to_text(kind)} {one}".lower() for one in read)


# -- random zones over few labels, so that names meet


def soa_rdata() -> bytes:
    return b"\2ns\0\4host\0" + struct.pack(">IIIII", 1, 7200, 900, 1209600, NEGATIVE_TTL)


LABEL = st.sampled_from(["a", "b", "*"])
NAME = st.lists(LABEL, max_size=4).map(tuple)
TARGET = NAME.map(wire_of)
NODE = st.one_of(
    st.just({TXT: [b"\1x"]}),
    st.just({TXT: [b"\1x", b"\1y"], DS: [b"\0\1\x0d\2" + bytes(32)]}),
    st.builds(lambda target: {CNAME: [target]}, TARGET),
    st.builds(lambda target: {DNAME: [target]}, TARGET),
    st.builds(lambda target: {DNAME: [target], TXT: [b"\1x"]}, TARGET),
    st.builds(lambda host: {NS: [host]}, TARGET),
    st.builds(lambda host: {NS: [host], DS: [b"\0\1\x0d\2" + bytes(32)]}, TARGET),
)
APEX = st.one_of(
    st.builds(lambda host: {NS: [host], SOA: [soa_rdata()]}, TARGET),
    st.builds(lambda host, to: {NS: [host], SOA: [soa_rdata()], DNAME: [to]}, TARGET, TARGET),
)


@st.composite
def zones_strategy(draw: st.DrawFn) -> dict[Name, Zone]:
    """Up to five zones, one often the parent of another, with all that may be wrong in them."""
    zones: dict[Name, Zone] = {}
    for apex in draw(st.lists(st.lists(LABEL, max_size=3).map(tuple), min_size=1, max_size=5)):
        below = draw(st.dictionaries(NAME.filter(bool), NODE, max_size=8))
        zones[apex] = {apex + name: node for name, node in below.items()}
        zones[apex][apex] = draw(APEX)
    return zones


def data_of(zone: Zone) -> dict[bytes, dict[int, RRset]]:
    return {
        wire_of(name): {rrtype: RRset(TTL, rdatas) for rrtype, rdatas in rrsets.items()}
        for name, rrsets in zone.items()
    }


def snapshot_of(zones: dict[Name, Zone]) -> Snapshot:
    return MemoryTree({wire_of(apex): data_of(zone) for apex, zone in zones.items()}).snapshot()


QNAME = st.lists(LABEL, max_size=6).map(tuple)


# -- the comparison


@given(zones_strategy(), st.lists(QNAME, min_size=1, max_size=20))
def test_a_name_is_found_as_a_walk_from_the_apex_finds_it(
    zones: dict[Name, Zone], asked: list[Name]
) -> None:
    snapshot = snapshot_of(zones)
    for name in asked:
        for apex, held in zones.items():
            if name[: len(apex)] != apex:
                continue
            key = names.key_of(wire_of(name))
            zone = Snapshot(snapshot.get, snapshot.below, snapshot.floor, snapshot.zones).zone_of(
                names.key_of(wire_of(apex))
            )
            assert zone is not None
            outcome, blob, depth = find(snapshot, zone, key)
            expected = walk(held, apex, name)
            assert outcome == expected.outcome, name
            if outcome == NO_NAME:
                assert blob == b""
            else:
                rrsets = {rrtype: list(rrset.rdatas) for rrtype, rrset in rrsets_of(blob)}
                assert rrsets == held.get(expected.owner, {}), name
            if outcome != EXACT:
                assert depth == expected.encloser - len(apex), name


@settings(max_examples=300)
@given(
    zones_strategy(),
    st.lists(st.tuples(QNAME, st.sampled_from([TXT, NS, DS, CNAME, SOA])), min_size=1, max_size=20),
)
def test_answers_say_what_the_rfc_says(
    zones: dict[Name, Zone], asked: list[tuple[Name, int]]
) -> None:
    snapshot = snapshot_of(zones)
    answerer = Answerer(OptWriter(bytes(16)))
    for name, qtype in [*asked, *((apex, DS) for apex in zones)]:
        packet = answerer.answer(query(wire_of(name), qtype), TreeSource(snapshot), NOW, PEER, True)
        assert packet is not None
        reply = parsed(packet)
        got = Answer(
            reply.rcode(),
            bool(reply.flags & dns.flags.AA),
            records(reply.answer),
            records(reply.authority),
        )
        assert got == resolve(zones, name, qtype), (name, qtype)


@settings(max_examples=30)
@given(zones_strategy(), st.lists(QNAME, min_size=1, max_size=20))
def test_a_store_on_disk_answers_as_the_tree_in_memory(
    zones: dict[Name, Zone], asked: list[Name]
) -> None:
    """Its cursors give the same neighbours, at the ends of the tree and of the apexes too."""
    answerer = Answerer(OptWriter(bytes(16)))
    memory = snapshot_of(zones)
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.create(Path(folder) / "data", "csid.internal.", "0.EXAMPLE", 1 << 24) as store,
    ):
        with store.write() as transaction:
            for apex, held in zones.items():
                transaction.replace_zone(wire_of(apex), build(wire_of(apex), data_of(held)))
        with store.snapshot() as disk:
            for name in [*asked, *zones]:
                packet = query(wire_of(name), DS)
                given = answerer.answer(packet, TreeSource(disk), NOW, PEER, True)
                assert given == answerer.answer(packet, TreeSource(memory), NOW, PEER, True)


# -- which zone a name belongs to

ZONE_NAMES = st.lists(st.sampled_from(["a", "a\1", "a\0", "b", "ab", "*"]), max_size=4).map(tuple)


def bare_zones(apexes: Iterable[Name]) -> dict[Name, Zone]:
    return {apex: {apex: {NS: [b"\2ns\0"], SOA: [soa_rdata()]}} for apex in apexes}


@given(st.sets(ZONE_NAMES, max_size=12), st.lists(ZONE_NAMES, min_size=1, max_size=40))
def test_a_snapshot_tells_the_deepest_zone_whatever_was_asked_before(
    apexes: set[Name], asked: list[Name]
) -> None:
    """A snapshot remembers its last zone and between which names that holds: no answer shows it."""
    snapshot = snapshot_of(bare_zones(apexes))
    for name in asked:
        holders = [apex for apex in apexes if name[: len(apex)] == apex]
        zone = snapshot.zone_of(names.key_of(wire_of(name)))
        if holders:
            assert zone is not None
            assert zone.wire == wire_of(max(holders, key=len))
        else:
            assert zone is None


@given(st.sets(ZONE_NAMES, max_size=8), st.lists(ZONE_NAMES, min_size=1, max_size=10))
@example({("cn",), ("cn", "com")}, [("cn", "com")])
@example({("a",), ("a", "b"), ("a", "b", "c")}, [("a", "b", "c")])
@example({("cn",), ("cn", "example-zone")}, [("cn", "example-zone")])
def test_the_zone_above_an_apex_is_the_deepest_that_encloses_its_parent(
    apexes: set[Name], asked: list[Name]
) -> None:
    """Also for keys of up to 8 octets, as many as a generation has."""
    snapshot = snapshot_of(bare_zones(apexes))
    for name in asked:
        holders = [apex for apex in apexes if name[: len(apex)] == apex and apex != name]
        zone = snapshot.zone_above(names.key_of(wire_of(name)))
        if holders:
            assert zone is not None
            assert zone.wire == wire_of(max(holders, key=len))
        else:
            assert zone is None


def test_a_zone_is_sought_once_for_names_that_follow_each_other() -> None:
    """The point of the remembered range: a flood of names in one zone costs one seek."""
    snapshot = snapshot_of(bare_zones([("a",), ("a", "m"), ("b",)]))
    seeks = []
    floor = snapshot.floor
    snapshot.floor = lambda key: seeks.append(key) or floor(key)  # type: ignore[func-returns-value]
    for label in ("n", "o", "p", "q"):
        zone = snapshot.zone_of(names.key_of(wire_of(("a", label))))
        assert zone is not None
        assert zone.apex == b"a\0"
    assert len(seeks) == 2  # the first name falls behind its sibling zone m.a


def test_more_zones_than_are_remembered_are_served() -> None:
    apexes = [(f"z{number}",) for number in range(5_000)]
    snapshot = snapshot_of(bare_zones(apexes))
    for apex in apexes:
        zone = snapshot.zone_of(names.key_of(wire_of((*apex, "x"))))
        assert zone is not None
        assert zone.wire == wire_of(apex)
    assert len(snapshot.zones) <= 4_096


# -- keys


@given(ZONE_NAMES, ZONE_NAMES)
def test_the_shared_ancestor_of_two_names(one: Name, other: Name) -> None:
    common = 0
    while common < min(len(one), len(other)) and one[common] == other[common]:
        common += 1
    keys = [names.key_of(wire_of(name)) for name in (one, other)]
    assert shared_ancestor(*keys) == names.key_of(wire_of(one[:common]))


def test_a_name_whose_key_is_too_long_for_the_store_is_answered() -> None:
    """512 octets with the generation, one more than LMDB takes: absent, and found absent."""
    wire = b"".join(bytes((size,)) + b"\0" * size for size in (63, 63, 63, 61)) + b"\0"
    asked = []

    def get(key: bytes) -> bytes | None:
        asked.append(key)
        return snapshot.get(key)

    snapshot = snapshot_of(bare_zones([()]))
    watched = Snapshot(get, snapshot.below, snapshot.floor, {})
    zone = watched.zone_of(names.key_of(wire))
    assert zone is not None
    assert find(watched, zone, names.key_of(wire))[0] == NO_NAME
    assert max(map(len, asked)) <= 511
