"""The adapter of Kubernetes over real connections to the API server of the tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import httpx
import msgspec
import pytest

from gateway.systems.aggregation.adapters.kubernetes.adapter import Kubernetes
from gateway.systems.aggregation.readings import Reading, ReadingError, Said, Unit, Watch
from tests.support.kubernetes_objects import (
    GPU,
    Cluster,
    claim,
    container,
    devices,
    node,
    pod,
    resource_slice,
)
from tests.support.kubernetes_server import TOKEN, KubernetesServer, running_kubernetes
from tests.support.polled import NOW, Polled, over_http, source
from tests.support.servers import PATIENCE

SAME = "4c4c4544-0044-4a10-8052-b4c04f4e3132"
HEADERS = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def cluster() -> Iterator[KubernetesServer]:
    with running_kubernetes() as running:
        yield running


def read(cluster: KubernetesServer, **options: str) -> Reading:
    with over_http(Kubernetes(), source("kubernetes", cluster.url, HEADERS, **options)) as polled:
        return polled.poll()


def the_unit(cluster: KubernetesServer, **options: str) -> Unit:
    (unit,) = read(cluster, **options).units
    return unit


# -- what is to be had


def test_free_is_what_may_be_requested_less_what_pods_have_requested(
    cluster: KubernetesServer,
) -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
    cluster.put("nodes", node("n0", labels=labels))
    cluster.put("pods", pod("a", "n0", {"cpu": "1500m", "memory": "7Gi", "nvidia.com/gpu": "3"}))
    cluster.put("pods", pod("done", "n0", {"nvidia.com/gpu": "4"}, phase="Succeeded"))
    cluster.put("pods", pod("waits", "", {"nvidia.com/gpu": "4"}, phase="Pending"))
    cluster.put("pods", pod("starts", "n0", {"nvidia.com/gpu": "1"}, phase="Pending"))
    reading = read(cluster)
    (unit,) = reading.units
    assert (reading.version, reading.whole, reading.notes) == ("v1.34.1", True, ())
    assert (unit.key, unit.name, unit.health, unit.why) == (
        f"uuid:{uuid5(NAMESPACE_DNS, 'n0')}",
        "n0",
        "ok",
        "",
    )
    assert unit.total == {"chips": 8, "vcpu": 63.5, "memory_gib": 1007, "disk_gib": 800}
    assert unit.free == {"chips": 4, "vcpu": 62, "memory_gib": 1000, "disk_gib": 800}
    assert (unit.chip, unit.chip_memory_gib) == ("H100", 80)


def test_pods_that_start_keep_what_their_beginning_needs(cluster: KubernetesServer) -> None:
    """The example of component-helpers' PodRequests: sidecars go on beside what comes later."""
    cluster.put("nodes", node("n0", chips=0))
    beginning = [
        container({"cpu": "2"}, "first"),
        container({"cpu": "1", "memory": "1Gi"}, "sidecar", restartPolicy="Always"),
        container({"cpu": "9"}, "second"),
    ]
    one = pod("a", "n0", {"cpu": "3"}, initContainers=beginning, overhead={"cpu": "250m"})
    cluster.put("pods", one)
    # Together: max(3 + 1, 2, 1, 9 + 1) + 0.25.
    assert the_unit(cluster).free["vcpu"] == 63.5 - 10.25
    assert the_unit(cluster).free["memory_gib"] == 1006
    one["spec"]["resources"] = {"requests": {"cpu": "20"}}  # of the pod as a whole
    cluster.put("pods", one)
    assert the_unit(cluster).free["vcpu"] == 63.5 - 20.25


def test_a_container_that_is_being_made_smaller_has_what_it_had(cluster: KubernetesServer) -> None:
    cluster.put("nodes", node("n0", chips=0))
    one = pod("a", "n0", {"cpu": "1"})
    one["status"]["containerStatuses"] = [
        {
            "name": "c",
            "image": "i",
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "allocatedResources": {"cpu": "4"},
        }
    ]
    cluster.put("pods", one)
    assert the_unit(cluster).free["vcpu"] == 59.5


