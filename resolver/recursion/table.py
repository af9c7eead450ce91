"""All questions under way: each is asked once, however many wait for it, and its answer is kept.

A driver gives the time, puts questions of callers, hands the session's sockets what they are to
send, and takes `answered` to the callers and `entries` to the cache. Nothing here waits.

What nobody can say is remembered for some seconds, longer each time (RFC 9520 section 3.2), but
never in place of a good answer: one that has expired is given further for a while, marked as such,
when its authorities have not answered in time (RFC 8767). What they say themselves, that a name is
gone above all, takes its place at once.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from csid.address import Address
from csid.client import wire
from csid.client.servers import Servers, ServerState
from csid.client.session import Question as Asked
from csid.client.session import Session
from csid.names import is_at_or_below, key_of
from csid.protocol import EDE_NO_AUTHORITY, NOERROR, NXDOMAIN, SERVFAIL
from csid.status import LABEL
from resolver.cache import entry as entries
from resolver.cache.entry import EntryError
from resolver.cache.source import key_of_question
from resolver.recursion.between import Between
from resolver.recursion.cuts import Cut, Cuts
from resolver.recursion.task import Ask, Failure, Found, Need, Note, Task

QUESTION_SECONDS: Final = 5.0  # for all servers of one zone to say something
STALE_AFTER: Final = 1.8  # seconds a caller waits for what is known already (RFC 8767 section 5)
STALE_SECONDS: Final = 30  # for which it is then given, before others are asked again
STALE_MAX: Final = 86_400 * 3  # since it was good; what is older is not given
TTL_MAX: Final = 86_400
NEGATIVE_TTL_MAX: Final = 3_600  # RFC 2308 section 5 advises one to three hours
FAILED_SECONDS: Final = (2, 60)  # for which a failure is remembered: the first time, and at most
FAILED_MOST: Final = 10_000  # names whose failures are counted
WAITING_MAX: Final = 1_000  # callers that wait for one question; more are told to come again
TASKS_MAX: Final = 20_000  # under way; more are refused
SERVERS_MOST: Final = 20_000  # whose latency is known
_OF_STATUS: Final = bytes((len(LABEL),)) + LABEL  # how names at which a status is begin
EDE_STALE: Final = 3  # RFC 8914 section 4.4
EDE_STALE_NXDOMAIN: Final = 19

Key = tuple[bytes, int]


class Table:
    """The questions under way.

    Args:
        session: that asks servers.
        cuts: where to begin, and what is learned.
        kept: gives the entry of a key in the cache, whether it still holds or not.
        random: gives so many octets that nobody can guess.
        minimises, note: as of `Task`.
        over_tcp: servers are asked over TCP at once.

    Attributes:
        answered: callers with their entries, to be taken.
        entries: keys with what the cache is to hold, to be taken.
        asked, failures, stale: so far, questions put to servers, those that nobody could say
            anything to, and answers given further as their authorities did not answer in time.
        why: the latest of the failures, in words.
    """

    def __init__(
        self,
        session: Session,
        cuts: Cuts,
        kept: Callable[[bytes], bytes | None],
        random: Callable[[int], bytes],
        minimises: bool = True,
        note: Note | None = None,
        over_tcp: bool = False,
    ) -> None:
        self.answered: list[tuple[object, bytes]] = []
        self.entries: list[tuple[bytes, bytes]] = []
        self.asked = self.failures = self.stale = 0
        self._session = session
        self._cuts = cuts
        self._between = Between()
        self._kept = kept
        self._random = random
        self._minimises = minimises
        self._note = note
        self._over_tcp = over_tcp
        self.why = ""
        self._tasks: dict[Key, Task] = {}
        self._waits: list[tuple[float, int, Key]] = []  # when callers get what is known already
        self._wait = 0
        self._servers: OrderedDict[Address, ServerState] = OrderedDict()
        self._failed: OrderedDict[Key, int] = OrderedDict()  # seconds of the last failure
        self._now = 0.0
        self._date = 0

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._tasks)

    # -- the caller's side

    def ask(self, name: bytes, rrtype: int, tag: object, now: float, unix: int) -> None:
        """Put a question of a caller.

        Args:
            name: wire form, lower case.
            tag: that comes back in `answered`; None: nobody waits, as it is asked ahead of time.
            now: seconds, from any beginning.
            unix: seconds since 1970.
        """
        self._now, self._date = now, unix
        key = name, rrtype
        task = self._tasks.get(key)
        if task is None:
            if len(self._tasks) >= TASKS_MAX:
                self._answer(tag, self._failure(0))
                return
            task = self._begin(key, None)
            if tag is not None:
                task.tags.append(tag)
            self._go_on(task, None)
        elif tag is not None:
            if len(task.tags) >= WAITING_MAX:
                self._answer(tag, self._failure(0))
                return
            task.tags.append(tag)
        if len(task.tags) == 1 and key in self._tasks:
            self._wait += 1
            heapq.heappush(self._waits, (now + STALE_AFTER, self._wait, key))

    # -- the driver's side

    def deadline(self) -> float | None:
        """When `go_on` is to be called at the latest."""
        own = self._waits[0][0] if self._waits else None
        other = self._session.deadline()
        if own is None or other is None:
            return other if own is None else own
        return min(own, other)

    def go_on(self, now: float, unix: int) -> None:
        """Take what the session has found out, and give what callers have waited for too long."""
        self._now, self._date = now, unix
        session = self._session
        session.tick(now)
        while session.finished:
            finished, session.finished = session.finished, []
            for asked in finished:
                assert isinstance(asked.tag, Task)
                self._go_on(asked.tag, asked)
        while self._waits and self._waits[0][0] <= now:
            _, _, key = heapq.heappop(self._waits)
            task = self._tasks.get(key)
            if task is not None and task.tags:
                self._give_what_is_known(task)

    def forget(self, name: bytes) -> None:
        """Know nothing more of what is at and below a name. What is under way goes on."""
        self._cuts.drop(name)
        self._between.drop()
        for key in [one for one in self._failed if is_at_or_below(one[0], name)]:
            del self._failed[key]

    # -- tasks

    def _begin(self, key: Key, above: Task | None) -> Task:
        name, rrtype = key
        task = Task(
            name,
            rrtype,
            self._cuts,
            self._between,
            self._clock,
            above,
            self._minimises,
            self._note,
        )
        self._tasks[key] = task
        return task

    def _clock(self) -> float:
        return self._now

    def _go_on(self, task: Task, outcome: Asked | Found | Failure | None) -> None:
        """Let a task take its next steps, and those that need it theirs."""
        due: list[tuple[Task, Asked | Found | Failure | None]] = [(task, outcome)]
        while due:
            one, came = due.pop()
            ended = self._step(one, came, due)
            if ended is not None:
                for other in one.needed_by:
                    other.waits_for = None
                    due.append((other, ended))

    def _step(
        self,
        task: Task,
        came: Asked | Found | Failure | None,
        due: list[tuple[Task, Asked | Found | Failure | None]],
    ) -> Found | Failure | None:
        """One step; what it came to if it was the last."""
        try:
            wanted = next(task.steps) if came is None else task.steps.send(came)
        except StopIteration as end:
            found: Found = end.value
            self._settle(task, found)
            return found
        except Failure as failure:
            self.why = str(failure)
            self._fail(task)
            return failure
        if isinstance(wanted, Ask):
            self._put(task, wanted)
        else:
            self._need(task, wanted, due)
        return None

    def _put(self, task: Task, ask: Ask) -> None:
        states = [self._server(one) for one in ask.servers]
        if len(states) > 1:
            states.sort(key=lambda one: one.slowness(self._now))
        self.asked += 1
        name = wire.with_letters(ask.name, self._random((len(ask.name) + 7) // 8))
        self._session.ask(
            wire.question(name, ask.rrtype),
            task,
            self._now,
            QUESTION_SECONDS,
            over_tcp=self._over_tcp,
            is_recursive=ask.is_recursive,
            servers=states,
            by_letters=True,
        )

    def _server(self, address: Address) -> ServerState:
        state = self._servers.get(address)
        if state is None:
            state = self._servers[address] = ServerState(address)
            if len(self._servers) > SERVERS_MOST:
                self._servers.popitem(last=False)
        return state

    def _need(
        self,
        task: Task,
        need: Need,
        due: list[tuple[Task, Asked | Found | Failure | None]],
    ) -> None:
        key = need.name, need.rrtype
        other = self._tasks.get(key)
        if other is None:
            other = self._begin(key, task)
            due.append((other, None))
        else:
            one: Task | None = other
            while one is not None and one is not task:
                one = one.waits_for
            if one is task:  # to find an address, that address is needed
                due.append((task, Failure("name servers that need each other")))
                return
        other.needed_by.append(task)
        task.waits_for = other

    # -- ends

    def _settle(self, task: Task, found: Found) -> None:
        """Answer those who wait, and keep the answer."""
        key = task.name, task.rrtype
        del self._tasks[key]
        self._failed.pop(key, None)
        is_negative = not found.data
        ttl = min(found.ttl, NEGATIVE_TTL_MAX if is_negative else TTL_MAX)
        try:
            entry = entries.encode(found.rcode, -1, ttl, self._date, found.answer, found.authority)
        except EntryError:
            self._fail_with(task, key)
            return
        # One without a second to live is given all the same, and replaces what there was.
        self.entries.append((key_of_question(key_of(task.name), task.rrtype), entry))
        for tag in task.tags:
            self.answered.append((tag, entry))

    def _fail(self, task: Task) -> None:
        key = task.name, task.rrtype
        del self._tasks[key]
        self._fail_with(task, key)

    def _fail_with(self, task: Task, key: Key) -> None:
        """Nobody says what is there: what is known already is given, or that it is not known."""
        self.failures += 1
        entry = self._stale(key)
        if entry is None:
            least, most = FAILED_SECONDS
            seconds = min(2 * self._failed.get(key, 0) or least, most)
            self._failed[key] = seconds
            self._failed.move_to_end(key)
            if len(self._failed) > FAILED_MOST:
                self._failed.popitem(last=False)
            entry = self._failure(seconds)
        self.entries.append((key_of_question(key_of(key[0]), key[1]), entry))
        for tag in task.tags:
            self.answered.append((tag, entry))

    def _give_what_is_known(self, task: Task) -> None:
        """Answer those who have waited long enough, if there is something; it is asked on."""
        entry = self._stale((task.name, task.rrtype))
        if entry is None:
            return
        self.entries.append((key_of_question(key_of(task.name), task.rrtype), entry))
        for tag in task.tags:
            self.answered.append((tag, entry))
        task.tags.clear()

    def _stale(self, key: Key) -> bytes | None:
        """What is known already of a question, to be given for a while."""
        entry = self._kept(key_of_question(key_of(key[0]), key[1]))
        if entry is None or not entries.is_whole(entry):
            return None
        rcode = entries.rcode_of(entry)
        if rcode not in (NOERROR, NXDOMAIN):
            return None
        if self._date - entries.good_until(entry) > STALE_MAX or key[0].startswith(_OF_STATUS):
            return None  # what was free some time ago need not be so
        self.stale += 1
        ede = EDE_STALE_NXDOMAIN if rcode == NXDOMAIN else EDE_STALE
        return entries.stale(entry, STALE_SECONDS, self._date, ede)

    def _failure(self, seconds: int) -> bytes:
        return entries.encode(SERVFAIL, EDE_NO_AUTHORITY, seconds, self._date)

    def _answer(self, tag: object, entry: bytes) -> None:
        if tag is not None:
            self.answered.append((tag, entry))


def begin(
    tops: Iterable[Cut],
    random: Callable[[int], bytes],
    kept: Callable[[bytes], bytes | None],
    minimises: bool = True,
    note: Note | None = None,
    over_tcp: bool = False,
) -> tuple[Table, Session]:
    """A table, and the session that asks for it; arguments as of `Table`."""
    session = Session(Servers(()), random)
    return Table(session, Cuts(tops), kept, random, minimises, note, over_tcp), session
