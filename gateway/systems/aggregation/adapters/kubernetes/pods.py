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
    PodSpec,
    PodStatus,
    Quantities,
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
_RESIZED: Final = ("cpu", "memory")  # what may become other while a pod runs


def requests(pod: Pod) -> Amounts:
    """What the pod has requested.

    All its containers run at the same time. Init containers run one after another before them, each
    beside the sidecars (init containers that restart always) that were started until then; sidecars
    go on to run. A pod may say what it requests as a whole in place of that. Its overhead comes on
    top.

    Raises:
        ReadingError: an amount is none.
    """
    spec, status = pod.spec or PodSpec(), pod.status or PodStatus()
    refused = _is_refused(pod, status)
    running = _by_name(status.container_statuses)
    started = _by_name(status.init_container_statuses)
    total = sum_of(_requests(one, running, refused) for one in spec.containers or ())
    sidecars: dict[str, float] = {}
    beginning: dict[str, float] = {}
    for one in spec.init_containers or ():
        its = _requests(one, started, refused)
        if one.restart_policy == "Always":
            add(total, its)
            add(sidecars, its)
            raise_to(beginning, sidecars)
        else:
            raise_to(beginning, sum_of((its, sidecars)))
    raise_to(total, beginning)
    if spec.resources is not None:
        total.update(_had(spec.resources, status.allocated_resources, status.resources, refused))
    add(total, amounts(spec.overhead))
    return total


def _is_refused(pod: Pod, status: PodStatus) -> bool:
    """Has the node said that what the pod wants to become is more than it can ever be there? Then
    it stays what it is (Kubernetes: resource.IsPodResizeInfeasible).
    """
    generation = pod.metadata.generation if pod.metadata else None
    return status.resize == "Infeasible" or any(
        one.type == "PodResizePending"
        and one.reason == "Infeasible"
        and one.observed_generation in (None, 0, generation)
        for one in status.conditions or ()
    )


def _requests(
    container: Container, statuses: Mapping[str, ContainerStatus], refused: bool
) -> Amounts:
    status = statuses.get(container.name or "")
    if status is None:
        return _of(container.resources)
    return _had(container.resources, status.allocated_resources, status.resources, refused)


def _had(
    requested: Resources | None, allocated: Quantities, actual: Resources | None, refused: bool
) -> Amounts:
    """What is requested, or is had still while it is being made smaller; what is had only, where
    more was refused.
    """
    its = _of(requested)
    has = amounts(allocated)
    raise_to(has, _of(actual))
    if refused:
        its.update({name: has[name] for name in _RESIZED if name in has})
    raise_to(its, has)
    return its


def _of(resources: Resources | None) -> dict[str, float]:
    return amounts(resources.requests) if resources is not None else {}


def _by_name(statuses: Iterable[ContainerStatus] | None) -> Mapping[str, ContainerStatus]:
    return {one.name or "": one for one in statuses} if statuses else {}
