"""TSIG: what we sign dnspython verifies, what it signs we verify, and what is wrong is told."""

from __future__ import annotations

import time
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.tsig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.protocol import BADKEY, BADSIG, BADTIME, BADTRUNC, CLASS_IN, FORMERR, NOTAUTH, TSIG
from resolver.sync import tsig
from resolver.sync.tsig import ALGORITHMS, Fault, Key, Signed, Signer, TsigError, Verifier, verify
from tests.support.packets import NOW, message, opt, query, question
from tests.support.signing import (
    KEY,
    MAC_OCTETS,
    SECRET,
    oracle,
    shortened,
    signed,
    spoiled,
    with_record,
)

QUERY = query("example.", "SOA")
OTHER = Key(names.from_text("other."), "hmac-sha512", b"another secret" * 12)
RING = {KEY.name: KEY, OTHER.name: OTHER}.get

KEYS = st.builds(
    Key,
    st.sampled_from(["k.", "a-rather-long-name.of.a.key.example.", "."]).map(names.from_text),
    st.sampled_from(sorted(ALGORITHMS)),
    st.binary(min_size=1, max_size=200),
)
MESSAGES = st.builds(
    lambda head, name, extra: head[:2] + message(question(name, "A"), additional=extra)[2:],
    st.binary(min_size=2, max_size=2),
    st.sampled_from(["a.example.", "example.", "."]),
    st.sampled_from([(), (opt(),)]),
)
MACS = st.one_of(st.just(b""), st.binary(min_size=10, max_size=64))


def read_by_dnspython(wire: bytes, key: Key, mac: bytes) -> dns.message.Message:
    theirs = oracle(key)
    return dns.message.from_wire(wire, keyring={theirs.name: theirs}, request_mac=mac)


@given(KEYS, MESSAGES, MACS)
def test_dnspython_verifies_what_we_sign(key: Key, plain: bytes, mac: bytes) -> None:
    made, own = tsig.sign(plain, key, int(time.time()), mac)
    read = read_by_dnspython(made, key, mac)
    assert read.had_tsig and read.mac == own
    assert len(made) - len(plain) == tsig.room(key)


@given(KEYS, MESSAGES, MACS, st.integers(0, 2**47), st.integers(-300, 300))
def test_we_verify_what_dnspython_signs(
    key: Key, plain: bytes, mac: bytes, when: int, late: int
) -> None:
    wire, own = signed(plain, when, key, mac)
    found = verify(wire, {key.name: key}.get, max(0, when + late), mac)
    assert found == Signed(key, own, plain, when)


@given(KEYS, MESSAGES, st.data())
def test_a_message_that_was_changed_is_never_taken(key: Key, plain: bytes, data: Any) -> None:
    wire, _ = signed(plain, NOW, key)
    at = data.draw(st.integers(2, len(wire) - 1))
    octet = data.draw(st.integers(1, 255))
    changed = wire[:at] + bytes((wire[at] ^ octet,)) + wire[at + 1 :]
    found = verify(changed, {key.name: key}.get, NOW)
    if isinstance(found, Signed):  # letters of the names in the record may be of another case
        assert found.message == plain
        assert changed[len(plain) :].lower() == wire[len(plain) :].lower()


@given(st.binary(max_size=200), st.binary(max_size=100))
def test_octets_of_whatever_kind_lead_to_no_other_end(octets: bytes, tail: bytes) -> None:
    for wire in (octets, QUERY + octets, with_record(QUERY, KEY.name, octets) + tail):
        assert not isinstance(verify(wire, RING, NOW), Signed)
        with pytest.raises(TsigError):
            Verifier(KEY, b"").check(wire, NOW)


def test_what_is_not_signed_is_none() -> None:
    assert verify(QUERY, RING, NOW) is None
    assert verify(query("example.", "SOA", opt()), RING, NOW) is None


# -- what is wrong, and its record (RFC 8945 sections 5.2 and 5.3)

RIGHT, MAC = signed(QUERY, NOW)
RECORD = RIGHT[len(QUERY) + len(KEY.name) + 10 :]

