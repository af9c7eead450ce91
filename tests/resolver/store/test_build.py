"""Zones as nodes: what is worked out before a question, for handwritten and for random zones."""

from __future__ import annotations

import struct
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.errors import DomainNameError, ZoneError
from csid.limits import MAX_RRSET_OCTETS, MAX_RRSET_RECORDS, MAX_TYPES_PER_NAME
from csid.protocol import AAAA, CNAME, DNAME, HTTPS, MX, NS, SOA, SRV, SVCB, TXT, A
from resolver.store import build, node
from resolver.store.node import RRset
from tests.support.memory import zone_data

ZONE = """\
    $TTL 300
    @          SOA   ns host 7 7200 900 1209600 60
               NS    ns
               NS    ns.elsewhere.test.
    ns         A     192.0.2.1
               AAAA  2001:db8::1
    a.b.c      TXT   "deep"
    *.w        TXT   "wild"
    x.*.w      TXT   "below a wildcard"
    cut        NS    ns.cut
               NS    ns.other
    ns.cut     A     192.0.2.2
    deep.x.cut NS    ns
    other      NS    ns.other
    ns.other   A     192.0.2.3
    dn         DNAME ns
    q.dn       NS    ns
    z.q.dn     A     192.0.2.4
    mail       MX    10 ns
               MX    20 ns
    _s._tcp    SRV   0 0 1 ns
               SRV   0 0 2 NS
"""


def built(text: str = ZONE, origin: str = "example.") -> dict[str, bytes]:
    """The nodes of a zone by name, relative to its apex ('' is the apex)."""
    apex, data = zone_data(dedent(text), origin)
    nodes = list(build.build(apex, data))
    assert [key for key, _ in nodes] == sorted(key for key, _ in nodes)
    return {names.to_text(names.wire_of_key(key)).removesuffix("."): blob for key, blob in nodes}


def test_every_name_and_every_empty_non_terminal_has_a_node() -> None:
    assert set(built()) == {
        "", "ns", "c", "b.c", "a.b.c", "w", "*.w", "x.*.w", "cut", "ns.cut", "x.cut", "deep.x.cut",
        "other", "ns.other", "dn", "q.dn", "z.q.dn", "mail", "_tcp", "_s._tcp",
    }  # fmt: skip


def test_the_topmost_delegation_or_dname_covers_all_at_and_below_it() -> None:
    covers = {name: blob[1] for name, blob in built().items() if blob[1]}
    assert covers == {
        "cut": 2, "ns.cut": 2, "x.cut": 2, "deep.x.cut": 2,
        "other": 2, "ns.other": 2,
        "dn": 2, "q.dn": 2, "z.q.dn": 2,
    }  # fmt: skip


def test_a_dname_at_the_apex_covers_the_whole_zone() -> None:
    text = "$TTL 1\n@ SOA ns host 1 2 3 4 5\n@ NS ns\n@ DNAME x.\na.b TXT x\n"
    assert {blob[1] for blob in built(text).values()} == {1}


@pytest.mark.parametrize(
    ("name", "rrtype", "number"),
    [("", NS, 2), ("cut", NS, 2), ("deep.x.cut", NS, 2), ("mail", MX, 2), ("_s._tcp", SRV, 2)],
)
def test_addresses_of_hosts_in_the_zone_go_with_their_names_once(
    name: str, rrtype: int, number: int
) -> None:
    """Each once, however many records name the host, in whatever case."""
    blob = built()[name]
    at = node.find_entry(blob, rrtype)
    assert node.extra_number_at(blob, at) == number


def test_a_type_without_hosts_has_no_addresses() -> None:
    blob = built()["ns"]
    assert node.extra_number_at(blob, node.find_entry(blob, A)) == 0
    assert node.extra_number_at(blob, node.find_entry(blob, AAAA)) == 0


def extras(text: str, name: str, rrtype: int) -> list[tuple[str, int]]:
    """Owners, relative to the apex, and types of what goes with an RRset, in order."""
    blob = built("$TTL 1\n@ SOA ns host 1 2 3 4 5\n@ NS out.\n" + text)[name]
    records = node.split_extra(node.extra_at(blob, at := node.find_entry(blob, rrtype)))
    assert len(records) == node.extra_number_at(blob, at)
    found = []
    for record in records:
        owner, end = names.read_key(record, 0)
        text = names.to_text(names.wire_of_key(owner))
        found.append((text.removesuffix(".example."), int.from_bytes(record[end : end + 2])))
    return found


