"""What a pod keeps from others on its node: its effective requests
(kubernetes.io/docs: Resource management for pods, Sidecar containers, Pod overhead; in Kubernetes
component-helpers, resource.PodRequests).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.systems.aggregation.adapters.kubernetes.objects import (
    Container,
    ContainerStatus,
    Pod,
    Resources,
)
from gateway.systems.aggregation.adapters.kubernetes.quantities import (
    Amounts,
    add,
    amounts,
    raise_to,
    sum_of,
)

ENDED: Final = frozenset({"Succeeded", "Failed"})  # phases of pods that keep nothing


def requests(pod: Pod) -> Amounts:
    """What the pod has requested.

    All its containers run at the same time. Init containers run one after another before them, each
    beside the sidecars (init containers that restart always) that were started until then; sidecars
    go on to run. A pod may say what it requests as a whole in place of that. Its overhead comes on
    top.

    Raises:
        ReadingError: an amount is none.
    """
    spec = pod.spec
    running = _by_name(pod.status.container_statuses)
    started = _by_name(pod.status.init_container_statuses)
    total = sum_of(_requests(one, running) for one in spec.containers or ())
    sidecars: dict[str, float] = {}
    beginning: dict[str, float] = {}
    for one in spec.init_containers or ():
        its = _requests(one, started)
        if one.restart_policy == "Always":
            add(total, its)
            add(sidecars, its)
            raise_to(beginning, sidecars)
        else:
            raise_to(beginning, sum_of((its, sidecars)))
    raise_to(total, beginning)
    total.update(_of(spec.resources))
    add(total, amounts(spec.overhead))
    return total


def _requests(container: Container, statuses: Mapping[str, ContainerStatus]) -> Amounts:
    """What a container requests, or has still while it is being made smaller."""
    its = _of(container.resources)
    status = statuses.get(container.name)
    if status is not None:
        raise_to(its, amounts(status.allocated_resources))
        raise_to(its, _of(status.resources))
    return its


def _of(resources: Resources | None) -> dict[str, float]:
    return amounts(resources.requests) if resources is not None else {}


def _by_name(statuses: Iterable[ContainerStatus] | None) -> Mapping[str, ContainerStatus]:
    return {one.name: one for one in statuses} if statuses else {}
