"""Every corner of the protocol, as tables: what is asked, and what comes back.

The zones stand below as an administrator would write them. `example.` and its child
`child.example.` are both held here; `alone.test.` is held without its parent.
"""

from __future__ import annotations

from textwrap import dedent

import dns.flags
import dns.message
import dns.rcode
import pytest

from csid import names
from csid.dns import NOTAUTH
from csid.errors import CsidError
from csid.limits import EDNS_UDP_OCTETS, MAX_CHAIN, PLAIN_UDP_OCTETS
from resolver.answer import Answerer
from resolver.edns import OptWriter
from tests.memory import MemoryTree, zone_data
from tests.packets import CD, NOW, PEER, RD, message, opt, option, parsed, query, question, records

ZONES = {
    "example.": """\
        $TTL 300
        @         SOA    ns1 host 7 7200 900 1209600 60
                  NS     ns1
                  NS     ns.elsewhere.test.
        ns1       A      192.0.2.1
                  AAAA   2001:db8::1
        www       A      192.0.2.80
                  TXT    "hello"
        mail      MX     10 mx
                  MX     20 mx
                  MX     30 ns1
        mx        A      192.0.2.25
        _sip._udp SRV    0 0 5060 www
                  SRV    0 0 5061 www
        a.ent     A      192.0.2.2
        odd       TYPE65347 \\# 3 010203
                  TYPE731   \\# 1 ff
        *.wild    TXT    "wild"
        *.wildns  NS     ns1
        x.stop.wild TXT  "stop"
        alias     CNAME  www
        toalias   CNAME  alias
        togone    CNAME  gone
        toempty   CNAME  ent
        tocut     CNAME  host.sub
        tochild   CNAME  www.child
        toforeign CNAME  www.Elsewhere.test.
        *.wildcn  CNAME  www
        loop1     CNAME  loop2
        loop2     CNAME  loop1
        self      CNAME  self
        dn        DNAME  wild
                  TXT    "beside"
        below.dn  TXT    "occluded"
        twice     DNAME  dn
        dnloop    DNAME  example.
        todn      CNAME  x.dn
        sub       NS     ns.sub
                  NS     ns1
                  DS     1 13 2 0000000000000000000000000000000000000000000000000000000000000000
        ns.sub    A      192.0.2.53
        host.sub  A      192.0.2.99
        plain     NS     ns.elsewhere.test.
        sibling   NS     ns.sub
        child     NS     ns.child
                  DS     2 13 2 0000000000000000000000000000000000000000000000000000000000000000
        ns.child  A      192.0.2.54
        """,
    "child.example.": """\
        $TTL 300
        @         SOA    ns host 9 7200 900 1209600 30
                  NS     ns
        ns        A      192.0.2.54
        www       A      192.0.2.81
        back      CNAME  www.example.
        """,
    "alone.test.": """\
        $TTL 50
        @         SOA    ns host 1 7200 900 1209600 3600
                  NS     ns.elsewhere.test.
        """,
}

NSID = b"node-1"
COOKIE = bytes(range(8))
CLIENT_COOKIE = option(10, COOKIE)
SECRET = bytes(16)


def tree_of(zones: dict[str, str]) -> MemoryTree:
    """Zones by origin, in text that may be indented as a whole."""
    return MemoryTree(dict(zone_data(dedent(text), origin) for origin, text in zones.items()))


TREE = tree_of(ZONES)


def answer_octets(packet: bytes, stream: bool = False, tree: MemoryTree = TREE) -> bytes | None:
    return Answerer(OptWriter(SECRET, NSID)).answer(packet, tree.snapshot(), NOW, PEER, stream)


def answer(packet: bytes, stream: bool = False, tree: MemoryTree = TREE) -> dns.message.Message:
    reply = answer_octets(packet, stream, tree)
    assert reply is not None
    return parsed(reply)


def status(reply: dns.message.Message) -> str:
    return dns.rcode.to_text(reply.rcode())


def has(reply: dns.message.Message, flag: int) -> bool:
    return bool(reply.flags & flag)


def options(reply: dns.message.Message) -> dict[int, bytes]:
    """The EDNS options of an answer; each at most once."""
    found = {int(one.otype): one.to_wire() for one in reply.options}
    assert len(found) == len(reply.options)
    return found