def test_all_servers_of_a_delegation_have_their_addresses() -> None:
    rows = "".join(
        f"cut NS n{one}.cut\nn{one}.cut A 192.0.2.1\nn{one}.cut AAAA ::1\n" for one in range(99)
    )
    assert extras(rows, "cut", NS) == [
        (f"n{one}.cut", rrtype) for one in range(99) for rrtype in (A, AAAA)
    ]


def test_addresses_that_a_referral_cannot_do_without_stand_first() -> None:
    text = """other A 192.0.2.1
other AAAA ::1
ns.cut A 192.0.2.2
ns.cut2 A 192.0.2.3
cut NS other
cut NS NS.Cut
cut NS ns.cut2
cut NS cut
cut A 192.0.2.4
cut2 NS ns.cut2
"""
    assert extras(text, "cut", NS) == [
        ("NS.Cut".lower(), A), ("cut", A), ("other", A), ("other", AAAA), ("ns.cut2", A),
    ]  # fmt: skip


def test_addresses_are_bounded_by_what_a_message_carries() -> None:
    """In time, too: thousands of servers with thousands of addresses each are not all tried."""
    servers = {NS: RRset(1, [b"\4n%03d\1z\0" % one for one in range(1000)])}
    addresses = {A: RRset(1, [bytes(2) + one.to_bytes(2) for one in range(3000)])}
    data = {b"\1z\0": APEX, b"\1c\1z\0": servers}
    for host in servers[NS].rdatas:
        data[host] = addresses
    blob = dict(build.build(b"\1z\0", data))[b"c\0"]
    octets = len(node.extra_at(blob, node.find_entry(blob, NS)))
    assert MAX_RRSET_OCTETS - 100 < octets <= MAX_RRSET_OCTETS


@pytest.mark.parametrize(
    ("record", "number"),
    [("MX 1 h", 2), ("SRV 1 1 1 h", 2), ("KX 1 h", 2), ("RT 1 h", 2), ("TYPE7 \\# 11 {h}", 2),
     ("AFSDB 1 h", 0), ("PTR h", 0), ("MX 1 ns.cut", 0), ("SRV 1 1 1 x.cut", 0)],
)  # fmt: skip
def test_types_that_name_hosts_bring_the_addresses_peers_bring(record: str, number: int) -> None:
    """Those outside delegations: what lies below one is only there to find its servers."""
    text = "h A 192.0.2.1\nh AAAA ::1\ncut NS ns.cut\nns.cut A 192.0.2.2\nx.cut A 192.0.2.3\n"
    wire = names.from_text("h.example.").hex()
    (blob,) = [
        blob
        for name, blob in built(
            f"$TTL 1\n@ SOA ns host 1 2 3 4 5\n@ NS out.\n{text}t {record.format(h=wire)}\n"
        ).items()
        if name == "t"
    ]
    assert node.extra_number_at(blob, 2) == number


HOSTS = "h A 192.0.2.1\nh AAAA ::1\nh {type} 1 . alpn=h2\ncut NS ns.cut\nns.cut A 192.0.2.2\n"


@pytest.mark.parametrize("kind", ["SVCB", "HTTPS"])
@pytest.mark.parametrize(
    ("rows", "hosts"),
    [
        ("t {type} 1 h", [("h", A), ("h", AAAA)]),
        ("t {type} 0 h", [("h", A), ("h", AAAA), ("h", 0)]),
        ("t {type} 1 h port=1\nt {type} 2 H port=2", [("h", A), ("h", AAAA)]),
        ("t {type} 1 .\nt A 192.0.2.9", [("t", A)]),
        ("t {type} 0 .\nt A 192.0.2.9", []),
        ("t {type} 1 ns.cut", []),
        ("t {type} 1 absent", []),
        ("t {type} 1 elsewhere.test.", []),
    ],
)
def test_services_bring_the_addresses_of_their_targets(
    kind: str, rows: str, hosts: list[tuple[str, int]]
) -> None:
    rrtype = {"SVCB": SVCB, "HTTPS": HTTPS}[kind]
    text = HOSTS.replace("{type}", kind) + rows.replace("{type}", kind) + "\n"
    assert extras(text, "t", rrtype) == [(host, one or rrtype) for host, one in hosts]


