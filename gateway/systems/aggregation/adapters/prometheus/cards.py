"""Accelerators as exporters of cards (DCGM) tell of them: what the series of one card say together,
and what several exporters say of one card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.systems.aggregation.adapters.bodies import text

# Errors after which a card cannot be used until somebody has seen to it (XID of NVIDIA's driver):
# double-bit ECC, rows that cannot be remapped, NVLink, off the bus, uncontained ECC, GSP.
FATAL: Final = frozenset((48, 62, 64, 74, 79, 95, 119, 120, 140))
OF_CARD: Final = {
    "DCGM_FI_DEV_GPU_UTIL": "now",
    "DCGM_FI_DEV_FB_USED": "used",
    "DCGM_FI_DEV_FB_FREE": "free",
    "DCGM_FI_DEV_XID_ERRORS": "xid",
    "card_peak": "peak",
    "card_time": "age",
}
# Who has a card, as exporters know it from Kubernetes or from a scheduler's prolog.
_HOLDERS: Final = ("exported_pod", "pod", "hpc_job")
# What a metric of cards may have several series by: cards, their instances, and who shares them.
_APART: Final = (
    *("UUID", "gpu", "device", "Hostname", "GPU_I_ID", "vgpu", "hpc_job", "err_code"),
    *("pod", "namespace", "container"),
    *("exported_pod", "exported_namespace", "exported_container"),
)


@dataclass(slots=True)
class Card:
    """An accelerator. None is what is not said.

    Attributes:
        labels: of its series, those that are wanted.
        busy: who has it is said, so somebody has.
        divided: into instances (MIG).
        peak: utilisation in percent, the highest of the last minutes.
        used, free: memory, MiB.
        xid: the worst of the last errors of its driver.
        age: seconds since its last sample.
    """

    labels: dict[str, str] = field(default_factory=dict)
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


def apart(labels: Mapping[str, str]) -> tuple[str | None, ...]:
    """What tells the series apart that one metric of one target may have at one time."""
    return tuple(map(labels.get, _APART))


def learn(card: Card, what: str, labels: Mapping[str, str], value: float | None) -> None:
    """Take in one series of a card: of its instances and holders whichever is busier, in whatever
    order they are said.
    """
    card.uuid = max(card.uuid, text(labels.get("UUID")))
    card.model = max(card.model, text(labels.get("modelName")))
    card.host = max(card.host, text(labels.get("Hostname")))
    card.busy = card.busy or any(map(labels.get, _HOLDERS))
    card.divided = card.divided or "GPU_I_ID" in labels
    _take(card, OF_CARD[what], value)


def merged(cards: Sequence[Card]) -> Card:
    """One card that several exporters tell of: in use or failed if one of them says so, so it does
    not matter who is asked first.
    """
    if len(cards) == 1:
        return cards[0]
    whole = replace(cards[0])
    for card in cards[1:]:
        whole.model = whole.model or card.model
        whole.host = whole.host or card.host
        whole.busy = whole.busy or card.busy
        whole.divided = whole.divided or card.divided
        for attribute in OF_CARD.values():
            _take(whole, attribute, getattr(card, attribute))
    return whole


def _take(card: Card, attribute: str, value: float | None) -> None:
    """Put a value to the one that is known."""
    before: float | None = getattr(card, attribute)
    if value is None or before is None:
        after = before if value is None else value
    elif attribute == "xid":
        after = max(before, value, key=lambda xid: (xid in FATAL, xid))
    elif attribute == "age" or (attribute == "free" and not card.divided):
        after = min(before, value)  # of memory, so that with what is used it is not more than all
    else:
        after = max(before, value)
    setattr(card, attribute, after)
