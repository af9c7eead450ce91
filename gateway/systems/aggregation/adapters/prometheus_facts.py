"""Samples of Prometheus by the target they are of: what node exporters and exporters of cards
(DCGM) say. Series that a query makes have no name; label WHAT says what they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from gateway.systems.aggregation.adapters.bodies import AMOUNT_MAX

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
class Card:
    """An accelerator. None is what is not said.

    Attributes:
        busy: who has it is said, so somebody has.
        divided: into instances (MIG).
        peak: utilisation in percent, the highest of the last minutes.
        used, free: memory, MiB.
        xid: the last error of its driver.
        age: seconds since its last sample.
    """

    uuid: str = ""
    model: str = ""
    host: str = ""
    busy: bool = False
    divided: bool = False
    now: float | None = None
    peak: float | None = None
    used: float | None = None
    free: float | None = None
    xid: float | None = None
    age: float | None = None


@dataclass(slots=True)
class Target:
    """What is scraped at one address for one job. None is what is not said.

    Attributes:
        labels: of one of its series, which relabelling may have added to.
        memory, available: octets.
        age: seconds since its last sample.
        cards: by their number at this target.
    """

    job: str
    instance: str
    up: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
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
_OF_CARD: Final = {
    "DCGM_FI_DEV_GPU_UTIL": "now",
    "DCGM_FI_DEV_FB_USED": "used",
    "DCGM_FI_DEV_FB_FREE": "free",
    "DCGM_FI_DEV_XID_ERRORS": "xid",
    "card_peak": "peak",
    "card_time": "age",
}
_TEXTS: Final = {  # labels of series that are all labels
    "node_uname_info": {"name": "nodename", "machine": "machine", "system": "sysname"},
    "node_dmi_info": {"uuid": "product_uuid", "maker": "system_vendor", "serial": "product_serial"},
}
# Who has a card, as exporters know it from Kubernetes or from a scheduler's prolog.
_HOLDERS: Final = ("exported_pod", "pod", "hpc_job")
NAMES: Final = tuple(
    name for name in (*_OF_TARGET, *_OF_CARD, *_TEXTS) if name.startswith(("node_", "DCGM"))
)


class Facts:
    """All targets of which something is known.

    Attributes:
        targets: by name.
        down: those that could not be scraped.
    """

    def __init__(self) -> None:
        self.targets: dict[Name, Target] = {}
        self.down: set[Name] = set()

    def learn(self, samples: Iterable[Sample]) -> None:
        """Take in samples: first what targets say, then what was worked out of it, which may be of
        some minutes and so of what is gone.
        """
        made = []
        for sample in samples:
            if WHAT in sample.metric:
                made.append(sample)
            else:
                self._said(sample)
        for sample in made:
            self._made(sample)

    def unknown(self) -> list[Name]:
        """Targets that are down and of which nothing is known."""
        return sorted(self.down - self.targets.keys())

    def settle(self) -> None:
        """Let targets know that they are down."""
        for name in self.down & self.targets.keys():
            self.targets[name].up = False

    def _said(self, sample: Sample) -> None:
        labels = sample.metric
        what = labels.get("__name__", "")
        name = name_of(labels)
        if what == "up":
            if _number(sample) == 0:
                self.down.add(name)
            return
        target = self.targets.get(name) or Target(*name, labels=labels)
        if what in _OF_CARD:
            _set_card(target.cards.setdefault(_place(labels), Card()), what, sample)
        elif what in _OF_TARGET:
            setattr(target, _OF_TARGET[what], _number(sample))
        elif what in _TEXTS:
            for attribute, label in _TEXTS[what].items():
                setattr(target, attribute, labels.get(label, ""))
        else:
            return
        self.targets[name] = target

    def _made(self, sample: Sample) -> None:
        labels = sample.metric
        what = labels[WHAT]
        target = self.targets.get(name_of(labels))
        if target is None:
            return
        if what in _OF_TARGET:
            found = _age(sample) if what == "node_time" else _number(sample)
            setattr(target, _OF_TARGET[what], found)
        elif what in _OF_CARD and (card := target.cards.get(_place(labels))) is not None:
            _set_card(card, what, sample)


def _place(labels: Mapping[str, str]) -> str:
    """What tells cards of a target apart: some series of a card say its UUID, and some do not."""
    return labels.get("gpu") or labels.get("UUID") or labels.get("device", "")


def _set_card(card: Card, what: str, sample: Sample) -> None:
    labels = sample.metric
    card.uuid = card.uuid or labels.get("UUID", "")
    card.model = card.model or labels.get("modelName", "")
    card.host = card.host or labels.get("Hostname", "")
    card.busy = card.busy or any(map(labels.get, _HOLDERS))
    card.divided = card.divided or "GPU_I_ID" in labels
    if what == "card_time":
        card.age = _age(sample)
        return
    found = _number(sample)
    before = getattr(card, _OF_CARD[what])
    if found is not None and before is not None:
        found = max(found, before)  # of its instances the busiest
    setattr(card, _OF_CARD[what], found)


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
