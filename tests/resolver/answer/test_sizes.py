"""Sizes: nothing above the limit, and a retry over TCP brings what was left out."""

from __future__ import annotations

import dns.flags
import pytest

from csid.errors import CsidError
from csid.limits import EDNS_UDP_OCTETS, PLAIN_UDP_OCTETS
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from tests.support.answering import CLIENT_COOKIE, SECRET, answer, answer_octets, has, tree_of
from tests.support.packets import NOW, PEER, opt, option, parsed, query

FILLER = "f" * 100
MANY = "".join(f'many TXT "{number:03}{FILLER}"\n' for number in range(40))
HALF = "".join(f'half TXT "{number:03}{FILLER}"\n' for number in range(4))
HOSTS = [f"ns{number}.{'h' * 50}.cut" for number in range(45)]
CUT = "".join(f"cut NS {host}\n{host} A 192.0.2.53\n" for host in HOSTS)
BIG = f"""\
$TTL 300
@        SOA   ns host 1 7200 900 1209600 60
         NS    ns
ns       A     192.0.2.1
tomany   CNAME many
long     CNAME {"l" * 63}.{"m" * 63}.{"n" * 63}.{"o" * 46}
{MANY}{HALF}{CUT}"""
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
@pytest.mark.parametrize(
    "name", ["many.big.", "tomany.big.", "half.big.", "x.cut.big.", "long.big."]
)
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
        ("x.cut.big.", "A", False, 0, 45, 45),
        ("cut.big.", "NS", False, 0, 45, 45),
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
    reply = Answerer(writer).answer(packet, BIG_TREE.source(), NOW, PEER, False)
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


LONG, LONGER = "x" * 63, "y" * 63


@pytest.mark.parametrize("name", ["alias.m.", f"{LONG}.dn.m."])
def test_tcp_takes_a_large_rrset_behind_an_alias_too(name: str) -> None:
    """3,000 addresses are 48,000 octets, if their owner's name does not stand before each."""
    host = f"{LONG}.{LONGER}"
    rows = "\n".join(f"{host} A 192.0.{one // 250}.{one % 250}" for one in range(3_000))
    text = f"$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.test.\n{rows}\n"
    tree = tree_of({"m.": f"{text}alias CNAME {host}\ndn DNAME {LONGER}\n"})
    packet = answer_octets(query(name, "A"), True, tree)
    assert packet is not None
    reply = parsed(packet)
    assert not has(reply, dns.flags.TC)
    assert len(reply.answer) >= 3_001


def test_any_over_tcp_is_not_truncated() -> None:
    """TC over TCP helps nobody: RRsets beyond a message are left out (RFC 8482 section 4.1)."""
    rows = "\n".join(f"big TYPE{rrtype} \\# 20000 {'00' * 20000}" for rrtype in range(65281, 65286))
    text = f"$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.test.\n{rows}\n"
    packet = answer_octets(query("big.y.", "ANY"), True, tree_of({"y.": text}))
    assert packet is not None
    reply = parsed(packet)
    assert not has(reply, dns.flags.TC)
    assert 1 <= len(reply.answer) <= 3
