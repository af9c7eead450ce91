"""What was answered to signed UPDATEs: each is carried out once.

A signature holds for minutes (RFC 8945 section 5.2.3), and whoever was on the way can send the same
octets again: a cut that was taken back meanwhile would be filed anew. The same message gets the
same answer, and nothing is done; so does one that its sender repeats as the answer was lost. What
was refused has done nothing, and is tried again.

A writer that begins anew remembers nothing of before.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from resolver.sync.tsig import Signed

MOST: Final = 20_000  # messages that are remembered
_MAC_OCTETS: Final = 10  # of a MAC, which may come cut down to that (RFC 8945 section 5.2.2.1)

T = TypeVar("T")


class Replays(Generic[T]):
    """The last answers, by their questions.

    Args:
        most: are remembered. What was signed no later than one that is forgotten, by the same key,
            is too old.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, tuple[bytes, int, T]] = OrderedDict()
        self._forgotten: dict[bytes, int] = {}  # by the name of the key, the latest time

    def answer(self, signed: Signed) -> T | None:
        """What a message was answered; None if it was not yet."""
        kept = self._kept.get(mark(signed))
        return None if kept is None else kept[2]

    def is_too_old(self, signed: Signed) -> bool:
        """Whether a message may be one that is forgotten."""
        return signed.time <= self._forgotten.get(signed.key.name, -1)

    def note(self, signed: Signed, answer: T) -> None:
        """A message was answered."""
        self._kept[mark(signed)] = (signed.key.name, signed.time, answer)
        while len(self._kept) > self._most:
            _, (key, time, _) = self._kept.popitem(last=False)
            self._forgotten[key] = max(time, self._forgotten.get(key, -1))


def mark(signed: Signed) -> bytes:
    """What two messages have in common only if they are the same."""
    return signed.key.name + signed.mac[:_MAC_OCTETS]
