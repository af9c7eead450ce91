"""What is said of a selection, as JSON has it."""

from __future__ import annotations

from typing import Any

from csid.errors import RecordError
from csid.moments import iso
from csid.record import decode
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import Result, Selection
from gateway.systems.selection.paths.latency import MARKS, Rtt
from gateway.systems.selection.state import Selecting


def selection(state: Selecting, demand: Demand, found: Selection, now: int) -> dict[str, Any]:
    """All of it."""
    rtt = state.rtt(demand.near) if demand.near else None
    return {
        "at": iso(now / 1_000, "milliseconds"),
        "supply": len(state.supply),
        "wanted": found.wanted,
        "most": found.most,
        "results": [_result(state, one, rtt, now) for one in found.results],
    }


def _result(state: Selecting, one: Result, rtt: Rtt | None, now: int) -> dict[str, Any]:
    facts = state.supply.facts(one.slot, now)
    said: dict[str, Any] = {
        "identifier": one.identifier,
        "points": one.points,
        "parts": one.parts,
    }
    record = state.rows.record(one.identifier)
    try:
        said["record"] = {} if record is None else decode(record).json()
    except RecordError:
        said["record"] = {}
    if "until" in facts:
        said["status"] = {
            "age": round(max(0, now - facts["taken"]) / 1_000, 3),
            "taken": iso(facts["taken"] / 1_000, "milliseconds"),
            "until": iso(facts["until"] / 1_000, "milliseconds"),
            **{name: facts[name] for name in ("health", "source", "load", "free") if name in facts},
        }
    if rtt is not None:
        said["rtt"] = between(state, one, rtt)
    return said


def between(state: Selecting, one: Result, rtt: Rtt) -> dict[str, Any]:
    """The round trip to a result, in ms: a range, and whether that was measured."""
    code = int(state.supply.columns.codes["location"][one.slot]) - 1
    mark = MARKS[int(rtt.mark[code])]
    if mark == MARKS[0]:
        return {"mark": mark}
    low, middle, high = (round(float(part[code]), 3) for part in rtt[:3])
    return {"mark": mark, "low": low, "middle": middle, "high": high}
