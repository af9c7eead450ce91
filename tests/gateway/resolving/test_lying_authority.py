"""A gateway before an authority that lies: nothing false is given or kept, or asked without end."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from csid.address import Address
from resolver.recursion.task import QUESTIONS_MAX
from tests.gateway.resolving.test_gateway import ask
from tests.support.fake_server import fake_server
from tests.support.servers import Server, resolving, run

SUFFIX = "csid.internal."
VICTIM = f"victim.{SUFFIX}"
TRUE, FALSE = "192.0.2.1", "192.0.2.66"
Section = Sequence[tuple[str, int, str, str]]


def name(label: str) -> str:
    return f"{label}.{SUFFIX}"


class Lie(NamedTuple):
    """What the authority says of one label, besides what is asked for."""

    answer: Section = ()
    authority: Section = ()
    additional: Section = ()
    rcode: int = 0
    aa: bool = True


LIES = {
    # Records of another name, or of another zone, beside a good answer.
    "beside": Lie(
        [(name("beside"), 60, "A", TRUE), (VICTIM, 60, "A", FALSE)],
        [("example.org.", 600, "NS", "ns.evil.")],
        [("www.example.org.", 600, "A", FALSE), (VICTIM, 600, "A", FALSE)],
    ),
    # The servers of what lies above, and of what lies beside.
    "upwards": Lie([], [(".", 600, "NS", "ns.evil.")], [("ns.evil.", 600, "A", FALSE)], aa=False),
    "itself": Lie([], [(SUFFIX, 600, "NS", name("ns"))], [(name("ns"), 600, "A", FALSE)], aa=False),
    "sideways": Lie(
        [], [(VICTIM, 600, "NS", name("ns"))], [(name("ns"), 600, "A", FALSE)], aa=False
    ),
    # Absence said by a zone that has no say.
    "absence": Lie([], [("org.", 600, "SOA", "m. r. 1 1 1 1 600")], rcode=3),
    # An alias with the answer of where it leads, which another zone has.
    "alias": Lie(
        [(name("alias"), 60, "CNAME", "www.example.org."), ("www.example.org.", 60, "A", FALSE)]
    ),
    "circle": Lie([(name("circle"), 60, "CNAME", name("circle"))]),
    "two": Lie(
        [(name("two"), 60, "CNAME", name("three")), (name("three"), 60, "CNAME", name("two"))]
    ),
    "notours": Lie([(name("notours"), 60, "A", FALSE)], aa=False),
}


class Authority:
    """What it says, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, query: dns.message.Message, protocol: int) -> list[bytes]:
        (question,) = query.question
        text = question.name.to_text().lower()
        self.asked.append(text)
        said = dns.message.make_response(query)
        said.flags |= dns.flags.AA
        label = text.removesuffix(f".{SUFFIX}").rpartition(".")[2]
        if label in LIES:
            _lie(said, LIES[label])
        elif label.startswith("true"):
            said.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", TRUE))
        elif label.startswith("number"):  # the right answer to another question
            false = said.to_wire()
            return [bytes((false[0] ^ 1,)) + false[1:]]
        elif label.startswith("question"):
            other = dns.message.make_query(VICTIM, "A", id=query.id, use_edns=0)
            false_answer = dns.message.make_response(other)
            false_answer.flags |= dns.flags.AA
            false_answer.answer.append(dns.rrset.from_text(VICTIM, 60, "IN", "A", FALSE))
            return [false_answer.to_wire()]
        elif label.startswith("bomb"):
            at = int(label[4:] or 0)
            where = dns.name.from_text(name(f"bomb{at + 1}"))
            said.answer.append(
                dns.rrset.from_text(question.name, 60, "IN", "CNAME", where.to_text())
            )
        elif label.startswith("nxns"):
            said.flags &= ~dns.flags.AA
            cut = dns.name.from_text(name("nxns"))
            hosts = [f"ns{at}.{name('nxns' if at % 2 else 'deeper')}" for at in range(60)]
            said.authority.append(dns.rrset.from_text(cut, 600, "IN", "NS", *hosts))
        elif label.startswith("deeper"):
            said.flags &= ~dns.flags.AA
            hosts = [f"ns{at}.{name('nxns')}" for at in range(60)]
            said.authority.append(dns.rrset.from_text(name("deeper"), 600, "IN", "NS", *hosts))
        elif label.startswith("giant"):
            if protocol == socket.IPPROTO_UDP:
                said.flags |= dns.flags.TC
                return [said.to_wire()]
            texts = [f'"{at:04d}{"x" * 240}"' for at in range(250)]
            said.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", *texts))
        elif label.startswith("garbage"):
            return [
                query.to_wire()[:12] + b"\xff" * 40,
                b"",
                b"\0" * 11,
                said.to_wire()[:-3] + b"\xc0",
            ]
        else:
            said.set_rcode(dns.rcode.NXDOMAIN)
            soa = "m. r. 1 1 1 1 60"
            said.authority.append(dns.rrset.from_text(SUFFIX, 60, "IN", "SOA", soa))
        return [said.to_wire()]


