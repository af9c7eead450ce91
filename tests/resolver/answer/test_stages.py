"""The seams of the answer path: stages, sources that answer later, and data that is damaged."""

from __future__ import annotations

import random

import dns.flags
import dns.rcode
import pytest

from csid import names
from csid.protocol import NOERROR, REFUSED, A
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.reply import Reply
from resolver.answer.resolve import TreeSource
from resolver.answer.source import Source, Stages
from resolver.store import node
from tests.support.answering import TREE, ZONES, answer, has, options, status, tree_of
from tests.support.packets import NOW, PEER, message, opt, option, parsed, query, question

OPT_WRITER = OptWriter(bytes(16))
EDE = 15
WWW = question("www.example.", "A")


@pytest.mark.parametrize(
    ("packet", "rcode"),
    [
        (message(WWW, flags=0x7800, additional=(opt(),)), "NOTIMP"),
        (message(WWW, flags=0x2800, counts=(1, 1, 1, 1), tail=opt() * 0 + opt()), "NOTIMP"),
        (query("www.example.", "A", opt(option(10, bytes(9)))), "FORMERR"),
        (message(additional=(opt(),)), "FORMERR"),
        (message(WWW, WWW, additional=(opt(),)), "FORMERR"),
        (message(WWW, additional=(opt(),), tail=b"\0"), "FORMERR"),
        (query("www.example.", "A", opt(), opt()), "FORMERR"),
        (query("www.example.", "A", opt(version=1)), "BADVERS"),
        (query("www.example.", 254, opt()), "NOTIMP"),
    ],
)
def test_whoever_sends_an_opt_record_gets_one_even_with_an_error(packet: bytes, rcode: str) -> None:
    """RFC 6891 section 6.1.1."""
    reply = answer(packet)
    if rcode == "NOTIMP" and packet[2] == 0x28:
        return  # its sections cannot be read, so there is no OPT record to answer
    assert status(reply) == rcode
    assert reply.edns == 0
    assert reply.opcode() == packet[2] >> 3 & 15


def test_class_any_gets_the_data_and_nobodys_authority() -> None:
    reply = answer(message(question("www.example.", "A", 255)))
    assert status(reply) == "NOERROR"
    assert not has(reply, dns.flags.AA)
    assert [one[0].address for one in reply.answer] == ["192.0.2.80"]


def asked(answerer: Answerer, source: Source, name: str = "www.example.") -> bytes | None:
    return answerer.answer(query(name, "A", opt()), source, NOW, PEER, False)


def test_admit_refuses_before_a_source_is_asked() -> None:
    class Unasked(Source):
        def resolve(self, reply: Reply) -> bool:
            raise AssertionError("asked")

    seen = []

    def refuse(reply: Reply) -> None:
        seen.append((reply.key, reply.qtype, reply.address))
        reply.rcode = REFUSED

    packet = asked(Answerer(OPT_WRITER, Stages(admit=(refuse,))), Unasked())
    assert packet is not None
    assert status(parsed(packet)) == "REFUSED"
    assert seen == [(names.key_of(names.from_text("www.example.")), A, PEER)]


def test_shape_sees_the_final_name_and_observe_what_was_sent() -> None:
    shaped, observed = [], []
    stages = Stages(
        shape=(lambda reply: shaped.append(names.to_text(reply.name)),),
        observe=(lambda reply: observed.append(reply.rcode),),
    )
    answerer = Answerer(OPT_WRITER, stages)
    assert asked(answerer, TREE.source(), "toalias.example.") is not None
    assert asked(answerer, TREE.source(), "gone.example.") is not None
    assert shaped == ["www.example.", "gone.example."]
    assert observed == [0, 3]


def test_shape_sees_nothing_that_no_source_has_filled() -> None:
    """Neither what `admit` refused nor what failed."""

    class Broken(Source):
        def resolve(self, reply: Reply) -> bool:
            raise LookupError("no such page")

    def refuse(reply: Reply) -> None:
        reply.rcode = REFUSED

    shaped: list[Reply] = []
    for admit, source, rcode in (((refuse,), TREE.source(), "REFUSED"), ((), Broken(), "SERVFAIL")):
        packet = asked(Answerer(OPT_WRITER, Stages(admit=admit, shape=(shaped.append,))), source)
        assert packet is not None
        assert status(parsed(packet)) == rcode
    assert not shaped


@pytest.mark.parametrize("stage", ["admit", "shape"])
def test_a_plugin_that_fails_costs_the_query_it_failed_at(stage: str) -> None:
    def fail(reply: Reply) -> None:
        raise KeyError("plugin")

    told: list[str] = []
    stages = Stages(admit=(fail,)) if stage == "admit" else Stages(shape=(fail,))
    packet = asked(Answerer(OPT_WRITER, stages, told.append), TREE.source())
    assert packet is not None
    reply = parsed(packet)
    assert (status(reply), reply.answer) == ("SERVFAIL", [])
    assert "plugin" in told[0]


