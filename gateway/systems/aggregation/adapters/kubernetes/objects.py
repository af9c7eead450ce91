"""What is read of the objects of the Kubernetes API; a field that is null is the same as absent.

Devices are as in resource.k8s.io/v1; v1beta1 has what is said of one a level deeper, in `basic`.
None of them is part of a cycle, so the collector of garbage need not look at them.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec

from gateway.systems.aggregation.adapters.kubernetes.quantities import Said

One = TypeVar("One")

Text = str | None
Position = Annotated[str, msgspec.Meta(max_length=200)] | None
Quantities = dict[str, Said | None] | None
Labels = dict[str, Text] | None


class Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: Text = None
    namespace: Text = None
    uid: Text = None
    resource_version: Position = None
    generation: int | None = None
    labels: Labels = None
    creation_timestamp: Text = None
    deletion_timestamp: Text = None


class Taint(msgspec.Struct, gc=False):
    key: Text = None
    effect: Text = None
    value: Text = None


class Condition(msgspec.Struct, gc=False, rename="camel"):
    type: Text = None
    status: Text = None
    reason: Text = None
    observed_generation: int | None = None


# -- nodes


class NodeInfo(
    msgspec.Struct, gc=False, rename={"machine_id": "machineID", "system_uuid": "systemUUID"}
):
    machine_id: Text = None
    system_uuid: Text = None


class NodeSpec(msgspec.Struct, gc=False):
    unschedulable: bool | None = None
    taints: list[Taint] | None = None


class NodeStatus(msgspec.Struct, gc=False, rename="camel"):
    allocatable: Quantities = None
    conditions: list[Condition] | None = None
    node_info: NodeInfo | None = None


class Node(msgspec.Struct, gc=False):
    metadata: Metadata | None = None
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


# -- pods


class Resources(msgspec.Struct, gc=False):
    requests: Quantities = None


class Container(msgspec.Struct, gc=False, rename="camel"):
    name: Text = None
    resources: Resources | None = None
    restart_policy: Text = None


class ContainerStatus(msgspec.Struct, gc=False, rename="camel"):
    name: Text = None
    allocated_resources: Quantities = None
    resources: Resources | None = None


class PodSpec(msgspec.Struct, gc=False, rename="camel"):
    node_name: Text = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    overhead: Quantities = None
    resources: Resources | None = None


class PodStatus(msgspec.Struct, gc=False, rename="camel"):
    phase: Text = None
    resize: Text = None  # until 1.32; a condition since
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    allocated_resources: Quantities = None
    resources: Resources | None = None


class Pod(msgspec.Struct, gc=False):
    metadata: Metadata | None = None
    spec: PodSpec | None = None
    status: PodStatus | None = None


# -- devices (DRA)


class Counters(msgspec.Struct, gc=False, rename="camel"):
    counter_set: Text = None


class Attribute(msgspec.Struct, gc=False):
    string: Text = None


class Capacity(msgspec.Struct, gc=False):
    value: Said | None = None


class DeviceFacts(msgspec.Struct, gc=False, rename="camel"):
    attributes: dict[str, Attribute | None] | None = None
    capacity: dict[str, Capacity | None] | None = None
    consumes_counters: list[Counters] | None = None
    taints: list[Taint] | None = None
    node_name: Text = None


class Device(DeviceFacts, gc=False, kw_only=True, rename="camel"):
    name: Text = None
    basic: DeviceFacts | None = None

    @property
    def facts(self) -> DeviceFacts:
        """What is said of it."""
        return self.basic or self


class Pool(msgspec.Struct, gc=False, rename="camel"):
    name: Text = None
    generation: int | None = None
    resource_slice_count: int | None = None


class SliceSpec(msgspec.Struct, gc=False, rename="camel"):
    driver: Text = None
    pool: Pool | None = None
    node_name: Text = None
    devices: list[Device] | None = None


class Slice(msgspec.Struct, gc=False):
    metadata: Metadata | None = None
    spec: SliceSpec | None = None


class Result(msgspec.Struct, gc=False, rename="camel"):
    driver: Text = None
    pool: Text = None
    device: Text = None
    admin_access: bool | None = None


class Results(msgspec.Struct, gc=False):
    results: list[Result] | None = None


class Allocation(msgspec.Struct, gc=False):
    devices: Results | None = None


class ClaimStatus(msgspec.Struct, gc=False):
    allocation: Allocation | None = None


class Claim(msgspec.Struct, gc=False):
    metadata: Metadata | None = None
    status: ClaimStatus | None = None


# -- lists and what is said of changes


class ListMetadata(
    msgspec.Struct, rename={"resource_version": "resourceVersion", "next": "continue"}
):
    resource_version: Position = None
    next: Annotated[str, msgspec.Meta(max_length=20_000)] | None = None


class Page(msgspec.Struct, Generic[One], gc=False):
    """Some of the objects there are; of a kind such as NodeList."""

    kind: Text = None
    items: list[One] | None = None
    metadata: ListMetadata | None = None


class Event(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class Failure(msgspec.Struct, gc=False):
    """A Status that is told in place of an object."""

    code: int | None = None
    reason: Text = None
    message: Text = None


class Bookmark(msgspec.Struct, gc=False):
    metadata: Metadata | None = None


class GroupVersion(msgspec.Struct, gc=False):
    version: str


class Group(msgspec.Struct, gc=False):
    """An API group, and the versions that the server has of it."""

    versions: list[GroupVersion]


class ServerVersion(msgspec.Struct, gc=False, rename="camel"):
    git_version: str