def lines(text: str) -> dict[str, int]:
    """Expected records, one a line, as `records` gives them."""
    return {" ".join(line.split()).lower(): 1 for line in text.splitlines() if line.strip()}


# -- what the tree says: question, status, AA, and the records of the sections

SOA = "example. 60 SOA ns1.example. host.example. 7 7200 900 1209600 60"
CHILD_SOA = "child.example. 30 SOA ns.child.example. host.child.example. 9 7200 900 1209600 30"
APEX_NS = "example. 300 NS ns1.example.\nexample. 300 NS ns.elsewhere.test."
NS1 = "ns1.example. 300 A 192.0.2.1\nns1.example. 300 AAAA 2001:db8::1"
WWW = "www.example. 300 A 192.0.2.80"
SUB_NS = "sub.example. 300 NS ns.sub.example.\nsub.example. 300 NS ns1.example."
SUB_GLUE = "ns.sub.example. 300 A 192.0.2.53\n" + NS1
CHILD_NS = "child.example. 300 NS ns.child.example."
CHILD_GLUE = "ns.child.example. 300 A 192.0.2.54"
DIGEST = "0" * 64

CASES = {
    # question: (status, AA, answer, authority, additional)
    "www A": ("NOERROR", True, WWW, APEX_NS, NS1),
    "WwW A": ("NOERROR", True, WWW, APEX_NS, NS1),
    "www AAAA": ("NOERROR", True, "", SOA, ""),
    "gone A": ("NXDOMAIN", True, "", SOA, ""),
    "x.www A": ("NXDOMAIN", True, "", SOA, ""),
    "ent A": ("NOERROR", True, "", SOA, ""),
    "x.ent A": ("NXDOMAIN", True, "", SOA, ""),
    "@ SOA": (
        "NOERROR", True, "example. 300 SOA ns1.example. host.example. 7 7200 900 1209600 60",
        APEX_NS, NS1,
    ),
    "@ NS": ("NOERROR", True, APEX_NS, "", NS1),
    "@ A": ("NOERROR", True, "", SOA, ""),
    # The addresses asked for are not given twice
    "ns1 A": ("NOERROR", True, "ns1.example. 300 A 192.0.2.1", APEX_NS, None),
    # Unknown types (RFC 3597)
    "odd TYPE65347": ("NOERROR", True, "odd.example. 300 TYPE65347 \\# 3 010203", APEX_NS, NS1),
    "odd TYPE731": ("NOERROR", True, "odd.example. 300 TYPE731 \\# 1 ff", APEX_NS, NS1),
    "odd TYPE732": ("NOERROR", True, "", SOA, ""),
    "odd TYPE0": ("NOERROR", True, "", SOA, ""),
    "mail MX": (
        "NOERROR", True,
        "mail.example. 300 MX 10 mx.example.\nmail.example. 300 MX 20 mx.example.\n"
        "mail.example. 300 MX 30 ns1.example.",
        APEX_NS, None,
    ),
    "_sip._udp SRV": (
        "NOERROR", True,
        "_sip._udp.example. 300 SRV 0 0 5060 www.example.\n"
        "_sip._udp.example. 300 SRV 0 0 5061 www.example.",
        APEX_NS, None,
    ),
    # Wildcards (RFC 4592)
    "x.wild TXT": ("NOERROR", True, 'x.wild.example. 300 TXT "wild"', APEX_NS, NS1),
    "x.y.wild TXT": ("NOERROR", True, 'x.y.wild.example. 300 TXT "wild"', APEX_NS, NS1),
    "*.wild TXT": ("NOERROR", True, '*.wild.example. 300 TXT "wild"', APEX_NS, NS1),
    "x.*.wild TXT": ("NXDOMAIN", True, "", SOA, ""),
    "x.wild A": ("NOERROR", True, "", SOA, ""),
    "wild TXT": ("NOERROR", True, "", SOA, ""),
    "stop.wild TXT": ("NOERROR", True, "", SOA, ""),
    "y.stop.wild TXT": ("NXDOMAIN", True, "", SOA, ""),
    # CNAME
    "alias CNAME": ("NOERROR", True, "alias.example. 300 CNAME www.example.", APEX_NS, NS1),
    "alias A": ("NOERROR", True, "alias.example. 300 CNAME www.example.\n" + WWW, APEX_NS, NS1),
    "toalias A": (
        "NOERROR", True,
        "toalias.example. 300 CNAME alias.example.\nalias.example. 300 CNAME www.example.\n" + WWW,
        APEX_NS, NS1,
    ),
    "alias AAAA": ("NOERROR", True, "alias.example. 300 CNAME www.example.", SOA, ""),
    "togone A": ("NXDOMAIN", True, "togone.example. 300 CNAME gone.example.", SOA, ""),
    "toempty A": ("NOERROR", True, "toempty.example. 300 CNAME ent.example.", SOA, ""),
    "tocut A": (
        "NOERROR", True, "tocut.example. 300 CNAME host.sub.example.", SUB_NS, SUB_GLUE,
    ),
    "tochild A": (
        "NOERROR", True,
        "tochild.example. 300 CNAME www.child.example.\nwww.child.example. 300 A 192.0.2.81",
        CHILD_NS, CHILD_GLUE,
    ),
    "back.child A": (
        "NOERROR", True, "back.child.example. 300 CNAME www.example.\n" + WWW, APEX_NS, NS1,
    ),
    "toforeign A": (
        "NOERROR", True, "toforeign.example. 300 CNAME www.elsewhere.test.", "", "",
    ),
    "x.wildcn A": ("NOERROR", True, "x.wildcn.example. 300 CNAME www.example.\n" + WWW, APEX_NS, NS1),
    # A loop is given once around
    "loop1 A": (
        "NOERROR", True,
        "loop1.example. 300 CNAME loop2.example.\nloop2.example. 300 CNAME loop1.example.", "", "",
    ),
    "self A": ("NOERROR", True, "self.example. 300 CNAME self.example.", "", ""),
    # DNAME (RFC 6672)
    "dn DNAME": ("NOERROR", True, "dn.example. 300 DNAME wild.example.", APEX_NS, NS1),
    "dn TXT": ("NOERROR", True, 'dn.example. 300 TXT "beside"', APEX_NS, NS1),
    "dn A": ("NOERROR", True, "", SOA, ""),
    "x.dn TXT": (
        "NOERROR", True,
        "dn.example. 300 DNAME wild.example.\nx.dn.example. 300 CNAME x.wild.example.\n"
        'x.wild.example. 300 TXT "wild"',
        APEX_NS, NS1,
    ),
    "below.dn TXT": (
        "NOERROR", True,
        "dn.example. 300 DNAME wild.example.\nbelow.dn.example. 300 CNAME below.wild.example.\n"
        'below.wild.example. 300 TXT "wild"',
        APEX_NS, NS1,
    ),
    "y.x.twice TXT": (
        "NOERROR", True,
        "twice.example. 300 DNAME dn.example.\ny.x.twice.example. 300 CNAME y.x.dn.example.\n"
        "dn.example. 300 DNAME wild.example.\ny.x.dn.example. 300 CNAME y.x.wild.example.\n"
        'y.x.wild.example. 300 TXT "wild"',
        APEX_NS, NS1,
    ),
    "todn TXT": (
        "NOERROR", True,
        "todn.example. 300 CNAME x.dn.example.\ndn.example. 300 DNAME wild.example.\n"
        'x.dn.example. 300 CNAME x.wild.example.\nx.wild.example. 300 TXT "wild"',
        APEX_NS, NS1,
    ),
    # The same DNAME on the way twice is one record of the answer all the same
    "www.dnloop.dnloop A": (
        "NOERROR", True,
        "dnloop.example. 300 DNAME example.\n"
        "www.dnloop.dnloop.example. 300 CNAME www.dnloop.example.\n"
        "www.dnloop.example. 300 CNAME www.example.\n" + WWW,
        APEX_NS, NS1,
    ),
    # Delegation
    "sub NS": ("NOERROR", False, "", SUB_NS, SUB_GLUE),
    "sub A": ("NOERROR", False, "", SUB_NS, SUB_GLUE),
    "host.sub A": ("NOERROR", False, "", SUB_NS, SUB_GLUE),
    "a.b.c.sub A": ("NOERROR", False, "", SUB_NS, SUB_GLUE),
    "ns.sub A": ("NOERROR", False, "", SUB_NS, SUB_GLUE),
    "host.sub DS": ("NOERROR", False, "", SUB_NS, SUB_GLUE),
    "x.sibling A": (
        "NOERROR", False, "", "sibling.example. 300 NS ns.sub.example.",
        "ns.sub.example. 300 A 192.0.2.53",
    ),
    "x.plain A": ("NOERROR", False, "", "plain.example. 300 NS ns.elsewhere.test.", ""),
    # DS at the cut is the parent's (RFC 4035 section 3.1.4.1)
    "sub DS": ("NOERROR", True, f"sub.example. 300 DS 1 13 2 {DIGEST}", APEX_NS, NS1),
    "plain DS": ("NOERROR", True, "", SOA, ""),
    "child DS": ("NOERROR", True, f"child.example. 300 DS 2 13 2 {DIGEST}", APEX_NS, NS1),
    "child NS": ("NOERROR", True, CHILD_NS, "", CHILD_GLUE),
    "gone.child A": ("NXDOMAIN", True, "", CHILD_SOA, ""),
    "www.child DS": ("NOERROR", True, "", CHILD_SOA, ""),
    "alone.test. DS": (
        "NOERROR", True, "",
        "alone.test. 50 SOA ns.alone.test. host.alone.test. 1 7200 900 1209600 3600", "",
    ),
    # Names we hold nothing for
    "elsewhere.test. A": ("REFUSED", False, "", "", ""),
    ". NS": ("REFUSED", False, "", "", ""),
    "test. DS": ("REFUSED", False, "", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("asked", CASES)
def test_the_tree_is_answered_from(asked: str) -> None:
    """Sections hold each record once; `None` leaves the additional section to the test below."""
    expected_status, aa, *sections = CASES[asked]
    owner, qtype = asked.split()
    name = "example." if owner == "@" else owner if owner.endswith(".") else f"{owner}.example."
    reply = answer(query(name, qtype))
    assert (status(reply), has(reply, dns.flags.AA)) == (expected_status, aa)
    assert not has(reply, dns.flags.TC)
    got = (reply.answer, reply.authority, reply.additional)
    for section, expected in zip(got, sections, strict=True):
        if expected is not None:
            assert dict(records(section)) == lines(str(expected))


@pytest.mark.parametrize(
    ("name", "qtype", "expected"),
    [
        ("mail.example.", "MX", "mx.example. 300 A 192.0.2.25\n" + NS1),
        ("_sip._udp.example.", "SRV", WWW),
        ("ns1.example.", "A", ""),
    ],
)
def test_addresses_of_hosts_are_given_once_each(name: str, qtype: str, expected: str) -> None:
    """However many records name a host: those asked for, or the zone's name servers."""
    given = records(answer(query(name, qtype)).additional)
    assert set(lines(expected)) <= set(given)
    assert set(given.values()) <= {1}


@pytest.mark.parametrize("asked", CASES)
def test_tcp_says_what_udp_says(asked: str) -> None:
    owner, qtype = asked.split()
    name = "example." if owner == "@" else owner if owner.endswith(".") else f"{owner}.example."
    assert answer_octets(query(name, qtype), True) == answer_octets(query(name, qtype), False)


def test_the_whole_tree_may_hang_below_a_root_held_here() -> None:
    """With the root zone here nothing is refused: its cuts and denials answer (and DS of a TLD)."""
    root = """\
        $TTL 300
        @     SOA  a.root. host.root. 1 7200 900 1209600 60
              NS   a.root.
        test  NS   ns.test.
        """
    tree = tree_of({**ZONES, ".": root})
    assert status(answer(query(".", "NS"), tree=tree)) == "NOERROR"
    assert status(answer(query("gone.", "A"), tree=tree)) == "NXDOMAIN"
    referral = answer(query("elsewhere.test.", "A"), tree=tree)
    assert dict(records(referral.authority)) == lines("test. 300 NS ns.test.")
    assert not has(referral, dns.flags.AA)
    assert has(answer(query("test.", "DS"), tree=tree), dns.flags.AA)


def test_ds_is_asked_of_the_next_zone_above_whatever_lies_between() -> None:
    """A zone further up than the parent refers, as NSD, Knot and BIND let it do."""
    root = """\
        $TTL 300
        @     SOA  a.root. host.root. 1 7200 900 1209600 60
              NS   a.root.
        test  NS   ns.test.
        """
    reply = answer(query("alone.test.", "DS"), tree=tree_of({**ZONES, ".": root}))
    assert not has(reply, dns.flags.AA)
    assert dict(records(reply.authority)) == lines("test. 300 NS ns.test.")


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
    assert dns.rcode.to_text(packet[3] & 15) == expected
    assert packet[3] & 15 != NOTAUTH or packet[6:10] == bytes(4)


# -- header bits

@pytest.mark.parametrize("flags", [0, RD, CD, RD | CD])
@pytest.mark.parametrize(
    ("name", "rest"),
    [("www.example.", ()), ("gone.example.", ()), ("elsewhere.test.", ()), ("www.example.", (opt(),))],
)
def test_rd_and_cd_come_back_as_they_were(
    name: str, rest: tuple[bytes, ...], flags: int
) -> None:
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


# -- ANY (RFC 8482)


def test_any_over_udp_gives_one_rrset() -> None:
    reply = answer(query("www.example.", "ANY"))
    assert dict(records(reply.answer)) == lines(WWW)


def test_any_over_tcp_gives_all() -> None:
    reply = answer(query("www.example.", "ANY"), stream=True)
    assert dict(records(reply.answer)) == lines(WWW + '\nwww.example. 300 TXT "hello"')


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "expected", "answers"),
    [
        ("alias.example.", "NOERROR", 1),
        ("ent.example.", "NOERROR", 0),
        ("gone.example.", "NXDOMAIN", 0),
        ("x.wild.example.", "NOERROR", 1),
        ("sub.example.", "NOERROR", 0),
        ("x.dn.example.", "NOERROR", 3),
    ],
)
def test_any_of_other_names(name: str, expected: str, answers: int, stream: bool) -> None:
    reply = answer(query(name, "ANY"), stream)
    assert (status(reply), len(reply.answer)) == (expected, answers)


