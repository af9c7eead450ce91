"""What is said of a selection, as JSON has it."""

from __future__ import annotations

from typing import Any

from csid.errors import RecordError
from csid.moments import iso
from csid.record import decode
from gateway.systems.selection.allocation import allocate, blocks_asked
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import Result, Selection
from gateway.systems.selection.paths.latency import MARKS, Rtt
from gateway.systems.selection.reasons import Reasons
from gateway.systems.selection.reasons import explain as explained
from gateway.systems.selection.state import Selecting


def answer(state: Selecting, demand: Demand, explain: bool | None) -> dict[str, Any]:
    """What is said to a demand.

    Args:
        explain: say why no more fits; None: where nothing does.

    Raises:
        DemandError: it cannot be understood.
    """
    now = state.now()
    found = state.select(demand)
    whole = selection(state, demand, found, now)
    if demand.free and (demand.blocks or demand.cards):
        whole["allocation"] = allocation(state, demand, found, now)
    if explain or (explain is None and not found.results):
        whole["why"] = reasons(explained(state.supply, demand, now, state.middle(demand.near)))
    return whole


def allocation(
    state: Selecting, demand: Demand, found: Selection, now: int
) -> list[dict[str, Any]]:
    """What is to be taken of which pools, so that it holds; nothing where that cannot be."""
    asked = blocks_asked(demand)
    of = "chips" if asked.chips else "vcpu"
    if demand.pools == 1:  # each result has it by itself
        return [
            {"identifier": one.identifier, "blocks": asked.number, "size": asked.size, "of": of}
            for one in found.results[:1]
        ]
    whole = allocate(state.supply, demand, now, state.middle(demand.near))
    return [
        {"identifier": one.identifier, "blocks": one.blocks, "size": one.size, "of": of}
        for one in (() if whole is None else whole.pieces)
    ]


def reasons(found: Reasons) -> dict[str, Any]:
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
                "near": None if one.near is None else one.near._asdict(),
            }
            for one in found.kept
        ],
    }


def selection(state: Selecting, demand: Demand, found: Selection, now: int) -> dict[str, Any]:
    """All of it."""
    rtt = state.rtt(demand.near) if demand.near else None
    return {
        "at": iso(now / 1_000, "milliseconds"),
        "supply": len(state.supply),
        "complete": state.complete,
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
