"""What pods keep from others, against what they have at each step of their lives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation.adapters.kubernetes.objects import (
    Condition,
    Container,
    ContainerStatus,
    Metadata,
    Pod,
    PodSpec,
    PodStatus,
    Resources,
)
from gateway.systems.aggregation.adapters.kubernetes.pods import requests

AMOUNTS = st.dictionaries(st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), st.integers(0, 64))


def container(amounts: dict[str, int], restarts: bool = False) -> Container:
    said = {name: str(one) for name, one in amounts.items()}
    return Container(
        resources=Resources(requests={**said}), restart_policy="Always" if restarts else None
    )


@given(
    st.lists(st.tuples(AMOUNTS, st.booleans()), max_size=5), st.lists(AMOUNTS, max_size=4), AMOUNTS
)
def test_a_pod_keeps_the_most_that_runs_at_the_same_time(
    beginning: list[tuple[dict[str, int], bool]],
    containers: list[dict[str, int]],
    overhead: dict[str, int],
) -> None:
    spec = PodSpec(
        init_containers=[container(*one) for one in beginning],
        containers=[container(one) for one in containers],
        overhead={**overhead},
    )
    kept = requests(Pod(metadata=Metadata(), spec=spec))
    for resource in ("cpu", "memory", "nvidia.com/gpu"):
        at_once = []
        sidecars = 0
        for amounts, restarts in beginning:
            at_once.append(sidecars + amounts.get(resource, 0))
            if restarts:
                sidecars += amounts.get(resource, 0)
        at_once.append(sidecars + sum(one.get(resource, 0) for one in containers))
        assert kept.get(resource, 0) == max(at_once) + overhead.get(resource, 0)


REFUSED = Condition(type="PodResizePending", status="True", reason="Infeasible")
STALE = Condition(
    type="PodResizePending", status="True", reason="Infeasible", observed_generation=1
)
DEFERRED = Condition(type="PodResizePending", status="True", reason="Deferred")


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        (PodStatus(conditions=[REFUSED]), 2),
        (PodStatus(resize="Infeasible"), 2),
        (PodStatus(conditions=[DEFERRED]), 1000),
        (PodStatus(conditions=[STALE]), 1000),
        (PodStatus(), 1000),
    ],
)
def test_what_a_pod_wants_to_become_and_never_can_keeps_nothing(
    status: PodStatus, kept: float
) -> None:
    status.container_statuses = [
        ContainerStatus(
            name="c",
            allocated_resources={"cpu": "1"},
            resources=Resources(requests={"cpu": "2"}),  # it is being made smaller as well
        )
    ]
    wants = Container(
        name="c", resources=Resources(requests={"cpu": "1000", "nvidia.com/gpu": "4"})
    )
    one = Pod(metadata=Metadata(generation=2), spec=PodSpec(containers=[wants]), status=status)
    assert requests(one) == {"cpu": kept, "nvidia.com/gpu": 4}


def test_a_pod_that_wants_to_become_larger_as_a_whole_is_what_it_is_where_it_cannot() -> None:
    spec = PodSpec(resources=Resources(requests={"cpu": "1000"}))
    status = PodStatus(resize="Infeasible", allocated_resources={"cpu": "3"})
    assert requests(Pod(spec=spec, status=status)) == {"cpu": 3}
    status.allocated_resources = None
    assert requests(Pod(spec=spec, status=status)) == {"cpu": 1000}
