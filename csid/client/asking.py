"""One call of the client: identifiers in, results out, in the order they were given.

It stands on a `Session`, which asks, and on the memory of the client. Each name is asked for once
at a time, however often it was given; so many are on their way at once, and no more are taken in
before results were taken out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from csid import names
from csid.client import wire
from csid.client.answer import Answer, Result, Said, interpret, new
from csid.client.memory import NEGATIVE_SECONDS_MAX, POSITIVE_SECONDS_MAX, Memory
from csid.client.session import Question, Session
from csid.errors import CsidError, DomainNameError
from csid.identifier import Identifier, parse
from csid.limits import MAX_NAME_OCTETS
from csid.protocol import CSID

IN_FLIGHT: Final = 256  # questions on their way
UNTAKEN: Final = 4_096  # results that wait for one before them
_SUFFIXES: Final = 64  # of deployments, remembered in wire form

Given = str | Identifier


class _Slot:
    """A place in the order of results."""

    __slots__ = ("given", "identifier", "name", "others", "result")

    def __init__(self, given: Given) -> None:
        self.given = given
        self.name = b""  # that is asked for, wire form
        self.identifier: Identifier | None = None
        self.others: list[_Slot] | None = None  # that wait for the same name
        self.result: Result | None = None

    def settle(self, answer: Answer | None, error: CsidError | None) -> None:
        """The result, of the others too."""
        self.result = new(Result, (self.given, answer, error))
        for other in self.others or ():
            other.result = Result(other.given, answer, error)


class Asking:
    """The identifiers of one call.

    Args:
        suffix: of the deployment, as text.
        seconds: for each question.
    """

    def __init__(
        self,
        given: Iterable[Given],
        session: Session,
        memory: Memory[Said],
        suffix: str,
        seconds: float,
        over_tcp: bool = False,
    ) -> None:
        self._given: Iterator[Given] = iter(given)
        self._session = session
        self._memory = memory
        self._suffix = suffix
        self._suffix_wire = _wire_of(suffix)
        self._seconds = seconds
        self._over_tcp = over_tcp
        self._slots: deque[_Slot] = deque()
        self._read: list[_Slot] = []  # to be asked for
        self._waiting: dict[bytes, _Slot] = {}  # by the name that is asked for
        self._has_more = True

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to be taken."""
        return not self._has_more and not self._slots

    def take_in(self) -> None:
        """Read as many identifiers as may be on their way. This may take its time, so it is done
        before a question's time begins.
        """
        read, slots = self._read, self._slots
        most = IN_FLIGHT - self._session.in_flight
        while self._has_more and len(read) < most and len(slots) < UNTAKEN:
            try:
                given = next(self._given)
            except StopIteration:
                self._has_more = False
                break
            slot = _Slot(given)
            slots.append(slot)
            try:
                identifier = (
                    given if isinstance(given, Identifier) else parse(given, None, self._suffix)
                )
                slot.name = self._name(identifier)
            except CsidError as error:
                slot.result = Result(given, None, error)
                continue
            slot.identifier = identifier
            read.append(slot)

    def go_on(self, now: float) -> list[Result]:
        """Take what was answered and put more questions; the results that are next in order."""
        finished = self._session.finished
        if finished:
            for question in finished:
                self._settle(question, now)
            finished.clear()
        for slot in self._read:
            self._ask(slot, now)
        self._read.clear()
        slots = self._slots
        results = []
        while slots and (result := slots[0].result) is not None:
            results.append(result)
            slots.popleft()
        return results

    def _ask(self, slot: _Slot, now: float) -> None:
        """Answer from memory, wait with others for the same name, or put a question."""
        name, identifier = slot.name, slot.identifier
        assert identifier is not None
        known = self._memory.get(name, now)
        if known is not None:
            left, said = known
            answer = _answer(identifier, said, int(left), "memory", 0.0, 0)
            slot.result = Result(slot.given, answer, None)
            return
        first = self._waiting.get(name)
        if first is not None:
            if first.others is None:
                first.others = []
            first.others.append(slot)
            return
        self._waiting[name] = slot
        self._session.ask(wire.question(name, CSID), name, now, self._seconds, self._over_tcp)

    def _name(self, identifier: Identifier) -> bytes:
        name = identifier.to_wire(self._suffix_wire)
        if len(name) > MAX_NAME_OCTETS:
            raise DomainNameError(f"{identifier} has too long a name below {self._suffix}")
        return name

    def _settle(self, question: Question, now: float) -> None:
        name = question.tag
        assert isinstance(name, bytes)
        slot = self._waiting.pop(name)
        message, channel, identifier = question.message, question.channel, slot.identifier
        if message is None:
            slot.settle(None, question.error)
            return
        assert channel is not None and identifier is not None
        try:
            said = interpret(message, name, channel.server.address)
        except CsidError as error:
            slot.settle(None, error)
            return
        most = POSITIVE_SECONDS_MAX if said.record is not None else NEGATIVE_SECONDS_MAX
        self._memory.put(name, said, min(said.ttl, most), now)
        transport = "tcp" if channel.is_stream else "udp"
        seconds = question.answered_at - question.asked_at
        octets = len(message.octets)
        slot.settle(_answer(identifier, said, said.ttl, transport, seconds, octets), None)


@lru_cache(_SUFFIXES)
def _wire_of(suffix: str) -> bytes:
    return names.from_text(suffix or ".").lower()


def _answer(
    identifier: Identifier, said: Said, ttl: int, transport: str, seconds: float, octets: int
) -> Answer:
    record, exists, _, alias_of, authority = said
    return new(
        Answer,
        (identifier, record, exists, ttl, alias_of, authority, transport, seconds, octets),
    )
