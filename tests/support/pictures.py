"""Pictures made from nothing, row by row: what those that are kept by columns are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from gateway.systems.aggregation.columns import columns_of_rows
from gateway.systems.aggregation.counting import SOURCES_SHOWN, Counting, Group
from gateway.systems.aggregation.exchange import SKEW_MS, Kept
from gateway.systems.aggregation.history import REST, Key, Sums
from gateway.systems.aggregation.picture import (
    DIMENSIONS,
    UNITS,
    Figures,
    Parts,
    Row,
    places_of,
    together,
)
from gateway.systems.aggregation.readings import CHIPS, VCPU


def counted(rows: Sequence[Row], *by: str, **where: str) -> Counting:
    """The picture of rows as it is made."""
    return Counting([columns_of_rows(rows)], by, where)


def rows_of(kept: Kept, now: int) -> list[Row]:
    """The picture of another node as rows of one's own."""
    found = []
    for one in kept.groups:
        figures, key = one.figures, one.key
        if now >= kept.until or kept.at > now + SKEW_MS:
            figures = figures.as_unknown
        what = dict.fromkeys(DIMENSIONS, "") | {"region": kept.region}
        what |= places_of(key.prefecture) | {"place": ""}
        what |= {"type": key.type, "chip": key.chip, "state": key.state}
        found.append(Row(what, figures))
    return found


def picture(rows: Iterable[Row], by: Sequence[str], where: Mapping[str, str]) -> list[Group]:
    """Rows put together, the largest first."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if all(row.what.get(name, "") == wanted for name, wanted in where.items()):
            found.setdefault(tuple(row.what.get(name, "") for name in by), []).append(row)
    groups = [_group(dict(zip(by, key, strict=True)), each) for key, each in found.items()]
    return sorted(groups, key=_size, reverse=True)


def whole(rows: Iterable[Row], where: Mapping[str, str]) -> Group:
    """All rows together, even if there are none."""
    found = picture(rows, (), where)
    return found[0] if found else Group({}, Figures(), (), 0)


def _group(by: Mapping[str, str], rows: list[Row]) -> Group:
    sources = sorted({one.what.get("source") or one.what.get("region", "") for one in rows} - {""})
    shown = tuple(sources[:SOURCES_SHOWN])
    return Group(by, together(one.figures for one in rows), shown, len(sources) - len(shown))


def _size(group: Group) -> tuple[float, float, tuple[str, ...]]:
    chips, vcpu = (group.figures.amounts.get(kind, Parts()).total for kind in (CHIPS, VCPU))
    return chips, vcpu, tuple(group.by.values())


def minute_of(rows: Iterable[Row], most: int) -> dict[Key, Sums]:
    """What is kept of what there is at one moment.

    Args:
        most: groups.
    """
    found: dict[Key, Sums] = {}
    for what, figures in rows:
        key = what.get("prefecture", ""), what.get("type", ""), what.get("chip", "")
        found[key] = found.get(key, Sums()).plus(_sums_of(figures))
    return found if len(found) <= most else _bounded(found, most)


def _sums_of(figures: Figures) -> Sums:
    of_kinds = []
    for kind in (CHIPS, VCPU):
        parts = figures.amounts.get(kind, Parts())
        out = parts.failed + parts.maintenance + parts.gone
        of_kinds += [parts.total, parts.free, parts.used, out, parts.unknown]
    units = figures.amounts.get(UNITS, Parts()).total
    return Sums(float(figures.resources), units, *of_kinds)


def _bounded(groups: dict[Key, Sums], most: int) -> dict[Key, Sums]:
    ordered = sorted(groups, key=lambda key: groups[key][2:], reverse=True)
    number: Counter[str] = Counter()
    share = most // len({key[0][:2] for key in groups})
    first: list[Key] = []
    then: list[Key] = []
    for key in ordered:
        number[key[0][:2]] += 1
        (first if number[key[0][:2]] <= share else then).append(key)
    ordered = first + then
    kept = {key: groups[key] for key in ordered[: most - 1]}
    rest = Sums()
    for key in ordered[most - 1 :]:
        rest = rest.plus(groups[key])
    kept[REST, REST, REST] = kept.get((REST, REST, REST), Sums()).plus(rest)
    return kept
