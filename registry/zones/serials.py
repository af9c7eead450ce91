"""The serial that a zone gets when it is loaded (RFC 1982)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from resolver.store.build import next_serial

_HALF = 2**31


class Mode(Enum):
    """Where the serial comes from."""

    KEEP = "keep"  # the zone file
    INCREMENT = "increment"  # one more than the zone has that is served
    UNIXTIME = "unixtime"  # the time, or one more if that would go back
    REBUILD = "rebuild"  # one more if anything differs, else as it was


class Serial(NamedTuple):
    """What follows: a serial, or that nothing is to be done, or why it cannot be done."""

    number: int
    is_unchanged: bool = False
    fault: str = ""
    warning: str = ""


def is_ahead(serial: int, of: int) -> bool:
    """Whether secondaries take one serial for newer than another (RFC 1982 section 3.2)."""
    return 0 < (serial - of) % 2**32 < _HALF


def behind(serial: int, steps: int) -> int:
    """A serial behind all that this many changes may have led to, each by `next_serial`: who passes
    the end takes one step less for it, as 0 is left out.
    """
    found = serial + min(steps + 1, _HALF - 2)
    return found if found < 2**32 else found % 2**32 + 1


def choose(
    mode: Mode,
    given: int,
    held: int | None,
    differs: bool,
    has_moved: bool,
    now: int,
    used: int | None = None,
) -> Serial:
    """The serial of a zone that takes the place of another.

    Args:
        given: that of the zone file.
        held: that of the zone that is served, None if there is none.
        differs: whether the two have different records, apart from the serial.
        has_moved: whether the zone that is served was changed while the new one was looked at.
        now: Unix seconds.
        used: the serial that the zone once went back from (`resolver.store.journal`); those up to
            it were in use with other content.
    """
    if held is None:
        return Serial(now % 2**32 if mode is Mode.UNIXTIME else given)
    last = used if used is not None and is_ahead(used, held) else held
    if mode is Mode.KEEP:
        return _kept(given, held, differs, has_moved, last)
    if not differs and not has_moved:
        return Serial(held, is_unchanged=mode is not Mode.REBUILD)
    if mode is Mode.UNIXTIME and is_ahead(now % 2**32, last):
        return Serial(now % 2**32)
    return Serial(next_serial(last))


def _kept(given: int, held: int, differs: bool, has_moved: bool, last: int) -> Serial:
    if is_ahead(given, held):
        if is_ahead(given, last) or last == held:
            return Serial(given)
        return Serial(
            given,
            warning=f"serials up to {last} were in use before with other content, and secondaries "
            f"that have one will not take this over; raise the serial beyond {last}",
        )
    if has_moved:
        # What was carried over has had serials up to the one that is held.
        following = next_serial(held)
        return Serial(
            following,
            warning=f"was changed up to serial {held} while it was loaded, so it gets {following}",
        )
    if given != held:
        return Serial(
            given,
            warning=f"the serial goes back from {held} to {given}; secondaries will not take it "
            "over",
        )
    if not differs:
        return Serial(held, is_unchanged=True)
    return Serial(
        given,
        fault=f"serial {held} is served already with other content, so secondaries would not "
        "take this over; raise the serial, or give --serial increment",
    )