PRESSED = [
    {"type": "Ready", "status": "True"},
    {"type": "MemoryPressure", "status": "True"},
]


@pytest.mark.parametrize(
    ("more", "health", "why"),
    [
        ({"conditions": []}, "failed", "Ready is not told"),
        (
            {"conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}]},
            "failed",
            "Ready=False KubeletNotReady",
        ),
        (
            {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]},
            "failed",
            "Ready=Unknown NodeStatusUnknown",
        ),
        ({"conditions": PRESSED}, "degraded", "MemoryPressure"),
        ({"spec": {"unschedulable": True}}, "maintenance", "unschedulable"),
        (
            {"metadata": {"deletionTimestamp": "2026-11-26T08:00:00Z"}},
            "maintenance",
            "it is being deleted",
        ),
        (
            {"taints": [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]},
            "maintenance",
            "taint node.kubernetes.io/disk-pressure=:NoSchedule",
        ),
        (
            {"taints": [{"key": "team", "value": "a", "effect": "NoExecute"}]},
            "ok",
            "taint team=a:NoExecute",
        ),
        ({"allocatable": {"pods": "1"}}, "ok", "it has as many pods as it may"),
    ],
)
def test_nothing_is_to_be_had_of(
    cluster: KubernetesServer, more: dict[str, Any], health: str, why: str
) -> None:
    cluster.put("nodes", node("n0", **more))
    cluster.put("pods", pod("a", "n0", {"nvidia.com/gpu": "1"}))
    unit = the_unit(cluster)
    assert (unit.health, unit.why) == (health, why)
    assert unit.total["chips"] == 8 and not any(unit.free.values())


@pytest.mark.parametrize(
    ("taint", "asked"),
    [
        ({"key": "nvidia.com/gpu", "value": "xid79", "effect": "NoExecute"}, 0),
        ({"key": "cpu", "effect": "NoSchedule"}, 0),
        ({"key": "nvidia.com/gpu", "effect": "NoSchedule"}, 8),
    ],
)
def test_a_taint_that_who_wants_cards_passes_leaves_nothing_where_none_is_free(
    taint: dict[str, str], asked: int
) -> None:
    cluster = Cluster([node("n0", taints=[taint])], [pod("p", "n0", {GPU: str(asked)})])
    (unit,) = cluster.poll().units
    assert unit.total["chips"] == 8 and not any(unit.free.values())
    said = f"taint {taint['key']}={taint.get('value', '')}:{taint['effect']}"
    assert unit.why == said + (", and no card is free" if asked else "")


def test_who_claims_a_device_does_not_pass_a_taint_named_like_a_resource() -> None:
    taints = [{"key": GPU, "effect": "NoSchedule"}]
    (unit,) = (
        Cluster(
            [node("n0", taints=taints, labels={"nvidia.com/gpu.product": "NVIDIA-A10"})],
            [pod("p", "n0", {GPU: "8"})],
            slices=[resource_slice("s", "n0", devices(4))],
        )
        .poll()
        .units
    )
    assert unit.why == f"taint {GPU}=:NoSchedule, and no card is free"


def test_taints_that_keep_away_who_wants_no_card_keep_nobody_away_here(
    cluster: KubernetesServer,
) -> None:
    taints = [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
        {"key": "pool", "value": "gpu", "effect": "NoSchedule"},
        {"key": "soft", "effect": "PreferNoSchedule"},
    ]
    cluster.put("nodes", node("n0", taints=taints))
    assert the_unit(cluster).why == "taint pool=gpu:NoSchedule"
    unit = the_unit(cluster, tolerate="pool")
    assert not unit.why and unit.free["chips"] == 8


