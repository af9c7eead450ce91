"""What messages are taken, and what comes back in headers and OPT records, whatever the name."""

from __future__ import annotations

import dns.flags
import dns.rcode
import pytest

from csid import names
from csid.limits import EDNS_UDP_OCTETS
from csid.protocol import NOTAUTH
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from tests.support.answering import (
    CLIENT_COOKIE,
    COOKIE,
    NSID,
    SECRET,
    TREE,
    answer,
    answer_octets,
    has,
    lines,
    options,
    status,
)
from tests.support.packets import (
    CD,
    NOW,
    PEER,
    RD,
    message,
    opt,
    option,
    parsed,
    query,
    question,
    records,
)

SOA = "example. 60 SOA ns1.example. host.example. 7 7200 900 1209600 60"

# -- headers and shapes: silence, and response codes for what is no plain question

WWW_A = question("www.example.", "A")

SILENCE = {
    "nothing at all": b"",
    "half a header": message(WWW_A)[:11],
    "an answer": message(WWW_A, flags=0x8000),
    "an answer with an error": message(WWW_A, flags=0x8001),
    "an answer cut to its header": message(flags=0x8000),
}


@pytest.mark.parametrize("packet", SILENCE.values(), ids=SILENCE)
@pytest.mark.parametrize("stream", [False, True])
def test_what_deserves_no_answer_gets_none(packet: bytes, stream: bool) -> None:
    assert answer_octets(packet, stream) is None


