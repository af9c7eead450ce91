"""What the tree says of a name: zones as an administrator writes them, and tables of questions."""

from __future__ import annotations

import dns.flags
import pytest

from csid.limits import MAX_CHAIN
from tests.support.answering import ZONES, answer, answer_octets, has, lines, status, tree_of
from tests.support.memory import MemoryTree
from tests.support.packets import opt, query, records

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
    "x.wildcn A": (
        "NOERROR", True, "x.wildcn.example. 300 CNAME www.example.\n" + WWW, APEX_NS, NS1,
    ),
    # What may stand beside a CNAME is asked of the alias itself, as by Knot and BIND
    "alias RRSIG": ("NOERROR", True, "", SOA, ""),
    "x.wildcn NSEC": ("NOERROR", True, "", SOA, ""),
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


def test_a_host_named_in_another_case_is_the_same_host() -> None:
    """And addresses that differ in the case of what would be letters are not the same."""
    text = """\
        $TTL 300
        @   SOA ns host 1 2 3 4 5
        @   NS  ns
        ns  A   192.0.2.65
        ns  A   192.0.2.97
        m   MX  1 NS
        """
    reply = answer(query("m.z.", "MX"), tree=tree_of({"z.": text}))
    assert records(reply.additional) == lines("ns.z. 300 A 192.0.2.65\nns.z. 300 A 192.0.2.97")


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
        ("x.dn.example.", "NOERROR", 2),  # DNAME and the CNAME made by it
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


@pytest.mark.parametrize("length", [1, MAX_CHAIN - 1, MAX_CHAIN])
def test_a_chain_within_the_cap_is_followed_to_its_end(length: int) -> None:
    reply = answer(query("c0.chain.", "A", opt()), tree=chain(length))
    assert len(reply.answer) == length + 1
    assert f"c{length}.chain. 300 a 192.0.2.1" in records(reply.answer)


@pytest.mark.parametrize("length", [MAX_CHAIN + 1, 40])
def test_a_chain_beyond_the_cap_stops_there(length: int) -> None:
    """The asker goes on from the last target."""
    reply = answer(query("c0.chain.", "A", opt()), stream=True, tree=chain(length))
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