def test_a_service_at_a_wildcard_names_no_owner_yet() -> None:
    assert extras("*.w HTTPS 1 .\n*.w A 192.0.2.9\n", "*.w", HTTPS) == []
    data = {b"\0": APEX, b"\1*\0": {HTTPS: RRset(1, [b"\0\1\0"]), A: RRset(1, [bytes(4)])}}
    blob = dict(build.build(b"\0", data))[b"*\0"]
    assert node.extra_number_at(blob, node.find_entry(blob, HTTPS)) == 0


WILDCARDS = """\
* A 192.0.2.1
*.w AAAA ::1
*.al CNAME t
a.ent TXT x
cut NS ns.cut
*.cut A 192.0.2.2
dn DNAME w
x.dn A 192.0.2.3
"""


@pytest.mark.parametrize(
    ("host", "types"),
    [("x", [A]), ("x.y", [A]), ("x.w", [AAAA]), ("x.y.w", [AAAA]), ("*.w", [AAAA]),
     ("x.al", []), ("x.ent", []), ("ent", []), ("x.t", []), ("x.y.cut", []),
     ("y.dn", []), ("x.dn", []), ("x.elsewhere.test.", [])],
)  # fmt: skip
def test_a_wildcard_gives_addresses_to_hosts_that_it_stands_for(
    host: str, types: list[int]
) -> None:
    """As if the host were asked for (RFC 4592 section 3.3.1); what is hidden is glue only."""
    for row, rrtype in (("MX 1", MX), ("NS", NS), ("HTTPS 1", HTTPS)):
        hosts = [(host, one) for one in types]
        if rrtype == NS and host in ("x.dn", "x.y.cut"):
            hosts = [(host, A)]
        assert extras(f"{WILDCARDS}t {row} {host}\n", "t", rrtype) == hosts


def test_hosts_of_a_zone_whose_apex_is_a_dname_are_hidden() -> None:
    assert extras("@ DNAME z.\n@ MX 1 x\n@ MX 1 @\n@ A 192.0.2.1\n* A 192.0.2.2\n", "", MX) == [
        ("example.", A)
    ]


def test_wildcards_are_counted() -> None:
    keys = [b"", b"*\0", b"a\0*\0", b"a\0*\0b\0", b"a*\0", b"*a\0", b"a\0\1\1*\0"]
    assert build.wildcard_count(iter(keys)) == 2


# -- refusals

APEX = {SOA: RRset(1, [b"\0\0" + bytes(20)]), NS: RRset(1, [b"\0"])}


def refused(owner: bytes, rrsets: dict[int, RRset]) -> str:
    with pytest.raises(ZoneError) as caught:
        list(build.build(b"\1z\0", {b"\1z\0": APEX, owner: rrsets}))
    return str(caught.value)


def test_a_name_outside_the_zone_is_refused() -> None:
    assert "outside z." in refused(b"\1a\1y\0", {TXT: RRset(1, [b"\0"])})
    assert "outside z." in refused(b"\0", {TXT: RRset(1, [b"\0"])})


@pytest.mark.parametrize(
    ("rrsets", "said"),
    [
        ({TXT: RRset(1, [b"%d" % one for one in range(MAX_RRSET_RECORDS + 1)])}, "4097 records"),
        ({TXT: RRset(1, [bytes(59_989)])}, "60001 octets"),
        ({TXT: RRset(1, [bytes(30_000), bytes(30_000)])}, "60024 octets"),
        ({one: RRset(1, [b"\0"]) for one in range(256, 257 + MAX_TYPES_PER_NAME)}, "257 types"),
    ],
)
def test_what_no_message_could_carry_is_refused(rrsets: dict[int, RRset], said: str) -> None:
    assert said in refused(b"\1a\1z\0", rrsets)


