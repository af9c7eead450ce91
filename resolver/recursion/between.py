"""What is known of names that nobody asked for: those above the names that somebody did.

Of some it is known that they are there, without a delegation: whoever is asked below them need not
be asked for them again. Others are gone, and all below them with them (RFC 8020).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

MOST: Final = 50_000  # names of either kind
SECONDS_MAX: Final = 3_600


class Gone(NamedTuple):
    """That a name is not there.

    Attributes:
        expires: time.
        soa: ready record of the zone that says so.
    """

    expires: float
    soa: bytes


class Between:
    """Names above others."""

    def __init__(self, most: int = MOST) -> None:
        self._there: OrderedDict[bytes, float] = OrderedDict()
        self._gone: OrderedDict[bytes, Gone] = OrderedDict()
        self._most = most

    def note_there(self, name: bytes, ttl: int, now: float) -> None:
        """A name is there, and no delegation is at it."""
        self._gone.pop(name, None)
        self._there[name] = now + min(ttl, SECONDS_MAX)
        if len(self._there) > self._most:
            self._there.popitem(last=False)

    def note_gone(self, name: bytes, ttl: int, soa: bytes, now: float) -> None:
        """A name is not there."""
        self._there.pop(name, None)
        if ttl > 0:
            self._gone[name] = Gone(now + min(ttl, SECONDS_MAX), soa)
            if len(self._gone) > self._most:
                self._gone.popitem(last=False)

    def gone_above(self, name: bytes, now: float) -> Gone | None:
        """Whether a name above this one is gone."""
        if not self._gone:
            return None
        at = 0
        while name[at]:
            at += 1 + name[at]
            found = self._gone.get(name[at:])
            if found is not None:
                if found.expires > now:
                    return found
                del self._gone[name[at:]]
        return None

    def there_below(self, name: bytes, top: bytes, now: float) -> bytes:
        """The deepest name between a name and one above it that is known to be there; the one above
        if none is.
        """
        end = len(name) - len(top)
        at = 0
        while at < end:
            at += 1 + name[at]
            expires = self._there.get(name[at:])
            if expires is not None and at < end:
                if expires > now:
                    return name[at:]
                del self._there[name[at:]]
        return top

    def drop(self) -> None:
        """Forget all."""
        self._there.clear()
        self._gone.clear()
