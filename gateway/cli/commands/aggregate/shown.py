"""What `csid aggregate` shows of sources: rows for programs, tables for people."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from csid.moments import iso
from gateway.cli import output
from gateway.cli.escape import one_line
from gateway.systems.aggregation import quarantine, readings
from gateway.systems.aggregation.difference import Difference
from gateway.systems.aggregation.known import Pool, Settings
from gateway.systems.aggregation.pooling import amount
from gateway.systems.aggregation.quarantine import Held, Reason
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU, Reading
from gateway.systems.aggregation.saying import state_of
from gateway.systems.aggregation.tables import Book

_STATES: Final = {
    "ok": "正常 ok",
    "new": "未采集 not polled yet",
    "paused": "已暂停 paused",
    "failing": "采集失败 failing",
    "held": "待确认 held back",
    "refused": "已拒绝 refused",
}
_CHANGES: Final = {
    "registrations": "登记 register",
    "updates": "变更 update",
    "suspensions": "暂停 suspend",
    "reinstatements": "恢复 reinstate",
    "vanished": "消失 vanished",
    "returned": "返回 returned",
    "forgotten": "移出 forgotten",
}
_HEALTH: Final = {
    "ok": "正常 ok",
    "degraded": "降级 degraded",
    "failed": "故障 failed",
    "maintenance": "维护 maintenance",
}
_SHOWN_MAX: Final = 50  # lines of each kind for people


def source(book: Book, one: Settings) -> dict[str, Any]:
    """A source and how it is. What is in its file of tokens is nowhere."""
    polled, held = book.polled(one.name), book.held_back(one.name)
    pools = list(book.pools(one.name).values())
    return {
        "name": one.name,
        "kind": one.kind,
        "url": one.url,
        "owner": one.owner,
        "industry": one.industry,
        "location": one.location,
        "type": one.type,
        "each": one.each,
        "elastic": one.elastic,
        "interval": one.interval,
        "options": one.options,
        "token_file": one.token_file or None,
        "state": state_of(one, polled, held),
        "version": polled.version,
        "units": polled.units,
        "pools": len(pools),
        "registered": sum(pool.done is not None for pool in pools),
        "owed": sum(pool.is_owed and not pool.refusal for pool in pools),
        "refused": sum(bool(pool.refusal) for pool in pools),
        "polled": _iso(polled.at),
        "taken": _iso(polled.taken),
        "age": max(0, int(time.time()) - polled.taken // 1_000) if polled.taken else None,
        "seconds": polled.seconds,
        "failures": polled.failures,
        "error": polled.error,
        "registry_error": polled.owed,
        "status_error": polled.refused,
        "notes": list(polled.notes),
    }


def cells(row: dict[str, Any]) -> list[object]:
    """The row of a source in a list."""
    return [
        row["name"],
        row["kind"],
        _STATES[row["state"]],
        row["units"],
        row["pools"],
        row["registered"],
    ]


def details(book: Book, one: Settings) -> dict[str, Any]:
    """What is shown of one source alone: its pools, what is missed, what is held back."""
    known, held = book.known(one.name), book.held_back(one.name)
    return {
        "identifiers": [_pool(key, pool) for key, pool in sorted(known.pools.items())],
        "missing": [
            {"unit": key, "name": unit.name, "since": _iso(unit.gone)}
            for key, unit in sorted(known.units.items())
            if unit.gone
        ],
        "held": None if held is None else held_row(held),
    }


def held_row(held: Held) -> dict[str, Any]:
    """What is held back."""
    return {
        "digest": held.digest,
        "verdict": held.verdict,
        "since": _iso(held.since),
        "seen": _iso(held.seen),
        "reasons": [_reason(one) for one in held.reasons],
        "counts": held.counts,
        "changes": held.changes,
    }


def difference(
    one: Settings,
    reading: Reading,
    change: Difference,
    why: Sequence[Reason],
    verdict: str | None,
    owed: Mapping[str, Pool],
) -> dict[str, Any]:
    """What a reading would change.

    Args:
        verdict: what a person has said of it, where it looks wrong.
        owed: pools by their keys, of which something was owed before.
    """
    items = quarantine.items(change)
    return {
        "name": one.name,
        "taken": _iso(reading.taken),
        "version": reading.version,
        "whole": reading.whole,
        "units": len(reading.units),
        "digest": change.digest,
        "verdict": verdict,
        "reasons": [_reason(reason) for reason in why],
        "counts": {name: len(rows) for name, rows in items.items() if rows},
        "changes": {name: [row._asdict() for row in rows] for name, rows in items.items() if rows},
        "identifiers": [_pool(key, pool) for key, pool in sorted(owed.items())],
        "statuses": {
            key: msgspec.to_builtins(told) for key, told in sorted(change.statuses.items())
        },
        "notes": list(change.notes),
    }


def unit(one: readings.Unit) -> dict[str, Any]:
    """A unit as it was said."""
    return {
        "unit": one.key,
        "name": one.name,
        "chip": one.chip,
        "chip_memory_gib": one.chip_memory_gib,
        "group": one.group,
        "health": one.health,
        "why": one.why,
        "total": {kind: amount(one.total, kind) for kind in one.total},
        "free": {kind: amount(one.free, kind) for kind in one.free},
        "labels": dict(one.labels),
    }


def print_units(reading: Reading) -> None:
    """A table of what a source said."""
    output.print_list(
        (
            "单元 Unit",
            "分组 Group",
            "芯片 Chip",
            "卡 Chips",
            "核 vCPU",
            "内存 GiB",
            "健康 Health",
            "原因 Why",
        ),
        (
            (
                one_line(one.name),
                one_line(one.group),
                one_line(one.chip),
                *(_free_of(one, kind) for kind in (CHIPS, VCPU, MEMORY_GIB)),
                _HEALTH[one.health],
                one_line(one.why),
            )
            for one in reading.units
        ),
    )
    whole = "" if reading.whole else "；不完整 not all of it"
    version = one_line(reading.version)
    text = f"{len(reading.units)} 个单元 units; {version} {_iso(reading.taken)}{whole}"
    output.out.print(text, markup=False)
    _print_notes(reading.notes)


def print_source(row: dict[str, Any]) -> None:
    """A source with its pools."""
    facts = [
        ("来源 source", f"{row['name']} ({row['kind']}) {row['url']}"),
        ("状态 state", _STATES[row["state"]]),
        ("最近采集 last poll", f"{row['taken'] or '—'} ({row['units']} 个单元 units)"),
    ]
    for name, words in (
        ("error", "采集错误 error"),
        ("registry_error", "登记错误 registry"),
        ("status_error", "上报错误 statuses"),
    ):
        if row[name]:
            facts.append((words, one_line(row[name])))
    output.print_facts(facts)
    if row["identifiers"]:
        output.print_list(
            ("标识 Identifier", "数量 Count", "状态 State", "说明 Note"),
            (
                (one["identifier"], one["facts"].get("count", "—"), one["state"], one["refusal"])
                for one in row["identifiers"]
            ),
        )
    for one in row["missing"][:_SHOWN_MAX]:
        output.out.print(f"  消失 vanished {one['since']}  {one_line(one['name'])}", markup=False)
    _print_notes(row["notes"])
    if row["held"] is not None:
        print_held(row["held"])
        digest = row["held"]["digest"][:8]
        output.out.print(
            f"csid aggregate accept|refuse {row['name']} --shown {digest}", markup=False
        )


def print_held(row: dict[str, Any]) -> None:
    """What is held back, with its reasons."""
    for reason in row["reasons"]:
        output.out.print(
            f"[{reason['rule']}] {one_line(reason['text'])}", markup=False, style="yellow"
        )
    print_changes(row)


def print_changes(row: dict[str, Any]) -> None:
    """What would change, and what is owed from before, as a table."""
    lines = []
    for name, words in _CHANGES.items():
        rows = row["changes"].get(name, [])
        lines += [(words, *_change(one)) for one in rows[:_SHOWN_MAX]]
        left = row["counts"].get(name, 0) - min(len(rows), _SHOWN_MAX)
        if left:
            lines.append((words, f"… {left:,}", ""))
    owed = row.get("identifiers", ())
    lines += [_owed(one) for one in owed[:_SHOWN_MAX]]
    if owed[_SHOWN_MAX:]:
        lines.append(("待办理 still owed", f"… {len(owed) - _SHOWN_MAX:,}", ""))
    if lines:
        output.print_list(("变更 Change", "对象 What", "内容 How"), lines)
    else:
        output.out.print("无变更 nothing changes")


def _owed(one: dict[str, Any]) -> tuple[str, str, str]:
    if one["refusal"]:
        return "已拒绝 refused", one["identifier"], one_line(one["refusal"])
    return "待办理 still owed", one["identifier"], one["state"]


def _change(one: dict[str, Any]) -> tuple[str, str]:
    if "after" in one:
        told = (f"{name}: {one['before'][name]} → {one['after'][name]}" for name in one["after"])
        return one["identifier"], one_line("; ".join(told))
    if "facts" in one:
        facts = one["facts"]
        parts = [facts.get("chip"), facts.get("count"), f"{one['units']} 个单元 units"]
        return one["identifier"], one_line("  ".join(str(part) for part in parts if part))
    return one.get("identifier", "") or one_line(one["name"]), ""


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes[:_SHOWN_MAX]:
        output.out.print(f"  注 note: {one_line(note)}", markup=False)


def _pool(key: str, pool: Pool) -> dict[str, Any]:
    # Of what is to be looked at first nobody knows yet what it is.
    state = "proposed" if pool.done is None else pool.done_state or "proposed"
    return {
        "pool": key,
        "identifier": pool.identifier,
        "state": "refused" if pool.refusal else state,
        "owed": pool.is_owed,
        "refusal": pool.refusal,
        "facts": pool.wanted,
    }


def _reason(one: Reason) -> dict[str, Any]:
    return {"rule": one.code, "text": one.text, "pools": list(one.pools)}


def _free_of(one: readings.Unit, kind: str) -> str:
    total = amount(one.total, kind)
    return f"{amount(one.free, kind):g}/{total:g}" if total else ""


def _iso(milliseconds: int) -> str | None:
    return iso(milliseconds / 1_000) if milliseconds else None
