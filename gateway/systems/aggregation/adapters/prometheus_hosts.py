"""From targets to machines: which targets are of one machine, what it has, what of it is at rest.

A machine is known by a label that was chosen, by what its firmware says, or at last by its address
in Prometheus, which is noted: it may be another machine's later. Cards are known by their UUID, and
belong to the machine whose name or address their exporter has.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from csid.status import Health
from gateway.systems.aggregation.adapters import models, options
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.adapters.identity import machine_key
from gateway.systems.aggregation.adapters.prometheus_facts import Card, Target
from gateway.systems.aggregation.adapters.units import counted, labels
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU, Source, Unit

_STALE: Final = 120  # seconds
_REST_PERCENT: Final = 5
_REST_MIB: Final = 1_024
# Errors after which a card cannot be used until somebody has seen to it (XID of NVIDIA's driver):
# double-bit ECC, rows that cannot be remapped, NVLink, off the bus, uncontained ECC, GSP.
_FATAL: Final = frozenset((48, 62, 64, 74, 79, 95, 119, 120, 140))
_OCTETS_A_GIB: Final = 1 << 30
Place: TypeAlias = tuple[str, str]  # name or at, and which


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
    cards: list[tuple[Target, Card]] = field(default_factory=list)


def units(
    targets: Collection[Target], source: Source, notes: list[str], missing: list[str]
) -> list[Unit]:
    """A unit of each machine; what is known by its address only is noted, and machines that have
    the same identity are missing.
    """
    counted(len(targets), "targets")
    hosts = _machines(targets, source, missing)
    others = _with_cards(targets, hosts, source)
    rest = Rest(
        options.number(source, "rest_percent", _REST_PERCENT, 0, 100),
        options.number(source, "rest_mib", _REST_MIB, 0, 1 << 20),
        options.number(source, "stale", _STALE, 1, 86_400),
    )
    found = [_unit(host, rest, source, notes) for host in (*hosts, *others)]
    weak = [unit for unit in found if unit.key.startswith(("instance:", "host:"))]
    if weak:
        notes.append(
            f"known by their address or name only: {len(weak):,} machines, such as "
            f"{weak[0].name}; use option key, or let the node exporter read product_uuid"
        )
    return found


def _machines(targets: Collection[Target], source: Source, missing: list[str]) -> list[Host]:
    """By what node exporters say of themselves."""
    hosts: dict[str, Host] = {}
    for target in targets:
        if target.is_node:
            key = _chosen(target, source) or machine_key(target.uuid, target.maker, target.serial)
            key = key or f"instance:{text(target.instance)}"
            hosts.setdefault(key, Host(key)).targets.append(target)
    for key, host in list(hosts.items()):
        names = sorted({target.name for target in host.targets if target.name})
        if len(names) > 1:
            missing.append(
                text(f"{key}: left out, several machines have it: {', '.join(names[:5])}")
            )
            del hosts[key]
    return list(hosts.values())


def _chosen(target: Target, source: Source) -> str:
    label = source.options.get("key", "")
    value = text(target.labels.get(label))
    return f"{label}:{value}" if label and value else ""


def _with_cards(targets: Collection[Target], hosts: Sequence[Host], source: Source) -> list[Host]:
    """Give cards to their machines; machines of which nothing else is known."""
    if not any(target.cards for target in targets):
        return []
    places: dict[Place, list[Host]] = {}
    for machine in hosts:
        for place in {place for target in machine.targets for place in _places(target)}:
            places.setdefault(place, []).append(machine)
    others: dict[str, Host] = {}
    seen: set[str] = set()
    for target in sorted(targets, key=lambda one: not one.up):  # those that are up first
        for card in target.cards.values():
            if card.uuid and card.uuid in seen:
                continue
            seen.add(card.uuid)
            host = _of_card(target, card, places)
            if host is None:
                weak = f"host:{text(card.host)}" if card.host else f"instance:{target.instance}"
                key = _chosen(target, source) or text(weak)
                host = others.setdefault(key, Host(key))
            host.cards.append((target, card))
    return list(others.values())


def _places(target: Target) -> set[Place]:
    """Under what cards may say where they are: name, short name, address."""
    names = (target.name, _short(target.name))
    return {*(("name", name) for name in names if name), ("at", _address(target.instance))}


def _of_card(target: Target, card: Card, places: dict[Place, list[Host]]) -> Host | None:
    """The one machine that it can be of; None if there is none or several."""
    where = ("name", card.host), ("name", _short(card.host)), ("at", _address(target.instance))
    for place in where:
        found = places.get(place, [])
        if len(found) == 1:
            return found[0]
    return None


def _short(name: str) -> str:
    return name.partition(".")[0]


def _address(instance: str) -> str:
    """HOST of HOST:PORT, as it is written there."""
    return instance.rpartition(":")[0] or instance


def _unit(host: Host, rest: Rest, source: Source, notes: list[str]) -> Unit:
    up = [target for target in host.targets if target.up]
    node = min(up or host.targets, key=_age, default=None)
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
        group=text(first.labels.get(source.options.get("group", ""))),
        labels=labels(
            {
                "estimated": "utilisation",
                "job": first.job,
                "instance": first.instance,
                "csid": first.labels.get("csid", ""),
                "os": node.system if node else "",
                "architecture": node.machine if node else "",
                "load": f"{node.load:g}" if node and node.load is not None else "",
                "model": model,
            }
        ),
    )


def _alike(host: Host, notes: list[str]) -> list[tuple[Target, Card]]:
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
        and not (card.busy or card.divided or card.xid in _FATAL)
        and card.age is not None
        and card.age <= rest.seconds
        and card.peak is not None
        and max(card.peak, card.now or 0) <= rest.percent
        and card.used is not None
        and card.used <= rest.mib
    )


def _not_all(cards: Sequence[tuple[Target, Card]], resting: int) -> tuple[Health, str]:
    """Health and reason where some cards are not at rest."""
    faults = [int(card.xid) for _, card in cards if card.xid in _FATAL and card.xid]
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


def _mib(seen: tuple[Target, Card]) -> float:
    return amount(seen[1].used) + amount(seen[1].free)
