"""What is read of the objects of the Kubernetes API; null is the same as absent there.

Devices are as in resource.k8s.io/v1; v1beta1 has what is said of one a level deeper, in `basic`.
None of them is part of a cycle, so the collector of garbage need not look at them.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec

from gateway.systems.aggregation.adapters.kubernetes.quantities import Said

One = TypeVar("One")

Position = Annotated[str, msgspec.Meta(max_length=200)]
Quantities = dict[str, Said] | None


class Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: Position = ""
    labels: dict[str, str] | None = None
    deletion_timestamp: str | None = None


# -- nodes


class Taint(msgspec.Struct, gc=False):
    key: str
    effect: str
    value: str = ""


class Condition(msgspec.Struct, gc=False):
    type: str
    status: str
    reason: str = ""


class NodeInfo(
    msgspec.Struct, gc=False, rename={"machine_id": "machineID", "system_uuid": "systemUUID"}
):
    machine_id: str = ""
    system_uuid: str = ""


class NodeSpec(msgspec.Struct, gc=False):
    unschedulable: bool = False
    taints: list[Taint] | None = None


class NodeStatus(msgspec.Struct, gc=False, rename="camel"):
    allocatable: Quantities = None
    conditions: list[Condition] | None = None
    node_info: NodeInfo | None = None


class Node(msgspec.Struct, gc=False):
    metadata: Metadata
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


# -- pods


class Resources(msgspec.Struct, gc=False):
    requests: Quantities = None


class Container(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    resources: Resources | None = None
    restart_policy: str | None = None


class ContainerStatus(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    allocated_resources: Quantities = None
    resources: Resources | None = None


class PodSpec(msgspec.Struct, gc=False, rename="camel"):
    node_name: str | None = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    overhead: Quantities = None
    resources: Resources | None = None


class PodStatus(msgspec.Struct, gc=False, rename="camel"):
    phase: str = "Pending"
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(msgspec.Struct, gc=False):
    metadata: Metadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


# -- devices (DRA)


class Counters(msgspec.Struct, gc=False, rename="camel"):
    counter_set: str


class Attribute(msgspec.Struct, gc=False):
    string: str | None = None


class Capacity(msgspec.Struct, gc=False):
    value: Said


class DeviceFacts(msgspec.Struct, gc=False, rename="camel"):
    attributes: dict[str, Attribute] | None = None
    capacity: dict[str, Capacity] | None = None
    consumes_counters: list[Counters] | None = None
    taints: list[Taint] | None = None
    node_name: str | None = None


class Device(DeviceFacts, gc=False, kw_only=True, rename="camel"):
    name: str
    basic: DeviceFacts | None = None

    @property
    def facts(self) -> DeviceFacts:
        """What is said of it."""
        return self.basic or self


class Pool(msgspec.Struct, gc=False, rename="camel"):
    name: str
    generation: int
    resource_slice_count: int


class SliceSpec(msgspec.Struct, gc=False, rename="camel"):
    driver: str
    pool: Pool
    node_name: str | None = None
    devices: list[Device] | None = None


class Slice(msgspec.Struct, gc=False):
    metadata: Metadata
    spec: SliceSpec


class Result(msgspec.Struct, gc=False, rename="camel"):
    driver: str
    pool: str
    device: str
    admin_access: bool | None = None


class Results(msgspec.Struct, gc=False):
    results: list[Result] | None = None


class Allocation(msgspec.Struct, gc=False):
    devices: Results = msgspec.field(default_factory=Results)


class ClaimStatus(msgspec.Struct, gc=False):
    allocation: Allocation | None = None


class Claim(msgspec.Struct, gc=False):
    metadata: Metadata
    status: ClaimStatus = msgspec.field(default_factory=ClaimStatus)


# -- lists and what is said of changes


class ListMetadata(
    msgspec.Struct, rename={"resource_version": "resourceVersion", "next": "continue"}
):
    resource_version: Position = ""
    next: Annotated[str, msgspec.Meta(max_length=20_000)] = ""


class Page(msgspec.Struct, Generic[One], gc=False):
    """Some of the objects there are."""

    items: list[One] | None = None
    metadata: ListMetadata = msgspec.field(default_factory=ListMetadata)


class Event(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class Failure(msgspec.Struct, gc=False):
    """A Status that is told in place of an object."""

    code: int = 0
    reason: str = ""
    message: str = ""


class Bookmark(msgspec.Struct, gc=False):
    metadata: Metadata


class GroupVersion(msgspec.Struct, gc=False):
    version: str


class Group(msgspec.Struct, gc=False):
    """An API group, and the versions that the server has of it."""

    versions: list[GroupVersion]


class ServerVersion(msgspec.Struct, gc=False, rename="camel"):
    git_version: str
