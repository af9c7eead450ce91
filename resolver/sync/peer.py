"""One other server: the connections to it, and what waits for them.

Questions (SOA queries, notices, errands) share one connection, many at a time; each transfer has
one of its own. Connections are kept for a while, as the next change may come soon. A server that
cannot be reached, or does not answer, is left alone for a pause that doubles: zones go to their
next primary at once meanwhile, notices and errands wait.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from csid.protocol import NOERROR, SERVFAIL
from resolver.sync import checks, expire, notify
from resolver.sync.actions import Answered, Errand, Open, Present, Send, Shut, Transfer, Where
from resolver.sync.job import Asked, Line, Notice, Queue, Sending, Zone
from resolver.sync.settings import Target, targets_of
from resolver.sync.tsig import Key, TsigError, Verifier, room, sign

if TYPE_CHECKING:
    from resolver.sync.engine import Engine

_IDENTITIES: Final = 1 << 16


class Peer:
    """What the engine has to do with one server.

    Attributes:
        where: how it is reached.
        failures: in a row.
        since: of these, Unix seconds.
        down_until: it is left alone until then, on the steady clock.
        error: why; begins with its name.
        busy: transfers from it that are under way.
    """

    def __init__(self, engine: Engine, where: Where) -> None:
        self.where = where
        self.failures = 0
        self.since = 0
        self.down_until = 0.0
        self.error = ""
        self._engine = engine
        self._limits = engine.limits
        self._control: Line | None = None
        self._thrown: Line | None = None  # over UDP, for notices, where no connection comes about
        self._spare: list[Line] = []
        self._opening = 0  # connections for transfers
        self.busy = 0
        self._checks = Queue()
        self._transfers = Queue()
        self._notices: dict[bytes, Notice] = {}
        self._ready: deque[Notice] = deque()  # those of them that are to be sent
        self._untold: set[bytes] = set()  # apexes of those that no row of the feed stands for
        self._errands: deque[Sending] = deque()
        self._carried: Sending | None = None  # the one that is under way
        self._asked: dict[int, Asked] = {}  # by message ID, the oldest first
        self._by_datagram: dict[int, Asked] = {}
        self._is_tidied = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is known of it that would have to be kept."""
        return not (
            self.failures
            or self._control
            or self._spare
            or self._opening
            or self.busy
            or self._notices
            or self._errands
            or self._carried
        )

    @property
    def is_behind(self) -> bool:
        """Whether it is to be told of changes that would be forgotten with this process."""
        return bool(self._untold)

    # -- what is wanted of it

    def take(self, present: Present, zone: Zone, first: bool = False) -> bool:
        """Ask for a zone's SOA, or have it transferred; False if too much waits already."""
        queue = self._transfers if zone.is_wanted else self._checks
        if queue.count >= self._limits.queue and not zone.is_urgent:
            return False
        queue.add(zone, first)
        self.drive(present)
        return True

    def notify(self, present: Present, notice: Notice, has_row: bool) -> None:
        """Tell it that a zone has changed.

        Args:
            has_row: a row of the feed says so until it has answered.
        """
        if not has_row:
            self._is_untold(notice.apex)
        known = self._notices.get(notice.apex)
        if known is not None and known.key == notice.key:
            known.since = present.steady
            known.is_renewed = True  # told again once what is under way is answered
        else:
            self._notices[notice.apex] = notice
            self._ready.append(notice)
        self.drive(present)

    def send(self, present: Present, errand: Errand) -> None:
        """Put a request to it."""
        self._errands.append(Sending(errand))
        self.drive(present)

    def drive(self, present: Present) -> None:
        """Go on with what waits."""
        if present.steady < self.down_until:
            return
        self._drive_questions(present)
        self._drive_transfers(present)

    def _drive_questions(self, present: Present) -> None:
        errand = self._errands and self._carried is None
        if not (self._ready or errand or self._checks.count):
            return
        line = self._control
        if line is None:
            self._control = self._open(is_transfer=False)
        elif line.is_open:
            while len(self._asked) < self._limits.window:
                if self._ready:
                    notice = self._ready.popleft()
                    if self._notices.get(notice.apex) is notice:
                        self._ask(present, line, notice, self._asked)
                elif self._errands and self._carried is None:
                    self._carried = self._errands.popleft()
                    self._ask(present, line, self._carried, self._asked)
                elif self._checks.count:
                    self._ask(present, line, self._checks.take(), self._asked)
                else:
                    break

    def _drive_transfers(self, present: Present) -> None:
        while self._transfers.count and self.busy < self._limits.transfers_per_server:
            if not self._spare:
                if self._opening < min(
                    self._transfers.count, self._limits.transfers_per_server - self.busy
                ):
                    self._opening += 1
                    self._open(is_transfer=True)
                    continue
                return
            if not self._engine.may_transfer(self):
                return
            self._transfer(present, self._spare.pop(), self._transfers.take())

    def _open(self, is_transfer: bool, is_datagram: bool = False) -> Line:
        line = self._engine.new_line(self, is_transfer, is_datagram)
        self._engine.actions.append(Open(line.number, self.where, is_datagram))
        return line

    # -- questions

    def _ask(
        self, present: Present, line: Line, what: Zone | Notice | Sending, asked: dict[int, Asked]
    ) -> None:
        """Send one question."""
        engine = self._engine
        identity = engine.random.getrandbits(16)
        while identity in self._asked or identity in self._by_datagram:
            identity = (identity + 1) % _IDENTITIES
        target_key = what.key
        if isinstance(what, Zone):
            message = checks.query(identity, what.origin)
        elif isinstance(what, Sending):
            message = identity.to_bytes(2, "big") + what.errand.message[2:]
        else:
            soa = engine.soa_record(present, what.apex)
            # None: the zone is gone.
            if soa is None or (what.failures and not self._is_still_told(present, what)):
                self._drop_notice(what)
                return
            what.sent = soa.serial
            what.is_sent, what.is_renewed = True, False
            message = notify.make(identity, what.origin, soa.data, soa.ttl)
        key: Key | None = None
        mac = b""
        if target_key:
            key = engine.key(present, target_key)
            if key is None:
                self._unanswered(present, what, engine.key_fault(target_key))
                return
        if self.where.tls and isinstance(what, Zone):
            message = expire.pad(message, room(key) if key else 0)
        if key is not None:
            message, mac = sign(message, key, present.unix)
        until = present.steady + self._limits.answer
        asked[identity] = Asked(what, key, mac, until)
        engine.actions.append(Send(line.number, message))
        if len(asked) == 1 and asked is self._asked:
            engine.alarm(until, self._overdue)

    def received(self, present: Present, line: Line, message: bytes) -> None:
        """A message has come on a connection."""
        asked = self._by_datagram if line.is_datagram else self._asked
        one = asked.pop(int.from_bytes(message[:2], "big"), None) if len(message) > 11 else None
        if one is None:
            return
        line.used += 1
        line.quiet_since = present.steady
        if not line.is_datagram:
            self._is_alive()
        what = one.what
        what.is_again = False
        reason = ""
        if one.key is not None:
            try:
                message = Verifier(one.key, one.mac).check(message, present.unix)
            except TsigError as error:
                reason = str(error)
        if reason:  # anybody may have said so, or the clocks differ for a while: it is no answer
            self._unanswered(present, what, f"{self.where}: {reason}")
        elif isinstance(what, Zone):
            self._engine.looking.checked(present, self, what, message)
        elif isinstance(what, Notice):
            self._confirmed(present, what, message)
        else:
            self._carried = None
            self._engine.actions.append(Answered(what.errand, message, ""))
        if not line.is_datagram:
            self._tidy_later(present)
            self.drive(present)

    def _unanswered(self, present: Present, what: Zone | Notice | Sending, reason: str) -> None:
        """A question has got no answer that says anything, for a reason of its own."""
        if isinstance(what, Zone):
            self._engine.looking.failed_at(present, what, reason)
        elif isinstance(what, Notice):
            # It is owed, though: by then it may be signed by another key.
            self._engine.telling.told(present, self, what, reason)
            self._not_now(present, what)
        else:
            self._carried = None
            self._engine.actions.append(Answered(what.errand, b"", reason))

    def _is_still_told(self, present: Present, notice: Notice) -> bool:
        """Whether it is to be told of a zone still, which it was not at first: from now on by the
        key that it is to be told by since.
        """
        for target in targets_of(present.moment, notice.apex):
            if where_of(target) == self.where:
                notice.key = target.key
                return True
        return False

    def _confirmed(self, present: Present, notice: Notice, message: bytes) -> None:
        """Any answer ends the retries (RFC 1996 section 4.7), but one that says "not now"."""
        code = message[3] & 15
        reason = "" if code == NOERROR else f"{self.where}: answers {checks.code_name(code)}"
        self._engine.telling.told(present, self, notice, reason)
        if self._notices.get(notice.apex) is not notice:
            return
        if code == SERVFAIL:  # it has taken no note of it, but for the moment only
            self._not_now(present, notice)
            return
        notice.failures = 0
        if not notice.is_renewed:
            self._drop_notice(notice)
        elif notice.is_sent:  # else it waits to be sent already
            notice.is_sent = False
            self._ready.append(notice)

    def _not_now(self, present: Present, notice: Notice) -> None:
        """Send a notice again after a pause, which doubles; in the end as good as given up, so that
        its row keeps nobody from being told of other changes.
        """
        if self._notices.get(notice.apex) is not notice:
            return
        if present.steady - notice.since > self._limits.give_up:
            self._drop_notice(notice)
            return
        notice.is_sent = False
        pause = self._limits.first_pause * 2 ** min(notice.failures, 16)
        notice.failures += 1
        if notice.failures > self._limits.refusals:
            self._let_go(notice)
        at = present.steady + min(pause, self._limits.most_pause)
        self._engine.alarm(at, partial(self._again, notice))

    def _again(self, notice: Notice, present: Present) -> None:
        """Send a notice once more that was answered by "not now"."""
        if self._notices.get(notice.apex) is notice and notice not in self._ready:
            self._ready.append(notice)
            self.drive(present)

    def _drop_notice(self, notice: Notice) -> None:
        if self._notices.get(notice.apex) is notice:
            del self._notices[notice.apex]
            self._engine.telling.row_done(notice.apex, self)
            if notice.apex in self._untold:
                self._untold.discard(notice.apex)
                if not self._untold:
                    self._engine.peer_changed(self)

    def _let_go(self, notice: Notice) -> None:
        """Let the row of the feed go that a notice is sent for, which goes on being sent."""
        self._is_untold(notice.apex)
        self._engine.telling.row_done(notice.apex, self)

    def _is_untold(self, apex: bytes) -> None:
        """Let it be known after this process that there is something to be told."""
        if not self._untold:
            self._untold.add(apex)
            self._engine.peer_changed(self)
        self._untold.add(apex)

    def _overdue(self, present: Present) -> None:
        """See whether the question that waits longest has waited too long."""
        if not self._asked:
            return
        first = next(iter(self._asked.values()))
        if first.until > present.steady:
            self._engine.alarm(first.until, self._overdue)
        else:
            self.fail(present, f"has not answered for {self._limits.answer:g} s")

    # -- transfers

    def _transfer(self, present: Present, line: Line, zone: Zone) -> None:
        engine = self._engine
        key = engine.key(present, zone.key) if zone.key else None
        if zone.key and key is None:
            self._spare.append(line)
            engine.looking.failed_at(present, zone, engine.key_fault(zone.key))
            return
        line.zone = zone
        zone.begun = present.steady
        self.busy += 1
        engine.transferring += 1
        over_tls = bool(self.where.tls)
        engine.actions.append(
            Transfer(line.number, zone.apex, key, zone.is_full, zone.is_forced, over_tls)
        )

    def transferred(self, present: Present, line: Line) -> None:
        """A transfer is through, and its connection is free again."""
        self._is_alive()
        line.used += 1
        self._rest(present, line)
        self._tidy_later(present)

    def broken(self, present: Present, line: Line, is_closed: bool) -> bool:
        """A transfer has come to nothing, and its connection is gone; whether that was one that had
        been kept and was closed by the server meanwhile, so that the zone is asked for anew.
        """
        zone = line.zone
        assert zone is not None
        was_stale = is_closed and line.used > 0 and not zone.is_again
        self._engine.drop_line(line)
        self.busy -= 1
        self._engine.transferring -= 1
        if was_stale:
            zone.is_again = True
            self.take(present, zone, first=True)
        return was_stale

    def _rest(self, present: Present, line: Line) -> None:
        line.zone = None
        line.quiet_since = present.steady
        self.busy -= 1
        self._engine.transferring -= 1
        self._spare.append(line)

    # -- connections

    def opened(self, present: Present, line: Line) -> None:
        """A connection is there."""
        line.is_open = True
        line.quiet_since = present.steady
        if line.is_datagram:
            for notice in [one for one in self._ready if not one.is_sent]:
                self._ask(present, line, notice, self._by_datagram)
            self._ready = deque(self._notices.values())
            for notice in self._ready:
                notice.is_sent = False
        elif line.is_transfer:
            self._opening -= 1
            self._spare.append(line)
        self._tidy_later(present)
        self.drive(present)

    def lost(self, present: Present, line: Line, reason: str) -> None:
        """A connection has ended, or has not come about."""
        self._engine.drop_line(line)
        if line.is_datagram:
            self._thrown = None
        elif line is not self._control:
            if line in self._spare:
                self._spare.remove(line)
            elif not line.is_open:
                self._opening -= 1
                self.fail(present, reason)
        elif line.is_open and (not self._asked or self._is_stale(line)):
            # A server closes what it has kept for a while, also over a question on its way.
            self._control = None
            self._ask_again(present)
        else:
            self._control = None
            if not line.is_open and self._ready and not self.where.tls and self._thrown is None:
                self._thrown = self._open(is_transfer=False, is_datagram=True)
            self.fail(present, reason)

    def _is_stale(self, line: Line) -> bool:
        return line.used > 0 and not any(one.what.is_again for one in self._asked.values())

    def _ask_again(self, present: Present) -> None:
        for one in self._asked.values():
            one.what.is_again = True
        self._put_back(present, "")
        self.drive(present)

    def _put_back(self, present: Present, reason: str) -> list[Zone]:
        """Let what was asked wait for another connection; zones, if there is a reason, are given
        back to find another server.
        """
        zones: list[Zone] = []
        asked, self._asked = list(self._asked.values()), {}
        for one in reversed(asked):
            what = one.what
            if isinstance(what, Zone):
                zones.append(what)
            elif isinstance(what, Notice):
                if self._notices.get(what.apex) is what:
                    what.is_sent = False
                    self._ready.appendleft(what)
            else:
                self._carried = None
                self._errands.appendleft(what)
        if not reason:
            for zone in zones:
                self._checks.add(zone, first=True)
            return []
        return zones

    def _is_alive(self) -> None:
        if self.failures:
            self.failures = 0
            self.error = ""
            self._engine.peer_changed(self)
        self.down_until = 0.0

    def revive(self) -> None:
        """It has been heard of: it is tried at once, whatever was before."""
        self.down_until = 0.0

    def fail(self, present: Present, reason: str) -> None:
        """It cannot be reached, or does not answer: leave it alone for a while."""
        if present.steady >= self.down_until:  # else it is known to be away
            limits = self._limits
            self.since = self.since if self.failures else present.unix
            pause = min(limits.first_pause * 2 ** min(self.failures, 16), limits.most_pause)
            self.failures += 1
            self.error = f"{self.where}: {reason}"
            self.down_until = present.steady + pause * (0.9 + 0.1 * self._engine.random.random())
            self._engine.peer_changed(self)
            self._engine.alarm(self.down_until, self.drive)
        zones = [*self._put_back(present, reason), *self._checks.drain(), *self._transfers.drain()]
        if self._control is not None:
            self._shut(self._control)
            self._control = None
        self._give_up(present)
        for zone in zones:
            self._engine.looking.failed_at(present, zone, self.error)

    def _give_up(self, present: Present) -> None:
        """Say of notices that they wait, and forget those that have waited for too long."""
        for notice in list(self._notices.values()):
            if present.steady - notice.since > self._limits.give_up:
                self._drop_notice(notice)
            else:
                self._let_go(notice)
        self._ready = deque(one for one in self._ready if one.apex in self._notices)

    def _shut(self, line: Line) -> None:
        self._engine.drop_line(line)
        self._engine.actions.append(Shut(line.number))

    def _tidy_later(self, present: Present) -> None:
        if not self._is_tidied:
            self._is_tidied = True
            self._engine.alarm(present.steady + self._limits.keep, self._tidy)

    def _tidy(self, present: Present) -> None:
        """Close what nobody has used for a while."""
        self._is_tidied = False
        old = present.steady - self._limits.keep
        for line in [one for one in self._spare if one.quiet_since <= old]:
            self._spare.remove(line)
            self._shut(line)
        control = self._control
        if (
            control is not None
            and control.is_open
            and not self._asked
            and control.quiet_since <= old
        ):
            self._shut(control)
            self._control = None
        if self._thrown is not None and self._thrown.quiet_since <= old:
            self._shut(self._thrown)
            self._thrown = None
            self._by_datagram.clear()
        if self._spare or self._control or self._thrown:
            self._tidy_later(present)
        elif self.is_idle:
            self._engine.forget(self)


@lru_cache(4_096)
def where_of(target: Target) -> Where:
    """How a target is reached."""
    return Where(target.host, target.port, target.tls, target.source)