# -- chains


def chain(length: int) -> MemoryTree:
    """c0 -> c1 -> ... , with an address at the end."""
    rows = [f"c{step} CNAME c{step + 1}" for step in range(length)]
    rows.append(f"c{length} A 192.0.2.1")
    text = "$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.elsewhere.test.\n" + "\n".join(rows) + "\n"
    return tree_of({"chain.": text})


@pytest.mark.parametrize("length", [1, MAX_CHAIN - 1])
def test_a_chain_within_the_cap_is_followed_to_its_end(length: int) -> None:
    reply = answer(query("c0.chain.", "A", opt()), tree=chain(length))
    assert len(reply.answer) == length + 1
    assert "c15.chain. 300 a 192.0.2.1" in records(reply.answer) or length == 1


def test_a_chain_beyond_the_cap_stops_there() -> None:
    """The asker goes on from the last target."""
    reply = answer(query("c0.chain.", "A", opt()), stream=True, tree=chain(40))
    assert status(reply) == "NOERROR"
    assert len(reply.answer) == MAX_CHAIN


def test_a_dname_that_makes_too_long_a_name_is_yxdomain() -> None:
    """RFC 6672 section 2.2; the DNAME stands in the answer as the reason."""
    text = f"""\
        $TTL 300
        @     SOA   ns host 1 2 3 4 5
        @     NS    ns.elsewhere.test.
        short DNAME {"x" * 63}.{"y" * 63}.{"z" * 63}.long.
        """
    tree = tree_of({"d.": text})
    # x + y + z + long + root are 3 * 64 + 5 + 1 octets of the 255
    fits = answer(query("w" * 56 + ".short.d.", "A", opt()), tree=tree)
    assert (status(fits), len(fits.answer)) == ("NOERROR", 2)
    too_long = answer(query("w" * 57 + ".short.d.", "A", opt()), tree=tree)
    assert (status(too_long), len(too_long.answer)) == ("YXDOMAIN", 1)
    assert has(too_long, dns.flags.AA)


