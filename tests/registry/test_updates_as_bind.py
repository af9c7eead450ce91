"""Updates of all kinds to BIND and to us: the same response codes, the same zones afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import dedent
from typing import NamedTuple

import dns.message
import dns.query
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.tsigkeyring
import dns.update
import dns.zone
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csid import names
from registry.core import Core
from tests.support import trees, updating
from tests.support.books import create
from tests.support.peers import HOST, Bind, Peer, installed, running
from tests.support.servers import put_zone

ORIGIN = "example."
ZONE = dedent("""\
    $TTL 300
    @       SOA   ns1 host 1 7200 900 1209600 60
            NS    ns1
            NS    ns2
            TXT   "apex"
    ns1     A     192.0.2.1
    ns2     A     192.0.2.2
    a       A     192.0.2.1
            A     192.0.2.2
            TXT   "one" "two"
    alias   CNAME a
    *       A     192.0.2.9
    cut     NS    ns.cut
    ns.cut  A     192.0.2.3
    x.y.ent MX    10 A.Example.
    dn      DNAME elsewhere.test.
""")


class UpdatableBind(Bind):
    """BIND, whose zones the key of the tests may update, and anybody transfer."""

    def configuration(self) -> str:
        secret = dns.tsigkeyring.to_text(updating.RING)[updating.KEY]
        key = f'key "{updating.KEY}" {{ algorithm hmac-sha256; secret "{secret[1]}"; }};\n'
        rights = f'allow-update {{ key "{updating.KEY}"; }}; allow-transfer {{ any; }};'
        return key + super().configuration().replace("type primary;", f"type primary; {rights}")


class Both(NamedTuple):
    bind: Peer
    core: Core


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """The zone at BIND and at us."""
    if not installed(UpdatableBind):
        pytest.skip("named is not installed")
    data = create(tmp_path_factory.mktemp("ours") / "data")
    core = updating.core(data)
    put_zone(core.store, ZONE, ORIGIN)
    updating.allow(core.store, ORIGIN)
    folder = tmp_path_factory.mktemp("bind")
    with running(UpdatableBind, folder, {ORIGIN: ZONE}) as bind:
        yield Both(bind, core)
    core.store.close()


# -- what is asked

APEX_AND_OTHERS = ("example.", "a.example.", "alias.example.", "A.EXAMPLE.", "new.example.")
DEEPER = ("cut.example.", "ns.cut.example.", "y.ent.example.", "x.y.ent.example.", "dn.example.")
WILDCARD = "*.example."
NAMES = st.sampled_from((*APEX_AND_OTHERS, *DEEPER, WILDCARD))


def is_taken_by_bind(step: tuple[object, ...]) -> bool:
    """BIND passes over NS and DNAME at a wildcard: RFC 4592 sections 4.2, 4.4 leave them open. It
    alone refuses what leaves a name server without addresses, as those below a DNAME at the apex.
    """
    return not (
        (WILDCARD in step and {"NS", "DNAME"} & set(step)) or (ORIGIN in step and "DNAME" in step)
    )


RECORDS = st.one_of(
    st.tuples(st.just("A"), st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"])),
    st.tuples(st.just("AAAA"), st.sampled_from(["2001:db8::1", "2001:db8::2"])),
    st.tuples(st.just("TXT"), st.sampled_from(['"one" "two"', '"apex"', '"ONE"'])),
    st.tuples(st.just("CNAME"), st.sampled_from(["a.example.", "A.Example.", "b.test."])),
    st.tuples(st.just("NS"), st.sampled_from(["ns1.example.", "ns2.example.", "ns.cut.example."])),
    st.tuples(st.just("MX"), st.sampled_from(["10 a.example.", "20 a.example."])),
    st.tuples(st.just("SRV"), st.just("1 2 443 a.example.")),
    st.tuples(st.just("DNAME"), st.sampled_from(["elsewhere.test.", "other.test."])),
    st.tuples(st.just("TYPE65347"), st.just("\\# 2 0102")),
    st.tuples(
        st.just("SOA"),
        st.builds(
            "ns1.example. host.example. {} 7200 900 1209600 {}".format,
            st.sampled_from([0, 1, 5, 40, 2**31 - 1, 2**31 + 7, 2**32 - 1]),
            st.sampled_from([60, 61]),
        ),
    ),
)
TYPES = RECORDS.map(lambda record: record[0])
TTLS = st.sampled_from([60, 300])
CHANGES = st.one_of(
    st.tuples(st.just("add"), NAMES, TTLS, RECORDS).map(lambda one: (*one[:3], *one[3])),
    st.tuples(st.just("delete"), NAMES, RECORDS).map(lambda one: (*one[:2], *one[2])),
    st.tuples(st.just("delete"), NAMES, TYPES),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("replace"), NAMES, TTLS, RECORDS).map(lambda one: (*one[:3], *one[3])),
).filter(is_taken_by_bind)
PREREQUISITES = st.one_of(
    st.tuples(st.just("present"), NAMES),
    st.tuples(st.just("present"), NAMES, TYPES),
    st.tuples(st.just("present"), NAMES, RECORDS).map(lambda one: (*one[:2], *one[2])),
    st.tuples(st.just("absent"), NAMES),
    st.tuples(st.just("absent"), NAMES, TYPES),
)
HOLDING = st.sampled_from(  # mostly, so that changes follow
    [("present", "example."), ("present", "a.example.", "A"), ("absent", "never.example.")]
)
UPDATES = st.tuples(
    st.lists(st.one_of(HOLDING, PREREQUISITES), max_size=2), st.lists(CHANGES, max_size=5)
)


def message(steps: list[tuple[object, ...]]) -> dns.update.UpdateMessage:
    made = updating.new(ORIGIN, edns=False)
    for step, *given_ in steps:
        getattr(made, step)(*given_)
    return made


def asked_of_bind(bind: Peer, made: dns.update.UpdateMessage) -> str:
    made.use_tsig(updating.RING, updating.KEY)
    answer = dns.query.tcp(made, HOST, port=bind.port, timeout=20)
    return dns.rcode.to_text(answer.rcode())


def zone_of(text: dns.zone.Zone) -> list[tuple[object, ...]]:
    """The records of a zone, in lower case where names are compared so."""
    return sorted(
        (str(name).lower(), int(rdata.rdtype), ttl, rdata.to_digestable())
        for name, ttl, rdata in text.iterate_rdatas()
    )


def at_bind(bind: Peer) -> list[tuple[object, ...]]:
    found = dns.query.xfr(HOST, ORIGIN, port=bind.port, relativize=False, timeout=20)
    return zone_of(dns.zone.from_xfr(found, relativize=False))


def at_us(core: Core) -> list[tuple[object, ...]]:
    with core.store.read() as read:
        rows = list(read.rows(read.zone(names.from_text(ORIGIN))))
    return sorted(
        (
            names.to_text(owner),
            rrtype,
            ttl,
            dns.rdata.from_wire("IN", rrtype, data, 0, len(data)).to_digestable(),
        )
        for owner, rrtype, ttl, data in rows
    )


def begin_anew(both: Both) -> None:
    """Have both hold the zone as it was, whatever a case before has left."""
    wanted = dns.zone.from_text(ZONE, ORIGIN, relativize=False)
    names_ = sorted({*(str(one[0]) for one in at_us(both.core)), *map(str, wanted)})
    made = updating.new(ORIGIN, edns=False)
    made.add(ORIGIN, 300, "NS", "keep.test.")
    for name in names_:
        if name != ORIGIN:
            made.delete(name)
    made.delete(ORIGIN, "NS", "ns1.example.")
    made.delete(ORIGIN, "NS", "ns2.example.")
    for kind in ("A", "AAAA", "TXT", "MX", "SRV", "DNAME", "TYPE65347"):
        made.delete(ORIGIN, kind)
    for name, ttl, rdata in wanted.iterate_rdatas():
        if rdata.rdtype != dns.rdatatype.SOA:
            made.add(name, ttl, rdata)
    made.delete(ORIGIN, "NS", "keep.test.")
    assert updating.ask(both.core, made) == "NOERROR"
    assert asked_of_bind(both.bind, made) == "NOERROR"


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(UPDATES, min_size=1, max_size=4))
def test_bind_and_we_do_the_same(
    both: Both, asked: list[tuple[list[tuple[object, ...]], list[tuple[object, ...]]]]
) -> None:
    begin_anew(both)
    assert at_us(both.core) == at_bind(both.bind)
    for prerequisites, changes in asked:
        steps = [*prerequisites, *changes]
        theirs = asked_of_bind(both.bind, message(steps))
        ours = updating.ask(both.core, message(steps)).split()[0]
        assert ours == theirs, steps
        assert at_us(both.core) == at_bind(both.bind), steps
    trees.check(both.core.store)
