"""Samples of Prometheus by the target they are of: what node exporters and exporters of cards
(DCGM) say. Series that a query makes have no name; label WHAT says what they are.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from gateway.systems.aggregation.adapters.bodies import AMOUNT_MAX, text
from gateway.systems.aggregation.adapters.prometheus import cards
from gateway.systems.aggregation.adapters.prometheus.cards import OF_CARD, Card

WHAT: Final = "csid_what"
Name: TypeAlias = tuple[str, str]  # job and instance of a target


class Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]  # when it was asked (Unix seconds), the number


class Data(msgspec.Struct):
    result: list[Sample]


class Answer(msgspec.Struct):
    """Warnings say that it is not all that there is: a store that could not be reached."""

    data: Data
    warnings: list[str] | None = None


ANSWER: Final = msgspec.json.Decoder(Answer)


@dataclass(slots=True)
class Target:
    """What is scraped at one address for one job. None is what is not said.

    Attributes:
        several: it is several machines, or one machine that is told of several times.
        labels: of its series, those that are wanted; relabelling may have added to them.
        memory, available: octets.
        age: seconds since its last sample.
        cards: by UUID, or by number and host where no series says one.
    """

    job: str
    instance: str
    up: bool = True
    several: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    name: str = ""
    machine: str = ""
    system: str = ""
    uuid: str = ""
    maker: str = ""
    serial: str = ""
    memory: float | None = None
    available: float | None = None
    load: float | None = None
    processors: float | None = None
    idle: float | None = None
    age: float | None = None
    cards: dict[str, Card] = field(default_factory=dict)

    @property
    def is_node(self) -> bool:
        return bool(self.name) or self.memory is not None

    @property
    def title(self) -> str:
        return f"{self.job} {self.instance}"


_OF_TARGET: Final = {
    "node_memory_MemTotal_bytes": "memory",
    "node_memory_MemAvailable_bytes": "available",
    "node_load1": "load",
    "cpus": "processors",
    "idle": "idle",
    "node_time": "age",
}
_TEXTS: Final = {  # labels of series that are all labels
    "node_uname_info": {"name": "nodename", "machine": "machine", "system": "sysname"},
    "node_dmi_info": {"uuid": "product_uuid", "maker": "system_vendor", "serial": "product_serial"},
}
_IDENTITIES: Final = ("name", "uuid", "serial")  # of which a machine has one each
NAMES: Final = tuple(
    name for name in (*_OF_TARGET, *OF_CARD, *_TEXTS) if name.startswith(("node_", "DCGM"))
)
_NUMBERS: Final = ("gpu", "device")  # labels with the number of a card at its machine
# Worked out of one moment, not of some minutes in which the labels of a series may change.
_OF_A_MOMENT: Final = ("node_time", "card_time")


class Facts:
    """All targets of which something is known.

    Args:
        wanted: labels that are kept of targets and of cards.
        past: what is learnt is of a day, in which series of a machine come and go.

    Attributes:
        targets: by name.
        down: those that could not be scraped.
    """

    def __init__(self, wanted: Collection[str] = (), past: bool = False) -> None:
        self.targets: dict[Name, Target] = {}
        self.down: set[Name] = set()
        self._wanted = wanted
        self._past = past
        self._series: dict[tuple[str | None, ...], Mapping[str, str]] = {}
        self._several: set[Name] = set()
        self._numbered: dict[tuple[str, ...], dict[str, Card]] = {}

    def learn(self, samples: Iterable[Sample]) -> None:
        """Take in samples: first what targets say, of cards first what says its UUID; then what was
        worked out of it, which may be of some minutes and so of what is gone.
        """
        numbered, made = [], []
        for sample in samples:
            if WHAT in sample.metric:
                made.append(sample)
            elif sample.metric.get("__name__") in OF_CARD and not sample.metric.get("UUID"):
                numbered.append(sample)
            else:
                self._said(sample)
        for sample in sorted(numbered, key=_rank):
            self._said(sample)
        for sample in made:
            self._made(sample)

    def unknown(self) -> list[Name]:
        """Targets that are down and of which nothing is known."""
        return sorted(self.down - self.targets.keys())

    def settle(self) -> list[Target]:
        """Let targets know that they are down, and leave out those that are several: these."""
        for name in self.down & self.targets.keys():
            self.targets[name].up = False
        several = {name for name, target in self.targets.items() if target.several}
        several |= self._several & self.targets.keys()
        return [self.targets.pop(name) for name in sorted(several)]

    def _said(self, sample: Sample) -> None:
        labels = sample.metric
        what = labels.get("__name__", "")
        name = name_of(labels)
        if what != "up" and what not in NAMES:
            return
        if not self._past:
            self._count(what, labels)
        if what == "up":
            if _number(sample) == 0:
                self.down.add(name)
            return
        target = self.targets.get(name)
        if target is None:
            target = self.targets[name] = Target(*name)
        self._keep(target.labels, labels)
        if what in OF_CARD:
            for card in self._cards(target, labels) or (self._card(target, labels),):
                self._keep(card.labels, labels)
                cards.learn(card, what, labels, _number(sample))
        elif what in _TEXTS:
            _set_texts(target, _TEXTS[what], labels)
        else:
            _set_number(target, what, _number(sample))

    def _made(self, sample: Sample) -> None:
        labels = sample.metric
        what = labels[WHAT]
        target = self.targets.get(name_of(labels))
        if target is None:
            return
        found = _age(sample) if what in _OF_A_MOMENT else _number(sample)
        if what in _OF_A_MOMENT:
            self._count(what, labels)
        if what in OF_CARD:
            for card in self._cards(target, labels):
                cards.learn(card, what, labels, found)
        elif what in _OF_TARGET:
            _set_number(target, what, found)

    def _count(self, what: str, labels: Mapping[str, str]) -> None:
        """Note that there is a series; two of what there can be one of are of several targets."""
        name = name_of(labels)
        series = (what, *name, *(cards.apart(labels) if what in OF_CARD else ()))
        if self._series.setdefault(series, labels) != labels:
            self._several.add(name)

    def _cards(self, target: Target, labels: Mapping[str, str]) -> Collection[Card]:
        """The card that a series is of, if it is known. Of a series without UUID those of its
        number; where these are several, what it says may be of each, so none is taken to be free.
        """
        if not labels.get("UUID"):
            host = text(labels.get("Hostname"))
            for number in _numbers(target, labels):
                if found := self._numbered.get(number):
                    its = found.values()
                    return [one for one in its if not (one.host and host) or one.host == host]
        card = target.cards.get(_key(labels))
        return () if card is None else (card,)

    def _card(self, target: Target, labels: Mapping[str, str]) -> Card:
        """A card that is not known yet."""
        key = _key(labels)
        card = target.cards[key] = Card()
        for number in _numbers(target, labels):
            self._numbered.setdefault(number, {})[key] = card
        return card

    def _keep(self, kept: dict[str, str], labels: Mapping[str, str]) -> None:
        """Keep labels that are wanted: the same, in whatever order series are said."""
        for name in self._wanted:
            if name in labels:
                kept[name] = max(kept.get(name, ""), text(labels[name]))


def _rank(sample: Sample) -> tuple[bool, str]:
    """Cards whose host is said come first, so that what says none can be of them."""
    key = _key(sample.metric)
    return key.endswith(" "), key


def _key(labels: Mapping[str, str]) -> str:
    """What a card is known by at its target."""
    if uuid := text(labels.get("UUID")):
        return uuid
    number = labels.get("gpu") or labels.get("device")
    return f"{text(number)} {text(labels.get('Hostname'))}"


def _numbers(target: Target, labels: Mapping[str, str]) -> list[tuple[str, ...]]:
    """What else than its UUID may say which card of a target it is."""
    said = [(name, text(labels.get(name))) for name in _NUMBERS]
    return [(target.job, target.instance, *number) for number in said if number[1]]


def _set_texts(target: Target, names: Mapping[str, str], labels: Mapping[str, str]) -> None:
    for attribute, label in names.items():
        found, before = text(labels.get(label)), getattr(target, attribute)
        if attribute in _IDENTITIES and found and before and found != before:
            target.several = True
        setattr(target, attribute, max(found, before))


def _set_number(target: Target, what: str, found: float | None) -> None:
    before = getattr(target, _OF_TARGET[what])
    if found is not None and (before is None or before < found):
        setattr(target, _OF_TARGET[what], found)


def name_of(labels: Mapping[str, str]) -> Name:
    return labels.get("job", ""), labels.get("instance", "")


def _number(sample: Sample) -> float | None:
    """None for what is none, and for what stands for none: DCGM says 2^63 - 14."""
    try:
        value = float(sample.value[1])
    except ValueError:
        return None
    return value if 0 <= value <= AMOUNT_MAX and math.isfinite(value) else None


def _age(sample: Sample) -> float | None:
    """Seconds from a time that it says until it was asked, by the same clock."""
    value = _number(sample)
    return None if value is None else max(0.0, sample.value[0] - value)
