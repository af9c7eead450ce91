"""`_status.NAME`: answered for names that there are, where the zone lies, and for no others."""

from __future__ import annotations

import dns.edns
import dns.message
import pytest

from csid import names, status
from csid.protocol import EDE_NOT_AUTHORITATIVE
from csid.status import Status, Told
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.resolve import TreeSource
from resolver.status.live import Live
from tests.support.memory import MemoryTree, zone_data

NOW = 1_800_000_000
PEER = b"\x7f\0\0\1"
ZONE = """
@        300 SOA   ns hostmaster 1 7200 900 1209600 60
         NS    ns
ns       A     192.0.2.53
a.b.c    TXT   "v=csid1"
quiet    TXT   "v=csid1"
own      TXT   "v=csid1"
_status.own TXT "as the zone says"
*.wild   TXT   "a wildcard"
x.wild   TXT   "v=csid1"
cut      NS    ns.cut
ns.cut   A     192.0.2.54
moved    DNAME b.c
to       CNAME quiet
"""
OUTSIDE = """
@        300 SOA   ns hostmaster 1 7200 900 1209600 60
         NS    ns
ns       A     192.0.2.53
"""
FOUND = Status(
    NOW * 1_000 - 7_000, NOW * 1_000 + 3_000, "gw-1", 12, Told(load=0.25, free={"chips": 64.0})
)
PAST = FOUND._replace(until=NOW * 1_000)


def key(name: str) -> bytes:
    return names.key_of(names.from_text(name))


class Held:
    """Statuses in memory."""

    def __init__(self, found: dict[bytes, Status]) -> None:
        self.found = found
        self.find = found.get


HELD = {
    key("a.b.c.test."): FOUND,
    key("x.wild.test."): PAST,
    key("none.test."): FOUND,
    key("cut.test."): FOUND,
    key("b.cut.test."): FOUND,
}


def asked(
    name: str,
    qtype: str = "TXT",
    followed: bool = False,
    stream: bool = False,
    dnssec: bool = False,
) -> dns.message.Message:
    tree = MemoryTree()
    tree.add(*zone_data(ZONE, "test."), 1)
    tree.add(*zone_data(OUTSIDE, "outside."), 2)
    live = Live(Held(HELD), key("test."), lambda _moment, _apex: followed, lambda: NOW)
    query = dns.message.make_query(name, qtype, use_edns=0, want_dnssec=dnssec)
    source = TreeSource(tree.snapshot(), "a moment", live)
    packet = Answerer(OptWriter(bytes(16))).answer(query.to_wire(), source, NOW, PEER, stream)
    assert packet is not None
    return dns.message.from_wire(packet)


def said(answer: dns.message.Message) -> dict[str, object]:
    (record,) = answer.answer[-1]
    found = status.read(part.decode() for part in record.strings)
    assert found is not None
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dnssec", [False, True])
@pytest.mark.parametrize("qtype", ["TXT", "ANY"])
def test_the_newest_status_its_age_and_its_source(qtype: str, dnssec: bool, stream: bool) -> None:
    answer = asked("_STATUS.a.B.c.test.", qtype, stream=stream, dnssec=dnssec)
    assert answer.rcode() == 0 and answer.flags & dns.flags.AA
    assert bool(answer.ednsflags & dns.flags.DO) == dnssec
    assert answer.answer[0].name == names_of("_status.a.b.c.test.")
    assert answer.answer[0].ttl == 3  # what is left of its validity
    found = said(answer)
    assert found["status"] == "free" and found["age"] == 7 and found["source"] == "gw-1"
    assert found["free"] == {"chips": 64} and found["load"] == 0.25 and found["number"] == 12


def names_of(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


def test_past_its_validity_it_is_unknown_and_never_free() -> None:
    answer = asked("_status.x.wild.test.")
    assert said(answer)["status"] == "unknown" and said(answer)["age"] == 7
    assert "free" not in answer.answer[0][0].to_text()
    assert answer.answer[0].ttl == status.TTL_SECONDS


@pytest.mark.parametrize("name", ["quiet.test.", "b.c.test.", "test.", "to.test.", "wild.test."])
def test_a_name_without_a_status_is_unknown(name: str) -> None:
    answer = asked(f"_status.{name}")
    assert said(answer) == {"status": "unknown"}
    assert answer.answer[0].ttl == status.TTL_SECONDS


@pytest.mark.parametrize("name", ["none.test.", "a.a.b.c.test.", "_status.quiet.test."])
def test_what_does_not_exist_has_no_status(name: str) -> None:
    answer = asked(f"_status.{name}")
    assert answer.rcode() == 3 and not answer.answer
    assert answer.authority[0].rdtype == dns.rdatatype.SOA


def test_other_types_are_not_there() -> None:
    answer = asked("_status.a.b.c.test.", "A")
    assert answer.rcode() == 0 and not answer.answer
    assert answer.authority[0].rdtype == dns.rdatatype.SOA


def test_what_the_zone_says_itself_goes_before() -> None:
    assert asked("_status.own.test.").answer[0][0].strings == (b"as the zone says",)
    assert asked("_status.y.wild.test.").answer[0][0].strings == (b"a wildcard",)


@pytest.mark.parametrize("name", ["_status.cut.test.", "_status.b.cut.test."])
def test_below_a_cut_the_others_know(name: str) -> None:
    answer = asked(name)
    assert not answer.answer and not answer.flags & dns.flags.AA
    assert answer.authority[0].name == names_of("cut.test.")


def test_behind_a_dname_it_is_the_status_of_the_target() -> None:
    answer = asked("_status.a.moved.test.")
    assert [one.rdtype for one in answer.answer] == [
        dns.rdatatype.DNAME,
        dns.rdatatype.CNAME,
        dns.rdatatype.TXT,
    ]
    assert answer.answer[-1].name == names_of("_status.a.b.c.test.")
    assert said(answer)["status"] == "free"


def test_outside_of_the_suffix_there_are_no_statuses() -> None:
    assert asked("_status.ns.outside.").rcode() == 3


def test_a_copy_of_the_zone_leaves_it_to_those_that_have_it() -> None:
    answer = asked("_status.quiet.test.", followed=True)
    assert answer.rcode() == 2 and not answer.answer
    codes = [one.code for one in answer.options if isinstance(one, dns.edns.EDEOption)]
    assert codes == [EDE_NOT_AUTHORITATIVE]
    assert said(asked("_status.a.b.c.test.", followed=True))["status"] == "free"
