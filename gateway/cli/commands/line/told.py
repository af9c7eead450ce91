"""How a line, an order and a way are told: facts for people, JSON for scripts."""

from __future__ import annotations

from typing import Any

import msgspec

from csid.moments import iso
from gateway.cli import output
from gateway.systems.selection.paths.latency import Between
from gateway.systems.selection.paths.lines import (
    LINE_STATES,
    ORDER_STATES,
    TARIFFS,
    Elastic,
    Express,
    Line,
    Order,
    Tariff,
    Task,
)
from gateway.systems.selection.paths.lines_store import Change
from gateway.systems.selection.paths.ways import Way


def line_json(line: Line) -> dict[str, Any]:
    """A line, each of its facts there."""
    quality = None
    if line.quality is not None:
        quality = {**msgspec.to_builtins(line.quality), "taken": _moment(line.quality.taken)}
    return {
        "name": line.name,
        "ends": list(line.ends),
        "locations": list(line.locations),
        "provider": line.provider,
        "bandwidth_gbps": line.bandwidth_gbps,
        "free_gbps": line.free_gbps,
        "state": line.state,
        "tariff": _tariff_json(line.tariff),
        "stated_ms": line.stated_ms,
        "quality": quality,
        "valid_from": line.valid_from and line.valid_from.isoformat(),
        "valid_until": line.valid_until and line.valid_until.isoformat(),
        "note": line.note,
    }


def _tariff_json(tariff: Tariff | None) -> dict[str, Any] | None:
    if tariff is None:
        return None
    kind, price = price_of(tariff)
    return {"kind": kind, "price": price, "currency": tariff.currency}


def price_of(tariff: Tariff) -> tuple[str, float]:
    """The kind of a tariff, and its price for one of what it counts."""
    match tariff:
        case Elastic():
            return "elastic", tariff.per_gbps_hour
        case Task():
            return "task", tariff.per_task
        case Express():
            return "express", tariff.per_tb


def order_json(order: Order) -> dict[str, Any]:
    """An order."""
    return {
        "order": order.key,
        "line": order.line,
        "by": order.by,
        "bandwidth_gbps": order.bandwidth_gbps,
        "state": order.state,
        "reason": order.why,
        "at": _moment(order.at),
        "changed": _moment(order.changed),
    }


def change_json(change: Change) -> dict[str, Any]:
    """One change of a line."""
    return {
        "time": _moment(change.at),
        "by": change.by,
        "what": change.what,
        "reason": change.why,
    }


def way_json(way: Way) -> dict[str, Any]:
    """A way."""
    return {
        "lines": list(way.lines),
        "places": list(way.places),
        "rtt_ms": round(way.ms, 3),
        "mark": way.mark,
        "price": way.price,
        "free_gbps": way.gbps,
    }


def public_json(public: Between) -> dict[str, Any]:
    """What the public internet takes."""
    unknown = public.mark == "unknown"
    return {
        "mark": public.mark,
        "low_ms": None if unknown else round(public.low, 3),
        "middle_ms": None if unknown else round(public.middle, 3),
        "high_ms": None if unknown else round(public.high, 3),
        "by": None if public.measured is None else public.measured.by,
        "taken": None if public.measured is None else _moment(public.measured.taken),
    }


def show_line(line: Line) -> None:
    """Print what is known of a line."""
    rows = [
        ("专线 Line", line.name),
        ("端点 Ends", " — ".join(line.ends)),
        ("专线服务商 Provider", line.provider),
        ("带宽 Gbit/s", f"{line.free_gbps:g} / {line.bandwidth_gbps:g}"),
        ("状态 State", str(LINE_STATES[line.state])),
    ]
    if line.tariff is not None:
        kind, price = price_of(line.tariff)
        rows.append(("价格 Price", f"{price:g} {line.tariff.currency}, {TARIFFS[kind]}"))
    if line.stated_ms is not None:
        rows.append(("承诺时延 Stated, ms", f"{line.stated_ms:g}"))
    if line.quality is not None:
        said = line.quality
        text = f"{said.median_ms:g}, p90 {said.p90_ms:g}, {said.loss:.2%}, {said.by}"
        rows.append(("实测时延 Measured, ms", f"{text}, {output.moment(said.taken // 1_000)}"))
    if line.valid_from or line.valid_until:
        days = (str(day or "") for day in (line.valid_from, line.valid_until))
        rows.append(("有效期 Valid", " – ".join(days)))
    if line.note:
        rows.append(("说明 Note", line.note))
    output.print_facts(rows)


def show_order(order: Order) -> None:
    """Print how an order stands."""
    output.print_facts(
        [
            ("申请号 Order", order.key),
            ("专线 Line", order.line),
            ("带宽 Gbit/s", f"{order.bandwidth_gbps:g}"),
            ("申请人 By", order.by),
            ("状态 State", str(ORDER_STATES[order.state])),
            ("变更时间 Changed", output.moment(order.changed // 1_000)),
            ("事由 Reason", order.why),
        ]
    )


def _moment(milliseconds: int) -> str:
    return iso(milliseconds / 1_000, "milliseconds")
