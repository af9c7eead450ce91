"""The system `aggregation`, as a whole."""

from __future__ import annotations

from typing import Final

from csid.vocabulary import Words
from gateway.systems.aggregation.metrics import metrics
from gateway.systems.aggregation.region import TABLES, Aggregating
from gateway.systems.aggregation.routes import ROUTES
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import NAMES
from gateway.systems.contract import System, Task

SYSTEM: Final = System(
    name="aggregation",
    words=Words("算力资源汇聚系统", "compute of providers, read where it is managed"),
    settings=Aggregation,
    tables=(*NAMES, *TABLES),
    begin=Aggregating,
    routes=ROUTES,
    tasks=(
        Task("polling", Aggregating.poll),
        Task("keeping", Aggregating.keep),
        Task("exchanging", Aggregating.exchange),
        Task("learning", Aggregating.learn),
    ),
    metrics=metrics,
)
