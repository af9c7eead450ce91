"""Walks from the root: what is asked of whom, and what is believed of what they say.

The servers are tables of zones: what each has is answered as an authoritative server would.
"""

from __future__ import annotations

from collections.abc import Mapping

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from csid.address import Address
from csid.protocol import AAAA, CNAME, CSID, NS, TXT, A
from resolver.walk import MAX_QUESTIONS, Question, Walk, WalkError

ROOT = Address("192.0.2.1", 5300)
SUFFIX = dns.name.from_text("csid.internal.")
NAME = "a.csid.internal."

# By the address asked: lines "section owner TTL type data", with flags and rcode as words.
Net = Mapping[str, Mapping[str, str]]
SOA = "au csid.internal. 60 SOA . . 1 1 1 1 30"


def said(question: Question, text: str) -> dns.message.Message | str:
    """A message with these records; a line `silent` is none."""
    if text == "silent":
        return "no answer in time"
    message = dns.message.make_response(
        dns.message.make_query(question.name, dns.rdatatype.RdataType(question.rrtype))
    )
    sections = {"an": message.answer, "au": message.authority, "ad": message.additional}
    for line in text.splitlines():
        match line.split():
            case ["aa"]:
                message.flags |= dns.flags.AA
            case [rcode]:
                message.set_rcode(dns.rcode.from_text(rcode))
            case [section, owner, ttl, rrtype, *data]:
                sections[section].append(
                    dns.rrset.from_text(owner, int(ttl), "IN", rrtype, " ".join(data))
                )
    return dns.message.from_wire(message.to_wire())


def walk(net: Net, name: str = NAME, rrtype: int = TXT) -> tuple[Walk, list[str]]:
    """Walk through a net; what was asked of whom, a line each."""
    walking = Walk(dns.name.from_text(name), rrtype, [ROOT], SUFFIX)
    asked = []
    while (question := walking.question) is not None:
        rrtext = dns.rdatatype.to_text(dns.rdatatype.RdataType(question.rrtype))
        asked.append(f"{question.server.address} {question.name} {rrtext}")
        table = net[question.server.address.host]
        key = f"{question.name} {rrtext}"
        text = table.get(key, table.get(str(question.name), table.get("*", "REFUSED")))
        walking.receive(said(question, text), 1.0)
    return walking, asked


CUT = "au a.csid.internal. 60 NS ns.a.csid.internal."
GLUE = "ad ns.a.csid.internal. 60 A 192.0.2.2"
GOOD = "aa\nan a.csid.internal. 60 TXT x"


def found(walking: Walk) -> str:
    outcome = walking.outcome
    assert outcome is not None
    data = outcome.rrset[0].to_text() if outcome.rrset is not None else ""
    return f"{outcome.name} {dns.rcode.to_text(dns.rcode.Rcode(outcome.rcode))} {data}".strip()


def test_a_referral_is_followed_by_its_glue() -> None:
    walking, asked = walk({"192.0.2.1": {"*": f"{CUT}\n{GLUE}"}, "192.0.2.2": {"*": GOOD}})
    assert asked == ["192.0.2.1:5300 a.csid.internal. TXT", "192.0.2.2:5300 a.csid.internal. TXT"]
    assert found(walking) == 'a.csid.internal. NOERROR "x"'
    assert [step.outcome for step in walking.steps] == ["referral", "answer"]
    assert "referral to a.csid.internal.: ns.a.csid.internal." in walking.steps[0].said


def test_glue_is_believed_only_inside_the_zone_that_gives_it() -> None:
    """A server of b may not say where a server of c is: that is asked of the root."""
    deep = "x.b.csid.internal."
    net = {
        "192.0.2.1": {
            deep: "au b.csid.internal. 60 NS ns.b.csid.internal.\n"
            "ad ns.b.csid.internal. 60 A 192.0.2.2",
            "ns.c.csid.internal.": "aa\nan ns.c.csid.internal. 60 A 192.0.2.4",
        },
        "192.0.2.2": {
            "*": f"au {deep} 60 NS ns.c.csid.internal.\nad ns.c.csid.internal. 60 A 192.0.2.66"
        },
        "192.0.2.4": {"*": f"aa\nan {deep} 60 TXT right"},
    }
    walking, asked = walk(net, deep)
    assert asked[2] == "192.0.2.1:5300 ns.c.csid.internal. A"
    assert found(walking) == f'{deep} NOERROR "right"'
    assert walking.steps[2].depth == 1