# -- EDNS (RFC 6891)


def test_without_edns_there_is_none_in_the_answer() -> None:
    assert answer(query("www.example.", "A")).edns == -1


@pytest.mark.parametrize("name", ["www.example.", "gone.example.", "sub.example.", "elsewhere.test."])
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
    reply = Answerer(OptWriter(SECRET)).answer(packet, TREE.snapshot(), NOW, PEER, False)
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


# -- sizes: nothing above the limit, and a retry over TCP brings what was left out

FILLER = "f" * 100
BIG = f"""\
    $TTL 300
    @        SOA   ns host 1 7200 900 1209600 60
             NS    ns
    ns       A     192.0.2.1
    {{many}}
    {{cut}}
    {{half}}
    tomany   CNAME many
    long     CNAME {"l" * 63}.{"m" * 63}.{"n" * 63}.{"o" * 46}
    """.format(
    many="\n    ".join(f'many TXT "{number:03}{FILLER}"' for number in range(40)),
    cut="\n    ".join(
        f"cut NS ns{number}.{FILLER[:20]}.cut\n    ns{number}.{FILLER[:20]}.cut A 192.0.2.{number}"
        for number in range(30)
    ),
    half="\n    ".join(f'half TXT "{number:03}{FILLER}"' for number in range(4)),
)
BIG_TREE = tree_of({"big.": BIG})
ASKERS = {
    "no EDNS": ((), PLAIN_UDP_OCTETS),
    "0 octets": ((opt(octets=0),), PLAIN_UDP_OCTETS),
    "512 octets": ((opt(octets=512),), PLAIN_UDP_OCTETS),
    "700 octets": ((opt(octets=700),), 700),
    "1232 octets": ((opt(octets=1232),), EDNS_UDP_OCTETS),
    "4096 octets": ((opt(octets=4096),), EDNS_UDP_OCTETS),
    "65535 octets and options": (
        (opt(CLIENT_COOKIE, option(3), octets=65535),), EDNS_UDP_OCTETS,
    ),
    "512 octets and options": ((opt(CLIENT_COOKIE, option(3), octets=512),), PLAIN_UDP_OCTETS),
}  # fmt: skip


