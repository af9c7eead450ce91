"""A machine of Prometheus as a unit: what it has, what of it is at rest, and why not more of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from csid.status import Health
from gateway.systems.aggregation.adapters import models
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.adapters.prometheus.cards import FATAL, Card
from gateway.systems.aggregation.adapters.prometheus.facts import Target
from gateway.systems.aggregation.adapters.units import labels
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU, Source, Unit

_OCTETS_A_GIB: Final = 1 << 30
Sighting: TypeAlias = tuple[Target, Card]  # a card, and where it was seen


class Rest(NamedTuple):
    """Up to what a card is at rest, and for how many seconds a sample counts."""

    percent: float
    mib: float
    seconds: float


@dataclass(slots=True)
class Host:
    """Targets of one machine, and its cards with the target that each was seen at."""

    key: str
    targets: list[Target] = field(default_factory=list)
    cards: list[Sighting] = field(default_factory=list)


def unit(host: Host, rest: Rest, source: Source, notes: list[str]) -> Unit:
    up = [target for target in host.targets if target.up]
    node = min(up or host.targets, key=lambda one: _rank(one, rest), default=None)
    cards = _alike(host, notes)
    total: dict[str, float] = {}
    free: dict[str, float] = {}
    if node is not None:
        total[VCPU], total[MEMORY_GIB] = amount(node.processors), _gib(node.memory)
        free[VCPU] = min(math.floor(_idle(node)), total[VCPU])
        free[MEMORY_GIB] = min(_gib(node.available), total[MEMORY_GIB])
    if cards:
        total[CHIPS] = len(cards)
        free[CHIPS] = sum(_is_at_rest(target, card, rest) for target, card in cards)
    health, why = _hindered(host, node, rest)
    hindered = bool(why)
    if not hindered and cards and free[CHIPS] < len(cards):
        health, why = _not_all(cards, int(free[CHIPS]))
    if hindered or health == "failed":
        free = dict.fromkeys(free, 0)
    first = node or host.cards[0][0]
    name = node.name if node else host.cards[0][1].host
    said = node.labels if node else host.cards[0][1].labels
    model = cards[0][1].model if cards else ""
    return Unit(
        key=host.key,
        name=text(name) or text(first.instance) or "a machine",
        total={kind: there for kind, there in total.items() if there},
        free={kind: there for kind, there in free.items() if total[kind]},
        health=health,
        why=why,
        chip=models.model(model),
        chip_memory_gib=models.memory_gib(model, max(map(_mib, cards), default=0)),
        group=text(said.get(source.options.get("group", ""))),
        labels=labels(
            {
                "estimated": "utilisation",
                "job": first.job,
                "instance": first.instance,
                "csid": said.get("csid", ""),
                "os": node.system if node else "",
                "architecture": node.machine if node else "",
                "load": f"{node.load:g}" if node and node.load is not None else "",
                "model": model,
            }
        ),
        is_known=not (hindered and health == "degraded"),
    )


def _alike(host: Host, notes: list[str]) -> list[Sighting]:
    """Its cards of the model that there are most of."""
    by_model = Counter(card.model for _, card in host.cards)
    if not by_model:
        return []
    most = max(by_model.items(), key=lambda item: (item[1], item[0]))[0]
    if len(by_model) > 1:
        others = ", ".join(f"{count} {name}" for name, count in by_model.items() if name != most)
        notes.append(
            text(f"{host.key}: of several models of card only {most} is counted: {others}")
        )
    return [(target, card) for target, card in host.cards if card.model == most]


def _is_at_rest(target: Target, card: Card, rest: Rest) -> bool:
    """Whether nothing runs on a card as far as is known: what is not said counts as running."""
    return (
        target.up
        and not (card.busy or card.divided or card.xid in FATAL)
        and card.age is not None
        and card.age <= rest.seconds
        and card.peak is not None
        and max(card.peak, card.now or 0) <= rest.percent
        and card.used is not None
        and card.used <= rest.mib
    )


def _not_all(cards: Sequence[Sighting], resting: int) -> tuple[Health, str]:
    """Health and reason where some cards are not at rest."""
    faults = [int(card.xid) for _, card in cards if card.xid in FATAL and card.xid]
    silent = sorted({target.title for target, _ in cards if not target.up})
    why = f"{len(cards) - resting} of {len(cards)} cards are not at rest"
    if faults:
        why += f"; errors of {len(faults)}: XID {', '.join(map(str, sorted(set(faults))))}"
    if silent:
        why += f"; down: {', '.join(silent[:5])}"
    if len(faults) == len(cards):
        return "failed", text(why)
    return "degraded" if faults or silent else "ok", text(why)


def _hindered(host: Host, node: Target | None, rest: Rest) -> tuple[Health, str]:
    """What keeps all of it from being had; ("ok", "") if nothing does."""
    scraped = host.targets or [target for target, _ in host.cards]
    if not any(target.up for target in scraped):
        return "failed", text(f"down: {', '.join(sorted({one.title for one in scraped})[:5])}")
    if node is not None and _age(node) > rest.seconds:
        age = _age(node)
        said = "of unknown age" if math.isinf(age) else f"{age:.0f} s old"
        return "degraded", text(f"{node.title}: what is known is {said}")
    return "ok", ""


def _rank(target: Target, rest: Rest) -> tuple[bool, bool, str]:
    """Of several exporters of a machine the same speaks for it each time: first by what it says,
    then by whether that counts.
    """
    lacks = target.processors is None or target.memory is None
    return lacks, _age(target) > rest.seconds, target.title


def _age(target: Target) -> float:
    return math.inf if target.age is None else target.age


def _idle(node: Target) -> float:
    """Processors that are idle on average; as the load has it until that is known."""
    if node.idle is not None:
        return amount(node.idle)
    if node.load is None:
        return 0.0
    return max(0.0, amount(node.processors) - amount(node.load))


def _gib(octets: float | None) -> float:
    return round(amount(octets) / _OCTETS_A_GIB, 3)


def _mib(seen: Sighting) -> float:
    return amount(seen[1].used) + amount(seen[1].free)
