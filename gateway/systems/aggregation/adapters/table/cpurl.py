"""CPURL files of deployed 算力标识 systems, {enterprise}-CPURL-DATA-{time}{number}.data. What is
known of them, and what is not: docs/cpurl.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Annotated, Final

import msgspec

from gateway.systems.aggregation.adapters.bodies import decoded, text
from gateway.systems.aggregation.adapters.table.gathering import (
    Gathering,
    Highest,
    Number,
    Told,
    decimal,
    rounded,
)
from gateway.systems.aggregation.adapters.table.layout import CODE_MAX, Layout
from gateway.systems.aggregation.readings import (
    CHIPS,
    DISK_GIB,
    MEMORY_GIB,
    VCPU,
    ReadingError,
    Unit,
)

_CODES_MAX: Final = 200_000
_NAME: Final = re.compile(r"CPURL-DATA-([0-9]{14})[0-9]{4}\.data\Z")
_CHINA: Final = timezone(timedelta(hours=8))
# What one of a unit is in GiB: the systems that write such files count in powers of 1024.
_UNITS: Final[Mapping[str, int]] = {"": 1, "GB": 1, "TB": 1024, "PB": 1024**2}
_NOT_COUNTED: Final = ("flops", "network")  # amounts that are shown as they are told
_AMOUNTS: Final = {"chips": CHIPS, "vcpu": VCPU, "memory": MEMORY_GIB, "disk": DISK_GIB}
SCOPES: Final = ("", "K1", "K2")
TOTAL, AVAILABLE = SCOPES[1:]


class Usage(msgspec.Struct, rename="camel"):
    ip: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    cpu_usage: Number = None
    mem_usage: Number = None
    cpu: Number = None
    memory: Number = None


class Group(msgspec.Struct, rename="camel"):
    """What is told of a zone of a city."""

    enterprise: str | int
    city: str | int
    zone: str | int
    is_monitor: int | str | bool = 0
    cpurls: list[str] = []
    usage: list[Usage] = []


_FILE: Final = msgspec.json.Decoder(list[msgspec.Raw])
_GROUP: Final = msgspec.json.Decoder(Group)


def taken(name: str) -> int | None:
    """When the file of a name was written (its time is taken for China's), in Unix milliseconds;
    None if its name does not say it.
    """
    found = _NAME.search(name)
    if found is None:
        return None
    try:
        at = datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=_CHINA)
    except ValueError:
        return None
    return round(at.timestamp() * 1_000)


# -- CPURL files


def read_cpurl(body: bytes, layout: Layout | None, percent: bool, highest: Highest) -> Told:
    """The units of a CPURL file: machines whose use it tells, and resources that its codes name.

    Args:
        layout: of the codes; without one they are not read.
        percent: use is told in percent, else as a share.
        highest: totals known before: a file may tell only what is available.

    Raises:
        ReadingError: it is no such file. A group that is none is noted, and harms no other.
    """
    return _Reading(layout, percent, highest).of(decoded(body, _FILE, "CPURL file"))


class _Reading:
    """The reading of a file."""

    def __init__(self, layout: Layout | None, percent: bool, highest: Highest) -> None:
        self._layout = layout
        self._whole = Decimal(100 if percent else 1)
        self._gathering = Gathering(highest)
        self._unread = self._codes = 0
        self._untold: Counter[str] = Counter()  # kinds of which machines do not tell the use

    def of(self, groups: list[msgspec.Raw]) -> Told:
        for number, raw in enumerate(groups, 1):
            self._gathering.attempt(f"group {number}", partial(self._group, raw))
        if self._layout is not None and self._unread:
            of = f"{self._unread} of {self._codes} codes"
            self._gathering.fault(f"{of} are not laid out as the option layout says")
        told = self._gathering.told()
        for kind, machines in self._untold.items():
            told.notes.append(
                f"of {machines} machines the use of {kind} is not told: nothing of it is free"
            )
        if self._layout is None and self._unread:  # which is no fault of the file
            told.notes.append(
                f"{self._unread} codes are not read: how they are laid out is not public; "
                "say it by the option layout"
            )
        return told

    def _group(self, raw: msgspec.Raw) -> None:
        group = decoded(bytes(raw), _GROUP, "not a group of a CPURL file")
        names = [text(str(x), 60) for x in (group.enterprise, group.city, group.zone)]
        place = "/".join(names)
        labels = dict(zip(("enterprise", "city", "zone"), names, strict=True))
        # What is only watched is not given to anybody.
        why = (
            "isMonitor: it is told for monitoring, not for dispatch"
            if _flag(group.is_monitor)
            else ""
        )
        for usage in group.usage:
            self._gathering.attempt(
                f"{place} {text(usage.ip, 40)}",
                partial(self._machine, place, usage, labels, why),
            )
        self._codes += len(group.cpurls)
        if self._codes > _CODES_MAX:
            raise ReadingError(f"more than {_CODES_MAX} codes")
        told: dict[str, dict[str, Mapping[str, str]]] = {}  # key → scope → parts
        for code in group.cpurls:
            parts = self._layout.read(code) if self._layout and len(code) <= CODE_MAX else None
            if parts is None:
                self._unread += 1
                continue
            named = "/".join(
                x for name, x in parts.items() if not _is_amount(name) and name != "scope"
            )
            scopes = told.setdefault(text(f"{place}/{named}"), {})
            scope = parts.get("scope", "")
            if scope not in SCOPES:
                self._code_fault(place, code, f"scope={text(scope, 20)!r}: expected K1 or K2")
            elif scope in scopes:
                self._code_fault(place, code, "its resource stands there before")
            else:
                scopes[scope] = parts
        for key, scopes in told.items():
            if scopes:
                self._gathering.attempt(key, partial(self._resource, key, scopes, labels, why))

    def _code_fault(self, place: str, code: str, said: str) -> None:
        self._gathering.fault(f"{place}: {text(code, 80)}: {said}")

    def _machine(self, place: str, usage: Usage, labels: Mapping[str, str], why: str) -> None:
        """A machine, known by its enterprise, city and zone, and its address there: by no more."""
        total, free, untold = {}, {}, []
        for kind, has, used in (
            (VCPU, usage.cpu, usage.cpu_usage),
            (MEMORY_GIB, usage.memory, usage.mem_usage),
        ):
            if has is None:
                continue
            total[kind] = rounded(decimal(has))
            if used is None or used == "":  # it may be all of it
                untold.append(kind)
                free[kind] = 0.0
                continue
            share = decimal(used) / self._whole
            if share > 1:
                raise ReadingError(f"use of {kind} is {used}; is it in percent? (option usage)")
            free[kind] = rounded(decimal(has) * (1 - share))
        if total:
            ip = text(usage.ip)
            is_known = len(untold) < len(total)
            if not is_known:
                why = why or "its use is not told"
            self._gathering.add(
                Unit(
                    key=f"{place}/{ip}",
                    name=ip,
                    total=total,
                    free=_unless(why, free),
                    why=why,
                    group=place,
                    labels=labels,
                    is_known=is_known,
                )
            )
            self._untold.update(untold)

    def _resource(
        self,
        key: str,
        scopes: Mapping[str, Mapping[str, str]],
        labels: Mapping[str, str],
        why: str,
    ) -> None:
        """A resource that codes name, one with its total capacity (K1), one with what of that is
        available (K2).
        """
        amounts = {scope: _amounts(parts, "") for scope, parts in scopes.items()}
        free = amounts.get(AVAILABLE) or _amounts(scopes.get("", {}), "free_")
        told = amounts.get(TOTAL) or amounts.get("") or {}
        is_total_told = told.keys() >= free.keys()
        total = told if is_total_told else {**self._gathering.most(key, free), **told}
        for kind, has in free.items():
            if has > total[kind]:
                raise ReadingError(f"free {kind}={has:g} of {total[kind]:g}")
        if not free:
            why = why or "only its total capacity is told"
        parts = {
            name if not _is_amount(name) else f"{name}_{scope}".rstrip("_"): text(x)
            for scope, said in scopes.items()
            for name, x in said.items()
            if name != "scope"
        }
        self._gathering.add(
            Unit(
                key=key,
                name=key,
                total=total,
                free=_unless(why, {**dict.fromkeys(total, 0.0), **free}),
                why=why,
                chip=parts.pop("chip", ""),
                group=text("/".join([*labels.values(), parts.get("type", "")])),
                labels={**labels, **parts},
                is_known=bool(free),
            ),
            is_kept=TOTAL in amounts or not is_total_told,
        )


def _is_amount(name: str) -> bool:
    """Does a part of that name say how much of a resource there is, and not which it is?"""
    name = name.removeprefix("free_").removesuffix("_unit")
    return name in _AMOUNTS or name in _NOT_COUNTED


def _amounts(parts: Mapping[str, str], before: str) -> dict[str, float]:
    """The amounts among the parts of a code, in the units of ours.

    Args:
        before: what the names of those parts begin with that are meant.
    """
    found = {}
    for name, kind in _AMOUNTS.items():
        if before + name in parts:
            unit = parts.get(f"{before}{name}_unit", parts.get(f"{name}_unit", "")).upper()
            if unit not in _UNITS:
                raise ReadingError(f"{name}_unit={text(unit)!r}: expected GB, TB or PB")
            found[kind] = rounded(decimal(parts[before + name]) * _UNITS[unit])
    return found


def _unless(why: str, free: dict[str, float]) -> dict[str, float]:
    return dict.fromkeys(free, 0.0) if why else free


def _flag(value: float | str) -> bool:
    return str(value).casefold() in ("1", "true")