@pytest.mark.parametrize(("additional", "limit"), ASKERS.values(), ids=ASKERS)
@pytest.mark.parametrize("name", ["many.big.", "tomany.big.", "half.big.", "x.cut.big.", "long.big."])
def test_an_answer_over_udp_keeps_within_its_limit(
    name: str, additional: tuple[bytes, ...], limit: int
) -> None:
    packet = answer_octets(query(name, "TXT", *additional), tree=BIG_TREE)
    assert packet is not None
    assert len(packet) <= limit
    assert parsed(packet).edns == (0 if additional else -1)


@pytest.mark.parametrize(
    ("name", "qtype", "aa", "answers", "authority", "additional"),
    [
        ("many.big.", "TXT", True, 40, 1, 1),
        ("tomany.big.", "TXT", True, 41, 1, 1),
        ("x.cut.big.", "A", False, 0, 30, 30),
        ("cut.big.", "NS", False, 0, 30, 30),
    ],
)
def test_what_was_cut_off_comes_over_tcp(
    name: str, qtype: str, aa: bool, answers: int, authority: int, additional: int
) -> None:
    for rest in ((), (opt(),)):
        short = answer(query(name, qtype, *rest), tree=BIG_TREE)
        assert has(short, dns.flags.TC)
        assert has(short, dns.flags.AA) == aa
        whole = answer(query(name, qtype, *rest), stream=True, tree=BIG_TREE)
        assert not has(whole, dns.flags.TC)
        assert has(whole, dns.flags.AA) == aa
        sections = (whole.answer, whole.authority, whole.additional)
        assert tuple(map(len, sections)) == (answers, authority, additional)


