"""When a source is asked again, and how much of it may be asked. Pure: times are arguments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Final, NamedTuple

JITTER: Final = 0.1  # of the interval, to either side, so that sources are not asked in step
BACK_OFF_MAX: Final = 900.0  # seconds, however often it has failed
RETRY_AFTER_MAX: Final = 86_400.0  # that a source may put us off
FIRST_WAIT_MAX: Final = 10.0  # before the first poll after the start
_DOUBLINGS_MAX: Final = 20


class Limits(NamedTuple):
    """What a source may cost.

    Attributes:
        requests: a minute.
        answer_octets, poll_octets: of one answer, of all of one poll.
        answer_seconds, poll_seconds: until an answer is whole; all of one poll, with waiting.
    """

    requests: int = 120
    answer_octets: int = 64 << 20
    poll_octets: int = 256 << 20
    answer_seconds: float = 30.0
    poll_seconds: float = 180.0


def first(interval: float, draw: float) -> float:
    """Seconds until the first poll. ``draw`` is a random number from 0 to 1."""
    return draw * min(interval, FIRST_WAIT_MAX)


def following(interval: float, draw: float) -> float:
    """Seconds from one poll to the next."""
    return interval * (1 + JITTER * (2 * draw - 1))


def after_failures(interval: float, failures: int, put_off: float, draw: float) -> float:
    """Seconds until a source is asked again that has failed.

    Args:
        failures: in a row.
        put_off: seconds that it has asked for (Retry-After); 0 if it has not.
    """
    longest = max(BACK_OFF_MAX, interval)
    doubled = interval * 2.0 ** min(max(0, failures - 1), _DOUBLINGS_MAX)
    wait = min(longest, doubled) * (1 - JITTER * draw)
    return max(wait, min(put_off, RETRY_AFTER_MAX))


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds that an answer puts us off (RFC 9110 section 10.2.3); 0 if it does not.

    Args:
        headers: by names in lower case.
        now: Unix seconds.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), RETRY_AFTER_MAX)
    from email.utils import parsedate_to_datetime  # which those who only configure do without

    try:
        moment = parsedate_to_datetime(text)
        return min(max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now), 86_400)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0


class Budget:
    """Requests of a source: so many a minute, and never more than a minute's at once.

    Args:
        per_minute: requests.
        now: seconds, from any beginning.
    """

    def __init__(self, per_minute: int, now: float) -> None:
        self._most = float(per_minute)
        self._left = self._most
        self._at = now

    def take(self, now: float) -> float:
        """Take one; the seconds to wait before it is made."""
        self._left = min(self._most, self._left + (now - self._at) * self._most / 60)
        self._at = now
        self._left -= 1
        return max(0.0, -self._left * 60 / self._most)