REFUSALS = {
    "opcode IQUERY": (message(WWW_A, flags=0x0800), "NOTIMP"),
    "opcode STATUS": (message(WWW_A, flags=0x1000), "NOTIMP"),
    "opcode NOTIFY": (message(WWW_A, flags=0x2000), "NOTIMP"),
    "opcode UPDATE": (message(WWW_A, flags=0x2800), "NOTIMP"),
    "opcode 15": (message(WWW_A, flags=0x7800), "NOTIMP"),
    "a header alone": (message(), "FORMERR"),
    "a question counted but not there": (message(counts=(1, 0, 0, 0)), "FORMERR"),
    "two questions": (message(WWW_A, WWW_A), "FORMERR"),
    "65535 questions": (message(WWW_A, counts=(65535, 0, 0, 0)), "FORMERR"),
    "an answer section": (message(WWW_A, counts=(1, 1, 0, 0), tail=opt()), "FORMERR"),
    "an authority section": (message(WWW_A, counts=(1, 0, 1, 0), tail=opt()), "FORMERR"),
    "an octet behind the question": (message(WWW_A, tail=b"\0"), "FORMERR"),
    "an octet behind the OPT record": (message(WWW_A, additional=(opt(),), tail=b"\0"), "FORMERR"),
    "a record counted but not there": (message(WWW_A, counts=(1, 0, 0, 1)), "FORMERR"),
    "65535 records counted": (message(WWW_A, counts=(1, 0, 0, 65535), tail=opt()), "FORMERR"),
    "a question without its class": (message(WWW_A[:-2], counts=(1, 0, 0, 0)), "FORMERR"),
    "a question without type and class": (message(WWW_A[:-4], counts=(1, 0, 0, 0)), "FORMERR"),
    "a compression pointer as the name": (message(question(b"\xc0\x0c", "A")), "FORMERR"),
    "a compression pointer in the name": (message(question(b"\3www\xc0\x0c", "A")), "FORMERR"),
    "a name of 256 octets": (message(question(b"\1a" * 127 + b"\1\0", "A")), "FORMERR"),
    "a label of 64 octets": (message(question(b"\x40" + b"a" * 64 + b"\0", "A")), "FORMERR"),
    "class CH": (message(question("version.bind.", "TXT", 3)), "REFUSED"),
    "class CH below a zone of ours": (message(question("www.example.", "A", 3)), "REFUSED"),
    "class NONE": (message(question("www.example.", "A", 254)), "REFUSED"),
    "class 0": (message(question("www.example.", "A", 0)), "REFUSED"),
    "type OPT": (message(question("www.example.", 41)), "FORMERR"),
    "type TKEY": (message(question("www.example.", 249)), "FORMERR"),
    "type TSIG": (message(question("www.example.", 250)), "FORMERR"),
    "type IXFR": (message(question("example.", 251)), "REFUSED"),
    "type AXFR": (message(question("example.", 252)), "REFUSED"),
    "type MAILB": (message(question("www.example.", 253)), "NOTIMP"),
    "type MAILA": (message(question("www.example.", 254)), "NOTIMP"),
    "two OPT records": (query("www.example.", "A", opt(), opt()), "FORMERR"),
    "an OPT record not at the root": (query("www.example.", "A", opt(owner=b"\1a\0")), "FORMERR"),
    "an OPT record cut short": (message(WWW_A, counts=(1, 0, 0, 1), tail=opt()[:-1]), "FORMERR"),
    "an option without its data": (query("www.example.", "A", opt(b"\0\3\0\1")), "FORMERR"),
    "an option without its length": (query("www.example.", "A", opt(b"\0\3\0")), "FORMERR"),
    "EDNS version 1": (query("www.example.", "A", opt(version=1)), "BADVERS"),
    "EDNS version 255": (query("www.example.", "A", opt(version=255)), "BADVERS"),
    "EDNS version 1 and a type we refuse": (
        query("example.", "AXFR", opt(version=1)), "BADVERS",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("packet", "expected"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_answered_is_told_by_its_code(
    packet: bytes, expected: str, stream: bool
) -> None:
    reply = answer(packet, stream)
    assert status(reply) == expected
    assert reply.id == 0x1234
    assert reply.opcode() == (packet[2] >> 3) & 15
    assert not has(reply, dns.flags.AA)
    assert not (reply.answer or reply.authority or reply.additional)


def test_ixfr_may_carry_the_soa_it_knows() -> None:
    """RFC 1995 section 3: the one query with an authority section."""
    soa = b"\0" + bytes.fromhex("0006 0001 00000000 0016") + b"\0\0" + bytes(20)
    packet = message(question("example.", "IXFR"), counts=(1, 0, 1, 0), tail=soa)
    assert status(answer(packet)) == "REFUSED"


TSIG = (
    b"\3key\0" + bytes.fromhex("00fa 00ff 00000000 0011") + b"\0" + bytes(16)
)  # owner, TSIG, ANY, TTL, 17 octets


@pytest.mark.parametrize(
    ("additional", "expected"),
    [((TSIG,), "NOTAUTH"), ((opt(), TSIG), "NOTAUTH"), ((TSIG, opt()), "FORMERR")],
    ids=["signed", "signed with EDNS", "a record behind the signature"],
)
def test_a_signature_we_have_no_key_for_is_not_taken(
    additional: tuple[bytes, ...], expected: str
) -> None:
    """RFC 8945 sections 5.1 and 5.2."""
    packet = answer_octets(query("www.example.", "A", *additional))
    assert packet is not None
    assert dns.rcode.to_text(dns.rcode.Rcode(packet[3] & 15)) == expected
    assert packet[3] & 15 != NOTAUTH or packet[6:10] == bytes(4)


# -- header bits


@pytest.mark.parametrize("flags", [0, RD, CD, RD | CD])
@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("www.example.", ()),
        ("gone.example.", ()),
        ("elsewhere.test.", ()),
        ("www.example.", (opt(),)),
    ],
)
def test_rd_and_cd_come_back_as_they_were(name: str, rest: tuple[bytes, ...], flags: int) -> None:
    reply = answer(query(name, "A", *rest, flags=flags))
    assert reply.flags & (RD | CD) == flags
    assert not has(reply, dns.flags.RA)


@pytest.mark.parametrize("flags", [0x0400, 0x0200, 0x0080, 0x0040, 0x0020, 0x000F])
def test_other_bits_of_the_header_are_passed_over(flags: int) -> None:
    """AA, TC, RA, Z, AD and the response code mean nothing in a query (RFC 8906 section 8.1)."""
    assert answer_octets(message(WWW_A, flags=flags)) == answer_octets(message(WWW_A))


def test_the_question_comes_back_octet_for_octet() -> None:
    """Its letters' case too, by which resolvers know answers (draft-vixie-dnsext-dns0x20)."""
    for name in ("wWw.eXAMPle.", "gOnE.Example.", "X.wIld.exAMPLE.", "hOst.sUb.example."):
        reply = answer_octets(query(name, "TXT"))
        assert reply is not None
        asked = question(name, "TXT")
        assert reply[12 : 12 + len(asked)] == asked
        owners = {rrset.name.to_text() for rrset in parsed(reply).authority}
        assert all(name.endswith(owner) for owner in owners), "owners point into the question"


def test_the_longest_name_is_answered() -> None:
    name = names.from_text(".".join(["x" * 63, "y" * 63, "z" * 63, "w" * 53, "example."]))
    assert len(name) == 255
    reply = answer(message(question(name, "A")))
    assert status(reply) == "NXDOMAIN"
    assert dict(records(reply.authority)) == lines(SOA)


# -- EDNS (RFC 6891)


def test_without_edns_there_is_none_in_the_answer() -> None:
    assert answer(query("www.example.", "A")).edns == -1


@pytest.mark.parametrize(
    "name", ["www.example.", "gone.example.", "sub.example.", "elsewhere.test."]
)
def test_edns_is_answered_with_edns(name: str) -> None:
    reply = answer(query(name, "A", opt()))
    assert (reply.edns, reply.payload) == (0, EDNS_UDP_OCTETS)


def test_the_do_bit_comes_back_and_no_other() -> None:
    """RFC 3225 section 3, RFC 6891 section 6.1.4."""
    assert answer(query("www.example.", "A", opt(flags=0xFFFF))).ednsflags & 0xFFFF == 0x8000
    assert answer(query("www.example.", "A", opt(flags=0x7FFF))).ednsflags & 0xFFFF == 0


def test_badvers_names_the_version_we_speak() -> None:
    reply = answer(query("www.example.", "A", opt(CLIENT_COOKIE, version=1, flags=0x8000)))
    assert (status(reply), reply.edns, reply.question[0].name.to_text()) == (
        "BADVERS", 0, "www.example.",
    )  # fmt: skip


@pytest.mark.parametrize(
    "options_",
    [(option(65001),), (option(65001, b"x" * 100),), (option(8, b"\0\1\x18\0\xc0\0\2"),)]
    + [tuple(option(65001 + number) for number in range(count)) for count in (31, 32)],
    ids=["empty", "with data", "client subnet", "31 of them", "32 of them"],
)
def test_unknown_options_are_passed_over(options_: tuple[bytes, ...]) -> None:
    plain = answer(query("www.example.", "A", opt()))
    reply = answer(query("www.example.", "A", opt(*options_)))
    assert records(reply.answer) == records(plain.answer)
    assert options(reply) == {}


def test_records_beside_opt_are_passed_over() -> None:
    other = b"\xc0\x0c" + bytes.fromhex("0001 0001 00000000 0004 c0000201")
    assert status(answer(query("www.example.", "A", other))) == "NOERROR"
    assert options(answer(query("www.example.", "A", other, opt(option(3))))) == {3: NSID}


def test_nsid_is_given_to_those_who_ask() -> None:
    """RFC 5001 section 2.1."""
    assert options(answer(query("www.example.", "A", opt(option(3))))) == {3: NSID}
    assert options(answer(query("www.example.", "A", opt()))) == {}


def test_nsid_is_left_out_where_the_server_has_no_name() -> None:
    packet = query("www.example.", "A", opt(option(3)))
    reply = Answerer(OptWriter(SECRET)).answer(packet, TREE.source(), NOW, PEER, False)
    assert reply is not None
    assert options(parsed(reply)) == {}


def test_keepalive_is_told_over_tcp_alone() -> None:
    """RFC 7828 section 3.2.1 and 3.3.2; 100 ms units."""
    packet = query("www.example.", "A", opt(option(11)))
    assert options(answer(packet, stream=True)) == {11: (100).to_bytes(2, "big")}
    assert options(answer(packet)) == {}
    assert options(answer(query("www.example.", "A", opt()), stream=True)) == {}


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (query("elsewhere.test.", "A", opt()), 20),
        (message(question("www.example.", "A", 3), additional=(opt(),)), 20),
        (query("example.", "AXFR", opt()), 21),
        (query("example.", "MAILA", opt()), 21),
    ],
    ids=["not our zone", "not our class", "transfer", "type not implemented"],
)
def test_refusals_carry_an_extended_error(packet: bytes, code: int) -> None:
    """RFC 8914: 20 not authoritative, 21 not supported."""
    assert options(answer(packet)) == {15: code.to_bytes(2, "big")}


