"""UPDATEs on their way: as they came, who asks, what they get."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final, NamedTuple, Protocol

from csid import names
from csid.protocol import NOERROR, SERVFAIL
from registry.tables.log_entry import EntryWriter
from registry.zones.asked import UPDATE, Asked
from registry.zones.replays import Replays
from resolver.answer.source import Stages
from resolver.store.environment import Store
from resolver.sync import tsig
from resolver.sync.update import effect

ROLE_KEY: Final = "key"  # in leaves: who has signed the UPDATE
ROLE_ADDRESS: Final = "address"  # in leaves: an address that need not sign


class Arrived(NamedTuple):
    """An UPDATE as it came."""

    message: bytes
    address: bytes  # IP address, 4 or 16 octets
    stream: bool  # over TCP
    tls: bool = False


class Result(NamedTuple):
    """What an UPDATE gets: a response code, and why in words."""

    rcode: int
    text: str = ""


class Answer(NamedTuple):
    """An answer, and what is to be said of it where the node tells what happens."""

    message: bytes
    said: str = ""


class Claim(Protocol):
    """Takes certain UPDATEs, and carries them out in its own way."""

    def takes(self, core: Any, asked: effect.Asked) -> bool:
        """Whether it takes this one."""
        ...

    def carry_out(
        self, core: Any, asked: effect.Asked, key: bytes, address: bytes, now: int
    ) -> Result:
        """Carry it out, durable when this returns.

        Args:
            key: name in wire form of the key that has signed it; empty if none has.
            address: it came from.
            now: Unix seconds.
        """
        ...


class Core(Protocol):
    """`registry.core.Core`, as far as it is asked here."""

    store: Store
    stages: Stages
    suffix: str
    claims: list[Claim]
    replays: Replays[Result]


class Case:
    """One UPDATE on its way.

    Attributes:
        asked: what it asks for; None if it is refused already.
        key: of the key that has signed it, the name in wire form; else empty.
        result: what it gets, once that is known.
        otherwise: of what a node of the network asks, the result if no claim takes it.
    """

    def __init__(self, arrived: Arrived) -> None:
        self.arrived = arrived
        self.signed: tsig.Signed | None = None
        self.fault: tsig.Fault | None = None
        self.asked: effect.Asked | None = None
        self.result: Result | None = None
        self.otherwise: Result | None = None

    @property
    def key(self) -> bytes:
        """Name in wire form of the key that has signed it, else empty."""
        return self.signed.key.name if self.signed is not None else b""

    def writer(self, now: int) -> EntryWriter:
        """Writes its leaves."""
        role = ROLE_KEY if self.key else ROLE_ADDRESS
        peer = _text(self.arrived.address)
        return EntryWriter(self.who, role, "", UPDATE, now, "", 0, peer)

    @property
    def who(self) -> str:
        """Key or address, for people."""
        return names.to_text(self.key) if self.key else _text(self.arrived.address)

    def answer(self, now: int) -> Answer:
        """The answer, signed if the question was."""
        result = self.result or Result(SERVFAIL)
        edns = self.asked is not None and self.asked.edns
        message = self.arrived.message
        response = effect.response(message, result.rcode, result.text, edns)
        if self.fault is not None:
            response = self.fault.answer(response, now)
        elif self.signed is not None:
            # Signed is the original ID (RFC 8945 section 5.1).
            response = self.signed.message[:2] + response[2:]
            response, _ = tsig.sign(response, self.signed.key, now, self.signed.mac)
            response = message[:2] + response[2:]
        if not result.text or result.rcode == NOERROR:
            return Answer(response)
        zone = names.to_text(self.asked.origin) if self.asked is not None else "a zone"
        return Answer(response, f"UPDATE of {zone} by {self.who}: {result.text}")


class Command(Case):
    """A change that somebody at this node asks for."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(Arrived(b"", b"", stream=True))
        self._by = asked

    def writer(self, now: int) -> EntryWriter:
        actor = self._by.actor
        role, reason = actor.role.value, self._by.reason
        return EntryWriter(actor.name, role, actor.owner, UPDATE, now, reason, 0, actor.peer)


def failed_result(error: Exception) -> Result:
    """What an UPDATE gets that fails for whatever reason nobody thought of."""
    return Result(SERVFAIL, f"failed: {error!r}")


def _text(address: bytes) -> str:
    return str(ip_address(address)) if address else "an unknown address"
