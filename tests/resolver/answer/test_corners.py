"""Random zones and questions to NSD, Knot, BIND and us: where most of them agree, so do we.

`test_oracles` tells each server's ways apart on chosen zones; this finds what nobody thought of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import pytest

from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from tests.resolver.answer.test_oracles import Essence, essence
from tests.support.corners import family, questions
from tests.support.memory import MemoryTree, zone_data
from tests.support.packets import NOW, PEER, parsed
from tests.support.peers import KINDS, Peer, installed, running

# Families that all the servers load. They differ in what they refuse.
SEEDS = range(35_019, 35_028)
ZONES = {
    origin: text
    for seed in SEEDS
    for origin, text in family(seed, f"f{seed}.").items()
}  # fmt: skip
QUESTIONS = 300
TREE = MemoryTree(dict(zone_data(text, origin) for origin, text in ZONES.items()))
STAYING = ("knotd", "named")  # do not follow an alias out of its zone; RFC 1034 4.3.2 does
PARTIAL = ("nsd", "named")  # say nothing of glue that is missing; RFC 9471 section 3.1 sets TC
LONG_CHAIN = 5  # aliases; how many are followed, and what a loop gets, is each server's own


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Peer]]:
    missing = [kind.program for kind in KINDS if not installed(kind)]
    if missing:
        pytest.skip(f"not installed here: {missing}")
    with ExitStack() as stack:
        yield [
            stack.enter_context(running(kind, tmp_path_factory.mktemp(kind.program), ZONES))
            for kind in KINDS
        ]


def ours(query: dns.message.Message, stream: bool) -> dns.message.Message:
    reply = Answerer(OptWriter(bytes(16))).answer(query.to_wire(), TREE.source(), NOW, PEER, stream)
    assert reply is not None
    return parsed(reply)


def zone_of(name: dns.name.Name) -> dns.name.Name | None:
    """The deepest of the zones here that a name lies in."""
    origins = map(dns.name.from_text, ZONES)
    return max((one for one in origins if name.is_subdomain(one)), key=len, default=None)


def witnesses(own: dns.message.Message) -> set[str]:
    """Whose word counts for a question, by what we say to it."""
    aliases = [rrset for rrset in own.answer if rrset.rdtype == dns.rdatatype.CNAME]
    if len(aliases) > LONG_CHAIN or own.question[0].rdtype == dns.rdatatype.ANY:
        return set()
    heard = {kind.program for kind in KINDS}
    for alias in aliases:
        after = zone_of(alias[0].target)
        if after is not None and after != zone_of(alias.name):
            heard -= set(STAYING)
    if own.flags & dns.flags.TC:
        heard -= set(PARTIAL)
    return heard


def outvoted(
    own: Essence, others: Mapping[str, Essence], fields: tuple[str, ...]
) -> dict[str, tuple[object, object]]:
    """Parts of an answer in which two others say the same, and we something else."""
    found: dict[str, tuple[object, object]] = {}
    for field in fields:
        said = [getattr(other, field) for other in others.values()]
        for one in said:
            if said.count(one) > 1 and one != getattr(own, field):
                found[field] = (getattr(own, field), one)
    return found


@pytest.mark.parametrize(
    ("edns", "octets", "stream"), [(-1, 0, True), (-1, 0, False), (0, 512, False), (0, 1232, False)]
)
def test_what_most_servers_say_we_say(
    peers: list[Peer], edns: int, octets: int, stream: bool
) -> None:
    # Which addresses go where there is no room for all is each server's own.
    fields = Essence._fields if stream else Essence._fields[:-1]
    found = {}
    heard = 0
    for name, qtype in questions(octets + stream, ZONES, QUESTIONS):
        query = dns.message.make_query(name, qtype, use_edns=edns, payload=octets, flags=0)
        own = ours(query, stream)
        voices = witnesses(own)
        heard += len(voices) > 1
        others = {
            peer.program: essence(peer.ask(query, stream))
            for peer in peers
            if peer.program in voices
        }
        if different := outvoted(essence(own), others, fields):
            found[name, qtype] = different
    assert found == {}
    assert heard > QUESTIONS / 2


def test_every_server_holds_every_zone(peers: list[Peer]) -> None:
    for peer in peers:
        for origin in ZONES:
            reply = peer.ask(dns.message.make_query(origin, "SOA", flags=0))
            assert reply.flags & dns.flags.AA, (peer.program, origin)
