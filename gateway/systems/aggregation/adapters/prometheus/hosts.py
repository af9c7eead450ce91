"""From targets to machines: which targets and which cards are of one machine.

A machine is known by a label that was chosen, by what its firmware says, or at last by its name and
address in Prometheus, which is noted: they may be another machine's later. Cards are known by their
UUID, and belong to the machine whose name or address their exporter has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from gateway.systems.aggregation.adapters import options
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.identity import machine_key
from gateway.systems.aggregation.adapters.prometheus import cards, machines
from gateway.systems.aggregation.adapters.prometheus.cards import Card
from gateway.systems.aggregation.adapters.prometheus.facts import Target
from gateway.systems.aggregation.adapters.prometheus.machines import Host, Rest, Sighting
from gateway.systems.aggregation.adapters.units import counted
from gateway.systems.aggregation.readings import Source, Unit

_STALE: Final = 120  # seconds
_REST_PERCENT: Final = 5
_REST_MIB: Final = 1_024
_NAMED: Final = 5  # in a note
Place: TypeAlias = tuple[str, str]  # name or at, and which


def units(
    targets: Collection[Target],
    left: Iterable[Target],
    source: Source,
    notes: list[str],
    missing: list[str],
) -> list[Unit]:
    """A unit of each machine; what is known by its address only is noted, and machines that have
    the same identity are missing.

    Args:
        left: targets that were left out, whose cards elsewhere are no machines by themselves.
    """
    counted(len(targets), "targets")
    targets = sorted(targets, key=lambda one: (one.job, one.instance))
    nowhere = Host("", list(left))
    hosts = _machines(targets, source, nowhere, missing)
    others = _with_cards(targets, hosts, source, nowhere)
    rest = Rest(
        options.number(source, "rest_percent", _REST_PERCENT, 0, 100),
        options.number(source, "rest_mib", _REST_MIB, 0, 1 << 20),
        options.number(source, "stale", _STALE, 1, 86_400),
    )
    found = [machines.unit(host, rest, source, notes) for host in (*hosts, *others)]
    weak = [unit for unit in found if unit.key.startswith(("instance:", "host:"))]
    if weak:
        notes.append(
            f"known by their address or name only: {len(weak):,} machines, such as "
            f"{weak[0].name}; use option key, or let the node exporter read product_uuid"
        )
    return found


def _machines(
    targets: Iterable[Target], source: Source, nowhere: Host, missing: list[str]
) -> list[Host]:
    """By what node exporters say of themselves; targets that are left out are put to `nowhere`."""
    hosts: dict[str, Host] = {}
    weak: list[Target] = []
    for target in targets:
        if not target.is_node:
            continue
        known = machine_key(target.uuid, target.maker, target.serial)
        if key := _chosen(target.labels, source) or known:
            hosts.setdefault(key, Host(key)).targets.append(target)
        else:
            weak.append(target)
    _fold(weak, hosts, nowhere, missing)
    for key, host in list(hosts.items()):
        names = sorted({target.name for target in host.targets if target.name})
        if len(names) > 1:
            _leave_out(key, names, missing)
            nowhere.targets += hosts.pop(key).targets
    return list(hosts.values())


def _fold(
    weak: Iterable[Target], hosts: dict[str, Host], nowhere: Host, missing: list[str]
) -> None:
    """Put targets without an identity to the machine that has their name and address, whatever the
    port: it has several exporters, of which not each may read its firmware. Where no machine has
    both, they are one that is known by these; where there is no name, by the whole of `instance`.
    """
    strong: dict[Place, set[str]] = {}
    for host in hosts.values():
        for target in host.targets:
            strong.setdefault((target.name, _address(target.instance)), set()).add(host.key)
    for target in weak:
        place = target.name, _address(target.instance)
        known = strong.get(place, set()) if target.name else set()
        at = f"{place[0]}@{place[1]}" if target.name else target.instance
        key = text(f"instance:{at}")
        if len(known) > 1:
            _leave_out(key, sorted(known), missing)
            nowhere.targets.append(target)
            continue
        key = next(iter(known), key)
        hosts.setdefault(key, Host(key)).targets.append(target)


def _leave_out(key: str, names: Sequence[str], missing: list[str]) -> None:
    missing.append(text(f"{key}: left out, several machines have it: {', '.join(names[:_NAMED])}"))


def _chosen(labels: Mapping[str, str], source: Source) -> str:
    label = source.options.get("key", "")
    value = text(labels.get(label))
    return f"{label}:{value}" if label and value else ""


def _with_cards(
    targets: Iterable[Target], hosts: Iterable[Host], source: Source, nowhere: Host
) -> list[Host]:
    """Give cards to their machines; machines of which nothing else is known. Those of a machine
    that was left out are left out with it.
    """
    sightings = _sightings(targets)
    if not sightings:
        return []
    places: dict[Place, list[Host]] = {}
    for machine in (*hosts, nowhere):
        for place in {place for target in machine.targets for place in _places(target)}:
            places.setdefault(place, []).append(machine)
    others: dict[str, Host] = {}
    for seen in sightings:
        target, first = seen[0]
        host = next((found for one in seen if (found := _of_card(*one, places))), None)
        if host is nowhere:
            continue
        if host is None:
            weak = f"host:{text(first.host)}" if first.host else f"instance:{target.instance}"
            key = _chosen(first.labels, source) or text(weak)
            host = others.setdefault(key, Host(key))
        host.cards.append((target, cards.merged([card for _, card in seen])))
    return list(others.values())


def _sightings(targets: Iterable[Target]) -> list[list[Sighting]]:
    """Of each card where it is seen: at targets that are up; at those that are down if there are
    no others.
    """
    by_card: dict[tuple[str, ...], list[Sighting]] = {}
    for target in sorted(targets, key=lambda one: not one.up):
        for number, card in sorted(target.cards.items()):
            which = (card.uuid,) if card.uuid else (target.job, target.instance, number)
            seen = by_card.setdefault(which, [])
            if not seen or target.up or not seen[0][0].up:
                seen.append((target, card))
    return list(by_card.values())


def _places(target: Target) -> set[Place]:
    """Under what cards may say where they are: name, short name, address."""
    names = (target.name, _short(target.name))
    return {*(("name", name) for name in names if name), ("at", _address(target.instance))}


def _of_card(target: Target, card: Card, places: Mapping[Place, list[Host]]) -> Host | None:
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
    """HOST of HOST:PORT, as it is written there; an IPv6 address without brackets has no port."""
    host = instance.rpartition(":")[0]
    return host if host and (":" not in host or host.endswith("]")) else instance
