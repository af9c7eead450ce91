"""What became lately of zones that follow others, of notices that were sent, and of other servers.

    sync.states   00 + canonical key of an apex -> msgpack of StateRow
                  01 + canonical key of an apex -> msgpack [Told, ...]
                  02 + name of a server (resolver/sync/peer.py) -> msgpack of PeerRow

A zone begins to follow by `begin` and ends by `end`; in between only the sync process writes its
row, except that anybody may ask for a look (`ask`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from resolver.sync.settings import STATES, TIMERS, Moment, follow_of, pack, where
from resolver.sync.timers import AGAIN, AT_ONCE, FULL, timer_key

_TOLD: Final = b"\x01"
_PEER: Final = b"\x02"


class StateRow(NamedTuple):
    """A zone that follows another server. Times are in Unix seconds, 0 is never."""

    due: int = AT_ONCE  # when it is looked at next; AT_ONCE, AGAIN: now
    serial: int | None = None  # that is held
    there: int | None = None  # that a primary said last
    refreshed: int = 0  # when a primary last confirmed what is held
    expires: int = 0
    changed: int = 0  # when it was last transferred, and what that came to
    kind: str = ""  # "AXFR", "IXFR"
    octets: int = 0
    milliseconds: int = 0
    primary: int = 0  # which of its primaries answered last
    failures: int = 0  # in a row
    error: str = ""  # what the last look failed by, empty if it did not

    @property
    def is_open(self) -> bool:
        """Whether somebody has asked for a look that is not done yet."""
        return self.due <= AGAIN


class Told(NamedTuple):
    """A server that is notified of a zone's changes."""

    host: str
    port: int
    serial: int | None = None  # that it has confirmed
    at: int = 0  # when it did
    error: str = ""  # why the last notice was not confirmed, empty if it was


class PeerRow(NamedTuple):
    """A server that cannot be reached, or is to be told of changes that no row of the feed says any
    more. It is kept while it is either.
    """

    failures: int  # in a row; 0: it answers
    since: int  # Unix seconds
    error: str = ""
    is_behind: bool = False


class Settled(NamedTuple):
    """What a look at a zone came to, to be written.

    Attributes:
        taken: the `due` under which it was taken up; if another stands there by now, somebody has
            asked for another look meanwhile, which is not to be lost.
        state: None: it follows nobody any more.
        flag: the zone's flags from now on; None: as they are.
    """

    apex: bytes
    taken: int
    state: StateRow | None
    flag: int | None = None


def state_of(moment: Moment, apex: bytes) -> StateRow | None:
    """The state of a zone; None if it follows nobody."""
    value = moment.table(STATES).get(where(apex))
    return None if value is None else StateRow(*_unpack(value))


def states(moment: Moment, start: bytes = b"") -> Iterator[tuple[bytes, StateRow]]:
    """(apex, state) of the zones that follow others, in canonical order, from an apex on."""
    for key, value in moment.table(STATES).scan(where(b""), where(start)):
        yield key[1:], StateRow(*_unpack(value))


def told_of(moment: Moment, apex: bytes) -> list[Told]:
    """What servers have confirmed of a zone that notices were sent of."""
    value = moment.table(STATES).get(_TOLD + apex)
    return [] if value is None else [Told(*one) for one in _unpack(value)]


def put_told(moment: Moment, apex: bytes, told: Sequence[Told]) -> None:
    """Keep what servers have confirmed of a zone."""
    moment.table(STATES).put(_TOLD + apex, pack(told))


def peers(moment: Moment) -> Iterator[tuple[str, PeerRow]]:
    """(name, row) of the servers that could not be reached."""
    for key, value in moment.table(STATES).scan(_PEER):
        yield key[1:].decode(), PeerRow(*_unpack(value))


def put_peer(moment: Moment, name: str, row: PeerRow | None) -> None:
    """Keep whether a server can be reached; None: nobody has to do with it any more."""
    if row is None:
        moment.table(STATES).delete(_PEER + name.encode())
    else:
        moment.table(STATES).put(_PEER + name.encode(), pack(row))


def begin(moment: Moment, apex: bytes) -> None:
    """Let a zone that has a row in sync.follows be looked at, at once."""
    if not ask(moment, apex):
        _put(moment, apex, StateRow(), b"")


def ask(moment: Moment, apex: bytes, full: bool = False) -> bool:
    """Have a zone looked at, at once; whether it follows another server.

    Args:
        full: it is transferred as a whole, whatever serial is held.
    """
    state = state_of(moment, apex)
    if state is None:
        return False
    timers = moment.table(TIMERS)
    before = timer_key(state.due, apex)
    is_full = full or timers.get(before) == FULL
    timers.delete(before)
    due = AGAIN if state.due == AT_ONCE else AT_ONCE
    _put(moment, apex, state._replace(due=due), FULL if is_full else b"")
    return True


def end(moment: Moment, apex: bytes) -> None:
    """Let nothing be known of a zone that follows nobody any more."""
    state = state_of(moment, apex)
    if state is not None:
        moment.table(TIMERS).delete(timer_key(state.due, apex))
        moment.table(STATES).delete(where(apex))


def settle(moment: Moment, settled: Iterable[Settled]) -> None:
    """Write what looks came to, and when the next ones are due."""
    table, timers = moment.table(STATES), moment.table(TIMERS)
    packed = msgpack.Packer().pack  # one for all: each takes as long to make as to use
    for apex, taken, state, _ in settled:
        if state is None and follow_of(moment, apex) is not None:
            continue  # it follows again meanwhile, and is to be looked at
        if not timers.delete(timer_key(taken, apex)):
            # It follows nobody any more, or another look was asked for.
            held = state_of(moment, apex)
            if held is not None and state is not None:
                table.put(where(apex), pack(state._replace(due=held.due)))
        elif state is None:
            table.delete(where(apex))
        else:
            table.put(where(apex), packed(state))
            timers.put(timer_key(state.due, apex), b"")


def _put(moment: Moment, apex: bytes, state: StateRow, value: bytes) -> None:
    moment.table(STATES).put(where(apex), pack(state))
    moment.table(TIMERS).put(timer_key(state.due, apex), value)


def _unpack(value: bytes) -> Any:
    return msgpack.unpackb(value, use_list=False)
