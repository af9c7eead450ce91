"""The calls about latency between places: what was measured, told, looked at and forgotten."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import Annotated, Any, Final

import msgspec

from csid.moments import iso
from gateway.http.problems import Fault, Problem
from gateway.systems.contract import Answer, Call
from gateway.systems.selection.paths.latency import (
    CIRCLES,
    Between,
    Measured,
    about,
    between,
    counts,
)
from gateway.systems.selection.paths.measured import Measurement, MeasurementError, believed
from gateway.systems.selection.paths.places import UnknownPlaceError, location_of, members
from gateway.systems.selection.state import Selecting

MOST: Final = 1_000  # of a page, and of what is told at once
_SLASHES: Final = 9  # of two identifiers, and between them


class LatenciesAsked(msgspec.Struct):
    """Which are listed; `place`: from or to there, or what lies in this city; `after`: as `next` of
    the page before.
    """

    place: str = ""
    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 100


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """What was measured; all of it is taken in, or nothing. Of none it is said whether some would
    be, and as whose.
    """

    items: Annotated[list[Measurement], msgspec.Meta(max_length=MOST)]


class OfWhom(msgspec.Struct):
    """Who has measured what is forgotten; empty: whoever has."""

    by: str = ""


async def list_latencies(state: Selecting, call: Call) -> Answer:
    """A page of what was measured, by places and who has measured."""
    asked: LatenciesAsked = call.asked
    after = tuple(asked.after.split("/", 2)) if asked.after else ()
    if after and len(after) != 3:
        raise Problem(Fault.VALUE, f"after: {asked.after[:80]!r}; give what `next` has said")
    of = members(_place(asked.place)) if asked.place else ("",)
    with closing(state.reaching.latencies.all(after, of)) as every:
        page = list(islice(every, asked.limit))
        more = next(every, None) is not None
    now = state.now()
    following = "/".join((page[-1].one, page[-1].other, page[-1].by)) if more else None
    return Answer({"items": [measured_json(one, now) for one in page], "next": following})


async def tell_latencies(state: Selecting, call: Call) -> Answer:
    """Take in what was measured."""
    told: Told = call.given
    now = state.now()
    by = call.caller.name or "local"
    try:
        older = state.reaching.latencies.put([believed(one, by, now) for one in told.items], now)
    except MeasurementError as error:
        raise Problem(Fault.VALUE, str(error)) from None
    return Answer({"taken_in": len(told.items) - older, "older": older, "by": by})


async def show_latency(state: Selecting, call: Call) -> Answer:
    """The round trip between two places over the public internet, and what that rests on."""
    one, other = _pair(call.path)
    now = state.now()
    found = sorted(about(one, other, state.reaching.latencies), key=lambda told: -told.taken)
    said = {
        "from": one,
        "to": other,
        "public": public(between(one, other, state.reaching.latencies, now)),
        "estimated": public(between(one, other)),
        "measured": [measured_json(told, now) for told in found],
    }
    return Answer(said)


async def forget_latency(state: Selecting, call: Call) -> Answer:
    """Forget what was measured between two places, by one or by all."""
    asked: OfWhom = call.asked
    pair = _pair(call.path)
    gone = state.reaching.latencies.remove(asked.by, pair)
    if not gone:
        said = f"nothing was measured between {pair[0]} and {pair[1]}"
        if asked.by:
            said = f"{asked.by[:80]} has measured nothing between {pair[0]} and {pair[1]}"
        raise Problem(Fault.NO_SUCH_PATH, said)
    return Answer({"removed": gone})


async def forget_of(state: Selecting, call: Call) -> Answer:
    """Forget all that one has measured."""
    asked: OfWhom = call.asked
    if not asked.by:
        raise Problem(Fault.VALUE, "by: say whose measurements are to be forgotten")
    return Answer({"removed": state.reaching.latencies.remove(asked.by)})


def _pair(text: str) -> tuple[str, str]:
    """Two places with a slash between them; identifiers have some as well."""
    parts = text.split("/", _SLASHES)
    for end in range(1, len(parts)):
        try:
            return location_of("/".join(parts[:end])), location_of("/".join(parts[end:]))
        except UnknownPlaceError:
            continue
    raise Problem(
        Fault.VALUE,
        f"{text[:160]!r}: expected FROM/TO, each 6 digits of GB/T 2260 (330100), a UN/LOCODE "
        "(SGSIN) or an identifier",
    )


def _place(text: str) -> str:
    try:
        return location_of(text)
    except UnknownPlaceError as error:
        raise Problem(Fault.VALUE, str(error)) from None


def measured_json(one: Measured, now: int) -> dict[str, Any]:
    """What was measured, and whether it is still believed."""
    return {
        "from": one.one,
        "to": one.other,
        "median_ms": round(one.median, 3),
        "p90_ms": round(one.p90, 3),
        "loss": round(one.loss, 4),
        "by": one.by,
        "taken": iso(one.taken / 1_000, "milliseconds"),
        "is_believed": counts(one, now),
    }


def public(found: Between) -> dict[str, Any]:
    """What the public internet takes, in ms: a range, and whether, by whom and when it was
    measured.
    """
    if found.mark == "unknown":
        return {"mark": found.mark}
    said: dict[str, Any] = {
        "mark": found.mark,
        "low": round(found.low, 3),
        "middle": round(found.middle, 3),
        "high": round(found.high, 3),
        "circle": next((one for one in CIRCLES if found.middle <= one), None),
    }
    if found.measured is not None:
        said["by"] = found.measured.by
        said["taken"] = iso(found.measured.taken / 1_000)
    return said
