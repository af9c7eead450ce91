"""Questions on their way: attempts, servers, datagrams and streams, without a socket or a clock.

A driver gives a session what it received and the time, sends what `outgoing` has, and looks at
`deadline`. An answer is believed only if it comes over the channel its question went out by and
repeats the id, the question and our cookie (RFC 5452 section 9, RFC 7873 section 5.3); whatever
else comes is passed over, and where something did that was nearly right, the next attempt is made
over TCP. So is one whose answer was truncated (RFC 7766 section 5).
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from csid.client import wire
from csid.client.servers import Servers, ServerState
from csid.client.wire import CLIENT_COOKIE_OCTETS, SERVER_COOKIE_OCTETS, TC, Message, MessageError
from csid.errors import UnreachableError
from csid.protocol import NOERROR, NXDOMAIN

PORT_QUESTIONS: Final = 256  # asked from one port, then another one is taken (RFC 5452 section 9.2)
CHANNELS_MAX: Final = 512  # that questions are asked over; the oldest then asks no more
STREAM_SECONDS: Final = 2.0  # for an answer over TCP, where there are other servers to be asked
BAD_COOKIE: Final = 23  # RFC 7873 section 8
_RANDOM_OCTETS: Final = 1_024  # taken at once, for IDs
_SILENT: Final = "no answer in time"
_FRAME_HEAD: Final = 2  # octets of the length before a message (RFC 1035 section 4.2.2)


class Channel:
    """A socket of the driver: one port of ours, one server.

    Attributes:
        server: whom it leads to.
        is_stream: TCP, otherwise UDP.
        number: by which the driver knows it.
    """

    def __init__(self, number: int, server: ServerState, is_stream: bool, cookie: bytes) -> None:
        self.number = number
        self.server = server
        self.is_stream = is_stream
        self.cookie = cookie
        self.opt = wire.edns(cookie)
        self.waiting: dict[bytes, Question] = {}  # by ID
        self.outbox: list[bytes] = []
        self.inbox = bytearray()
        self.asked = 0
        self.has_answered = False
        self.is_spent = False  # nothing more is asked over it

    def learn(self, cookie: bytes) -> None:
        """Send the server's cookie back from now on."""
        self.opt = wire.edns(cookie)


class Question:
    """A question on its way; at its end either `message` or `error` is there.

    Attributes:
        tag: of whoever asked.
        attempts: how often it was asked.
        asked_at, answered_at: times.
    """

    __slots__ = (
        "answered_at",
        "asked",
        "asked_at",
        "attempts",
        "by_letters",
        "channel",
        "end",
        "error",
        "expires",
        "is_recursive",
        "message",
        "number",
        "over_tcp",
        "place",
        "places",
        "refusal",
        "refused",
        "sent_at",
        "servers",
        "tag",
    )

    def __init__(
        self,
        asked: bytes,
        tag: object,
        servers: list[ServerState],
        now: float,
        end: float,
        over_tcp: bool,
        is_recursive: bool,
        by_letters: bool,
    ) -> None:
        self.asked = asked
        self.tag = tag
        self.servers = servers
        self.asked_at = self.sent_at = now
        self.end = end
        self.over_tcp = over_tcp
        self.is_recursive = is_recursive
        self.by_letters = by_letters
        self.attempts = 0
        self.expires = 0.0
        self.answered_at = 0.0
        self.channel: Channel | None = None  # of the latest attempt
        self.place: Channel | None = None  # where its answer comes in
        self.number = b""  # with this ID
        # Where else an answer may come in, and who is not asked again, and why: once there are any.
        self.places: list[tuple[Channel, bytes]] | None = None
        self.refused: dict[ServerState, str] | None = None
        self.refusal: tuple[Channel, Message] | None = None  # the latest of a server that answered
        self.message: Message | None = None
        self.error: UnreachableError | None = None

    @property
    def is_done(self) -> bool:
        """Whether it is at its end."""
        return self.message is not None or self.error is not None


