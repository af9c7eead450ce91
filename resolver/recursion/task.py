"""One question under way, and the steps it takes; what it asks and waits for, others carry out.

The way is that of RFC 1034 section 5.3.3: from the deepest delegation that is known, down by
referrals. No server is told more of a name than it needs to know (RFC 9156): it is asked for one
label below its zone, then for one more. What a server says is read by `reading.py`; one that says
nothing of use is passed over for the next. How much may be asked for one question of a caller is
bounded, whatever servers say (NXNSAttack; RFC 9520 section 3.2).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Generator
from typing import Final, NamedTuple

from csid.address import Address
from csid.client.session import Question as Asked
from csid.client.wire import MessageError
from csid.limits import MAX_CHAIN, MAX_TTL
from csid.names import is_at_or_below, to_text
from csid.protocol import AAAA, NOERROR, NXDOMAIN, SRV, A
from resolver.cache.entry import NOTHING, Section
from resolver.recursion.between import Between
from resolver.recursion.cuts import Cut, Cuts
from resolver.recursion.reading import (
    ALIAS,
    LAME,
    MAX_SERVERS,
    NO_NAME,
    REFERRAL,
    SERVICE,
    Host,
    Said,
    read,
)

QUESTIONS_MAX: Final = 100  # of one question of a caller, those for addresses of servers included
DEPTH_MAX: Final = 6  # name servers whose names are looked up to look up name servers ...
GLUELESS_MAX: Final = 4  # name servers of one delegation whose addresses are looked up
MINIMISED_MAX: Final = 10  # labels that are asked for one at a time (RFC 9156 section 2.3)
FRESH_SECONDS: Final = 5.0  # a delegation learned since then need not be learned again


class Failure(Exception):
    """Nobody says what is there; why, in words."""


class Lame(Failure):
    """Servers answer, and say nothing of use."""


class Ask(NamedTuple):
    """A question to be put to some servers, one after the other."""

    servers: tuple[Address, ...]
    name: bytes
    rrtype: int
    is_recursive: bool


class Need(NamedTuple):
    """What has to be found out first."""

    name: bytes
    rrtype: int


class Found(NamedTuple):
    """What is known at the end.

    Attributes:
        rcode: NOERROR or NXDOMAIN.
        ttl: seconds that it holds.
        answer, authority: ready records.
        data: of the records that were asked for.
    """

    rcode: int
    ttl: int
    answer: Section = NOTHING
    authority: Section = NOTHING
    data: tuple[bytes, ...] = ()


# Is told what was asked, what that says (None: nobody answered), the zone whose servers were asked,
# their names by address, the name and type, and how deep below the caller's question that was.
Note = Callable[[Asked, Said | None, bytes, dict[Address, bytes], bytes, int, int], None]
Steps = Generator[Ask | Need, Asked | Found | Failure, Found]
_Saying = Generator[Ask | Need, Asked | Found | Failure, Said]
_Finding = Generator[Ask | Need, Asked | Found | Failure, tuple[Address, ...]]


class Task:
    """One question.

    Args:
        name: wire form, lower case.
        cuts: what is known of who serves what.
        between: what is known of names above others.
        clock: the time of the step that is taken.
        above: the task that needs this one.
        minimises: no server is told more of a name than it needs to know.
        note: is told of each question that was put.

    Attributes:
        budget: how much may still be asked; shared with tasks that are needed for this one.
        waits_for: what it needs, while it does.
        steps: to be driven.
    """

    def __init__(
        self,
        name: bytes,
        rrtype: int,
        cuts: Cuts,
        between: Between,
        clock: Callable[[], float],
        above: Task | None = None,
        minimises: bool = True,
        note: Note | None = None,
    ) -> None:
        self.name = name
        self.rrtype = rrtype
        self.tags: list[object] = []  # callers that wait for it
        self.needed_by: list[Task] = []
        self.waits_for: Task | None = None
        self.depth: int = 0 if above is None else above.depth + 1
        self.budget: list[int] = [QUESTIONS_MAX] if above is None else above.budget
        self._cuts = cuts
        self._between = between
        self._clock = clock
        self._minimises = minimises
        self._note = note
        self.steps: Steps = self._find()

    # -- one name

    def _find(self) -> Steps:
        """Find what is at the name, and behind its aliases."""
        name, ttl = self.name, MAX_TTL
        seen = {name}
        records: list[bytes] = []
        number = 0
        while True:
            said = yield from self._descend(name)
            records.append(said.answer)
            number += said.number
            ttl = min(ttl, said.ttl)
            if said.outcome != ALIAS:
                break
            name = said.name
            if name in seen or len(seen) > MAX_CHAIN:
                raise Failure(f"{to_text(name)}: aliases that lead nowhere")
            seen.add(name)
        return Found(
            NXDOMAIN if said.outcome == NO_NAME else NOERROR,
            ttl,
            Section(b"".join(records), number),
            Section(said.soa, 1) if said.soa else NOTHING,
            said.data,
        )

    def _descend(self, name: bytes) -> _Saying:
        """From the deepest cut that is known to who says what is at a name."""
        gone = self._between.gone_above(name, self._clock())
        if gone is not None:
            return Said(NO_NAME, name, soa=gone.soa, ttl=int(gone.expires - self._clock()))
        while True:
            cut = self._cuts.deepest(name, self._clock())
            if cut is None:
                raise Failure(f"{to_text(name)} lies below no zone that is configured")
            try:
                return (yield from self._ask_down(cut, name))
            except Failure:
                # Its parent may know better by now: other servers, or that it is gone.
                if not cut.expires or self._clock() - cut.learned < FRESH_SECONDS:
                    raise
                self._cuts.forget(cut.name)

    def _ask_down(self, cut: Cut, name: bytes) -> _Saying:
        asked = _shortened(name, self._between.there_below(name, cut.name, self._clock()))
        minimised = 0
        while True:
            if cut.forwards or not self._minimises or minimised >= MINIMISED_MAX:
                asked = name
            try:
                said = yield from self._ask(cut, asked, self.rrtype if asked == name else A)
            except Lame:
                if asked == name:
                    raise
                minimised = MINIMISED_MAX  # some servers know names of records alone
                continue
            if said.outcome == REFERRAL:
                cut = self._cuts.learn(said.name, said.hosts, said.ttl, cut, self._clock())
                asked = _shortened(name, cut.name)
            elif asked == name:
                return said
            elif said.outcome == NO_NAME:
                self._between.note_gone(asked, said.ttl, said.soa, self._clock())
                return said  # below a name that is not there is nothing (RFC 8020)
            else:
                self._between.note_there(asked, said.ttl, self._clock())
                asked = _shortened(name, asked)
            minimised += 1

    def _ask(self, cut: Cut, name: bytes, rrtype: int) -> _Saying:
        """Ask the servers of a cut until one says something."""
        servers = list(cut.addresses)
        named: dict[Address, bytes] = {}
        later: list[Host] = []
        for host in cut.hosts:
            if host.addresses and (host.port is not None or not _is_node(host.name, cut.nodes)):
                found = _at(host, host.addresses, cut.port)
                servers += found
                if self._note is not None:
                    named.update(dict.fromkeys(found, host.name))
            else:
                later.append(host)
        tried: set[Address] = set()
        last = "its servers have no addresses"
        kind: type[Failure] = Failure
        looked_up = 0
        while True:
            servers = [one for one in dict.fromkeys(servers) if one not in tried][:MAX_SERVERS]
            if not servers:
                if not later or looked_up >= GLUELESS_MAX:
                    raise kind(f"no server of {to_text(cut.name)} says: {last}")
                looked_up += 1
                host = later.pop(0)
                try:
                    servers = list((yield from self._addresses(host, cut)))
                    named.update(dict.fromkeys(servers, host.name))
                except Failure as error:
                    last = str(error)
                continue
            outcome = yield self._within_budget(Ask(tuple(servers), name, rrtype, cut.forwards))
            assert isinstance(outcome, Asked)
            self.budget[0] -= outcome.attempts - 1
            if outcome.message is None:
                if self._note is not None:
                    self._note(outcome, None, cut.name, named, name, rrtype, self.depth)
                tried.update(servers)
                last = str(outcome.error)
                continue
            kind = Lame
            assert outcome.channel is not None
            server = outcome.channel.server.address
            tried.add(server)
            tried.update(one.address for one in outcome.refused or ())
            why = ""
            try:
                said = read(outcome.message, name, rrtype, cut.name, self.name, cut.forwards)
            except MessageError as fault:
                why = str(fault)
                said = Said(LAME, name, rcode=outcome.message.rcode)
            if self._note is not None:
                self._note(outcome, said, cut.name, named, name, rrtype, self.depth)
            if said.outcome != LAME:
                return said
            why = why or f"does not serve {to_text(cut.name)} (response code {said.rcode})"
            last = f"{server}: {why}"

    def _within_budget(self, ask: Ask) -> Ask:
        if self.budget[0] <= 0:
            raise Failure(f"more than {QUESTIONS_MAX} questions lead nowhere")
        self.budget[0] -= 1
        return ask

    # -- name servers

    def _addresses(self, host: Host, cut: Cut) -> _Finding:
        """The addresses of a name server that a delegation does not give, with its port."""
        addresses = host.addresses
        if not addresses:
            for rrtype in (A, AAAA):
                found = yield from self._need(host.name, rrtype)
                addresses = found.data[:MAX_SERVERS]
                if addresses or found.rcode != NOERROR:
                    break
        if not addresses:
            raise Failure(f"the name server {to_text(host.name)} has no address")
        port = host.port
        if port is None and _is_node(host.name, cut.nodes):
            port = yield from self._registered_port(host.name, cut.port)
        return _at(host._replace(port=port), addresses, cut.port)

    def _registered_port(
        self, name: bytes, otherwise: int
    ) -> Generator[Ask | Need, Asked | Found | Failure, int]:
        """The port at which a node of the network is asked; DNS has none in referrals."""
        try:
            found = yield from self._need(SERVICE + name, SRV)
        except Failure:
            return otherwise
        ports = [int.from_bytes(one[4:6], "big") for one in found.data if len(one) > 6]
        return ports[0] if ports else otherwise

    def _need(
        self, name: bytes, rrtype: int
    ) -> Generator[Ask | Need, Asked | Found | Failure, Found]:
        if self.depth >= DEPTH_MAX:
            raise Failure(f"{to_text(name)}: too many name servers are needed to find one")
        outcome = yield Need(name, rrtype)
        if isinstance(outcome, Failure):
            raise outcome
        assert isinstance(outcome, Found)
        return outcome


def _is_node(name: bytes, nodes: bytes) -> bool:
    return bool(nodes) and name != nodes and is_at_or_below(name, nodes)


def _at(host: Host, addresses: tuple[bytes, ...], otherwise: int) -> tuple[Address, ...]:
    port = otherwise if host.port is None else host.port
    return tuple(
        [Address(str(ipaddress.ip_address(one)), port) for one in addresses if len(one) in (4, 16)]
    )


def _shortened(name: bytes, above: bytes) -> bytes:
    """The name one label below one that is above a name; that name itself once it is no deeper."""
    excess = len(name) - len(above)
    at = begin = 0
    while at < excess:
        begin = at
        at += 1 + name[at]
    return name[begin:] if excess else name
