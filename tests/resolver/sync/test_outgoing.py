"""What dnspython reads out of our transfers is the zone, and makes the new zone of the old one."""

from __future__ import annotations

from collections.abc import Iterator

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import dns.xfr
import dns.zone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid import names
from csid.limits import TRANSFER_OCTETS
from csid.protocol import NS, SOA, TXT, A
from resolver.store import journal as journals
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.node import RRset
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction
from resolver.sync import tsig
from resolver.sync.transfer import outgoing
from resolver.sync.transfer.outgoing import Request
from tests.resolver.store.test_update import (
    ACTIONS,
    CONTENT,
    LABELS,
    Action,
    Labels,
    RRsets,
    act,
    apex_rrsets,
    key_of,
    placed,
)
from tests.support.packets import NOW, message, opt, question
from tests.support.servers import make_data

ORIGIN = b"\1a\1z\0"
ZONE = """\
$TTL 60
@    SOA ns1 host 7 1 1 1 60
     NS  ns1
ns1  A   192.0.2.1
"""
KEY = tsig.Key(b"\1k\0", "hmac-sha256", bytes(32))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = make_data(tmp_path_factory.mktemp("outgoing") / "data", ZONE)
    with Store.open(path, writable=True, sync=False) as opened:
        yield opened


def moment_of(store: Store, txn: WriteTransaction) -> ReadTransaction:
    """What a write transaction sees, to be read."""
    return store.reading(txn._txn)


def lower(rrsets: RRsets) -> RRsets:
    """Without records that differ in case alone, which others take for one."""
    return {
        rrtype: RRset(ttl, list(dict.fromkeys(rdata.lower() for rdata in rdatas)))
        for rrtype, (ttl, rdatas) in rrsets.items()
    }


def request(origin: bytes, serial: int | None = None, **more: object) -> Request:
    """A query for a transfer of a zone."""
    asked = message(question(origin.upper(), "AXFR" if serial is None else "IXFR"))
    return Request(asked, names.key_of(origin), serial, **more)  # type: ignore[arg-type]


def read(messages: list[bytes]) -> list[dns.rrset.RRset]:
    """All records in their order."""
    found = []
    for number, one in enumerate(messages):
        parsed = dns.message.from_wire(one, one_rr_per_rrset=True)
        assert parsed.flags == 0x8400 and len(parsed.question) == 1 and not parsed.authority
        assert bool(parsed.additional or parsed.edns >= 0) <= (number == 0)
        found += parsed.answer
    return found


def serials(records: list[dns.rrset.RRset]) -> list[int]:
    """Of the SOA records."""
    return [one[0].serial for one in records if one.rdtype == dns.rdatatype.SOA]


def taken(zone: dns.zone.Zone, messages: list[bytes], serial: int | None = None) -> None:
    """A transfer is let into a zone."""
    rdtype = dns.rdatatype.AXFR if serial is None else dns.rdatatype.IXFR
    with dns.xfr.Inbound(zone, rdtype, serial) as inbound:
        done = [
            inbound.process_message(dns.message.from_wire(one, xfr=True, one_rr_per_rrset=True))
            for one in messages
        ]
    assert done == [*[False] * (len(messages) - 1), True]


Rows = set[tuple[bytes, int, int, bytes]]


def rows_in(zone: dns.zone.Zone) -> Rows:
    return {
        (names.key_of(name.to_wire() or b""), int(rdataset.rdtype), rdataset.ttl, rdata.to_wire())
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
    }  # fmt: skip


def rows_of(moment: ReadTransaction, origin: bytes) -> Rows:
    return {
        (names.key_of(owner), rrtype, ttl, rdata)
        for owner, rrtype, ttl, rdata in moment.rows(moment.zone(origin))
    }


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"\0", b"\1z\0", ORIGIN]),
    st.dictionaries(LABELS.filter(bool), CONTENT.filter(bool), max_size=8),
    st.lists(st.lists(ACTIONS, max_size=4), max_size=4),
)
def test_who_follows_by_whole_zones_or_by_changes_has_the_zone(
    scratch: Store, origin: bytes, first: dict[Labels, RRsets], commits: list[list[Action]]
) -> None:
    apex = names.key_of(origin)
    model = {key_of(labels): lower(placed(rrsets, origin)) for labels, rrsets in first.items()}
    model[b""] = apex_rrsets(origin, {})
    data = {names.wire_of_key(apex + key): held for key, held in model.items() if held}
    with scratch.write(keep=False) as txn:
        txn.replace_zone(origin, build(origin, data))
        followers: dict[int, str] = {}  # what they have, by its serial
        name, _ = dns.name.from_wire(origin, 0)
        serial = 7
        for actions in [[], *commits]:
            zone = txn.update(origin)
            for what, labels, content in actions:
                act(zone, (what, labels, lower(content)), model)
            serial = zone.finish()
            moment = moment_of(scratch, txn)
            rows = rows_of(moment, origin)
            for held, text in followers.items():
                follower = dns.zone.from_text(text, name, relativize=False, check_origin=False)
                taken(follower, list(outgoing.messages(request(origin, held), moment, NOW)), held)
                assert rows_in(follower) == rows
            fresh = dns.zone.Zone(name, relativize=False)
            messages = list(outgoing.messages(request(origin), moment, NOW))
            taken(fresh, messages)
            assert rows_in(fresh) == rows
            records = read(messages)
            assert len(records) == len(rows) + 1 and serials(records) == [serial, serial]
            followers[serial] = fresh.to_text(relativize=False)