@pytest.mark.parametrize("octets", [32, 128, 255, 600, 3_000])
def test_a_long_server_name_does_not_break_the_limit(octets: int) -> None:
    """It is refused when the server starts, or every answer has room for it."""
    try:
        writer = OptWriter(SECRET, b"n" * octets)
    except (CsidError, ValueError):
        return
    name = ".".join(["x" * 63, "y" * 63, "z" * 63, "w" * 57]) + ".big."
    packet = query(name, "A", opt(CLIENT_COOKIE, option(3), octets=512))
    reply = Answerer(writer).answer(packet, BIG_TREE.snapshot(), NOW, PEER, False)
    assert reply is not None
    assert len(reply) <= PLAIN_UDP_OCTETS


def test_what_is_only_useful_goes_before_what_was_asked() -> None:
    """RFC 2181 section 9: TC is for what was required."""
    reply = answer(query("half.big.", "TXT", opt(octets=512)), tree=BIG_TREE)
    assert len(reply.answer) == 4
    assert not has(reply, dns.flags.TC)
    assert not reply.additional


def test_a_negative_answer_without_its_soa_is_truncated() -> None:
    """The SOA makes it a denial (RFC 2308 section 2.2): where it does not fit, TCP brings it."""
    label = "x" * 60
    text = f"""\
        $TTL 300
        @   SOA   {label}.{label}.{label} {label}.{label}.{label} 1 7200 900 1209600 60
            NS    ns
        ns  A     192.0.2.1
        a   CNAME {label}.b
        {label}.b TXT x
        """
    tree = tree_of({"n.": text})
    for rest in ((), (opt(CLIENT_COOKIE, octets=512),)):
        short = answer(query("a.n.", "A", *rest), tree=tree)
        assert has(short, dns.flags.TC) or short.authority
    whole = answer(query("a.n.", "A"), stream=True, tree=tree)
    assert len(whole.authority) == 1


