"""The same zones and questions to NSD, Knot, BIND and us: what differs is ours to explain.

`essence` is the one place that says which differences are legitimate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from textwrap import dedent
from typing import NamedTuple

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from tests.support.memory import MemoryTree, zone_data
from tests.support.packets import NOW, PEER, parsed, records
from tests.support.peers import KINDS, Peer, installed, running

ZONES = {
    "example.": """\
        $TTL 300
        @         SOA    ns1 host 7 7200 900 1209600 60
                  NS     ns1
                  NS     ns.elsewhere.test.
                  MX     10 mx
        ns1       A      192.0.2.1
                  AAAA   2001:db8::1
        www       A      192.0.2.80
                  A      192.0.2.81
                  TXT    "hello" "world"
        mx        A      192.0.2.25
        a.b.ent   A      192.0.2.2
        odd       TYPE65347 \\# 3 010203
                  TYPE731   \\# 4 deadbeef
                  SVCB   1 www alpn=h2 port=8443
                  CAA    0 issue "ca.test"
                  SRV    1 2 443 www
        big       TYPE65347 \\# 900 {big}
        *.wild    TXT    "wild"
                  MX     10 mx
        x.stop.wild TXT  "stop"
        w.*.wild  TXT    "below the wildcard"
        *.wildcn  CNAME  www
        *.wildout CNAME  www.elsewhere.test.
        *.wildself CNAME x.wildself
        alias     CNAME  www
        one       CNAME  two
        two       CNAME  three
        three     CNAME  four
        four      CNAME  www
        togone    CNAME  gone
        toempty   CNAME  ent
        tocut     CNAME  host.sub
        toglue    CNAME  ns.sub
        towild    CNAME  x.wild
        toforeign CNAME  www.elsewhere.test.
        todn      CNAME  x.dn
        loop1     CNAME  loop2
        loop2     CNAME  loop1
        self      CNAME  self
        dn        DNAME  target
                  TXT    "beside"
        a.target  A      192.0.2.3
        *.star.target A  192.0.2.4
        twice     DNAME  dn
        dnout     DNAME  elsewhere.test.
        dncut     DNAME  sub
        dnself    DNAME  example.
        sub       NS     ns.sub
                  NS     ns1
                  NS     ns.elsewhere.test.
                  DS     1 13 2 {digest}
        ns.sub    A      192.0.2.53
        host.sub  A      192.0.2.99
        deep.x.sub NS    ns1
        plain     NS     ns.elsewhere.test.
        sibling   NS     ns.sub
        child     NS     ns.child
                  DS     2 13 2 {digest}
        ns.child  A      192.0.2.54
        """,
    "child.example.": """\
        $TTL 300
        @         SOA    ns host 9 7200 900 1209600 30
                  NS     ns
        ns        A      192.0.2.54
        www       A      192.0.2.81
        """,
    "alone.test.": """\
        $TTL 50
        @         SOA    ns host 1 7200 900 1209600 3600
                  NS     ns.elsewhere.test.
        *         TXT    "everywhere"
        """,
    # Between these two lies a cut that nobody here holds
    "grand.test.": """\
        $TTL 300
        @         SOA    ns host 1 7200 900 1209600 60
                  NS     ns.elsewhere.test.
        mid       NS     ns.mid
        ns.mid    A      192.0.2.60
        """,
    "low.mid.grand.test.": """\
        $TTL 300
        @         SOA    ns host 1 7200 900 1209600 60
                  NS     ns.elsewhere.test.
        www       A      192.0.2.61
        """,
    "apexdn.test.": """\
        $TTL 50
        @         SOA    ns host 1 7200 900 1209600 3600
                  NS     ns.elsewhere.test.
                  DNAME  example.
                  TXT    "beside"
        """,
}
ZONES = {
    origin: dedent(text).replace("{big}", "ab" * 900).replace("{digest}", "cd" * 32)
    for origin, text in ZONES.items()
}

# Names by what is asked of each; names without final dot lie in example.
QUESTIONS = """
    A      @ ns1 www WWW gone x.www ent b.ent a.b.ent x.b.ent odd alias one togone toempty
    A      tocut toglue towild toforeign todn dn a.dn x.dn y.star.dn a.twice q.dnout host.dncut
    A      loop1 self y.x.dnself.dnself www.dnself.dnself.dnself
    A      x.wild wild *.wild stop.wild y.stop.wild w.x.wild x.wildcn x.wildout x.wildself
    A      sub ns.sub host.sub gone.sub a.b.sub y.deep.x.sub plain x.plain sibling x.sibling
    A      child ns.child www.child gone.child alone.test. x.alone.test. apexdn.test.
    A      www.low.mid.grand.test. x.low.mid.grand.test. x.mid.grand.test. low.mid.grand.test.
    A      www.apexdn.test. gone.apexdn.test. alias.apexdn.test. www.elsewhere.test. . test.
    AAAA   www ns1 alias x.wild a.dn
    TXT    www x.wild x.y.wild *.wild w.*.wild v.*.wild stop.wild x.stop.wild towild dn x.dn big
    TXT    x.alone.test. x.y.alone.test. alone.test. apexdn.test.
    MX     @ x.wild www
    NS     @ sub x.sub child plain www gone alone.test. deep.x.sub
    SOA    @ www gone sub child sub.child alone.test.
    DS     sub child plain www gone x.sub www.child deep.x.sub @
    DS     low.mid.grand.test. mid.grand.test. www.low.mid.grand.test. grand.test.
    CNAME  alias one www gone x.wildcn toforeign a.dn x.dn a.twice host.dncut todn www.apexdn.test.
    DNAME  dn twice apexdn.test. www
    SRV    odd
    SVCB   odd
    CAA    odd
    TYPE65347 odd big www x.wild
    TYPE731 odd
    TYPE999 odd gone
