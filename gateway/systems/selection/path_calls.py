"""The calls about ways: dedicated lines and the orders that open them, ways over them beside the
public internet, and latency as ALTO has it (RFC 7285).
"""

from __future__ import annotations

import secrets
from contextlib import closing
from itertools import islice
from typing import Annotated, Any, Final, Literal

import msgspec

from csid.identifier import fold
from csid.moments import iso
from gateway.http.calls import key_of
from gateway.http.problems import Fault, Problem
from gateway.systems.contract import Answer, Call
from gateway.systems.selection.latency_calls import public
from gateway.systems.selection.paths.alto import Alto, Said, pids
from gateway.systems.selection.paths.graph import NoLineError
from gateway.systems.selection.paths.latency import between
from gateway.systems.selection.paths.lines import LineError, Order, made
from gateway.systems.selection.paths.places import UnknownPlaceError, location_of
from gateway.systems.selection.paths.ways import Wanted, WantedError, ways
from gateway.systems.selection.said import way
from gateway.systems.selection.state import Selecting

LINES: Final = 1_000  # of a page, at most
ALTO: Final = "/alto/"


class LinesAsked(msgspec.Struct):
    """Which lines are listed."""

    after: str = ""
    state: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LINES)] = 100


class NewOrder(msgspec.Struct, forbid_unknown_fields=True):
    """An order of bandwidth of a line."""

    bandwidth_gbps: Annotated[float, msgspec.Meta(gt=0)]


class Verdict(msgspec.Struct, forbid_unknown_fields=True):
    """What becomes of an order; `of`: who has ordered it, where several have under its key."""

    state: Literal["accepted", "open", "refused", "ended"]
    why: Annotated[str, msgspec.Meta(max_length=60)] = ""
    of: Annotated[str, msgspec.Meta(max_length=64)] = ""


class WaysAsked(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """Between which places, and what a way has to be like."""

    start: str
    end: str
    gbps: float = 0.0
    max_ms: float | None = None
    max_price: float | None = None
    max_lines: int | None = None
    without: str = ""
    by: Literal["latency", "price"] = "latency"
    hours: float = 1.0
    tasks: int = 1
    terabytes: float = 1.0
    currency: str = "CNY"
    top: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3


async def list_lines(state: Selecting, call: Call) -> Answer:
    """A page of lines, by their names."""
    asked: LinesAsked = call.asked
    with closing(state.reaching.lines.all(asked.after)) as every:
        found = (one for one in every if not asked.state or one.state == asked.state)
        page = list(islice(found, asked.limit))
        following = page[-1].name if next(found, None) else None
    return Answer({"items": page, "next": following})


async def add_line(state: Selecting, call: Call) -> Answer:
    """Take in a line."""
    try:
        line = made(**msgspec.to_builtins(call.given))  # as `csid line add` does
        is_new = state.reaching.lines.add(line, _by(call), state.now())
    except LineError as error:
        raise Problem(Fault.VALUE, str(error)) from None
    return Answer(line, 201 if is_new else 200, {"Location": f"/v1/lines/{line.name}"})


async def show_line(state: Selecting, call: Call) -> Answer:
    """A line with its orders and its history."""
    line = state.reaching.lines.find(call.path)
    if line is None:
        raise Problem(Fault.NO_SUCH_PATH, f"there is no line {call.path[:40]!r}")
    said = {
        "line": line,
        "orders": state.reaching.lines.orders(line.name),
        "history": [
            {"at": iso(at / 1_000), "by": by, "what": what, "why": why}
            for at, by, what, why in state.reaching.lines.history(line.name)
        ],
    }
    return Answer(said)


async def order_line(state: Selecting, call: Call) -> Answer:
    """Order that a line be opened 开通; the same again under the same key is one order."""
    given: NewOrder = call.given
    now = state.now()
    key = key_of(call.headers, 64) or secrets.token_urlsafe(12)
    try:
        order = Order(key, call.path, _by(call), given.bandwidth_gbps, now, now)
        kept = state.reaching.lines.order(order, now)
    except (LineError, msgspec.ValidationError) as error:
        raise Problem(Fault.VALUE, str(error)) from None
    return Answer(kept, 201)


async def answer_order(state: Selecting, call: Call) -> Answer:
    """Say what becomes of an order."""
    given: Verdict = call.given
    try:
        kept = state.reaching.lines.answer(
            call.path, given.state, _by(call), state.now(), given.why, given.of
        )
    except LineError as error:
        raise Problem(Fault.VALUE, str(error)) from None
    return Answer(kept)


def _by(call: Call) -> str:
    return call.caller.name or "local"


async def show_ways(state: Selecting, call: Call) -> Answer:
    """Ways over dedicated lines 算网路径, beside what the public internet takes."""
    asked: WaysAsked = call.asked
    wanted = Wanted(
        gbps=asked.gbps,
        max_ms=asked.max_ms,
        max_price=asked.max_price,
        max_lines=asked.max_lines,
        without=frozenset(fold(one) for one in asked.without.split(",") if one),
        per_ms=float(asked.by == "latency"),
        per_price=float(asked.by == "price"),
        hours=asked.hours,
        tasks=asked.tasks,
        terabytes=asked.terabytes,
        currency=asked.currency,
    )
    try:
        start, end = location_of(asked.start), location_of(asked.end)
    except UnknownPlaceError as error:
        raise Problem(Fault.VALUE, str(error)) from None
    said: dict[str, Any] = {
        "from": start,
        "to": end,
        "public": public(between(start, end, state.reaching.latencies, state.now())),
    }
    try:
        found = ways(state.reaching.graph(), start, end, wanted, asked.top)
    except NoLineError as error:
        return Answer(said | {"ways": [], "why": str(error), "whole": True})
    except WantedError as error:
        raise Problem(Fault.VALUE, str(error)) from None
    said["ways"] = [way(one) for one in found.ways]
    said["whole"] = found.whole
    if found.why:
        said["why"] = found.why
    return Answer(said)


# -- ALTO


async def alto_directory(state: Selecting, call: Call) -> Answer:
    """All maps there are (IRD, RFC 7285 section 9.2)."""
    return _said(_alto(state, call).directory())


async def alto_network_map(state: Selecting, call: Call) -> Answer:
    """The network map."""
    return _said(_alto(state, call).network_map())


async def alto_properties(state: Selecting, call: Call) -> Answer:
    """What and where PIDs are (RFC 9240)."""
    return _said(_alto(state, call).properties())


async def alto_cost_map(state: Selecting, call: Call) -> Answer:
    """The costs between all PIDs."""
    return _said(_alto(state, call).cost_map(call.path))


async def alto_filtered(state: Selecting, call: Call) -> Answer:
    """The costs that are asked for (11.3.2)."""
    return _said(_alto(state, call).filtered(call.given))


def _alto(state: Selecting, call: Call) -> Alto:
    """The maps of all cities that supply lies in. Of no networks it is known where they lie: no
    record says that of any.
    """
    return Alto(
        pids(state.supply.locations, "city"),
        call.base + ALTO,
        state.reaching.measures(),
        state.now(),
    )


def _said(said: Said) -> Answer:
    return Answer(said.body, said.status, media=said.media)