@pytest.fixture
def changed(scratch: Store) -> Iterator[tuple[ReadTransaction, WriteTransaction]]:
    """A zone of 1,000 names; two came with serial 8, and with 9 one of them went, one changed."""
    with scratch.write(keep=False) as txn:
        rrsets = {A: RRset(60, [bytes(4)])}
        data = {b"\3%03d" % number + ORIGIN: rrsets for number in range(1_000)}
        data[ORIGIN] = apex_rrsets(ORIGIN, {})
        txn.replace_zone(ORIGIN, build(ORIGIN, data))
        for changes in (
            {b"x\0": {TXT: RRset(60, [b"\1x"])}, b"y\0": {TXT: RRset(60, [b"\1y"])}},
            {b"x\0": {}, b"500\0": {A: RRset(60, [bytes(4), b"\1\1\1\1"])}},
        ):
            zone = txn.update(ORIGIN)
            for key, held in changes.items():
                zone.set(key, held)
            zone.finish()
        yield moment_of(scratch, txn), txn


Changed = tuple[ReadTransaction, WriteTransaction]


def test_changes_are_sent_as_one_difference_between_soa_records(changed: Changed) -> None:
    moment, _ = changed
    (one,) = outgoing.messages(request(ORIGIN, 7), moment, NOW)
    records = [
        f"{record.name.relativize(dns.name.from_wire(ORIGIN, 0)[0])} "
        f"{record[0].serial if record.rdtype == SOA else record[0]}"
        for record in read([one])
    ]
    # What came and went since is not told of at all (RFC 1995 section 5).
    assert records == ["@ 9", "@ 7", "@ 9", "500 1.1.1.1", 'y "y"', "@ 9"]
    rest = read(list(outgoing.messages(request(ORIGIN, 8), moment, NOW)))
    assert serials(rest) == [9, 8, 9, 9] and len(rest) == 6


@pytest.mark.parametrize("serial", [9, 10, 9 + 2**31 - 1])
def test_who_is_up_to_date_or_ahead_gets_one_soa_record(changed: Changed, serial: int) -> None:
    for asked in (request(ORIGIN, serial), request(ORIGIN, serial, stream=False)):
        (one,) = outgoing.messages(asked, changed[0], NOW)
        assert serials(read([one])) == [9] and len(read([one])) == 1
    assert outgoing.answer_udp(asked, changed[0], NOW) == one


@pytest.mark.parametrize("serial", [6, 0, 9 + 2**31, 9 + 2**31 + 1])
def test_who_has_a_serial_the_journal_does_not_have_gets_the_whole_zone(
    changed: Changed, serial: int
) -> None:
    records = read(list(outgoing.messages(request(ORIGIN, serial), changed[0], NOW)))
    assert serials(records) == [9, 9] and len(records) == 1_000 + 1 + 1 + 2 + 2
    # Over UDP, the SOA record alone has the asker come over TCP (RFC 1995 section 2).
    alone = outgoing.answer_udp(request(ORIGIN, serial, stream=False), changed[0], NOW)
    assert serials(read([alone])) == [9] and len(read([alone])) == 1


def test_a_difference_larger_than_the_zone_is_not_sent(scratch: Store) -> None:
    with scratch.write(keep=False) as txn:
        txn.replace_zone(ORIGIN, build(ORIGIN, {ORIGIN: apex_rrsets(ORIGIN, {})}))
        for rrsets in ({TXT: RRset(60, [b"\x63" + bytes(99)] * 1)}, {}):
            zone = txn.update(ORIGIN)
            for number in range(20):
                zone.set(b"%d\0" % number, rrsets)
            zone.finish()
        records = read(list(outgoing.messages(request(ORIGIN, 8), moment_of(scratch, txn), NOW)))
        assert serials(records) == [9, 9] and len(records) == 4
        # Since 7 nothing has come or gone, and that is told in less.
        records = read(list(outgoing.messages(request(ORIGIN, 7), moment_of(scratch, txn), NOW)))
        assert serials(records) in ([9, 7, 9, 9], [9, 9])


