"""What looks at zones came to, until it is written."""

from __future__ import annotations

from collections.abc import Mapping

from resolver.store.apexes import EXPIRED
from resolver.sync.job import Zone
from resolver.sync.states import Settled, StateRow


class Outcomes:
    """Of one engine; `zones` are those that it looks at now."""

    def __init__(self, zones: Mapping[bytes, Zone]) -> None:
        self._zones = zones
        self._settled: dict[bytes, Settled] = {}
        self._settling: dict[bytes, Settled] = {}  # those that are being written

    def add(self, one: Settled) -> None:
        """Keep what a look came to, in place of what one before it did."""
        self._settled[one.apex] = one

    def take(self) -> list[Settled]:
        """What looks came to, to be written; `wrote` says whether it was."""
        self._settling, self._settled = self._settled, {}
        return list(self._settling.values())

    def wrote(self, is_written: bool) -> None:
        """What was taken has been written, or could not be and is given out again."""
        if is_written:
            for one in self._settling.values():
                self._stands(one)
        else:
            self._settled = self._settling | self._settled
        self._settling = {}

    def _stands(self, one: Settled) -> None:
        """What was written of a zone stands: whatever was begun before that takes it from there."""
        if one.state is None:
            return
        later, zone = self._settled.get(one.apex), self._zones.get(one.apex)
        if later is not None and later.taken == one.taken:
            self._settled[one.apex] = later._replace(taken=one.state.due)
        if zone is not None and zone.taken == one.taken:
            zone.taken = one.state.due

    @property
    def batches(self) -> int:
        """In how many batches they are written: one may be under way."""
        return bool(self._settling) + bool(self._settled)

    @property
    def are_urgent(self) -> bool:
        """Whether others wait for one of them to be written: a zone expires or returns."""
        return any(one.flag is not None for one in self._settled.values())

    def __bool__(self) -> bool:
        """Whether any is to be written."""
        return bool(self._settled)

    def __contains__(self, apex: bytes) -> bool:
        return apex in self._settled or apex in self._settling

    def state(self, apex: bytes) -> StateRow | None:
        """Of a zone, as it is about to be written; None if it is not, or is to be forgotten."""
        one = self._settled.get(apex) or self._settling.get(apex)
        return None if one is None else one.state

    def flag(self, apex: bytes) -> int | None:
        """What a zone's flags are to become by the outcome that is not being written yet."""
        one = self._settled.get(apex)
        return None if one is None else one.flag

    def expires(self, apex: bytes) -> bool:
        """Whether a zone is about to be written as expired."""
        pending = (self._settled.get(apex), self._settling.get(apex))
        return any(one is not None and one.flag == EXPIRED for one in pending)