@pytest.mark.parametrize(
    ("resource", "labels", "chip"),
    [
        ("huawei.com/Ascend910", {}, "Ascend910"),
        ("huawei.com/Ascend910", {"node.kubernetes.io/npu.chip.name": "910B4"}, "910B4"),
        ("amd.com/gpu", {"amd.com/gpu.product-name": "AMD_Instinct_MI300X"}, "MI300X"),
        ("nvidia.com/gpu", {"accelerator": "nvidia"}, ""),
        (
            "nvidia.com/gpu",
            {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"},
            "A100 MIG 1g.5gb",
        ),
        ("hygon.com/dcu", {}, ""),
    ],
)
def test_cards_of_many_makers_are_known(
    cluster: KubernetesServer, resource: str, labels: dict[str, str], chip: str
) -> None:
    cluster.put("nodes", node("n0", resource=resource, labels=labels))
    unit = the_unit(cluster)
    assert unit.total["chips"] == 8 and unit.chip == chip


def test_what_is_a_card_can_be_said_and_what_is_not_known_is_none(
    cluster: KubernetesServer,
) -> None:
    cluster.put("nodes", node("n0", chips=4, resource="example.com/brain"))
    assert "chips" not in the_unit(cluster).total
    assert the_unit(cluster, chips="example.com/brain").total["chips"] == 4


def test_shares_of_a_card_are_no_cards(cluster: KubernetesServer) -> None:
    labels = {"nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.product": "NVIDIA-A10-SHARED"}
    cluster.put("nodes", node("n0", chips=8, labels=labels))
    cluster.put("pods", pod("a", "n0", {"nvidia.com/gpu": "1"}))
    cluster.put("nodes", node("n1", chips=7, resource="nvidia.com/mig-1g.10gb"))
    units = {unit.name: unit for unit in read(cluster).units}
    assert units["n0"].chip == "A10"
    assert (units["n0"].total["chips"], units["n0"].free["chips"]) == (2, 1)
    cluster.put("pods", pod("b", "n0", {"nvidia.com/gpu": "1"}))  # which may be on the other one
    assert read(cluster).units[0].free["chips"] == 0
    assert "chips" not in units["n1"].total
    cluster.put("nodes", node("n0", chips=8, resource="nvidia.com/gpu.shared"))
    assert "chips" not in read(cluster).units[0].total  # of how many cards, nobody says


def test_what_is_shared_and_what_is_not_are_counted_each_as_it_is() -> None:
    labels = {"nvidia.com/gpu.replicas": "4"}
    beside = {"nvidia.com/gpu.shared": "16"}
    (unit,) = (
        Cluster(
            [node("n0", chips=4, labels=labels, allocatable=beside)],
            [pod("a", "n0", {GPU: "1", "nvidia.com/gpu.shared": "2"})],
        )
        .poll()
        .units
    )
    assert (unit.total["chips"], unit.free["chips"]) == (4 + 4, 3 + 2)


@pytest.mark.parametrize(
    ("resource", "number", "labels", "chip", "chips", "gib"),
    [
        (
            GPU,
            56,
            {
                "cloud.google.com/gke-accelerator": "nvidia-tesla-a100",
                "cloud.google.com/gke-gpu-partition-size": "1g.5gb",
            },
            "a100 MIG 1g.5gb",
            56,
            0,
        ),
        (
            GPU,
            48,
            {
                "cloud.google.com/gke-accelerator": "nvidia-l4",
                "cloud.google.com/gke-max-shared-clients-per-gpu": "48",
                "cloud.google.com/gke-gpu-sharing-strategy": "time-sharing",
            },
            "l4",
            1,
            0,
        ),
        (
            "amd.com/gpu",
            64,
            {
                "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
                "amd.com/compute-memory-partition": "cpx_nps4",
                "amd.com/gpu.vram": "192G",
            },
            "MI300X CPX_NPS4",
            64,
            0,
        ),
        (
            "amd.com/gpu",
            8,
            {
                "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
                "amd.com/gpu.compute-memory-partition": "spx_nps1",
                "amd.com/gpu.vram": "192G",
            },
            "MI300X",
            8,
            192,
        ),
    ],
)
def test_parts_and_shares_of_cards_are_not_taken_for_cards(
    resource: str, number: int, labels: dict[str, str], chip: str, chips: int, gib: float
) -> None:
    (unit,) = Cluster([node("n0", chips=number, resource=resource, labels=labels)]).poll().units
    assert (unit.chip, unit.total["chips"], unit.chip_memory_gib) == (chip, chips, gib)


def test_a_node_is_known_by_its_machine_and_by_its_object_where_machines_say_the_same(
    cluster: KubernetesServer,
) -> None:
    cluster.put("nodes", node("n0", uuid="03000200-0400-0500-0006-000700080009"))
    uids = {x: cluster.put("nodes", node(x, uuid=SAME))["metadata"]["uid"] for x in ("n1", "n2")}
    reading = read(cluster)
    first, second = sorted(("n1", "n2"), key=lambda x: uids[x])  # they are of the same second
    assert {unit.name: unit.key for unit in reading.units} == {
        "n0": "machine:mn0",
        first: f"uuid:{SAME}",
        second: uids[second],
    }
    assert reading.notes == ("1 nodes say the UUID of another and go by the one of their object",)


def test_virtual_nodes_are_not_counted(cluster: KubernetesServer) -> None:
    cluster.put("nodes", node("n0", labels={"type": "virtual-kubelet"}))
    reading = read(cluster)
    assert not reading.units and "1 virtual nodes" in reading.notes[0]


def test_node_pools_are_groups(cluster: KubernetesServer) -> None:
    labels = {"cloud.google.com/gke-nodepool": "a100", "room": "7"}
    cluster.put("nodes", node("n0", labels=labels))
    assert the_unit(cluster).group == "a100"
    assert the_unit(cluster, group="room").group == "7"


# -- devices by DRA


@pytest.mark.parametrize("version", ["v1", "v1beta2", "v1beta1"])
def test_devices_of_slices_are_cards_less_those_claimed(
    cluster: KubernetesServer, version: str
) -> None:
    cluster.devices = (version,)
    cluster.put("nodes", node("n0", chips=0))
    having = devices(4)
    having[3]["taints"] = [{"key": "broken", "effect": "NoSchedule"}]
    if version == "v1beta1":
        having = [{"name": one.pop("name"), "basic": one} for one in having]
    cluster.put("resourceslices", resource_slice("s", "n0", having))
    cluster.put("resourceclaims", claim("c", "n0", "gpu-1"))
    cluster.put("resourceclaims", claim("watching", "n0", "gpu-2", adminAccess=True))
    cluster.put("resourceclaims", claim("waits", "n0"))
    unit = the_unit(cluster)
    assert (unit.total["chips"], unit.free["chips"]) == (4, 2)
    assert (unit.chip, unit.chip_memory_gib) == ("H100", 80)


def test_a_pool_counts_once_all_slices_of_its_newest_generation_are_there(
    cluster: KubernetesServer,
) -> None:
    cluster.put("nodes", node("n0", chips=0))
    cluster.put("nodes", node("n1", chips=0))
    cluster.put("resourceslices", resource_slice("old", "n0", devices(8), generation=1))
    cluster.put("resourceslices", resource_slice("s0", "n0", devices(2), generation=2, of=2))
    reading = read(cluster)
    assert reading.whole and [unit.name for unit in reading.units] == ["n0", "n1"]
    unit = reading.units[0]
    assert (unit.total["chips"], unit.free["chips"]) == (2, 0) and unit.free["vcpu"] == 63.5
    assert unit.why == "its pool of devices is being written"
    assert reading.notes == ("1 nodes have pools of devices that are not whole",)
    others = [one | {"name": f"other-{one['name']}"} for one in devices(2)]
    cluster.put("resourceslices", resource_slice("s1", "n0", others, generation=2, of=2))
    reading = read(cluster)
    assert reading.whole and reading.units[0].total["chips"] == 4


def test_a_card_and_its_partitions_are_one(cluster: KubernetesServer) -> None:
    cluster.put("nodes", node("n0", chips=0))
    counters = [{"counterSet": "gpu-0", "counters": {"memory": {"value": "80Gi"}}}]
    (whole,) = devices(1, consumesCounters=counters)
    parts = [
        {
            "name": f"part-{x}",
            "attributes": {"type": {"string": "mig"}},
            "consumesCounters": counters,
        }
        for x in range(7)
    ]
    cluster.put("resourceslices", resource_slice("s", "n0", [whole, *parts]))
    assert (the_unit(cluster).total["chips"], the_unit(cluster).free["chips"]) == (1, 1)
    cluster.put("resourceclaims", claim("c", "n0", "part-3"))
    assert the_unit(cluster).free["chips"] == 0


def test_other_drivers_and_devices_of_no_one_node_are_not_counted(
    cluster: KubernetesServer,
) -> None:
    cluster.put("nodes", node("n0", chips=0))
    cluster.put("resourceslices", resource_slice("nic", "n0", devices(2), driver="dra.net"))
    cluster.put(
        "resourceslices", resource_slice("far", "", devices(2), nodeName=None, allNodes=True)
    )
    reading = read(cluster)
    assert "chips" not in reading.units[0].total
    assert reading.notes == ("1 resource slices are of no one node and are not counted",)


@pytest.mark.parametrize("missing", ["group", "slices", "claims"])
def test_without_dra_or_the_right_to_read_it_the_rest_is_read(
    cluster: KubernetesServer, missing: str
) -> None:
    cluster.put("nodes", node("n0"))
    cluster.put("resourceslices", resource_slice("s", "n0", devices(4)))
    if missing == "group":
        cluster.devices = ()
    else:
        cluster.forbidden.add(f"resource{missing}")
    reading = read(cluster)
    assert reading.units[0].total["chips"] == 8
    assert bool(reading.notes) == (missing != "group")


# -- lists


def test_lists_come_in_pages_of_all_kinds_at_the_same_time(cluster: KubernetesServer) -> None:
    for x in range(5):
        cluster.put("nodes", node(f"n{x}"))
        cluster.put("pods", pod(f"p{x}", f"n{x}", {"nvidia.com/gpu": str(x)}))
    with over_http(Kubernetes(), source("kubernetes", cluster.url, HEADERS, page="2")) as polled:
        reading = polled.poll()
        assert [unit.free["chips"] for unit in reading.units] == [8, 7, 6, 5, 4]
        kinds = [ask.kind for ask in polled.asked]
        assert kinds.count("nodes") == kinds.count("pods") == 3


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"items": [], "metadata": {"resourceVersion": "7"}},
        {"kind": "Status", "status": "Failure", "metadata": {"resourceVersion": "7"}},
        {"kind": "NodeList", "items": [], "metadata": {"resourceVersion": "7"}},
        {"kind": "PodList", "items": [], "metadata": {"resourceVersion": ""}},
        {"kind": "PodList", "items": [], "metadata": None},
    ],
)
def test_what_is_no_list_is_not_an_empty_one(said: dict[str, Any]) -> None:
    cluster = Cluster([node("n0")])
    answer = cluster.polled.answer
    cluster.polled.answer = lambda ask: (
        Said(200, {}, msgspec.json.encode(said)) if ask.kind == "pods" else answer(ask)
    )
    with pytest.raises(ReadingError, match="pods: the answer is no PodList with a version"):
        cluster.poll()


