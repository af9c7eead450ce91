"""The zones that answers are asked from, and askers of them.

`example.` and its child `child.example.` are both held; `alone.test.` is held without its parent.
"""

from __future__ import annotations

from textwrap import dedent

import dns.message
import dns.rcode

from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from tests.support.memory import MemoryTree, zone_data
from tests.support.packets import NOW, PEER, option, parsed

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
    return Answerer(OptWriter(SECRET, NSID)).answer(packet, tree.source(), NOW, PEER, stream)


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
