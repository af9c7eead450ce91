"""The system `aggregation`, as a whole."""

from __future__ import annotations

from typing import Final

from csid.vocabulary import Words
from gateway.systems.aggregation.service import Service
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import NAMES, Book
from gateway.systems.contract import Place, System, Task
from resolver.server.notices import Repeated


def begin(place: Place) -> Service:
    """What runs."""
    return Service(Book(place.tables), place.settings, Repeated(), now=place.now)


SYSTEM: Final = System(
    name="aggregation",
    words=Words("算力资源汇聚系统", "compute of providers, read where it is managed"),
    settings=Aggregation,
    tables=NAMES,
    begin=begin,
    tasks=(Task("polling", Service.run),),
)