def test_a_difference_over_udp_is_sent_if_it_fits(changed: Changed) -> None:
    moment, txn = changed
    asked = request(ORIGIN, 7, stream=False)
    whole = outgoing.answer_udp(asked, moment, NOW)
    assert serials(read([whole])) == [9, 7, 9, 9]
    for octets in (len(whole), len(whole) - 1):
        answer = outgoing.answer_udp(asked._replace(octets=octets), moment, NOW)
        assert serials(read([answer])) == ([9, 7, 9, 9] if octets == len(whole) else [9])
    signed = asked._replace(octets=len(whole), key=KEY, mac=bytes(32))  # the signature does not fit
    answer = outgoing.answer_udp(signed, moment, NOW)
    assert serials(read([tsig.Verifier(KEY, bytes(32)).check(answer, NOW)])) == [9]
    zone = txn.update(ORIGIN)
    zone.set(b"500\0", {TXT: RRset(60, [b"\xff" + bytes(255)] * 1), A: RRset(60, [bytes(4)])})
    zone.add(b"500\0", TXT, RRset(60, [b"\xfe" + bytes(254)]))
    zone.finish()
    assert serials(read([outgoing.answer_udp(asked, moment, NOW)])) == [10]


def test_the_opt_record_is_in_the_first_message_alone(changed: Changed) -> None:
    moment, _ = changed
    messages = list(outgoing.messages(request(ORIGIN, opt=opt()), moment, NOW))
    assert len(messages) > 1 and len(messages[0]) <= TRANSFER_OCTETS + len(opt())
    assert [dns.message.from_wire(one).edns for one in messages] == [
        0,
        *[-1] * (len(messages) - 1),
    ]
    for asked in (request(ORIGIN, 7, opt=opt()), request(ORIGIN, 9, opt=opt())):
        (one,) = outgoing.messages(asked, moment, NOW)
        assert dns.message.from_wire(one).edns == 0
        assert outgoing.answer_udp(asked._replace(stream=False), moment, NOW) == one


@pytest.mark.parametrize("serial", [None, 7, 9])
def test_every_message_is_signed(changed: Changed, serial: int | None) -> None:
    moment, _ = changed
    plain = list(outgoing.messages(request(ORIGIN, serial), moment, NOW))
    asked = request(ORIGIN, serial, key=KEY, mac=bytes(32))
    verifier = tsig.Verifier(KEY, bytes(32))
    checked = []
    for one in outgoing.messages(asked, moment, NOW):
        checked.append(verifier.check(one, NOW))
        assert verifier.whole
    assert checked == plain


def test_the_soa_of_then_is_told_as_it_was(changed: Changed) -> None:
    """Also where the apex was changed with a later serial than the asker's."""
    moment, txn = changed
    zone = txn.update(ORIGIN)
    old = zone.rrsets(b"")[SOA].rdatas[0]
    new = b"\3new" + old
    zone.set(b"", {**zone.rrsets(b""), SOA: RRset(90, [new])})
    assert zone.finish() == 10
    records = read(list(outgoing.messages(request(ORIGIN, 8), moment, NOW)))
    soas = [record for record in records if record.rdtype == SOA]
    assert [(one[0].serial, one.ttl) for one in soas] == [(10, 90), (8, 60), (10, 90), (10, 90)]
    assert [str(one[0].mname)[:3] for one in soas] == ["new", "a.a", "new", "new"]


def test_a_journal_too_long_to_be_read_gives_the_whole_zone(
    changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "JOURNAL_READ_OCTETS", 10)
    assert serials(read(list(outgoing.messages(request(ORIGIN, 7), changed[0], NOW)))) == [9, 9]


def test_what_is_below_cuts_is_sent_as_it_is_held(scratch: Store) -> None:
    """Glue, and what a delegation hides (RFC 5936 section 3.5); no additional records."""
    host = b"\2ns\3cut" + ORIGIN
    data = {
        ORIGIN: apex_rrsets(ORIGIN, {}),
        b"\3cut" + ORIGIN: {NS: RRset(60, [host])},
        host: {A: RRset(60, [bytes(4)]), TXT: RRset(60, [b"\1x"])},
        b"\1b\1a\3ent" + ORIGIN: {A: RRset(60, [bytes(4)])},
    }
    with scratch.write(keep=False) as txn:
        txn.replace_zone(ORIGIN, build(ORIGIN, data))
        moment = moment_of(scratch, txn)
        (one,) = outgoing.messages(request(ORIGIN), moment, NOW)
        records = read([one])
    assert [f"{record.name}".lower() for record in records].count("ns.cut.a.z.") == 2
    assert len(records) == 1 + 2 + 1 + 2 + 1 + 1
