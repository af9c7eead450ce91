"""Scenarios as text, played to a table of questions: servers are tables, the clock is turned.

    TOP zone address ...            the servers of a zone, as configured (FORWARD: as resolvers)
    SERVER address                  what a server says from now on; below it, indented:
      name type: line | line ...    to a question; * stands for any name or type; lines as below
    TIME seconds                    time passes
    QUERY name type                 a caller asks
    ANSWER name type: rcode [ttl N] [ede N] [data; data]    what a caller has got since
    NOTHING                         no caller has got anything since
    ASKED address name type, ...    what was asked since, in order; * for a server: whichever
    ASKED nothing

Lines of an answer: `aa`, an rcode, `silent`, `tc`, `small` (over UDP the question comes back in
small letters), or a record as `section owner ttl type data`.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any, ClassVar

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from csid import names
from csid.address import Address
from resolver.answer.edns import OptWriter
from resolver.answer.encode import Encoder
from resolver.answer.parse import parse
from resolver.cache import entry as entries
from resolver.recursion.cuts import Cut
from resolver.recursion.table import begin

BEGAN = 1_800_000_000
Rules = dict[tuple[str, str], list[str]]


class Playing:
    """One scenario.

    Args:
        text: of it.
    """

    def __init__(self, text: str) -> None:
        self._lines = [line for line in text.splitlines() if line.split("#")[0].strip()]
        self._now = 100.0
        self._cache: dict[bytes, bytes] = {}
        self._servers: dict[str, Rules] = {}
        self._asked: list[str] = []
        self._got: list[str] = []
        tops = [self._top(line.split()) for line in self._lines if line.split()[0] in _TOPS]
        numbers = random.Random(7)
        self._table, self._session = begin(tops, numbers.randbytes, self._cache.get)

    @staticmethod
    def _top(words: list[str]) -> Cut:
        addresses = tuple(Address(one, 53) for one in words[2:])
        return Cut(
            names.from_text(words[1]),
            (),
            addresses,
            forwards=words[0] == "FORWARD",
            nodes=names.from_text("nodes.example."),
        )

    def play(self) -> None:
        """Play it; an AssertionError tells the line that is not so."""
        rules: Rules = {}
        for line in self._lines:
            said = line.split("#")[0].rstrip()
            if said[0].isspace():
                key, _, answer = said.strip().partition(": ")
                name, rrtype = key.split()
                rules[name, rrtype] = [one.strip() for one in answer.split("|")]
                continue
            verb, _, rest = said.partition(" ")
            if verb == "SERVER":
                rules = self._servers[rest.strip()] = {}
            elif verb not in _TOPS:
                self._VERBS[verb](self, rest.strip(), said)

    # -- verbs

    def _time(self, rest: str, _: str) -> None:
        until = self._now + float(rest)
        while (due := self._table.deadline()) is not None and due <= until:
            self._now = max(self._now, due)
            self._go_on()
        self._now = until
        self._go_on()

    def _query(self, rest: str, _: str) -> None:
        name, rrtype = rest.split()
        number = dns.rdatatype.from_text(rrtype)
        wire = names.from_text(name)
        key = names.key_of(wire) + number.to_bytes(2, "big")
        kept = self._cache.get(key)
        if kept is not None and entries.expires(kept) > self._unix:
            self._give((name, rrtype), kept)
            return
        self._table.ask(wire, number, (name, rrtype), self._now, self._unix)
        self._go_on()

    def _answer(self, rest: str, line: str) -> None:
        assert self._got, f"{line}: nobody got anything"
        got = self._got.pop(0)
        assert got == " ".join(rest.split()), f"{line}: got {got}"

    def _nothing(self, _: str, line: str) -> None:
        assert not self._got, f"{line}: {self._got}"

    def _asked_by_now(self, rest: str, line: str) -> None:
        wanted = [] if rest == "nothing" else [one.strip() for one in rest.split(",")]
        found, self._asked = self._asked, []
        shown = [
            re.sub(r"^\S+", "*", one) if two.startswith("*") else one
            for one, two in zip(found, wanted, strict=False)
        ] + found[len(wanted) :]
        assert shown == wanted, f"{line}: asked {', '.join(found)}"

    _VERBS: ClassVar = {
        "TIME": _time,
        "QUERY": _query,
        "ANSWER": _answer,
        "NOTHING": _nothing,
        "ASKED": _asked_by_now,
    }

    # -- the world

    @property
    def _unix(self) -> int:
        return BEGAN + int(self._now)

    def _go_on(self) -> None:
        while True:
            self._table.go_on(self._now, self._unix)
            for tag, entry in self._table.answered:
                self._give(tag, entry)
            self._table.answered.clear()
            self._cache.update(self._table.entries)
            self._table.entries.clear()
            outgoing = self._session.outgoing()
            if not outgoing:
                return
            for channel, datagrams in outgoing:
                for octets in datagrams:
                    framed = octets[2:] if channel.is_stream else octets
                    message = self._said(channel.server.address, framed, channel.is_stream)
                    if message is not None:
                        length = len(message).to_bytes(2, "big") if channel.is_stream else b""
                        self._session.receive(channel, length + message, self._now)

    def _said(self, server: Address, octets: bytes, is_stream: bool) -> bytes | None:
        """What a server answers."""
        query = dns.message.from_wire(octets)
        (question,) = query.question
        name = question.name.to_text().lower()
        rrtype = dns.rdatatype.to_text(question.rdtype)
        where = server.host if server.port == 53 else str(server)
        self._asked.append(f"{where} {name} {rrtype}{' tcp' if is_stream else ''}")
        rules = self._servers.get(where, {})
        for key in ((name, rrtype), (name, "*"), ("*", rrtype), ("*", "*")):
            if key in rules:
                return message_of(query, rules[key], is_stream)
        return message_of(query, ["REFUSED"], is_stream) if rules else None

    def _give(self, tag: Any, entry: bytes) -> None:
        name, rrtype = tag
        query = dns.message.make_query(name, rrtype, use_edns=0)
        reply = parse(query.to_wire(), b"\x7f\0\0\1", True)
        assert reply is not None
        entries.fill(reply, entry, self._unix)
        ede = reply.ede
        message = dns.message.from_wire(
            Encoder(OptWriter(bytes(16))).encode(reply, self._unix), one_rr_per_rrset=True
        )
        words = [f"{name} {rrtype}: {dns.rcode.to_text(message.rcode())}"]
        rrsets = message.answer or message.authority
        if rrsets:
            (ttl,) = {rrset.ttl for rrset in rrsets}
            words.append(f"ttl {ttl}")
        if ede >= 0:
            words.append(f"ede {ede}")
        if message.answer:
            words.append("; ".join(rrset[0].to_text() for rrset in message.answer))
        self._got.append(" ".join(words))


_TOPS = ("TOP", "FORWARD")


def message_of(query: dns.message.Message, lines: list[str], is_stream: bool) -> bytes | None:
    """The message that lines stand for; None for silence."""
    message = dns.message.make_response(query)
    message.answer = []
    sections = {"an": message.answer, "au": message.authority, "ad": message.additional}
    for line in lines:
        match line.split():
            case ["silent"]:
                return None
            case ["aa"]:
                message.flags |= dns.flags.AA
            case ["small"]:
                if not is_stream:
                    (question,) = message.question
                    question.name = dns.name.from_text(question.name.to_text().lower())
            case ["tc"]:
                if not is_stream:
                    message.flags |= dns.flags.TC
                    break
            case [rcode]:
                message.set_rcode(dns.rcode.from_text(rcode))
            case [section, owner, ttl, rrtype, *data]:
                sections[section].append(
                    dns.rrset.from_text(owner, int(ttl), "IN", rrtype, " ".join(data))
                )
    return message.to_wire()


def scenarios() -> list[Path]:
    """All that there are."""
    return sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
