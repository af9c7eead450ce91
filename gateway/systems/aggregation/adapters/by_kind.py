"""The adapters there are, by the kinds of sources they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.systems.aggregation.adapters.kubernetes.adapter import Kubernetes
from gateway.systems.aggregation.adapters.placement.adapter import Placement
from gateway.systems.aggregation.adapters.prometheus.adapter import Prometheus
from gateway.systems.aggregation.adapters.redfish.adapter import Redfish
from gateway.systems.aggregation.adapters.slurm.adapter import Slurm
from gateway.systems.aggregation.adapters.table.adapter import Table
from gateway.systems.aggregation.readings import Adapter

_ALL: Final[tuple[Adapter, ...]] = (
    Kubernetes(),
    Placement(),
    Prometheus(),
    Redfish(),
    Slurm(),
    Table(),
)
ADAPTERS: Final[Mapping[str, Adapter]] = {one.kind: one for one in _ALL}
