"""Resources as 互通平台 API v0.0.1 has them: the body of POST /api/v1/computing_resources/. What is
known of it, and what is not: docs/cpurl.md.
"""

from __future__ import annotations

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
from gateway.systems.aggregation.adapters.table.layout import Layout
from gateway.systems.aggregation.readings import CHIPS, VCPU, ReadingError, Unit

_RESOURCES_MAX: Final = 200_000
_SAID: Final = (
    "cpu_performance",
    "gpu_performance",
    "network_delay",
    "network_performance",
    "power_consumption",
    "price",
)


class Resource(msgspec.Struct):
    computing_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    cpu_performance: Number = None
    cpu_available: Number = None
    gpu_model: str | None = None
    gpu_performance: Number = None
    gpu_memory: Number = None
    gpu_available: Number = None
    network_delay: str | None = None
    network_ips: str | None = None
    network_performance: Number = None
    price: Number = None
    power_consumption: Number = None


class _Resources(msgspec.Struct):
    computing_resources: list[msgspec.Raw]


_BODY: Final = msgspec.json.Decoder(_Resources)
_RESOURCE: Final = msgspec.json.Decoder(Resource)


def read_resources(body: bytes, layout: Layout | None, highest: Highest) -> Told:
    """The units of such a body.

    Args:
        layout: of the identifiers; without one they are not taken apart.
        highest: what was most available before: no total is told.

    Raises:
        ReadingError: it is no such body. A resource that is none is noted, and harms no other.
    """
    gathering = Gathering(highest)
    listed = decoded(body, _BODY, "computing_resources").computing_resources
    if len(listed) > _RESOURCES_MAX:
        raise ReadingError(f"more than {_RESOURCES_MAX} resources; give them in parts")
    for number, raw in enumerate(listed, 1):
        gathering.attempt(f"resource {number}", partial(_add, gathering, raw, layout))
    return gathering.told()


def _add(gathering: Gathering, raw: msgspec.Raw, layout: Layout | None) -> None:
    one = decoded(bytes(raw), _RESOURCE, "not as the API has it")
    free = {
        kind: rounded(decimal(said))
        for kind, said in ((CHIPS, one.gpu_available), (VCPU, one.cpu_available))
        if said is not None
    }
    # Several resources may go by one identifier; their addresses tell them apart.
    key = text(f"{one.computing_id} {one.network_ips or ''}".strip())
    total = gathering.most(key, free)
    said = {name: getattr(one, name) for name in _SAID}
    parts = layout.read(one.computing_id) if layout is not None else None
    unit = Unit(
        key=key,
        name=text(one.computing_id),
        total=total,
        free={**dict.fromkeys(total, 0.0), **free},
        chip=text(one.gpu_model or "", 60),
        chip_memory_gib=rounded(decimal(one.gpu_memory or 0)),
        labels={name: text(str(x)) for name, x in said.items() if x is not None}
        | {name: text(x) for name, x in (parts or {}).items()},
    )
    gathering.add(unit, is_kept=True)