@pytest.mark.parametrize("name", ["www.example.", "gone.example.", "sub.example.", "ent.example."])
def test_an_answer_that_is_no_error_carries_none(name: str) -> None:
    assert options(answer(query(name, "A", opt()))) == {}


# -- cookies (RFC 7873, RFC 9018)


@pytest.mark.parametrize("length", [8, 16, 17, 24, 39, 40])
def test_a_cookie_is_answered_with_a_server_cookie(length: int) -> None:
    sent = option(10, COOKIE + bytes(length - 8))
    given = options(answer(query("www.example.", "A", opt(sent))))[10]
    assert given[:8] == COOKIE
    assert given[8:16] == b"\1\0\0\0" + NOW.to_bytes(4, "big")
    assert len(given) == 24


@pytest.mark.parametrize("length", [0, 1, 7, 9, 15, 41, 64])
def test_a_cookie_of_another_length_is_malformed(length: int) -> None:
    """RFC 7873 section 5.2.2."""
    assert status(answer(query("www.example.", "A", opt(option(10, bytes(length)))))) == "FORMERR"


def test_of_several_cookies_the_first_counts() -> None:
    """RFC 7873 section 5.2."""
    packet = query("www.example.", "A", opt(CLIENT_COOKIE, option(10, b"x" * 8)))
    assert options(answer(packet))[10][:8] == COOKIE


def test_a_cookie_may_be_asked_for_without_a_question() -> None:
    """RFC 7873 section 5.4."""
    reply = answer(message(additional=(opt(CLIENT_COOKIE),)))
    assert (status(reply), reply.question) == ("NOERROR", [])
    assert options(reply)[10][:8] == COOKIE


@pytest.mark.parametrize(
    ("additional", "expected"),
    [
        ((), "FORMERR"),
        ((opt(),), "FORMERR"),
        ((opt(option(3)),), "FORMERR"),
        ((opt(CLIENT_COOKIE, version=1),), "BADVERS"),
        ((opt(CLIENT_COOKIE), opt()), "FORMERR"),
    ],
)
def test_without_a_question_only_a_cookie_may_be_asked(
    additional: tuple[bytes, ...], expected: str
) -> None:
    assert status(answer(message(additional=additional))) == expected


def test_a_refusal_carries_its_cookie_too() -> None:
    assert 10 in options(answer(query("elsewhere.test.", "A", opt(CLIENT_COOKIE))))