"""

ANY_ASKED = ("@", "www", "odd", "dn", "alias", "gone", "ent", "sub", "x.wild", "big", "a.dn")

# Questions whose answers a server gives otherwise, and why we do not follow.
_STAYS = "a DNAME that leads out of the zone is not followed; RFC 6672 3.2 goes back to step 1"
_ZERO_TTL = "a denial of SOA has TTL 0, for the sake of servers that look for their zone"
_LOOP = "an alias that leads back to itself is SERVFAIL, with the same records"
_TWICE = "an alias made by a wildcard that leads back to itself is given twice"
EXCEPTIONS = {
    "nsd": {("x.wildself.example.", "A"): _TWICE},
    "knotd": {
        ("x.wildself.example.", "A"): _TWICE,
        ("www.apexdn.test.", "A"): _STAYS,
        ("gone.apexdn.test.", "A"): _STAYS,
        ("alias.apexdn.test.", "A"): _STAYS,
    },
    "named": {
        ("www.apexdn.test.", "A"): _STAYS,
        ("gone.apexdn.test.", "A"): _STAYS,
        ("alias.apexdn.test.", "A"): _STAYS,
        ("loop1.example.", "A"): _LOOP,
        ("self.example.", "A"): _LOOP,
        ("x.wildself.example.", "A"): _LOOP,
        ("gone.example.", "SOA"): _ZERO_TTL,
        ("sub.child.example.", "SOA"): _ZERO_TTL,
    },
}  # fmt: skip


def questions() -> Iterator[tuple[str, str]]:
    for line in QUESTIONS.split("\n"):
        qtype, *owners = line.split() or [""]
        for owner in owners:
            yield absolute(owner), qtype


def absolute(owner: str) -> str:
    return "example." if owner == "@" else owner if owner.endswith(".") else f"{owner}.example."


class Essence(NamedTuple):
    """What an answer says, whatever its order, its compression and its generosity."""

    rcode: str
    authoritative: bool
    truncated: bool
    answer: Counter[str]  # with how often each record is there
    authority: Counter[str]
    glue: Counter[str]


def essence(reply: dns.message.Message) -> Essence:
    """Leaves out what servers are free to give or not:

    - the name servers of the zone in the authority section of a positive answer
    - in the additional section all but the addresses of hosts at or below the cut referred to
    """
    cuts = [rrset.name for rrset in reply.authority if rrset.rdtype == dns.rdatatype.NS]
    asked = reply.question[0].rdtype
    refers = not reply.answer or reply.answer[-1].rdtype == dns.rdatatype.CNAME != asked
    glue = [rrset for rrset in reply.additional if any(map(rrset.name.is_subdomain, cuts))]
    return Essence(
        dns.rcode.to_text(reply.rcode()),
        bool(reply.flags & dns.flags.AA),
        bool(reply.flags & dns.flags.TC),
        records(reply.answer),
        records(reply.authority) if refers or not cuts else Counter(),
        records(glue) if refers else Counter(),
    )


def differences(
    peer: Peer, asked: list[tuple[str, str]], edns: int = -1, stream: bool = False
) -> dict[tuple[str, str], dict[str, tuple[object, object]]]:
    """By question and part of the answer: what we say and what the server says."""
    found = {}
    for name, qtype in asked:
        query = dns.message.make_query(name, qtype, use_edns=edns, payload=1232, flags=0)
        own, theirs = essence(ours(query, stream)), essence(peer.ask(query, stream))
        if own != theirs:
            fields = zip(Essence._fields, own, theirs, strict=True)
            found[name, qtype] = {name: (one, other) for name, one, other in fields if one != other}
    return found


@pytest.fixture(scope="module", params=KINDS, ids=[kind.program for kind in KINDS])
def peer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    if not installed(request.param):
        pytest.skip(f"{request.param.program} is not installed here")
    with running(request.param, tmp_path_factory.mktemp(request.param.program), ZONES) as server:
        yield server


TREE = MemoryTree(dict(zone_data(text, origin) for origin, text in ZONES.items()))


def ours(query: dns.message.Message, stream: bool = False) -> dns.message.Message:
    reply = Answerer(OptWriter(bytes(16))).answer(query.to_wire(), TREE.source(), NOW, PEER, stream)
    assert reply is not None
    return parsed(reply)


@pytest.mark.parametrize("edns", [-1, 0], ids=["plain", "edns"])
def test_answers_agree(peer: Peer, edns: int) -> None:
    excepted = EXCEPTIONS.get(peer.program, {})
    asked = [question for question in questions() if question not in excepted]
    assert differences(peer, asked, edns) == {}


def test_exceptions_are_still_needed(peer: Peer) -> None:
    excepted = EXCEPTIONS.get(peer.program, {})
    assert set(differences(peer, list(excepted))) == set(excepted)


def test_what_is_too_large_for_udp_agrees_over_tcp(peer: Peer) -> None:
    asked = [("big.example.", "TYPE65347"), ("odd.example.", "SVCB"), ("x.dn.example.", "TXT")]
    assert differences(peer, asked, stream=True) == {}


def test_any_over_tcp_leaves_out_nothing_that_others_give(peer: Peer) -> None:
    """Some give one RRset of many (RFC 8482 section 4.1), we give all."""
    for name in map(absolute, ANY_ASKED):
        query = dns.message.make_query(name, "ANY", flags=0)
        own, theirs = essence(ours(query, True)), essence(peer.ask(query, True))
        if name == "a.dn.example.":
            # The CNAME made by a DNAME is of the type asked for: we end there, as BIND does.
            assert own.answer <= theirs.answer
            continue
        assert theirs.answer <= own.answer, name
        assert (own.rcode, own.authoritative) == (theirs.rcode, theirs.authoritative), name
