"""A real cluster of 8 virtual nodes, read while jobs begin, nodes are drained and daemons die."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.systems.aggregation.adapters.slurm.adapter import Slurm
from gateway.systems.aggregation.readings import Ask, ReadingError, Source, Unit
from tests.support import slurm
from tests.support.adapters import named, over_http, source

pytestmark = pytest.mark.skipif(not slurm.installed(), reason="Slurm is not installed, or not root")


@pytest.fixture(scope="module")
def cluster() -> Iterator[slurm.Slurm]:
    with slurm.running() as running:
        yield running


def of(cluster: slurm.Slurm) -> Source:
    return source("slurm", cluster.url, cluster.headers, cluster=slurm.CLUSTER)


def units(cluster: slurm.Slurm) -> dict[str, Unit]:
    return named(over_http(Slurm(), of(cluster)))


def test_all_nodes_are_read_by_one_request_a_kind(cluster: slurm.Slurm) -> None:
    memory: dict[str, Any] = {}
    asked: list[Ask] = []
    read = over_http(Slurm(), of(cluster), memory, asked=asked)
    assert sorted(named(read)) == sorted(slurm.GPU_NODES + slurm.CPU_NODES)
    assert all(unit.free == unit.total and not unit.why for unit in read.units)
    assert [ask.kind for ask in asked] == ["versions", "nodes", "partitions", "reservations"]
    asked.clear()
    over_http(Slurm(), of(cluster), memory, asked=asked)
    assert [ask.kind for ask in asked] == ["nodes", "partitions", "reservations"]


def test_a_job_takes_what_it_has(cluster: slurm.Slurm) -> None:
    job = cluster.submit("--gres=gpu:h100:3", "-p", "gpu", "-w", "g1", "-c", "16", "--mem=100G")
    slurm.until(lambda: units(cluster)["g1"].free["chips"] == 5)
    assert units(cluster)["g1"].free == {"chips": 5, "vcpu": 48, "memory_gib": 900}
    cluster.run("scancel", job)
    slurm.until(lambda: units(cluster)["g1"].free["chips"] == 8)


def test_cards_of_a_node_without_idle_processors_cannot_be_had(cluster: slurm.Slurm) -> None:
    job = cluster.submit("-p", "gpu", "-w", "g3", "-c", "64", "--mem=1G")
    slurm.until(lambda: units(cluster)["g3"].why)
    g3 = units(cluster)["g3"]
    assert (g3.why, g3.free["chips"], g3.health) == ("allocated: all vcpu", 0, "ok")
    cluster.run("scancel", job)
    slurm.until(lambda: not units(cluster)["g3"].why)


def test_a_drained_node_has_nothing_free(cluster: slurm.Slurm) -> None:
    cluster.run("scontrol", "update", "nodename=g2", "state=drain", "reason=ECC memory error")
    g2 = units(cluster)["g2"]
    assert (g2.health, g2.why) == ("maintenance", "DRAIN: ECC memory error")
    assert not any(g2.free.values())
    cluster.run("scontrol", "update", "nodename=g2", "state=resume")
    slurm.until(lambda: not units(cluster)["g2"].why)
    assert units(cluster)["g2"].free == g2.total


def test_a_reservation_keeps_its_nodes_while_it_is_active_and_soon_before(
    cluster: slurm.Slurm,
) -> None:
    reserve = ("scontrol", "create", "reservation", "user=root", "duration=60")
    cluster.run(*reserve, "reservationname=m", "starttime=now", "nodes=c5", "flags=maint")
    cluster.run(*reserve, "reservationname=soon", "starttime=now+30minutes", "nodes=c[1-2]")
    cluster.run(*reserve, "reservationname=later", "starttime=now+3hours", "nodes=c[3-4]")
    slurm.until(lambda: units(cluster)["c5"].health == "maintenance")
    found = units(cluster)
    assert found["c5"].why.endswith(": m")
    assert found["c1"].why.startswith("RESERVED: soon, from ")
    assert not any(found["c1"].free.values())
    assert found["c3"].why == ""
    for name in ("m", "soon", "later"):
        cluster.run("scontrol", "delete", f"reservationname={name}")
    slurm.until(lambda: not units(cluster)["c5"].why)


def test_nodes_of_partitions_that_are_all_closed_cannot_be_had(cluster: slurm.Slurm) -> None:
    cluster.run("scontrol", "update", "partitionname=cpu", "state=down")
    found = units(cluster)
    assert found["c1"].why == "partition cpu DOWN"
    assert found["c5"].why == ""  # is in partition spare, too
    cluster.run("scontrol", "update", "partitionname=cpu", "state=up")
    assert units(cluster)["c1"].why == ""


def test_a_user_without_rights_reads_the_same(cluster: slurm.Slurm) -> None:
    token = cluster.run("scontrol", "token", "username=nobody", "lifespan=60").partition("=")[2]
    headers = {"X-SLURM-USER-NAME": "nobody", "X-SLURM-USER-TOKEN": token}
    read = over_http(Slurm(), source("slurm", cluster.url, headers, cluster=slurm.CLUSTER))
    assert named(read) == units(cluster)
    del headers["X-SLURM-USER-NAME"]
    with pytest.raises(ReadingError, match="X-SLURM-USER-NAME"):
        over_http(Slurm(), source("slurm", cluster.url, headers))


def test_a_token_that_is_none_is_said_to_be(cluster: slurm.Slurm) -> None:
    headers = {**cluster.headers, "X-SLURM-USER-TOKEN": "none"}
    for options in ({}, {"version": "v0.0.38"}):
        with pytest.raises(
            ReadingError, match=r"(status 500, Slurm says|status 401).*scontrol token"
        ):
            over_http(Slurm(), source("slurm", cluster.url, headers, **options))


def test_a_node_whose_daemon_is_dead_has_failed(cluster: slurm.Slurm) -> None:
    """Slurm says so after SlurmdTimeout, 300 s unless it is set, 6 s here."""
    cluster.nodes["c4"].kill()
    slurm.until(lambda: units(cluster)["c4"].health == "failed", 60)
    assert not any(units(cluster)["c4"].free.values())
    cluster.start_node("c4")
    slurm.until(lambda: not units(cluster)["c4"].why, 60)