def test_a_field_that_is_null_is_the_same_as_absent() -> None:
    one = node("n0", taints=[{"key": None, "value": None, "effect": "PreferNoSchedule"}])
    one["status"]["conditions"].append({"type": "X", "status": None, "reason": None})
    one["status"]["conditions"][0]["reason"] = None
    one["metadata"]["labels"] = {"room": None}
    one["spec"]["unschedulable"] = None
    running = pod("p", "n0", {"nvidia.com/gpu": "1"})
    running["status"] = {"phase": None, "conditions": None}
    bare = {"metadata": {"name": "bare"}, "spec": None, "status": None}
    plain = {"metadata": {"name": "plain", "uid": "u"}, "spec": None, "status": None}
    told = {"metadata": {"name": "c"}, "status": None}
    empty = {"metadata": {"name": "s"}, "spec": None}
    cluster = Cluster([one, plain], [running, bare], slices=[empty], claims=[told])
    reading = cluster.poll()
    assert reading.whole and [unit.name for unit in reading.units] == ["n0", "plain"]
    assert reading.units[0].free["chips"] == 7 and not reading.units[0].why


@pytest.mark.parametrize(
    "metadata", [None, {}, {"name": "n1"}, {"uid": "u"}, {"name": None, "uid": None}]
)
def test_what_cannot_be_told_from_others_is_left_out_and_the_rest_is_not_whole(
    metadata: dict[str, Any] | None,
) -> None:
    cluster = Cluster([node("n0"), node("n1") | {"metadata": metadata}])
    reading = cluster.poll()
    assert [unit.name for unit in reading.units] == ["n0"] and not reading.whole
    assert reading.notes == ("objects without a name or a UID of their own are left out",)


