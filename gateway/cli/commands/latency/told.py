"""How what was measured is told: tables for people, JSON for scripts."""

from __future__ import annotations

import time
from typing import Any, Final

from csid.moments import iso
from gateway.cli import output
from gateway.systems.selection.paths.latency import Between, Measured, counts

_MARKS: Final = {
    "measured": "实测 measured",
    "estimated": "估计 estimated",
    "unknown": "未知 unknown",
}


def range_of(found: Between) -> str:
    """A round trip as a range, and whether it was measured."""
    mark = _MARKS[found.mark]
    if found.mark == "unknown":
        return mark
    return f"{found.low:.1f} – {found.middle:.1f} – {found.high:.1f} ms, {mark}"


def print_measured(found: list[Measured], at: int) -> None:
    """Print what was measured, as it is believed at a time (Unix ms)."""
    output.print_list(
        ("起点 From", "终点 To", "中位数 ms", "p90 ms", "丢包 Loss", "测量方 By", "时间 Taken", ""),
        (
            (
                told.one,
                told.other,
                f"{told.median:.3f}",
                f"{told.p90:.3f}",
                f"{told.loss:.1%}",
                told.by,
                output.moment(told.taken // 1_000),
                "" if counts(told, at) else "不采信 not believed",
            )
            for told in found
        ),
    )


def measured_json(told: Measured, at: int) -> dict[str, Any]:
    """The same of one."""
    return {
        "from": told.one,
        "to": told.other,
        "median_ms": told.median,
        "p90_ms": told.p90,
        "loss": round(told.loss, 4),
        "by": told.by,
        "taken": iso(told.taken / 1_000, "milliseconds"),
        "is_believed": counts(told, at),
    }


def now() -> int:
    """Unix milliseconds."""
    return int(time.time() * 1_000)
