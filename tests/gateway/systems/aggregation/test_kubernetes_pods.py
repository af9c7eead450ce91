"""What pods keep from others, against what they have at each step of their lives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation.adapters.kubernetes.objects import (
    Container,
    Metadata,
    Pod,
    PodSpec,
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