def test_a_list_that_expires_while_it_is_read_is_read_again(cluster: KubernetesServer) -> None:
    for x in range(4):
        cluster.put("nodes", node(f"n{x}"))
    with over_http(Kubernetes(), source("kubernetes", cluster.url, HEADERS, page="3")) as polled:
        answer = polled.answer
        often = 1

        def between(ask: Any) -> Any:
            nonlocal often
            if "continue" in ask.path and often:
                often -= 1
                cluster.delete("nodes", "n0")
                cluster.put("nodes", node("n9"))
                cluster.compact()
            return answer(ask)

        polled.answer = between
        assert [unit.name for unit in polled.poll().units] == ["n1", "n2", "n3", "n9"]
        cluster.put("nodes", node("n0"))
        often = 99
        cluster.delete = lambda *_: None  # type: ignore[method-assign]
        polled.answer = lambda ask: between(ask)
        with pytest.raises(ReadingError, match="nodes: answered with status 410"):
            polled.poll()


def test_a_wrong_token_and_pods_that_may_not_be_read_are_said(cluster: KubernetesServer) -> None:
    with (
        over_http(Kubernetes(), source("kubernetes", cluster.url)) as polled,
        pytest.raises(ReadingError, match="status 401: the token"),
    ):
        polled.poll()
    cluster.forbidden.add("pods")
    with pytest.raises(ReadingError, match="pods: answered with status 403"):
        read(cluster)