class Session:
    """Questions of one caller, many at a time.

    Attributes:
        finished: questions at their end, for the caller to take.
        spent: channels to be closed, for the driver to take.
        passed_over: messages that came and were not believed.

    Args:
        servers: shared with other sessions of the same client.
        random: gives so many octets that nobody can guess.
    """

    def __init__(self, servers: Servers, random: Callable[[int], bytes]) -> None:
        self.finished: list[Question] = []
        self.spent: list[Channel] = []
        self.passed_over = 0
        self.in_flight = 0
        self._servers = servers
        self._random = random
        self._octets = b""
        self._at = 0
        self._channels = 0
        self._current: dict[tuple[ServerState, bool], Channel] = {}
        self._ready: dict[int, Channel] = {}  # with something to be sent
        self._timers: list[float] = []  # a heap of the times at which attempts are given up
        self._expiring: dict[float, list[Question]] = {}  # by these times

    # -- the caller's side

    def ask(
        self,
        asked: bytes,
        tag: object,
        now: float,
        seconds: float,
        over_tcp: bool = False,
        is_recursive: bool = True,
        servers: list[ServerState] | None = None,
        by_letters: bool = False,
    ) -> Question:
        """Put a question, which ends within so many seconds.

        Args:
            asked: its question section, see `csid.client.wire.question`.
            servers: to be asked one after the other; None: those of the client, the fastest first.
            by_letters: whose case is as nobody can guess it: an answer over UDP that has them in
                another one is no reason to believe it, and it is asked over TCP.
        """
        if servers is None:
            servers = self._servers.ordered(now)
        question = Question(
            asked, tag, servers, now, now + seconds, over_tcp, is_recursive, by_letters
        )
        self.in_flight += 1
        self._attempt(question, now)
        return question

    # -- the driver's side

    def outgoing(self) -> list[tuple[Channel, list[bytes]]]:
        """What is to be sent: whole datagrams, or octets of a stream."""
        if not self._ready:
            return []
        found = []
        for channel in self._ready.values():
            found.append((channel, channel.outbox))
            channel.outbox = []
        self._ready.clear()
        return found

    def deadline(self) -> float | None:
        """When `tick` is to be called at the latest."""
        timers = self._timers
        while timers:
            when = timers[0]
            expiring = self._expiring[when]
            while expiring:
                if self._expires(expiring[-1], when):
                    return when
                expiring.pop()
            del self._expiring[when]
            heappop(timers)
        return None

    def tick(self, now: float) -> None:
        """Attempts that took too long are given up, and the next ones made."""
        while self._timers and self._timers[0] <= now:
            when = heappop(self._timers)
            for question in self._expiring.pop(when):
                if not self._expires(question, when):
                    continue
                assert question.channel is not None
                question.channel.server.failed(now)
                if now >= question.end:
                    self._give_up(question, now)
                else:
                    self._attempt(question, now)

    def receive(self, channel: Channel, octets: bytes, now: float) -> None:
        """A datagram came, or octets of a stream."""
        if not channel.is_stream:
            self._take(channel, octets, now)
            return
        inbox = channel.inbox
        inbox += octets
        while len(inbox) >= _FRAME_HEAD:
            end = _FRAME_HEAD + int.from_bytes(inbox[:_FRAME_HEAD], "big")
            if len(inbox) < end:
                break
            message = bytes(inbox[_FRAME_HEAD:end])
            del inbox[:end]
            self._take(channel, message, now)

    def lost(self, channel: Channel, reason: str, now: float) -> None:
        """A channel is of no more use: nobody listens there, or the stream has ended."""
        self._close(channel)
        # A stream may end at any time between answers; what waits is then asked over another one.
        is_failure = not channel.has_answered
        if is_failure:
            channel.server.failed(now)
        for question in list(channel.waiting.values()):
            self._leave(question, channel)
            if question.channel is not channel:
                continue  # a later attempt is under way elsewhere
            if is_failure:
                _refuse(question, channel.server, reason)
            self._attempt(question, now)

    # -- attempts

    def _attempt(self, question: Question, now: float, again: ServerState | None = None) -> None:
        """Ask a server: the same once more, or the next of those that may know."""
        server = again
        if server is None:
            servers = question.servers
            count = len(servers)
            for _ in range(count):
                candidate = servers[question.attempts % count]
                if question.refused is None or candidate not in question.refused:
                    server = candidate
                    break
                question.attempts += 1
        if server is None or now >= question.end:
            self._give_up(question, now)
            return
        turn = question.attempts // len(question.servers)
        question.attempts += 1
        wait = STREAM_SECONDS if question.over_tcp else server.wait * 2**turn
        if question.over_tcp and len(question.servers) == 1:
            wait = question.end - now
        question.expires = min(now + wait, question.end)
        expiring = self._expiring.get(question.expires)
        if expiring is None:  # questions that are asked together expire together
            self._expiring[question.expires] = [question]
            heappush(self._timers, question.expires)
        else:
            expiring.append(question)
        question.sent_at = now
        self._send(question, self._channel(server, question.over_tcp))

    @staticmethod
    def _expires(question: Question, when: float) -> bool:
        """Whether the latest attempt is given up then, if no answer comes before."""
        return question.expires == when and not question.is_done

    def _send(self, question: Question, channel: Channel) -> None:
        if question.place is not channel:
            self._take_place(question, channel)
        question.channel = channel
        number = question.number
        octets = wire.query(number, question.asked, channel.opt, question.is_recursive)
        if channel.is_stream:
            octets = len(octets).to_bytes(_FRAME_HEAD, "big") + octets
        channel.outbox.append(octets)
        self._ready[channel.number] = channel

    def _take_place(self, question: Question, channel: Channel) -> None:
        """Give a question an ID on a channel: the one that it had there, so that a late answer is
        one, too, or a new one.
        """
        if question.place is not None:
            if question.places is None:
                question.places = []
            question.places.append((question.place, question.number))
        question.place = channel
        for place in question.places or ():
            if place[0] is channel:
                question.number = place[1]
                question.places = [one for one in question.places or () if one is not place]
                return
        question.number = self._number(channel)
        channel.waiting[question.number] = question

    def _channel(self, server: ServerState, is_stream: bool) -> Channel:
        key = (server, is_stream)
        channel = self._current.get(key)
        if channel is not None:
            channel.asked += 1
            if channel.asked < PORT_QUESTIONS or is_stream:
                return channel
            self._retire(channel)
        if len(self._current) >= CHANNELS_MAX:
            oldest = next(iter(self._current))
            self._retire(self._current.pop(oldest))
        self._channels += 1
        cookie = self._some(CLIENT_COOKIE_OCTETS)
        channel = Channel(self._channels, server, is_stream, cookie)
        self._current[key] = channel
        return channel

    def _number(self, channel: Channel) -> bytes:
        """An ID that nobody can guess and that no question of the channel has."""
        number = self._some(2)
        while number in channel.waiting:
            number = self._some(2)
        return number

    def _some(self, count: int) -> bytes:
        at = self._at
        self._at = end = at + count
        if end > len(self._octets):
            self._octets = self._random(_RANDOM_OCTETS)
            at, self._at = 0, count
            end = count
        return self._octets[at:end]

    # -- answers

    def _take(self, channel: Channel, octets: bytes, now: float) -> None:
        """Believe a message, or pass over it."""
        question = channel.waiting.get(octets[:2])
        if question is None or not wire.answers(octets, question.asked):
            self.passed_over += 1
            return
        is_doubtful = question.by_letters and not wire.repeats(octets, question.asked)
        if not channel.is_stream and (is_doubtful or octets[2] << 8 & TC):
            self._over_tcp(question, channel, now)
            return
        try:
            message = wire.read(octets, question.asked)
        except MessageError:
            self._doubt(question)
            return
        if not self._has_our_cookie(channel, message):
            self._doubt(question)
            return
        channel.has_answered = True
        if question.attempts == 1:  # otherwise nobody knows which attempt it answers
            channel.server.answered(now - question.sent_at)
        if message.rcode == BAD_COOKIE and not channel.is_stream:
            question.over_tcp = question.attempts > 1
            self._attempt(question, now, channel.server)
        elif message.rcode in (NOERROR, NXDOMAIN):
            self._finish(question, channel, message, now)
        else:
            self._not_known(question, channel, message, now)

    def _has_our_cookie(self, channel: Channel, message: Message) -> bool:
        """Whether the cookie is ours; and what it says beside is remembered."""
        cookie = message.cookie
        if cookie is None:
            return channel.is_stream or not channel.server.gives_cookies
        least, most = SERVER_COOKIE_OCTETS
        if not cookie.startswith(channel.cookie):
            return False
        added = len(cookie) - CLIENT_COOKIE_OCTETS
        if added:
            if not least <= added <= most:
                return False
            channel.server.gives_cookies = True
            channel.learn(cookie)
        return True

    def _doubt(self, question: Question) -> None:
        """What came was nearly an answer: from now on over TCP, where no stranger can speak."""
        self.passed_over += 1
        question.over_tcp = True

    def _over_tcp(self, question: Question, channel: Channel, now: float) -> None:
        if question.over_tcp and question.channel is not channel:
            return  # asked over TCP already, this is a late one
        channel.has_answered = True
        question.over_tcp = True
        self._attempt(question, now, channel.server)

    def _not_known(
        self, question: Question, channel: Channel, message: Message, now: float
    ) -> None:
        """A server says that it cannot tell: another one may."""
        refused = _refuse(question, channel.server, "")
        question.refusal = channel, message
        if all(one in refused for one in question.servers):
            self._finish(question, channel, message, now)
        else:
            self._attempt(question, now)

    def _finish(self, question: Question, channel: Channel, message: Message, now: float) -> None:
        question.channel = channel
        question.message = message
        question.answered_at = now
        self._end(question)

    def _give_up(self, question: Question, now: float) -> None:
        """Nobody is left to be asked. What one said that cannot tell says more than silence."""
        if question.refusal is not None:
            self._finish(question, *question.refusal, now)
            return
        refused = question.refused or {}
        told = [f"{one.address}: {refused.get(one, _SILENT)}" for one in question.servers]
        question.error = UnreachableError("; ".join(told))
        self._end(question)

    def _end(self, question: Question) -> None:
        self.in_flight -= 1
        self.finished.append(question)
        if question.place is not None:
            self._free(question.place, question.number)
            question.place = None
        if question.places is not None:
            for channel, number in question.places:
                self._free(channel, number)
            question.places = None
        if not self.in_flight:
            self._timers.clear()
            self._expiring.clear()

    def _free(self, channel: Channel, number: bytes) -> None:
        channel.waiting.pop(number, None)
        if channel.is_spent and not channel.waiting:
            self.spent.append(channel)

    # -- channels

    def _leave(self, question: Question, channel: Channel) -> None:
        if question.place is channel:
            channel.waiting.pop(question.number, None)
            question.place = None
        for place in [one for one in question.places or () if one[0] is channel]:
            channel.waiting.pop(place[1], None)
            assert question.places is not None
            question.places.remove(place)

    def _retire(self, channel: Channel) -> None:
        """Ask nothing more over a channel; it is closed once nothing is waited for."""
        channel.is_spent = True
        if not channel.waiting:
            self.spent.append(channel)

    def _close(self, channel: Channel) -> None:
        channel.is_spent = True
        channel.outbox = []
        self._ready.pop(channel.number, None)
        for key, one in list(self._current.items()):
            if one is channel:
                del self._current[key]
        self.spent.append(channel)


def _refuse(question: Question, server: ServerState, reason: str) -> dict[ServerState, str]:
    """Ask a server no more about this; all of those, with the reasons."""
    refused = question.refused
    if refused is None:
        refused = question.refused = {}
    refused[server] = reason
    return refused