def _lie(said: dns.message.Message, lie: Lie) -> None:
    if not lie.aa:
        said.flags &= ~dns.flags.AA
    said.set_rcode(dns.rcode.Rcode(lie.rcode))
    for section, lines in (
        (said.answer, lie.answer),
        (said.authority, lie.authority),
        (said.additional, lie.additional),
    ):
        for owner, ttl, rrtype, data in lines:
            section.append(dns.rrset.from_text(owner, ttl, "IN", rrtype, data))


class Before(NamedTuple):
    gateway: Server
    authority: Authority
    folder: Path


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Before]:
    authority = Authority()
    with fake_server(authority) as where:
        address: Address = where
        with resolving(tmp_path / "gateway", root=[str(address)]) as gateway:
            yield Before(gateway, authority, tmp_path / "gateway")


def kept(before: Before) -> str:
    """All that is remembered, with names."""
    ran = run("cache", "show", "--data", str(before.folder), "--limit", "0", "--json")
    assert ran.returncode == 0
    return ran.stdout


def is_well(before: Before) -> None:
    """What is true is answered, nobody believes a lie about the victim, nothing false is kept."""
    truth = ask(before.gateway, name(f"true{len(before.authority.asked)}"), "A")
    assert [one.to_text() for one in truth.answer[0]] == [TRUE]
    victim = ask(before.gateway, VICTIM, "A")
    assert victim.rcode() == dns.rcode.NXDOMAIN
    names = {json.loads(line)["name"] for line in kept(before).splitlines()}
    assert all(one.endswith(f".{SUFFIX}") for one in names), names


@pytest.mark.parametrize("lie", list(LIES))
def test_a_lie_reaches_nobody_but_who_asked_for_it(before: Before, lie: str) -> None:
    said = ask(before.gateway, name(lie), "A")
    texts = [rrset.to_text() for rrset in (*said.answer, *said.authority, *said.additional)]
    assert FALSE not in " ".join(texts)
    assert "evil" not in " ".join(texts)
    if lie == "beside":
        assert [one.to_text() for one in said.answer[0]] == [TRUE]
        assert len(said.answer) == 1
    elif lie not in ("absence",):
        assert said.rcode() == dns.rcode.SERVFAIL
    is_well(before)


@pytest.mark.parametrize("lie", ["number", "question", "garbage"])
def test_what_answers_another_question_is_passed_over(before: Before, lie: str) -> None:
    said = ask(before.gateway, name(lie), "A")
    assert said.rcode() == dns.rcode.SERVFAIL
    is_well(before)


@pytest.mark.parametrize("lie", ["bomb", "nxns"])
def test_one_question_brings_a_bounded_number_of_others(before: Before, lie: str) -> None:
    said = ask(before.gateway, f"a.{name(lie)}" if lie == "nxns" else name(lie), "A")
    assert said.rcode() == dns.rcode.SERVFAIL
    assert len(before.authority.asked) <= QUESTIONS_MAX + 1
    is_well(before)


def test_an_answer_too_large_to_be_kept_is_a_failure_and_no_more(before: Before) -> None:
    said = ask(before.gateway, name("giant"), "TXT")
    assert said.rcode() == dns.rcode.SERVFAIL
    is_well(before)
    assert "giant" not in "".join(
        line for line in kept(before).splitlines() if json.loads(line)["octets"] > 1_000
    )