# -- watches


class Followed:
    """The streams of a source, each read by a thread; readings come together."""

    def __init__(self, polled: Polled) -> None:
        self.readings: SimpleQueue[Reading | Exception] = SimpleQueue()
        self._polled = polled
        self._lock = threading.Lock()
        self.watches = polled.adapter.watch(polled.source, polled.memory)
        self.ends = threading.Event()
        for one in self.watches:
            threading.Thread(target=self._follow, args=(one,), daemon=True).start()

    def _follow(self, watch: Watch) -> None:
        of = self._polled.source
        try:
            with httpx.Client(headers=of.headers, timeout=20) as client:
                while not self.ends.is_set():
                    ask = watch.ask
                    with client.stream("GET", of.url + ask.path, headers=ask.headers) as reply:
                        assert reply.status_code == 200
                        for line in reply.iter_lines():
                            with self._lock:
                                reading = watch.line(line.encode(), NOW)
                            if reading is not None:
                                self.readings.put(reading)
        except Exception as error:
            self.readings.put(error)

    def until(self, expected: Any) -> Reading:
        """The first reading that is as expected."""
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                reading = self.readings.get(timeout=max(0.01, ends - time.monotonic()))
            except Empty:
                raise AssertionError("it has not come") from None
            if isinstance(reading, Exception):
                raise reading
            if expected(reading):
                return reading


