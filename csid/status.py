"""The status of what an identifier names (状态感知): what was told last of its free capacity, load
and health, and from when until when that holds. `schemas/status.md` describes it.

What is past its validity is `unknown`, whatever was told: nobody is sent to what may be gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from csid.moments import iso
from csid.names import ROOT

LABEL: Final = b"_status"  # before the name of what the status is of
LABEL_KEY: Final = LABEL + ROOT  # what ends the canonical key of such a name
VERSION: Final = "csid-status1"
VALID_SECONDS: Final = 30  # unless it is told for how long
VALID_SECONDS_MAX: Final = 3_600
TTL_SECONDS: Final = 5  # of what is said of a status, at most
FREE_MAX: Final = 12  # kinds of capacity, so that an answer fits a datagram
SOURCE_MAX: Final = 64  # characters of who has told it

FREE, BUSY, DOWN, UNKNOWN = WORDS = ("free", "busy", "down", "unknown")
Health = Literal["ok", "degraded", "failed", "maintenance"]
Kind = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,23}$")]
Amount = Annotated[float, msgspec.Meta(ge=0, le=2**53)]
Source = Annotated[str, msgspec.Meta(pattern=f"^[!-~]{{1,{SOURCE_MAX}}}$")]


class Told(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was told.

    Attributes:
        health: how it is.
        load: share of it that is in use, 0 to 1.
        free: what of it can be had, by kind, such as `chips`, `vcpu`, `memory_gib`.
        by: who found that out, such as an agent.
    """

    health: Health = "ok"
    load: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    free: Annotated[dict[Kind, Amount], msgspec.Meta(max_length=FREE_MAX)] = {}
    by: Source | Literal[""] = ""


class Status(NamedTuple):
    """A status as it is kept: `taken` and `until` are Unix milliseconds, from when until when it
    holds; `source` has reported it, under `number`.
    """

    taken: int
    until: int
    source: str
    number: int
    told: Told


def word(told: Told) -> str:
    """Whether something can be had: `free`, `busy` or `down`. What tells neither what is free nor
    how large the load is says no more than its health.
    """
    if told.health in ("failed", "maintenance"):
        return DOWN
    if told.free:
        return FREE if any(told.free.values()) else BUSY
    return BUSY if told.load is not None and told.load >= 1 else FREE


def ttl(status: Status | None, now: int) -> int:
    """For how many seconds it may be held what is said now (Unix milliseconds): never beyond the
    validity.
    """
    if status is None or status.until <= now:
        return TTL_SECONDS
    return min(TTL_SECONDS, (status.until - now) // 1_000)


def strings(status: Status | None, now: int) -> list[str]:
    """What TXT says of a status at a time in Unix milliseconds: `name=value` strings."""
    if status is None:
        return [f"v={VERSION}", f"status={UNKNOWN}"]
    told = status.told
    holds = now < status.until
    said = [
        f"v={VERSION}",
        f"status={word(told) if holds else UNKNOWN}",
        f"age={max(0, now - status.taken) // 1_000}",
        f"taken={iso(status.taken / 1_000, 'milliseconds')}",
        f"until={iso(status.until / 1_000, 'milliseconds')}",
        f"source={status.source}",
        f"number={status.number}",
    ]
    if told.by:
        said.append(f"by={told.by}")
    if holds:  # of what is no longer known, nothing is said that could be taken for free
        said.append(f"health={told.health}")
        if told.load is not None:
            said.append(f"load={told.load:.4g}")
        said += [f"free.{kind}={_plain(amount)}" for kind, amount in told.free.items()]
    return said


def rdata(status: Status | None, now: int) -> bytes:
    """The same as RDATA of TXT (RFC 1035 section 3.3.14)."""
    return b"".join([bytes((len(one),)) + one.encode("ascii") for one in strings(status, now)])


def read(said: Iterable[str]) -> dict[str, Any] | None:
    """What such strings say, as JSON has it; None if they are none of these. What is not known of
    them is left out.
    """
    values = dict(one.partition("=")[::2] for one in said)
    if values.get("v") != VERSION:
        return None
    said_word = values.get("status", "")
    found: dict[str, Any] = {"status": said_word if said_word in WORDS else UNKNOWN}
    for name in ("health", "taken", "until", "source", "by"):
        if name in values:
            found[name] = values[name]
    for name in ("age", "number"):
        if values.get(name, "").isdecimal():
            found[name] = int(values[name])
    load = _number(values.get("load", ""))
    if load is not None:
        found["load"] = load
    free = {
        name.removeprefix("free."): amount
        for name, value in values.items()
        if name.startswith("free.") and (amount := _number(value)) is not None
    }
    if free:
        found["free"] = free
    return found


def _plain(amount: float) -> str:
    return f"{amount:.3f}".rstrip("0").rstrip(".")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 2**53 else None


def moment(text: str) -> float | None:
    """The Unix seconds of a moment that such strings say; None if it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