def test_shape_may_take_an_answer_back() -> None:
    def hide(reply: Reply) -> None:
        reply.clear()
        reply.rcode = REFUSED

    packet = asked(Answerer(OPT_WRITER, Stages(shape=(hide,))), TREE.source())
    assert packet is not None
    reply = parsed(packet)
    assert (status(reply), reply.answer, reply.authority) == ("REFUSED", [], [])


def test_a_pending_answer_is_finished_later_with_its_age() -> None:
    """A source may take a question over, as a cache does with what it has to ask for."""

    class Later(Source):
        def __init__(self) -> None:
            self.taken: list[Reply] = []

        def resolve(self, reply: Reply) -> bool:
            self.taken.append(reply)
            return False

    source = Later()
    answerer = Answerer(OPT_WRITER)
    assert asked(answerer, source) is None
    (reply,) = source.taken
    assert TREE.source().resolve(reply)
    reply.age = 100
    late = parsed(answerer.finish(reply, NOW))
    assert (late.answer[0].ttl, late.authority[0].ttl) == (200, 200)


def test_an_answer_that_fails_is_servfail_and_told_once_a_second() -> None:
    class Broken(Source):
        def resolve(self, reply: Reply) -> bool:
            reply.answer, reply.answer_number, reply.aa = b"half", 1, True
            raise LookupError("no such page")

    told: list[str] = []
    answerer = Answerer(OPT_WRITER, tell=told.append)
    for now in (NOW, NOW, NOW + 1):
        packet = answerer.answer(query("www.example.", "A", opt()), Broken(), now, PEER, False)
        assert packet is not None
        reply = parsed(packet)
        assert (status(reply), reply.answer) == ("SERVFAIL", [])
        assert not has(reply, dns.flags.AA)
        assert options(reply)[EDE][:2] == b"\0\x18"  # invalid data (RFC 8914 section 4.25)
    assert len(told) == 2
    assert "www.example." in told[0]
    assert "no such page" in told[0]


def damaged(blob: bytes, rng: random.Random) -> bytes:
    """A node as a failing disk may give it back."""
    match rng.randrange(5):
        case 0:
            return blob[: rng.randrange(len(blob))]
        case 1:
            return rng.randbytes(rng.randrange(40))
        case 2:
            at = rng.randrange(len(blob))
            return blob[:at] + rng.randbytes(1) + blob[at + 1 :]
        case 3:
            return blob + rng.randbytes(rng.randrange(1, 9))
    at = rng.randrange(len(blob))
    return blob[:at] + rng.randbytes(8) + blob[at + 8 :]


def test_a_damaged_node_costs_its_names_and_never_the_worker() -> None:
    """Every answer is a message, and names elsewhere are answered as before."""
    rng = random.Random(6)
    tree = tree_of(ZONES)
    answerer = Answerer(OPT_WRITER)
    named = ["www", "mail", "x.wild", "alias", "x.dn", "host.sub", "gone", "a.ent", "ns1", "odd"]
    packets = {
        (name, qtype): query(f"{name}.example." if name else "example.", qtype, opt())
        for name in [*named, ""]
        for qtype in ("A", "MX", "NS", "ANY")
    }
    whole = {one: answerer.answer(p, tree.source(), NOW, PEER, False) for one, p in packets.items()}
    failed = 0
    for key in sorted(tree.tree):
        if len(tree.tree[key]) <= len(node.EMPTY):
            continue
        for _ in range(20):
            kept, tree.tree[key] = tree.tree[key], damaged(tree.tree[key], rng)
            source = TreeSource(tree.snapshot())
            for packet in packets.values():
                for stream in (False, True):
                    reply = answerer.answer(packet, source, NOW, PEER, stream)
                    assert reply is not None
                    assert reply[:2] == packet[:2]
                    failed += reply[3] & 15 == dns.rcode.SERVFAIL
            tree.tree[key] = kept
    assert failed > 100
    again = {one: answerer.answer(p, tree.source(), NOW, PEER, False) for one, p in packets.items()}
    assert again == whole


@pytest.mark.parametrize("blob", [b"", b"\0", b"\0\0\0\1\0\1\xff\xff\0\0\0\0", b"\0\0\0\1\0\1\0"])
def test_a_node_that_is_too_short_for_its_lengths_is_servfail(blob: bytes) -> None:
    tree = tree_of(ZONES)
    key = (1).to_bytes(8, "big") + names.key_of(names.from_text("www."))
    assert key in tree.tree
    tree.tree[key] = blob
    packet = asked(Answerer(OPT_WRITER), tree.source())
    assert packet is not None
    assert status(parsed(packet)) == "SERVFAIL"
    other = asked(Answerer(OPT_WRITER), tree.source(), "mx.example.")
    assert other is not None
    assert parsed(other).rcode() == NOERROR
