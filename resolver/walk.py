"""From the root to the servers that know a name, by referrals (RFC 1034 section 5.3.3).

No socket and no clock: a walk says which server is to be asked what, and is given what came back.
A server is believed only below the cut it was asked for: referrals go strictly down, addresses of
name servers are taken from a referral only if they lie in the zone that gives it, and aliases that
lead out of it are walked anew. Servers that fail, refuse or refer upwards are passed over for the
next one; how much is asked in all is bounded, whatever servers say (RFC 9520, NXNSAttack).

DNS has no ports in referrals: servers are asked at the port of the root, nodes of the network
(NAME.nodes.SUFFIX) at the one that SRV records at `_sync._tcp` of their name give.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Final, NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from csid.address import Address
from csid.errors import CsidError
from csid.limits import MAX_CHAIN
from csid.protocol import AAAA, CNAME, DNAME, NS, SOA, SRV, A

MAX_QUESTIONS: Final = 100  # of one walk, those for addresses of name servers included
MAX_DEPTH: Final = 6  # name servers whose names are looked up to look up name servers ...
MAX_SERVERS: Final = 13  # of one delegation; and of those, addresses
NODES: Final = "nodes"  # the label below which nodes of the network have their names
_SERVICE: Final = dns.name.from_text("_sync._tcp", None)

# What a server said.
REFERRAL: Final = "referral"
ANSWER: Final = "answer"
ALIAS: Final = "alias"
NO_NAME: Final = "NXDOMAIN"
NO_DATA: Final = "no data"
LAME: Final = "lame"
SILENT: Final = "no answer"


class WalkError(CsidError):
    """The walk leads nowhere."""


class _Spent(WalkError):
    """All has been asked that one walk may ask."""


class Server(NamedTuple):
    """A server to be asked."""

    name: dns.name.Name | None  # None for the root as it was given
    address: Address

    def __str__(self) -> str:
        return f"{self.name} ({self.address})" if self.name is not None else str(self.address)


class Question(NamedTuple):
    """What is to be asked of whom, without recursion (RD clear)."""

    server: Server
    name: dns.name.Name
    rrtype: int


class Step(NamedTuple):
    """A question with what came of it."""

    question: Question
    depth: int  # 0 for the name walked to, more for addresses of name servers
    milliseconds: float
    outcome: str
    said: str  # in words


class Outcome(NamedTuple):
    """What the walk found."""

    name: dns.name.Name  # the last of the aliases
    rcode: int  # NOERROR without records: the name has none of the type
    rrset: dns.rrset.RRset | None
    ttl: int  # seconds all of it may be remembered
    server: Server  # who said so


class _Said(NamedTuple):
    """A message as read."""

    outcome: str
    text: str
    name: dns.name.Name  # of an alias its target, of a referral the cut
    rrset: dns.rrset.RRset | None = None
    ttl: int = 0
    hosts: tuple[dns.name.Name, ...] = ()


class _Cut(NamedTuple):
    """A zone with its name servers: addresses where they are known, and names."""

    name: dns.name.Name
    known: tuple[Server, ...]
    hosts: tuple[dns.name.Name, ...] = ()  # whose addresses are still to be found


_Asking = Generator[Question, "dns.message.Message | str", Outcome]


class Walk:
    """One walk. `question` is what to ask next, None at its end; `receive` gives it the answer.

    Args:
        name, rrtype: what is looked for.
        roots: servers to begin at.
        suffix: of the deployment, for the names of nodes.
        port: of servers that are found by referral; None is that of the first root.

    Attributes:
        steps: what was asked so far.
        outcome: once it is at its end.
    """

    def __init__(
        self,
        name: dns.name.Name,
        rrtype: int,
        roots: Sequence[Address],
        suffix: dns.name.Name,
        port: int | None = None,
    ) -> None:
        self.steps: list[Step] = []
        self.outcome: Outcome | None = None
        self.question: Question | None = None
        self._port = roots[0].port if port is None else port
        self._nodes = dns.name.Name((NODES.encode(),)).concatenate(suffix)
        root = _Cut(dns.name.root, tuple(Server(None, one) for one in roots))
        self._cuts = {root.name: root}
        self._ports: dict[dns.name.Name, int] = {}
        self._lost: set[dns.name.Name] = set()  # name servers whose addresses are not to be found
        self._sought: list[tuple[dns.name.Name, int]] = []  # what is being looked for now
        self._milliseconds = 0.0
        self._asking = self._resolve(name, rrtype)
        self._go_on(None)

    def receive(self, message: dns.message.Message | str, milliseconds: float = 0.0) -> None:
        """Go on with the answer to the question, or with why there is none.

        Raises:
            WalkError: no server is left to be asked, or the walk is too long.
        """
        self._milliseconds = milliseconds
        self._go_on(message)

    def _go_on(self, message: dns.message.Message | str | None) -> None:
        self.question = None
        try:
            if message is None:
                self.question = next(self._asking)
            else:
                self.question = self._asking.send(message)
        except StopIteration as end:
            self.outcome = end.value

    # -- one name

    def _resolve(self, name: dns.name.Name, rrtype: int) -> _Asking:
        """Walk to a name, and on to what it is an alias of."""
        if (name, rrtype) in self._sought or len(self._sought) > MAX_DEPTH:
            raise WalkError(f"{name}: to find its address, its address is needed")
        self._sought.append((name, rrtype))
        seen = {name}
        ttl = 2**31 - 1
        try:
            while True:
                said, server = yield from self._descend(name, rrtype)
                ttl = min(ttl, said.ttl)
                if said.outcome != ALIAS:
                    rcode = dns.rcode.NXDOMAIN if said.outcome == NO_NAME else dns.rcode.NOERROR
                    return Outcome(said.name, rcode, said.rrset, ttl, server)
                name = said.name
                if name in seen or len(seen) > MAX_CHAIN:
                    raise WalkError(f"{name}: aliases that lead nowhere")
                seen.add(name)
        finally:
            self._sought.pop()

    def _descend(
        self, name: dns.name.Name, rrtype: int
    ) -> Generator[Question, dns.message.Message | str, tuple[_Said, Server]]:
        """From the deepest cut that is known to who says what is at a name."""
        cut = self._cut_above(name)
        while True:
            said, server = yield from self._ask(cut, name, rrtype)
            if said.outcome != REFERRAL:
                return said, server
            cut = self._cuts[said.name]

    def _cut_above(self, name: dns.name.Name) -> _Cut:
        while name not in self._cuts:
            name = name.parent()
        return self._cuts[name]

    def _ask(
        self, cut: _Cut, name: dns.name.Name, rrtype: int
    ) -> Generator[Question, dns.message.Message | str, tuple[_Said, Server]]:
        """Ask the servers of a cut one after the other until one says something."""
        tried: set[Address] = set()
        waiting = list(cut.hosts)
        servers = list(cut.known)
        last = "its servers have no addresses"
        while True:
            if not servers:
                if not waiting:
                    raise WalkError(f"no server of {cut.name} says what is at {name}: {last}")
                host = waiting.pop(0)
                try:
                    servers = yield from self._addresses(host)
                except _Spent:
                    raise
                except WalkError as error:
                    self._lost.add(host)
                    last = str(error)
                continue
            server = servers.pop(0)
            if server.address in tried:
                continue
            tried.add(server.address)
            server = yield from self._with_port(server)
            said = yield from self._put(Question(server, name, rrtype), cut)
            if said.outcome not in (LAME, SILENT):
                return said, server
            last = f"{server}: {said.text}"

    def _put(
        self, question: Question, cut: _Cut
    ) -> Generator[Question, dns.message.Message | str, _Said]:
        if len(self.steps) >= MAX_QUESTIONS:
            raise _Spent(f"more than {MAX_QUESTIONS} questions lead nowhere")
        message = yield question
        if isinstance(message, str):
            said = _Said(SILENT, message, question.name)
        else:
            said = read(message, question.name, question.rrtype, cut.name)
            if said.outcome == REFERRAL:
                self._note(message, said, cut)
        depth = len(self._sought) - 1
        self.steps.append(Step(question, depth, self._milliseconds, said.outcome, said.text))
        return said

    # -- name servers

    def _note(self, message: dns.message.Message, said: _Said, cut: _Cut) -> None:
        """Keep a cut that a referral tells of, with the addresses that may be believed."""
        known: list[Server] = []
        glueless = []
        for host in said.hosts[:MAX_SERVERS]:
            found = []
            if host.is_subdomain(cut.name):
                for rrset in message.additional:
                    if rrset.name == host and rrset.rdtype in (A, AAAA):
                        found += [self._server(host, rdata.address) for rdata in rrset]
                    elif rrset.rdtype == SRV and rrset.name == _service(host):
                        self._ports[host] = rrset[0].port
            known += found
            if not found:
                glueless.append(host)
        self._cuts[said.name] = _Cut(said.name, tuple(known[:MAX_SERVERS]), tuple(glueless))

    def _server(self, host: dns.name.Name, address: str) -> Server:
        return Server(host, Address(address, self._port))

    def _addresses(
        self, host: dns.name.Name
    ) -> Generator[Question, dns.message.Message | str, list[Server]]:
        """The addresses of a name server, walked to from the root."""
        if host in self._lost:
            raise WalkError(f"the address of the name server {host} is not to be found")
        found: list[Server] = []
        for rrtype in (A, AAAA):
            outcome = yield from self._resolve(host, rrtype)
            if outcome.rrset is not None:
                found += [self._server(host, rdata.address) for rdata in outcome.rrset]
            if found or outcome.rcode != dns.rcode.NOERROR:
                break
        if not found:
            raise WalkError(f"the name server {host} has no address")
        return found[:MAX_SERVERS]

    def _with_port(self, server: Server) -> Generator[Question, dns.message.Message | str, Server]:
        """A node of the network at its own port."""
        host = server.name
        if host is None or not host.is_subdomain(self._nodes) or host == self._nodes:
            return server
        if host not in self._ports:
            self._ports[host] = self._port  # also while it is looked for
            try:
                outcome = yield from self._resolve(_service(host), SRV)
            except _Spent:
                raise
            except WalkError:
                return server
            if outcome.rrset is not None:
                self._ports[host] = outcome.rrset[0].port
        return Server(host, Address(server.address.host, self._ports[host]))


def _service(host: dns.name.Name) -> dns.name.Name:
    return _SERVICE.concatenate(host)


# -- reading a message


def read(
    message: dns.message.Message, name: dns.name.Name, rrtype: int, cut: dns.name.Name
) -> _Said:
    """What a message says of a name, as far as a server of the zone at `cut` may say it."""
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return _Said(LAME, _refusal(message), name)
    is_authoritative = bool(message.flags & dns.flags.AA)
    found = _answer(message, name, rrtype, cut) if is_authoritative else None
    if found is not None:
        return found
    soa = _soa_above(message, name, cut)
    if is_authoritative and (soa is not None or not _delegations(message)):
        ttl = 0 if soa is None else min(soa.ttl, soa[0].minimum)
        if rcode == dns.rcode.NXDOMAIN:
            return _Said(NO_NAME, "NXDOMAIN: no such name", name, None, ttl)
        return _Said(NO_DATA, "the name has no such record", name, None, ttl)
    return _referral(message, name, cut)


def _refusal(message: dns.message.Message) -> str:
    texts = [
        f"{option.text or ''} (EDE {int(option.code)})".strip()
        for option in message.options
        if int(option.otype) == dns.edns.OptionType.EDE
    ]
    return " ".join([dns.rcode.to_text(message.rcode()), *texts])


def _answer(
    message: dns.message.Message, name: dns.name.Name, rrtype: int, cut: dns.name.Name
) -> _Said | None:
    """The records asked for, or where the aliases lead that stand before them; None if there is
    neither. Records of names outside the cut are not looked at.
    """
    ttl = 2**31 - 1
    first = name
    for _ in range(MAX_CHAIN):
        if not name.is_subdomain(cut):
            break
        rrset = _find(message, name, rrtype)
        if rrset is not None:
            ttl = min(ttl, rrset.ttl)
            return _Said(ANSWER, _through(first, name) + "answer", name, rrset, ttl)
        target, seconds = _target(message, name, cut)
        if target is None:
            break
        ttl = min(ttl, seconds)
        name = target
    if name == first:
        return None
    if message.rcode() == dns.rcode.NXDOMAIN and _soa_above(message, name, cut) is not None:
        return _Said(NO_NAME, f"alias of {name}: NXDOMAIN, no such name", name, None, ttl)
    return _Said(ALIAS, f"alias of {name}", name, None, ttl)


def _through(first: dns.name.Name, last: dns.name.Name) -> str:
    return "" if first == last else f"alias of {last}: "


def _find(message: dns.message.Message, name: dns.name.Name, rrtype: int) -> dns.rrset.RRset | None:
    for rrset in message.answer:
        if rrset.name == name and rrset.rdtype == rrtype:
            return rrset
    return None


def _target(
    message: dns.message.Message, name: dns.name.Name, cut: dns.name.Name
) -> tuple[dns.name.Name | None, int]:
    """What a name is an alias of, and for how many seconds."""
    for rrset in message.answer:
        if (
            rrset.rdtype == DNAME
            and name.is_subdomain(rrset.name)
            and name != rrset.name
            and rrset.name.is_subdomain(cut)
        ):
            kept = name.relativize(rrset.name)
            try:
                return kept.concatenate(rrset[0].target), rrset.ttl
            except dns.name.NameTooLong:
                return None, 0
    alias = _find(message, name, CNAME)
    return (None, 0) if alias is None else (alias[0].target, alias.ttl)


def _delegations(message: dns.message.Message) -> list[dns.rrset.RRset]:
    return [rrset for rrset in message.authority if rrset.rdtype == NS]


def _soa_above(
    message: dns.message.Message, name: dns.name.Name, cut: dns.name.Name
) -> dns.rrset.RRset | None:
    for rrset in message.authority:
        if rrset.rdtype == SOA and name.is_subdomain(rrset.name) and rrset.name.is_subdomain(cut):
            return rrset
    return None


def _referral(message: dns.message.Message, name: dns.name.Name, cut: dns.name.Name) -> _Said:
    for rrset in _delegations(message):
        if not name.is_subdomain(rrset.name):
            continue
        if not rrset.name.is_subdomain(cut) or rrset.name == cut:
            return _Said(LAME, f"lame: refers to {rrset.name}, which is not below {cut}", name)
        hosts = tuple(sorted(rdata.target for rdata in rrset))
        shown = ", ".join(str(host) for host in hosts)
        return _Said(REFERRAL, f"referral to {rrset.name}: {shown}", rrset.name, None, 0, hosts)
    return _Said(LAME, "lame: it says neither what is there nor who knows", name)