def test_a_referral_behind_an_alias_is_not_cut_off_unsaid() -> None:
    """What the asker needs next either stands in the answer or TC says that it is missing."""
    rows = "".join(f"cut NS ns{number}.{'x' * 40}.test.\n" for number in range(20))
    text = f"$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.test.\na CNAME b.cut\n{rows}"
    reply = answer(query("a.r.", "A"), tree=tree_of({"r.": text}))
    assert has(reply, dns.flags.TC) or reply.authority


def test_tcp_takes_the_largest_rrset_a_name_may_hold() -> None:
    """60,000 octets of records with the longest question and all options (csid.limits)."""
    owner = ".".join(["x" * 63, "y" * 63, "z" * 63, "w" * 57])
    rows = "\n".join(f'{owner} TXT "{number:04}{"t" * 240}"' for number in range(232))
    text = f"$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.test.\n{rows}\n"
    tree = tree_of({"m.": text})
    packet = answer_octets(
        query(f"{owner}.m.", "TXT", opt(CLIENT_COOKIE, option(3), option(11))), True, tree
    )
    assert packet is not None
    reply = parsed(packet)
    assert len(reply.answer) == 232
    assert not has(reply, dns.flags.TC)


def test_any_over_tcp_is_not_truncated() -> None:
    """TC over TCP helps nobody: RRsets beyond a message are left out (RFC 8482 section 4.1)."""
    rows = "\n".join(
        f"big TYPE{rrtype} \\# 20000 {'00' * 20000}" for rrtype in range(65281, 65286)
    )
    text = f"$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.test.\n{rows}\n"
    packet = answer_octets(query("big.y.", "ANY"), True, tree_of({"y.": text}))
    assert packet is not None
    reply = parsed(packet)
    assert not has(reply, dns.flags.TC)
    assert 1 <= len(reply.answer) <= 3


# -- what a negative answer may be remembered for


@pytest.mark.parametrize(("ttl", "minimum", "expected"), [(300, 60, 60), (50, 3600, 50)])
def test_the_soa_of_a_denial_lives_for_the_lesser_of_its_ttl_and_minimum(
    ttl: int, minimum: int, expected: int
) -> None:
    """RFC 2308 section 5."""
    text = f"$TTL {ttl}\n@ SOA ns host 1 2 3 4 {minimum}\n@ NS ns.test.\n"
    tree = tree_of({"t.": text})
    assert answer(query("gone.t.", "A"), tree=tree).authority[0].ttl == expected
    assert answer(query("t.", "SOA"), tree=tree).answer[0].ttl == ttl