@pytest.mark.parametrize(
    "lame",
    [
        "silent",
        "REFUSED",
        "SERVFAIL",
        "FORMERR",
        "au . 60 NS ns.root.\nad ns.root. 60 A 192.0.2.1",  # upwards
        "au a.csid.internal. 60 NS ns.a.csid.internal.",  # to itself
        "au b.csid.internal. 60 NS ns.b.csid.internal.",  # sideways
        "",  # nothing at all
        "an a.csid.internal. 60 TXT cached",  # not its own
        "aa\nNXDOMAIN\nan b.csid.internal. 60 TXT x\nau . 60 NS x.\nau . 60 SOA . . 1 1 1 1 1",
    ],
)
def test_a_server_that_is_lame_is_passed_over(lame: str) -> None:
    net = {
        "192.0.2.1": {
            "*": f"{CUT}\nau a.csid.internal. 60 NS ns2.a.csid.internal.\n{GLUE}\n"
            "ad ns2.a.csid.internal. 60 A 192.0.2.3"
        },
        "192.0.2.2": {"*": lame},
        "192.0.2.3": {"*": GOOD},
    }
    walking, asked = walk(net)
    assert found(walking) == 'a.csid.internal. NOERROR "x"'
    assert [one.split(":")[0] for one in asked] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert walking.steps[1].outcome in ("lame", "no answer")


def test_if_all_are_lame_it_is_said_why() -> None:
    net = {"192.0.2.1": {"*": f"{CUT}\n{GLUE}"}, "192.0.2.2": {"*": "REFUSED"}}
    with pytest.raises(WalkError, match=r"no server of a\.csid\.internal\..*REFUSED"):
        walk(net)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"aa\nNXDOMAIN\n{SOA}", "a.csid.internal. NXDOMAIN"),
        (f"aa\n{SOA}", "a.csid.internal. NOERROR"),
        ("aa\nan a.csid.internal. 60 CNAME b.csid.internal.\nan b.csid.internal. 9 TXT y",
         'b.csid.internal. NOERROR "y"'),
        ("aa\nNXDOMAIN\nan a.csid.internal. 60 CNAME b.csid.internal.\n" + SOA,
         "b.csid.internal. NXDOMAIN"),
    ],
)  # fmt: skip
def test_what_the_root_says_itself(text: str, expected: str) -> None:
    walking, _ = walk({"192.0.2.1": {"*": text}})
    assert found(walking) == expected
    assert walking.outcome is not None
    assert walking.outcome.ttl <= 60


def test_an_alias_into_another_zone_is_asked_of_that_zone() -> None:
    """What a server says of names that are not in its zone is not listened to."""
    net = {
        "192.0.2.1": {
            NAME: f"{CUT}\n{GLUE}",
            "b.csid.internal.": f"aa\nNXDOMAIN\n{SOA}",
        },
        "192.0.2.2": {
            "*": "aa\nan a.csid.internal. 60 CNAME b.csid.internal.\nan b.csid.internal. 9 TXT liar"
        },
    }
    walking, asked = walk(net)
    assert asked[2] == "192.0.2.1:5300 b.csid.internal. TXT"
    assert found(walking) == "b.csid.internal. NXDOMAIN"


def test_a_dname_is_followed() -> None:
    net = {
        "192.0.2.1": {
            "x.old.csid.internal.": "aa\nan old.csid.internal. 60 DNAME new.csid.internal.\n"
            "an x.old.csid.internal. 0 CNAME elsewhere.",
            "x.new.csid.internal.": "aa\nan x.new.csid.internal. 60 TXT x",
        }
    }
    walking, _ = walk(net, "x.old.csid.internal.")
    assert found(walking) == 'x.new.csid.internal. NOERROR "x"'