FAULTS = {
    "a wrong MAC": (spoiled(RIGHT), NOTAUTH, BADSIG),
    "an unknown key": (signed(QUERY, NOW, KEY._replace(name=b"\7unknown\0"))[0], NOTAUTH, BADKEY),
    "another algorithm": (
        signed(QUERY, NOW, KEY._replace(algorithm="hmac-sha512"))[0], NOTAUTH, BADKEY,
    ),
    "another key's secret": (
        signed(QUERY, NOW, KEY._replace(secret=OTHER.secret))[0], NOTAUTH, BADSIG,
    ),
    "too late": (signed(QUERY, NOW - 301)[0], NOTAUTH, BADTIME),
    "too early": (signed(QUERY, NOW + 301)[0], NOTAUTH, BADTIME),
    "a short fudge": (signed(QUERY, NOW - 2, fudge=1)[0], NOTAUTH, BADTIME),
    "half of the MAC": (shortened(RIGHT, 16), NOTAUTH, BADTRUNC),
    "all but an octet of the MAC": (shortened(RIGHT, 31), NOTAUTH, BADTRUNC),
    "half of a wrong MAC": (spoiled(shortened(RIGHT, 16)), NOTAUTH, BADSIG),
    "less than half of the MAC": (shortened(RIGHT, 15), FORMERR, 0),
    "no MAC": (shortened(RIGHT, 0), FORMERR, 0),
    "two signatures": (with_record(RIGHT, KEY.name, RECORD), FORMERR, 0),
    "a record behind it": (RIGHT[:11] + b"\2" + RIGHT[12:] + opt(), FORMERR, 0),
    "an octet behind it": (RIGHT + b"\0", FORMERR, 0),
    "cut short": (RIGHT[:-1], FORMERR, 0),
    "not of class ANY": (with_record(QUERY, KEY.name, RECORD, rrclass=CLASS_IN), FORMERR, 0),
    "a TTL": (with_record(QUERY, KEY.name, RECORD, ttl=1), FORMERR, 0),
    "data cut short": (with_record(QUERY, KEY.name, RECORD[:-1]), FORMERR, 0),
    "data too long": (with_record(QUERY, KEY.name, RECORD + b"\0"), FORMERR, 0),
    "no data": (with_record(QUERY, KEY.name, b""), FORMERR, 0),
    "a compressed algorithm": (with_record(QUERY, KEY.name, b"\xc0\x0c" + RECORD[13:]), FORMERR, 0),
    "an owner that points to itself": (
        with_record(QUERY, (0xC000 | len(QUERY)).to_bytes(2, "big"), RECORD), FORMERR, 0,
    ),
    "in the answer section": (
        RIGHT[:6] + b"\0\1\0\0\0\0" + RIGHT[12:], FORMERR, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wire", "rcode", "error"), FAULTS.values(), ids=FAULTS)
def test_what_is_wrong_is_told_by_its_codes(wire: bytes, rcode: int, error: int) -> None:
    found = verify(wire, RING, NOW)
    assert isinstance(found, Fault)
    assert (found.rcode, found.error) == (rcode, error)
    response = QUERY[:2] + bytes((0x80, rcode)) + QUERY[4:]
    answer = found.answer(response, NOW)
    if not error:
        assert answer == response
        return
    record = dns.message.from_wire(answer, keyring=False).tsig
    assert record is not None
    assert record[0].error == error
    assert bool(record[0].mac) == (error in (BADTIME, BADTRUNC))


def test_a_wrong_time_is_answered_with_the_right_one_signed() -> None:
    late, mac = signed(QUERY, NOW - 1_000)
    found = verify(late, RING, NOW)
    assert isinstance(found, Fault)
    answer = found.answer(QUERY[:2] + bytes((0x80, NOTAUTH)) + QUERY[4:], NOW)
    record = dns.message.from_wire(answer, keyring=False).tsig
    assert record is not None
    assert record[0].time_signed == NOW - 1_000
    assert int.from_bytes(record[0].other, "big") == NOW
    with pytest.raises(TsigError, match=r"BADTIME.*\+1000 seconds"):
        Verifier(KEY, mac).check(answer, NOW - 1_000)
    with pytest.raises(TsigError, match=r"signature of the answer .* is wrong"):
        Verifier(KEY, mac).check(spoiled(answer[:-6]) + answer[-6:], NOW - 1_000)


@pytest.mark.parametrize("error", [BADKEY, BADSIG])
def test_whoever_asks_is_told_why_in_words(error: int) -> None:
    fault = Fault(error, NOTAUTH, KEY.name, ALGORITHMS[KEY.algorithm].wire)
    with pytest.raises(TsigError, match=r"the peer refuses Key\(the-key. hmac-sha256\): the"):
        Verifier(KEY, MAC).check(fault.answer(QUERY, NOW), NOW)


def test_names_are_compared_whatever_their_case_and_may_be_compressed() -> None:
    key = KEY._replace(name=names.from_text("key.example."))
    wire, _ = signed(QUERY, NOW, key)
    at = len(QUERY)
    ring = {key.name: key}.get
    for owner in (b"\3KeY\7EXAMPLE\0", b"\3key\xc0\x0c"):
        other = wire[:at] + owner + wire[at + len(key.name) :]
        assert isinstance(verify(other, ring, NOW), Signed)
        assert Verifier(key, b"").check(other, NOW) == QUERY
    algorithm = wire.replace(b"\x0bhmac-sha256", b"\x0bHMAC-Sha256")
    assert isinstance(verify(algorithm, ring, NOW), Signed)


def test_an_id_that_was_changed_on_the_way_is_the_original_one_again() -> None:
    wire, _ = signed(QUERY, NOW)
    found = verify(b"\xaa\xaa" + wire[2:], RING, NOW)
    assert isinstance(found, Signed)
    assert found.message == QUERY


def test_a_secret_is_never_shown() -> None:
    shown = f"{KEY} {KEY!r} {verify(RIGHT, RING, NOW)!r}"
    assert SECRET.decode() not in shown


@pytest.mark.parametrize("algorithm", ["hmac-md5", "hmac-sha1", "hmac-md5.sig-alg.reg.int", "x"])
def test_broken_algorithms_are_refused_in_words(algorithm: str) -> None:
    assert "hmac-sha256" in tsig.algorithm_fault(algorithm)
    assert not tsig.algorithm_fault("hmac-sha384")


# -- streams of messages (RFC 8945 section 5.3.1)


def stream(number: int) -> list[bytes]:
    return [message(question("example.", "AXFR"), ident=7, flags=0x8400)] * number


@given(KEYS, MACS, st.integers(1, 30))
def test_dnspython_reads_a_stream_that_we_sign_and_we_do(key: Key, mac: bytes, number: int) -> None:
    signer, verifier = Signer(key, mac), Verifier(key, mac)
    theirs, context = oracle(key), None
    for plain in stream(number):
        wire = signer.sign(plain, NOW)
        start = len(plain)
        rdata = dns.message.from_wire(wire, keyring=False).tsig
        assert rdata is not None
        context = dns.tsig.validate(
            wire, theirs, dns.name.from_text(names.to_text(key.name)), rdata[0], NOW,
            mac, start, context, True,
        )  # fmt: skip
        assert verifier.check(wire, NOW) == plain
        assert verifier.whole


@given(KEYS, MACS, st.lists(st.integers(0, 99), min_size=1, max_size=6))
def test_unsigned_messages_may_lie_between_signed_ones(
    key: Key, mac: bytes, gaps: list[int]
) -> None:
    """What dnspython signs: the first, and then one behind each gap."""
    theirs = oracle(key)
    verifier = Verifier(key, mac)
    context: Any = None
    for gap in (0, *gaps):
        for plain in stream(gap):
            context.update(plain)
            assert verifier.check(plain, NOW) == plain
            assert not verifier.whole
        plain = stream(1)[0]
        rdata = dns.rdtypes.ANY.TSIG.TSIG(  # type: ignore[attr-defined]
            255, 250, theirs.algorithm, 0, 300, b"", 7, 0, b""
        )
        made, context = dns.tsig.sign(plain, theirs, rdata, NOW, mac, context, True)
        data = made.to_wire()
        assert data is not None
        assert verifier.check(with_record(plain, key.name, data), NOW) == plain
        assert verifier.whole


def test_a_hundred_unsigned_messages_are_too_many() -> None:
    signer, verifier = Signer(KEY, MAC), Verifier(KEY, MAC)
    plain = stream(1)[0]
    verifier.check(signer.sign(plain, NOW), NOW)
    for _ in range(tsig.MAX_UNSIGNED):
        verifier.check(plain, NOW)
    with pytest.raises(TsigError, match="100 messages in a row"):
        verifier.check(plain, NOW)


def test_a_stream_begins_signed_and_keeps_its_order() -> None:
    plain = stream(1)[0]
    with pytest.raises(TsigError, match="not signed"):
        Verifier(KEY, MAC).check(plain, NOW)
    signer = Signer(KEY, MAC)
    made = [signer.sign(plain, NOW) for _ in range(3)]
    for order in ((0, 2), (1,), (0, 0), (0, 1, 1)):
        verifier = Verifier(KEY, MAC)
        for number in order[:-1]:
            verifier.check(made[number], NOW)
        with pytest.raises(TsigError):
            verifier.check(made[order[-1]], NOW)


def test_a_message_left_out_or_put_in_breaks_the_next_signature() -> None:
    plain, other = stream(1)[0], stream(1)[0][:-1] + b"\2"
    for between in ([], [other, other], [plain, plain]):
        verifier, signer = Verifier(KEY, MAC), Signer(KEY, MAC)
        verifier.check(signer.sign(plain, NOW), NOW)
        for one in between:
            verifier.check(one, NOW)
        last = signer.sign(plain, NOW)
        if not between:
            assert verifier.check(last, NOW) == plain
            continue
        with pytest.raises(TsigError, match="wrong"):
            verifier.check(last, NOW)


@pytest.mark.parametrize("owner", [b"\3KeY\7EXAMPLE\0", b"\3key\xc0\x0c"])
def test_later_messages_may_write_the_name_of_the_key_otherwise(owner: bytes) -> None:
    key = KEY._replace(name=names.from_text("key.example."))
    verifier, signer = Verifier(key, MAC), Signer(key, MAC)
    for _ in range(3):
        wire = signer.sign(QUERY, NOW)
        assert verifier.check(wire, NOW) == QUERY
        wire = signer.sign(QUERY, NOW)
        at = len(QUERY)
        other = b"\xaa\xaa" + wire[2:at] + owner + wire[at + len(key.name) :]
        assert verifier.check(other, NOW) == QUERY
        assert verifier.whole


def test_an_error_in_a_later_message_ends_the_stream() -> None:
    """Its MAC is right: it covers only the times there (RFC 8945 section 5.3.1)."""
    verifier, signer = Verifier(KEY, MAC), Signer(KEY, MAC)
    verifier.check(signer.sign(QUERY, NOW), NOW)
    wire = signer.sign(QUERY, NOW)
    with pytest.raises(TsigError, match="the peer refuses"):
        verifier.check(wire[:-4] + BADTIME.to_bytes(2, "big") + wire[-2:], NOW)


def test_a_stream_is_held_to_the_time_in_each_message() -> None:
    plain = stream(1)[0]
    signer, verifier = Signer(KEY, MAC), Verifier(KEY, MAC)
    verifier.check(signer.sign(plain, NOW), NOW)
    with pytest.raises(TsigError, match="301 seconds ago, at most 300"):
        verifier.check(signer.sign(plain, NOW), NOW + 301)


@pytest.mark.parametrize("data", [bytes(32), RECORD], ids=["broken", "whole"])
def test_the_signature_is_found_behind_octets_that_look_like_it(data: bytes) -> None:
    """A TXT record that ends with the octets of a TSIG record."""
    length = len(data).to_bytes(2, "big")
    fake = KEY.name + TSIG.to_bytes(2, "big") + b"\0\xff\0\0\0\0" + length + data
    record = b"\0" + bytes.fromhex("0010 0001 00000000") + len(fake).to_bytes(2, "big") + fake
    plain = message(question("example.", "A"), counts=(1, 0, 0, 1), tail=record)
    verifier = Verifier(KEY, MAC)
    made, _ = tsig.sign(plain, KEY, NOW, MAC)
    assert verifier.check(made, NOW) == plain
    assert verifier.check(plain, NOW) == plain  # unsigned, for it is no signature
    assert not verifier.whole
    assert verify(plain, RING, NOW) is None


def test_mac_octets_are_those_of_the_algorithm() -> None:
    assert len(MAC) == MAC_OCTETS
    assert {name: one.octets for name, one in ALGORITHMS.items()} == {
        "hmac-sha224": 28,
        "hmac-sha256": 32,
        "hmac-sha256-128": 16,
        "hmac-sha384": 48,
        "hmac-sha384-192": 24,
        "hmac-sha512": 64,
        "hmac-sha512-256": 32,
    }


def test_a_mac_that_bind_cuts_is_taken_and_answered_alike() -> None:
    """``algorithm hmac-sha256-128`` in named.conf has the name of the whole one on the wire."""
    short = KEY._replace(algorithm="hmac-sha256-128")
    ring = {KEY.name: short}.get
    request, mac = signed(QUERY, NOW)
    found = verify(shortened(request, 16), ring, NOW)
    assert isinstance(found, Signed)
    assert found.message == QUERY
    answer, _ = tsig.sign(QUERY, found.key, NOW, found.mac)
    assert answer == shortened(tsig.sign(QUERY, KEY, NOW, mac[:16])[0], 16)
    streamed = Signer(found.key, found.mac).sign(QUERY, NOW)
    assert streamed == answer
    late = verify(shortened(request, 16), ring, NOW + 1_000)
    assert isinstance(late, Fault)
    assert late.error == BADTIME
    assert dns.message.from_wire(late.answer(QUERY, NOW), keyring=False).keyalgorithm == (
        dns.name.from_text("hmac-sha256.")
    )
    cut = verify(shortened(request, 17), {KEY.name: KEY._replace(algorithm="hmac-sha384")}.get, NOW)
    assert isinstance(cut, Fault)
    assert cut.error == BADKEY