@pytest.fixture
def polled(cluster: KubernetesServer) -> Iterator[Polled]:
    with over_http(Kubernetes(), source("kubernetes", cluster.url, HEADERS)) as one:
        yield one


def chips(reading: Reading) -> dict[str, tuple[float, float]]:
    return {unit.name: (unit.total["chips"], unit.free["chips"]) for unit in reading.units}


def test_changes_of_all_kinds_come_by_watches(cluster: KubernetesServer, polled: Polled) -> None:
    cluster.put("nodes", node("n0"))
    polled.poll()
    followed = Followed(polled)
    assert {one.ask.kind for one in followed.watches} == {
        "watch-nodes",
        "watch-pods",
        "watch-resourceslices",
        "watch-resourceclaims",
    }
    one = cluster.put("pods", pod("p", "n0", {"nvidia.com/gpu": "5"}))
    followed.until(lambda x: chips(x) == {"n0": (8, 3)})
    cluster.put("pods", one | {"status": {"phase": "Succeeded"}})
    followed.until(lambda x: chips(x) == {"n0": (8, 8)})
    cluster.put("nodes", node("n1", chips=4, labels={"nvidia.com/gpu.product": "NVIDIA-A10"}))
    followed.until(lambda x: chips(x) == {"n0": (8, 8), "n1": (4, 4)})
    cluster.put("resourceslices", resource_slice("s", "n1", devices(2)))
    followed.until(lambda x: len(x.units) == 2 and x.units[1].labels.get("cards_not_counted"))
    cluster.delete("nodes", "n0")
    followed.until(lambda x: [unit.name for unit in x.units] == ["n1"])
    cluster.end_watches()  # they go on from where they were
    cluster.put("nodes", node("n2", chips=2))
    last = followed.until(lambda x: len(x.units) == 2)
    followed.ends.set()
    assert last.units == polled.poll().units


def test_after_a_bookmark_a_stream_goes_on_from_it_though_nothing_has_changed(
    cluster: KubernetesServer, polled: Polled
) -> None:
    cluster.put("nodes", node("n0"))
    polled.poll()
    watch = next(
        x for x in polled.adapter.watch(polled.source, polled.memory) if "nodes" in x.ask.kind
    )
    for x in range(3):
        cluster.put("pods", pod(f"p{x}", "n0", {}))
    before = watch.ask.path
    bookmark = b'{"type":"BOOKMARK","object":{"kind":"Node","metadata":{"resourceVersion":"104"}}}'
    assert watch.line(bookmark, NOW) is None and watch.line(b"", NOW) is None
    assert watch.ask.path == before.replace("resourceVersion=101", "resourceVersion=104")
    with pytest.raises(ReadingError, match="watch of nodes: a bookmark without a version"):
        watch.line(b'{"type":"BOOKMARK","object":{"kind":"Node","metadata":{}}}', NOW)


def test_a_version_that_is_too_old_asks_for_a_new_poll(
    cluster: KubernetesServer, polled: Polled
) -> None:
    cluster.put("nodes", node("n0"))
    polled.poll()
    cluster.put("nodes", node("n1"))
    cluster.compact()
    followed = Followed(polled)
    with pytest.raises(ReadingError, match=r"watch of \w+: 410 Expired too old resource version"):
        followed.until(lambda _: False)
    followed.ends.set()
    assert len(polled.poll().units) == 2


def test_what_changes_nothing_that_is_told_gives_no_reading(
    cluster: KubernetesServer, polled: Polled
) -> None:
    cluster.put("nodes", node("n0"))
    polled.poll()
    (watch, *_) = polled.adapter.watch(polled.source, polled.memory)
    heartbeat = node("n0")
    heartbeat["metadata"]["resourceVersion"] = "105"
    heartbeat["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-11-26T08:05:00Z"
    event = msgspec.json.encode({"type": "MODIFIED", "object": heartbeat})
    assert watch.line(event, NOW) is None and "resourceVersion=105" in watch.ask.path
