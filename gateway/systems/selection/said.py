"""What is said of a selection, as JSON has it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgpack

from csid.moments import iso
from csid.record import Record
from csid.shape import VCPU
from gateway.systems.selection import ranking, reserving
from gateway.systems.selection.allocation import allocate, beside, blocks_asked
from gateway.systems.selection.checks import Maker
from gateway.systems.selection.demand import Demand, DemandError, conditions_of
from gateway.systems.selection.engine import Result, Selection, most_of, select
from gateway.systems.selection.paths.latency import MARKS, Rtt
from gateway.systems.selection.paths.places import Floats
from gateway.systems.selection.paths.ways import Way
from gateway.systems.selection.reach import Reach
from gateway.systems.selection.reasons import (
    ChangedError,
    Kept,
    Near,
    Reasons,
    explain,
    explaining,
)
from gateway.systems.selection.reservations import CHIPS, Item
from gateway.systems.selection.state import Selecting

WAYS_SAID: Final = 20  # of the first results: each may take a millisecond or two
ATTEMPTS: Final = 3  # at an explanation, before others have to wait for it


def answer(state: Selecting, demand: Demand) -> dict[str, Any]:
    """What fits a demand, and what is to be taken of which pools.

    Raises:
        DemandError: it cannot be understood.
    """
    now, reach = state.now(), state.reach(demand)
    found = select(state.supply, demand, now, _ms(reach))
    whole = selection(state, demand, found, now, reach)
    if demand.free and (demand.blocks or demand.cards):
        whole["allocation"] = allocation(state, demand, found, now, reach)
    return whole


def _ms(reach: Reach | None) -> Floats | None:
    return None if reach is None else reach.ms


def of_kept(state: Selecting, demand: Demand) -> dict[str, Any]:
    """The same for a demand that is kept or followed. Where it cannot be answered by the supply as
    it is, nothing fits yet, and `unanswered` says why: a chip that nobody knows may be registered.

    Raises:
        DemandError: it cannot be understood, whatever the supply is.
    """
    try:
        return answer(state, demand)
    except DemandError as error:
        now = state.now()
        conditions_of(demand, now)
        reach = state.reach(demand)
        maker = Maker(state.supply.columns, now, _ms(reach))
        nothing = Selection((), most_of(ranking.parts(demand, maker)), demand.top)
        whole = selection(state, demand, nothing, now, reach)
        rows = len(state.supply)
        # Not never: what is not known may be registered, texts were not searched.
        why = {"rows": rows, "fit": 0, "could": 0, "never": False, "conditions": []}
        return whole | {"unanswered": str(error), "why": why}


def holds(whole: dict[str, Any]) -> bool:
    """Whether a demand is met by what is said to it: something fits, and what is to be spread over
    several pools can be.
    """
    return bool(whole["results"]) and whole.get("allocation") != []


async def explained(
    state: Selecting, demand: Demand, whole: dict[str, Any], explain: bool | None
) -> None:
    """Add why no more fits, if that is asked for, or nothing fits and it is not declined."""
    if "unanswered" not in whole and (explain or (explain is None and not holds(whole))):
        whole["why"] = await why(state, demand)


async def why(state: Selecting, demand: Demand) -> dict[str, Any]:
    """Why no more fits; others have their turn meanwhile.

    Raises:
        DemandError: it cannot be understood.
    """
    for _ in range(ATTEMPTS):
        try:
            steps = explaining(state.supply, demand, state.now(), _ms(state.reach(demand)))
            while True:
                next(steps)
                await asyncio.sleep(0)
        except ChangedError:
            continue
        except StopIteration as ended:
            return reasons(ended.value, demand)
    return reasons(explain(state.supply, demand, state.now(), _ms(state.reach(demand))), demand)


def allocation(
    state: Selecting, demand: Demand, found: Selection, now: int, reach: Reach | None
) -> list[dict[str, Any]]:
    """What is to be taken of which pools, so that it holds and can be reserved; nothing where that
    cannot be.
    """
    asked = blocks_asked(demand)
    of = CHIPS if asked.chips else VCPU
    if demand.pools == 1:  # each result has it by itself
        more = beside(demand, asked.number)
        for one in found.results:
            item = Item(one.identifier, asked.size, asked.number, of, *more)
            if reserving.is_free(state, item):
                return [taken(item)]
        return []
    whole = allocate(state.supply, demand, now, _ms(reach))
    items = [
        Item(one.identifier, asked.size, one.blocks, of, one.vcpu, one.memory_gib)
        for one in (whole.pieces if whole else ())
    ]
    can_be_had = all(reserving.is_free(state, one) for one in items)
    return [taken(one) for one in items] if can_be_had else []


def taken(item: Item) -> dict[str, Any]:
    """What is taken of a pool: blocks, and for all of them together what goes with them."""
    with_it = {"vcpu": item.vcpu, "memory_gib": item.memory_gib}
    return {
        "identifier": item.identifier,
        "blocks": item.number,
        "size": item.size,
        "of": item.of,
        **{name: amount for name, amount in with_it.items() if amount},
    }


def item_of(said: dict[str, Any]) -> Item:
    """The same as what can be reserved."""
    return Item(
        said["identifier"],
        said["size"],
        said["blocks"],
        said["of"],
        said.get("vcpu", 0.0),
        said.get("memory_gib", 0.0),
    )


def reasons(found: Reasons, demand: Demand) -> dict[str, Any]:
    """Why no more fits: what each condition keeps away, the nearest that would fit but for it."""
    return {
        "rows": found.rows,
        "fit": found.fit,
        "could": found.could,
        "never": found.never,
        "conditions": [
            {
                "name": one.name,
                "now": one.now,
                "of_left": one.of_left,
                "alone": one.alone,
                "nothing_else": one.nothing_else,
                "near": None if one.near is None else _near(one, one.near, demand),
            }
            for one in found.kept
        ],
    }


def _near(kept: Kept, near: Near, demand: Demand) -> dict[str, Any]:
    said = {
        "identifier": near.identifier,
        "field": near.field,
        "asked": near.asked,
        "has": near.offered,
    }
    # What keeps it away is that no such line leads there, and not how long any takes.
    return said | {"field": "gbps", "asked": demand.gbps} if kept.name == "gbps" else said


def selection(
    state: Selecting, demand: Demand, found: Selection, now: int, reach: Reach | None
) -> dict[str, Any]:
    """All of it."""
    return {
        "at": iso(now / 1_000, "milliseconds"),
        "supply": len(state.supply),
        "complete": state.complete,
        "wanted": found.wanted,
        "most": found.most,
        "results": [
            _result(state, one, record, now)
            | ({} if reach is None else _reached(state, demand, reach, one, number < WAYS_SAID))
            for number, (one, record) in enumerate(
                zip(found.results, _records(state, found), strict=True)
            )
        ],
    }


def _records(state: Selecting, found: Selection) -> list[dict[str, Any]]:
    """The records of what was found, as JSON has them: canonical, as whoever took them in has seen
    to.
    """
    rows = state.rows.records(one.identifier for one in found.results)
    return [
        {} if row is None else Record.of_values(msgpack.unpackb(row, use_list=False)).json()
        for row in rows
    ]


def _result(state: Selecting, one: Result, record: dict[str, Any], now: int) -> dict[str, Any]:
    told = state.supply.told(one.slot, now)
    said: dict[str, Any] = {
        "identifier": one.identifier,
        "points": one.points,
        "parts": one.parts,
        "record": record,
    }
    if "until" in told:
        said["status"] = {
            "age": round(max(0, now - told["taken"]) / 1_000, 3),
            "taken": iso(told["taken"] / 1_000, "milliseconds"),
            "until": iso(told["until"] / 1_000, "milliseconds"),
            **{name: told[name] for name in ("health", "source", "load", "free") if name in told},
        }
    return said


def _reached(
    state: Selecting, demand: Demand, reach: Reach, one: Result, is_whole: bool
) -> dict[str, Any]:
    """How soon a result is reached: a range in ms, and whether that was measured; and where a line
    is needed, how soon over lines, and which way, if the whole of it is said.
    """
    code = int(state.supply.columns.codes["location"][one.slot]) - 1
    said: dict[str, Any] = {"rtt": _rtt(reach.rtt, code)}
    if reach.needs[code]:
        found = None
        if is_whole:
            found = state.reaching.way(demand, reach, state.supply.locations[code])
        said["way"] = {"ms": round(float(reach.ms[code]), 3)} if found is None else way(found)
    return said


def _rtt(rtt: Rtt, code: int) -> dict[str, Any]:
    mark = MARKS[int(rtt.mark[code])]
    if mark == MARKS[0]:
        return {"mark": mark}
    low, middle, high = (round(float(part[code]), 3) for part in rtt[:3])
    return {"mark": mark, "low": low, "middle": middle, "high": high}


def way(one: Way) -> dict[str, Any]:
    """A way over lines."""
    return {
        "lines": one.lines,
        "places": one.places,
        "ms": round(one.ms, 3),
        "mark": one.mark,
        "price": one.price,
        "gbps": one.gbps,
    }
