"""Whether what another node tells of its picture is believed, and what is kept of it then. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from csid.status import VALID_SECONDS_MAX
from gateway.systems.aggregation.exchange import (
    AHEAD_MAX,
    DROP_MS,
    GROUPS_MAX,
    LETTERS,
    NUMBER_MAX,
    REST,
    SKEW_MS,
    VALID_MAX,
    Answer,
    ExchangeError,
    Kept,
    Report,
    StrangerError,
    Told,
)
from gateway.systems.aggregation.picture import AMOUNTS

_SLACK: Final = 1e-6  # of sums of fractions
_STATUS_MS: Final = 1_000 * VALID_SECONDS_MAX  # for which a status holds, at most
_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode


class Believed(NamedTuple):
    """What is kept after a report, and whether the next one has to be whole."""

    kept: Kept | None
    whole: bool


def believe(
    report: Report, kept: Kept | None, node: str, prefixes: tuple[str, ...] | None, now: int
) -> Believed:
    """Take a report.

    Args:
        kept: what there is of its region.
        node: who has told it: the name of the key.
        prefixes: of codes of places that the region may tell of; None: of any.
        now: Unix milliseconds.

    Raises:
        ExchangeError: it is not believed, and not taken.
    """
    ahead = report.at - now
    if abs(ahead) > SKEW_MS:
        raise ExchangeError(
            f"the clocks differ by {abs(ahead) / 1_000:,.0f} s: {report.region}'s is "
            f"{'ahead' if ahead > 0 else 'behind'}; set one of them"
        )
    digest = digest_of(report)
    if kept is not None and report.number <= kept.number:
        # It came already, or is of a folder that was restored: that goes on above what is here.
        return Believed(kept, whole=digest != kept.digest)
    if report.base and (kept is None or report.base != kept.number):
        return Believed(kept, whole=True)
    groups = {one.key: one for one in kept.groups} if report.base and kept is not None else {}
    for key in report.gone:
        groups.pop(key, None)
    for one in report.again:
        if one.key not in groups:
            return Believed(kept, whole=True)
        groups[one.key] = msgspec.structs.replace(
            groups[one.key], oldest=one.oldest, newest=one.newest
        )
    told_now = {one.key: one for one in report.groups}
    groups |= told_now
    if len(groups) > GROUPS_MAX:
        raise ExchangeError(f"{len(groups):,} groups; at most {GROUPS_MAX:,} of one region")
    for told in groups.values():
        # What is kept was sound as it came; only its age is another one.
        require = require_sound if told.key in told_now else require_in_time
        require(told, report.at - _STATUS_MS - SKEW_MS, report.at + SKEW_MS)
        place = told.key.prefecture
        if prefixes is not None and told.key != REST and not place.startswith(prefixes):
            raise StrangerError(
                f"{report.region} tells of {place}; here it answers for {', '.join(prefixes)}"
            )
    at = min(report.at, now)
    until = at + 1_000 * report.valid_seconds
    made = Kept(
        report.region,
        node,
        report.number,
        str(report.number),
        digest,
        at,
        until,
        list(groups.values()),
    )
    return Believed(made, whole=False)


def digest_of(report: Report) -> bytes:
    """The same for the same report, whatever it has of others."""
    return blake2b(_encode(msgspec.structs.replace(report, have={})), digest_size=16).digest()


def require_sound(told: Told, since: int, until: int) -> None:
    """Refuse figures that cannot be.

    Args:
        since, until: between which the statuses are that they rest on (Unix milliseconds): what is
            older holds no more.

    Raises:
        ExchangeError: they cannot.
    """
    where = _where(told)
    if told.amounts.keys() - set(AMOUNTS) or told.pflops.keys() - LETTERS:
        raise ExchangeError(f"{where}: amounts are {', '.join(AMOUNTS)}, and PFLOPS by precision")
    if told.unknown > told.resources:
        raise ExchangeError(f"{where}: more resources are unknown than there are")
    for kind, parts in (*told.amounts.items(), *told.pflops.items()):
        if not all(math.isfinite(one) and 0 <= one <= NUMBER_MAX for one in parts):
            raise ExchangeError(f"{where}: {kind}: expected numbers from 0 to 2^53")
        if abs(parts.total - math.fsum(parts[1:])) > _SLACK * max(1.0, parts.total):
            raise ExchangeError(f"{where}: {kind}: its parts do not make up its total")
    require_in_time(told, since, until)


def require_in_time(told: Told, since: int, until: int) -> None:
    """Refuse figures that rest on statuses of another time, as `require_sound` has it.

    Raises:
        ExchangeError: they do.
    """
    if not told.oldest <= told.newest <= until:
        where = _where(told)
        raise ExchangeError(f"{where}: its statuses are of later than the report")
    if told.unknown < told.resources and told.newest < since:
        where = _where(told)
        raise ExchangeError(f"{where}: its statuses are too old to hold, and it is not unknown")


def _where(told: Told) -> str:
    return f"{told.key.prefecture} {told.key.type} {told.key.chip[:40]}"


def heard(
    answer: Answer, before: Mapping[str, Kept], region: str, number: int, now: int
) -> dict[str, Kept]:
    """The neighbours' pictures after an answer, by region.

    Args:
        before: those that were kept.
        number: of the report that is answered.
        region: one's own, of which nobody tells anything.
        now: Unix milliseconds.

    Raises:
        ExchangeError: it is not believed.
    """
    if abs(answer.at - now) > SKEW_MS:
        raise ExchangeError(
            f"the clocks differ by {abs(answer.at - now) / 1_000:,.0f} s; set one of them"
        )
    if answer.number > number + AHEAD_MAX:
        raise ExchangeError(
            f"it has report {answer.number:,} of this region, which is at {number:,}: too far ahead"
        )
    found: dict[str, Kept] = {}
    for one in answer.neighbours:
        was = before.get(one.region)
        if one.region == region or one.age > DROP_MS:
            continue
        at, until = now - one.age, now + min(one.holds, 1_000 * VALID_MAX)
        groups = one.groups
        if groups is None:
            if was is None or was.mark != one.mark:
                continue  # it will be told the next time, as nobody says that it is here
            groups = was.groups
        for told in groups:
            require_sound(told, at - _STATUS_MS - 3 * SKEW_MS, now + 2 * SKEW_MS)
        found[one.region] = Kept(one.region, answer.node, 0, one.mark, b"", at, until, groups)
    return found
