"""All that the sync process of a node does, but for sockets, tasks, threads and clocks of its own:
what happens is told to it, it tells the engine (resolver/sync/engine.py) and the duties of the
node's role, and gives out what is to be done and to be written.

Driven by `registry.sync.driver` in a running node, and by the simulation of a whole network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Final, NamedTuple

from csid import names
from csid.errors import CsidError
from registry.network import seen
from registry.network.catalogs import NodePolicy
from registry.sync.batch import Batch
from registry.sync.hooks import Duty, Network, Unit, Work
from registry.sync.transfers import StillFollowed, examine_of
from registry.sync.walks import Followed, Notified
from resolver.server import bell
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync import feed
from resolver.sync.actions import Action, Answered, Present, Transfer
from resolver.sync.catalog.members import Consumer, go_on
from resolver.sync.engine import Engine
from resolver.sync.settings import TARGETS
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.fetch import Fetch, Together
from resolver.sync.zonemd import DigestWatch

DRIFT_SECONDS: Final = 2.0  # by which the clocks may part before one of them counts as set anew
TELLING_MOST: Final = 4_096  # zones whose changes are told at a time
FEED_AT_ONCE: Final = 500  # rows taken before others get their turn


class Looked(NamedTuple):
    """What a look around came to.

    Attributes:
        more: there is more to be done at once.
        wake: when to look again though nothing happens, on the steady clock.
        is_eager: others wait to be told of changes here: they are to be seen at once.
        is_time: a time has come that a duty had named: there may be work.
    """

    more: bool
    wake: float
    is_eager: bool
    is_time: bool


class Syncing:
    """One for a data directory.

    Args:
        store: open for writing.
        network: what the node's role adds.
        random: where chance comes from.
        unix: seconds since 1970 by the clock that people set.
        steady: seconds of one that never jumps.

    Attributes:
        engine: decides; its actions are to be taken by `actions`.
    """

    def __init__(
        self,
        store: Store,
        network: Network,
        random: Random,
        unix: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self.engine = Engine(random)
        self._store = store
        self._network = network
        self._unix = unix
        self._steady = steady
        self._fetches: dict[int, Fetch] = {}
        self._duties: dict[bytes, Duty] = {}  # by the name of an errand under way
        self._position = b""  # in the feed
        self._passed: bytes | None = None  # of the feed, as it was written
        self._followed = Followed()
        self._again: int | None = None  # when to ask duties though nothing has changed
        policy = NodePolicy(store.settings().suffix)
        consumer = Consumer(self._now, policy)
        self._works: tuple[Work, ...] = (partial(go_on, store, self._now, policy), *network.works)
        self._watch = Together((StillFollowed(), DigestWatch(), consumer, network.watch))
        self._heard: set[bytes] = set()  # keys that messages were signed with
        self._offset = 0.0  # between the clocks
        self._adrift = 0  # batches to be written of before the clock was set
        with self.present() as present:
            self._notified = Notified(present)

    @contextmanager
    def present(self) -> Iterator[Present]:
        """This moment, as the engine is told it."""
        with self._store.read() as read:
            unix, steady = self._unix(), self._steady()
            if abs(unix - steady - self._offset) > DRIFT_SECONDS:
                self._offset = unix - steady
                self.engine.looking.clock_moved()
                # What was put off by a clock that was ahead would wait for as long as that was.
                # So would what is about to be written, once it is.
                self._followed = Followed()
                self._adrift = self.engine.looking.outcomes.batches
            yield Present(read, steady, int(unix))

    def _now(self) -> int:
        return int(self._unix())

    def close(self) -> None:
        """Give up the transfers that are under way."""
        for fetch in self._fetches.values():
            fetch.abandon()
        self._fetches.clear()

    # -- what happens

    def look(self) -> Looked:
        """Time has passed, or the store was written to."""
        with self.present() as present:
            more = self._read_feed(present) or self._walk(present)
            is_time = self._again is not None and self._again <= present.unix
            self._ask_duties(present)
            self.engine.look(present)
            asking = self._followed.go_on(present, self.engine)
            wake = min(self.engine.wake(present), asking or float("inf"))
            if self._again is not None:
                wake = min(wake, present.steady + max(0, self._again - present.unix))
            targets = bool(present.moment.table(TARGETS).entries())
        return Looked(more, wake, bool(self._network.duties) or targets, is_time)

    def committed(self) -> None:
        """The store was written to: who is to be told of that is, before all else there is to do
        about it, which is for `look`.
        """
        with self.present() as present:
            self._read_feed(present)

    def rung(self, datagrams: Iterable[bytes]) -> bool:
        """The bell was rung (resolver/server/bell.py); whether the store was written to, so that
        there is to be looked around, and may be work.
        """
        is_written = False
        with self.present() as present:
            for datagram in datagrams:
                heard = bell.rung(datagram)
                if isinstance(heard, bell.Heard):
                    self._heard.add(heard.key)
                elif heard is None:
                    is_written = True
                elif heard.address == bell.NOBODY:
                    self.engine.looking.asked(present, heard.apex)
                    is_written = True
                else:
                    self.engine.looking.notice(present, *heard)
        return is_written

    def take_heard(self) -> list[str]:
        """The nodes that were heard and are to be noted (`registry.network.seen`)."""
        if not self._heard:
            return []
        keys, self._heard = self._heard, set()
        with self._store.read() as read:
            return seen.due(read, keys, self._now())

    def _read_feed(self, present: Present) -> bool:
        """Take changes from the feed; whether there are more."""
        telling = self.engine.telling
        if self._is_full:
            return False
        found = feed.changes(present.moment, self._position + b"\0")
        for count, change in enumerate(found, start=1):
            self._position = change.key
            telling.changed(present, change.apex, change.key)
            if count == FEED_AT_ONCE:
                return True
        return False

    def _walk(self, present: Present) -> bool:
        """Go on through all zones of which others are notified; whether there are more."""
        return not self._is_full and self._notified.go_on(present, self.engine)

    @property
    def _is_full(self) -> bool:
        return self.engine.telling.count >= TELLING_MOST

    def _ask_duties(self, present: Present) -> None:
        self._again = None
        for duty in self._network.duties:
            assert isinstance(present.moment, ReadTransaction)
            for errand in duty.due(present.moment, present.unix):
                if self.engine.send(present, errand):
                    self._duties[errand.name] = duty
            again = duty.wake()
            if again is not None:
                self._again = again if self._again is None else min(again, self._again)

    # -- what is to be done

    def actions(self) -> list[Action]:
        """What is to be done, in order; it is not given out again."""
        actions, self.engine.actions = self.engine.actions, []
        return actions

    def answered(self, action: Answered) -> Unit | None:
        """What is to be written of the answer to an errand; `written` says that it was."""
        duty = self._duties.pop(action.errand.name)
        return duty.answered(action.errand, action.answer, action.reason, self._now())

    def written(self, action: Answered) -> None:
        """What followed from the answer to an errand was written."""
        self.engine.errand_done(action.errand)

    def work(self) -> bool:
        """A piece of the work that transfers leave behind; whether there is more.

        Raises:
            CsidError: it cannot be done now.
        """
        return any(work() for work in self._works)

    # -- connections

    def opened(self, link: int) -> None:
        """A connection is there."""
        with self.present() as present:
            self.engine.opened(present, link)

    def lost(self, link: int, reason: str, is_silent: bool = False, is_hung: bool = False) -> None:
        """A connection has ended, or has not come about.

        Args:
            is_silent: nothing has come on it since a transfer began.
            is_hung: it was given up, as nothing came for too long.
        """
        fetch = self._fetches.pop(link, None)
        with self.present() as present:
            if fetch is None:
                self.engine.lost(present, link, reason)
                return
            fetch.abandon()
            self.engine.failed(
                present,
                link,
                f"the transfer ended early: {reason}",
                is_closed=is_silent and not is_hung,
                is_hung=is_hung,
                may_full=fetch.is_undecided and not (is_silent and is_hung),
            )

    def received(self, link: int, messages: Iterable[bytes]) -> None:
        """Messages have come on a connection on which no transfer runs."""
        with self.present() as present:
            for message in messages:
                self.engine.received(present, link, message)

    # -- transfers

    def transfer(self, action: Transfer) -> bytes | None:
        """Begin a transfer: what is to be sent; None if it comes to nothing, and the connection is
        to be closed.
        """
        with self.present() as present:
            try:
                fetch = Fetch(
                    self._store,
                    names.wire_of_key(action.apex),
                    action.key,
                    present.unix,
                    action.full,
                    self._watch,
                    forced=action.forced,
                    examine=examine_of(present.moment, action.apex),
                    tls=action.tls,
                )
            except CsidError as error:
                self.engine.failed(present, action.link, str(error))
                return None
        self._fetches[action.link] = fetch
        return fetch.request

    def fetch(self, link: int) -> Fetch | None:
        """The transfer that runs on a connection."""
        return self._fetches.get(link)

    def take_in(self, fetch: Fetch, messages: Sequence[bytes]) -> bool:
        """Give messages to a transfer; whether it is through. It may take a while, and touches
        nothing else here.

        Raises:
            TransferError: it has come to nothing.
        """
        now = self._now()
        return any(fetch.receive(message, now) for message in messages)

    def through(self, link: int, error: Exception | None) -> bool:
        """A transfer is through, or has come to nothing, by an error; whether there may be work
        for `work`. In the second case the connection is to be closed.
        """
        fetch = self._fetches.pop(link)
        with self.present() as present:
            if error is None:
                assert fetch.result is not None
                self.engine.transferred(present, link, fetch.result)
                return True
            reason = str(error) if isinstance(error, TransferError) else f"{error!r:.200}"
            self.engine.failed(present, link, reason, may_full=fetch.retry_full)
            return False

    # -- what is written

    @property
    def has_news(self) -> bool:
        """Whether anything is to be written."""
        are_forgotten = bool(self._notified.away) and self._notified.is_through
        return self.engine.has_settled or self._passed_now() is not None or are_forgotten

    def batch(self) -> Batch | None:
        """What is to be written now, if anything; `wrote` says that it was."""
        engine = self.engine
        batch = Batch(
            engine.looking.outcomes.take(),
            engine.telling.take_done_rows(),
            self._passed_now(),
            engine.telling.take_told(),
            engine.take_peers(),
            self._forgotten(),
        )
        return batch if any(batch) else None

    def wrote(self, batch: Batch) -> None:
        """A batch was written."""
        self.engine.looking.outcomes.wrote(True)
        if self._adrift:
            self._adrift -= 1
            self._followed = Followed()
        self._passed = batch.passed or self._passed

    def _forgotten(self) -> list[str]:
        """The servers that were away when this began and have nothing to be told any more. A row
        that is to last is the engine's to change from now on.
        """
        notified = self._notified
        if not notified.is_through:
            return []
        away, notified.away = notified.away, []
        lasting = self.engine.lasting
        return [name for name in away if name not in lasting]

    def _passed_now(self) -> bytes | None:
        """What is to be written of the feed: that all zones were gone through."""
        passed = self._notified.passed
        return None if passed == self._passed else passed