def test_the_largest_that_is_allowed_is_built() -> None:
    rrsets = {one: RRset(1, [bytes(59_988)]) for one in range(256, 256 + MAX_TYPES_PER_NAME, 64)}
    nodes = dict(build.build(b"\1z\0", {b"\1z\0": APEX, b"\1a\1z\0": rrsets}))
    assert dict(node.rrsets_of(nodes[b"a\0"])) == rrsets


def test_a_name_too_long_for_the_store_is_refused() -> None:
    """In every zone, for its key is bounded with the apex included."""
    long = b"".join(bytes((size,)) + b"\1" * size for size in (63, 63, 63, 61)) + b"\0"
    with pytest.raises(DomainNameError):
        list(build.build(b"\0", {b"\0": APEX, long: {TXT: RRset(1, [b"\0"])}}))


# -- random zones

LABEL = st.sampled_from([b"a", b"b", b"*", b"\0", b"\1"])
LABELS = st.lists(LABEL, max_size=4).map(tuple)
NODE = st.sampled_from(
    [
        {TXT: RRset(1, [b"\0"])},
        {CNAME: RRset(1, [b"\0"])},
        {NS: RRset(1, [b"\0"])},
        {DNAME: RRset(1, [b"\0"])},
        {DNAME: RRset(1, [b"\0"]), TXT: RRset(1, [b"\0"])},
    ]
)
DATA = st.dictionaries(LABELS.filter(bool), NODE, max_size=12)
Labels = tuple[bytes, ...]


def wire_of(labels: Labels) -> bytes:
    """Labels, most significant first, as a name."""
    return b"".join(bytes((len(label),)) + label for label in reversed(labels)) + b"\0"


@given(st.lists(LABEL, max_size=2).map(tuple), DATA)
def test_nodes_of_random_zones_keep_what_lookups_rely_on(
    origin: Labels, below: dict[Labels, dict[int, RRset]]
) -> None:
    data = {(): APEX, **below}
    apex = wire_of(origin)
    nodes = dict(
        build.build(apex, {wire_of(origin + name): rrsets for name, rrsets in data.items()})
    )
    expected = {name[:depth] for name in data for depth in range(len(name) + 1)}
    by_name = {tuple(names.labels_of_key(key)): blob for key, blob in nodes.items()}
    assert set(by_name) == expected
    for name, blob in by_name.items():
        assert dict(node.rrsets_of(blob)) == data.get(name, {})
        covering = [
            depth
            for depth in range(len(name) + 1)
            if (depth and NS in data.get(name[:depth], {})) or DNAME in data.get(name[:depth], {})
        ]
        assert blob[1] == (1 + covering[0] if covering else 0)
    wildcards = sum(name[-1:] == (b"*",) for name in expected)
    assert build.wildcard_count(iter(nodes)) == wildcards


@given(LABELS)
def test_the_ancestors_of_a_key_come_nearest_first(name: Labels) -> None:
    key = names.key_of(wire_of(name))
    above = [names.key_of(wire_of(name[:depth])) for depth in reversed(range(len(name)))]
    assert list(build.ancestors(key)) == above
    assert build.depth_of(key) == len(name)


# -- the SOA

SOA_FIELDS = st.tuples(*[st.integers(0, 2**32 - 1)] * 5)


@given(st.integers(0, 2**31 - 1), SOA_FIELDS, st.integers(0, 2**32 - 1))
def test_the_fields_of_an_soa(ttl: int, fields: tuple[int, ...], other: int) -> None:
    head = b"\2ns\0\4host\0"
    soa = RRset(ttl, [head + struct.pack(">IIIII", *fields)])
    assert build.serial_of(soa) == fields[0]
    assert build.negative_ttl(soa) == min(ttl, fields[4])
    moved = build.with_serial(soa, other)
    assert moved == RRset(ttl, [head + struct.pack(">IIIII", other, *fields[1:])])


@pytest.mark.parametrize(
    ("serial", "following"),
    [(0, 1), (7, 8), (2**31 - 1, 2**31), (2**32 - 2, 2**32 - 1), (2**32 - 1, 1)],
)
def test_serials_go_round_without_zero(serial: int, following: int) -> None:
    assert build.next_serial(serial) == following
