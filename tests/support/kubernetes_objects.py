"""Objects of a cluster as its components write them, and answers that list them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import msgspec

from gateway.systems.aggregation.adapters.kubernetes.adapter import Kubernetes
from gateway.systems.aggregation.readings import Ask, Reading, Said
from tests.support.polled import NOW, Polled, source

Object = dict[str, Any]
GPU = "nvidia.com/gpu"
LISTS = {
    "nodes": "NodeList",
    "pods": "PodList",
    "resourceslices": "ResourceSliceList",
    "resourceclaims": "ResourceClaimList",
}


def node(name: str, *, chips: int = 8, resource: str = GPU, **more: Any) -> Object:
    """A node that is ready. `more`: labels, taints, conditions (besides Ready), uuid, allocatable,
    and what else its spec and metadata have.
    """
    allocatable = {"cpu": "63500m", "memory": "1007Gi", "ephemeral-storage": "800Gi", "pods": "110"}
    if chips:
        allocatable[resource] = str(chips)
    conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
    return {
        "metadata": {
            "name": name,
            "uid": str(uuid5(NAMESPACE_DNS, f"object of {name}")),
            "labels": more.pop("labels", {}),
            **more.pop("metadata", {}),
        },
        "spec": {
            "podCIDR": "10.0.0.0/24",
            "taints": more.pop("taints", None),
            **more.pop("spec", {}),
        },
        "status": {
            "capacity": allocatable,
            "allocatable": allocatable | more.pop("allocatable", {}),
            "conditions": more.pop("conditions", conditions),
            "nodeInfo": {
                "machineID": f"m{name}",
                "systemUUID": more.pop("uuid", str(uuid5(NAMESPACE_DNS, name)).upper()),
                "kubeletVersion": "v1.34.1",
                "architecture": "amd64",
                "bootID": "b",
                "containerRuntimeVersion": "containerd://2",
                "kernelVersion": "6",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "osImage": "Debian",
            },
        },
    }


def container(requests: dict[str, str], name: str = "c", **more: Any) -> Object:
    """A container that requests something."""
    return {"name": name, "image": "i", "resources": {"requests": requests}, **more}


def pod(name: str, on: str, requests: dict[str, str], **more: Any) -> Object:
    """A pod on a node; `more`: phase, and what its spec has."""
    return {
        "metadata": {"name": name},
        "status": {"phase": more.pop("phase", "Running")},
        "spec": {"nodeName": on, "containers": [container(requests)], **more},
    }


def devices(number: int, **facts: Any) -> list[Object]:
    """Devices as the driver of GPUs publishes them."""
    return [
        {
            "name": f"gpu-{x}",
            "attributes": {"type": {"string": "gpu"}, "productName": {"string": "NVIDIA H100"}},
            "capacity": {"memory": {"value": "80Gi"}},
            **facts,
        }
        for x in range(number)
    ]


def resource_slice(
    name: str, on: str, having: list[Object], generation: int = 1, of: int = 1, **spec: Any
) -> Object:
    """A slice of the pool of a node."""
    return {
        "metadata": {"name": name},
        "spec": {
            "driver": "gpu.nvidia.com",
            "nodeName": on,
            "pool": {"name": on, "generation": generation, "resourceSliceCount": of},
            "devices": having,
            **spec,
        },
    }


def claim(name: str, pool: str, *taken: str, **more: Any) -> Object:
    """A claim that got devices."""
    results = [
        {"driver": "gpu.nvidia.com", "pool": pool, "device": x, "request": "r", **more}
        for x in taken
    ]
    allocation = {"devices": {"results": results}} if taken else None
    return {
        "metadata": {"name": name},
        "spec": {"devices": {}},
        "status": {"allocation": allocation} if allocation else {},
    }


class Cluster:
    """A cluster that says at once what it has, without a connection.

    Attributes:
        lists: objects by plural.
        statuses: of the answers that are not 200, by kind of what is asked.
        polled: its polls.
    """

    def __init__(self, nodes: Iterable[Object] = (), pods: Iterable[Object] = (), **more: Any):
        self.lists = {
            "nodes": list(nodes),
            "pods": list(pods),
            "resourceslices": list(more.pop("slices", ())),
            "resourceclaims": list(more.pop("claims", ())),
        }
        self.statuses: dict[str, int] = {}
        self.polled = Polled(Kubernetes(), source("kubernetes", **more), self.answer)

    def answer(self, ask: Ask) -> Said:
        """What is said to a request."""
        if ask.kind in self.statuses:
            return Said(self.statuses[ask.kind], {}, b"")
        said: Object = {
            "version": {"gitVersion": "v1.34.1"},
            "group": {"kind": "APIGroup", "versions": [{"version": "v1"}]},
        }.get(ask.kind, {})
        if ask.kind in LISTS:
            said = {
                "kind": LISTS[ask.kind],
                "metadata": {"resourceVersion": "7"},
                "items": self.lists[ask.kind],
            }
        return Said(200, {}, msgspec.json.encode(said))

    def poll(self) -> Reading:
        """What a poll gives."""
        return self.polled.poll()

    def tell(self, plural: str, one: Object, type_: str = "MODIFIED") -> Reading | None:
        """What a watch gives that is told of a change."""
        watches = self.polled.adapter.watch(self.polled.source, self.polled.memory)
        (watch,) = (x for x in watches if x.ask.kind == f"watch-{plural}")
        return watch.line(msgspec.json.encode({"type": type_, "object": one}), NOW)