def test_aliases_in_a_circle_lead_nowhere() -> None:
    other = "b.csid.internal."
    net = {
        "192.0.2.1": {
            NAME: f"{CUT}\n{GLUE}",
            other: f"au {other} 60 NS ns.{other}\nad ns.{other} 60 A 192.0.2.3",
        },
        "192.0.2.2": {"*": f"aa\nan {NAME} 60 CNAME {other}"},
        "192.0.2.3": {"*": f"aa\nan {other} 60 CNAME {NAME}"},
    }
    with pytest.raises(WalkError, match="lead nowhere"):
        walk(net)


def test_name_servers_that_need_each_other_lead_nowhere() -> None:
    net = {
        "192.0.2.1": {
            NAME: "au a.csid.internal. 60 NS ns.b.csid.internal.",
            "ns.b.csid.internal.": "au b.csid.internal. 60 NS ns.a.csid.internal.",
            "ns.a.csid.internal.": "au a.csid.internal. 60 NS ns.b.csid.internal.",
        }
    }
    with pytest.raises(WalkError):
        walk(net)


def test_a_stranger_cannot_have_many_questions_asked() -> None:
    """Delegations to many servers without addresses, each again delegated so (NXNSAttack)."""
    asked = 0
    walking = Walk(dns.name.from_text(NAME), TXT, [ROOT], SUFFIX)
    with pytest.raises(WalkError):
        while (question := walking.question) is not None:
            asked += 1
            hosts = "\n".join(
                f"au {question.name} 60 NS n{asked}x{number}.csid.internal." for number in range(50)
            )
            walking.receive(said(question, hosts))
    assert asked <= MAX_QUESTIONS


def test_endless_referrals_go_down_and_end() -> None:
    name = ".".join("x" * 100) + "."
    walking = Walk(dns.name.from_text(name), TXT, [ROOT], SUFFIX)
    with pytest.raises(WalkError):
        for depth in range(1, 200):
            question = walking.question
            assert question is not None
            cut = dns.name.from_text(name).split(min(depth, 100) + 1)[1]
            walking.receive(
                said(
                    question, f"au {cut} 60 NS ns.{cut}\nad ns.{cut} 60 A 192.0.2.{depth % 250 + 1}"
                )
            )


@pytest.mark.parametrize("is_glue", [True, False])
def test_a_node_is_asked_at_the_port_it_registered(is_glue: bool) -> None:
    host = "zj.nodes.csid.internal."
    srv = f"_sync._tcp.{host} 60 SRV 0 0 6401 {host}"
    net = {
        "192.0.2.1": {
            NAME: f"au {NAME} 60 NS {host}\nad {host} 60 A 192.0.2.2"
            + (f"\nad {srv}" if is_glue else ""),
            f"_sync._tcp.{host}": f"aa\nan {srv}",
        },
        "192.0.2.2": {"*": GOOD},
    }
    _, asked = walk(net)
    assert asked[-1] == "192.0.2.2:6401 a.csid.internal. TXT"
    assert len(asked) == (2 if is_glue else 3)


def test_a_node_without_a_port_is_asked_at_that_of_the_root() -> None:
    host = "zj.nodes.csid.internal."
    net = {
        "192.0.2.1": {
            NAME: f"au {NAME} 60 NS {host}\nad {host} 60 AAAA 2001:db8::2",
            "*": f"aa\nNXDOMAIN\n{SOA}",
        },
        "2001:db8::2": {"*": GOOD},
    }
    _, asked = walk(net)
    assert asked[-1] == "[2001:db8::2]:5300 a.csid.internal. TXT"


def test_types_are_asked_as_given() -> None:
    for rrtype in (CSID, A, AAAA, NS, CNAME):
        walking = Walk(dns.name.from_text(NAME), rrtype, [ROOT], SUFFIX)
        assert walking.question is not None
        assert walking.question.rrtype == rrtype
