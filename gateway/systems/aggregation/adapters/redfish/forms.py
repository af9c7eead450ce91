"""What Redfish says of systems and their processors (DSP0268: ServiceRoot, ComputerSystem,
Processor), as far as it is read. Most fields may be absent or null in any of them.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

Numeric: TypeAlias = float | str | None  # some services quote numbers


def number(said: Numeric) -> float:
    """0 where nothing is said, or no number."""
    try:
        return float(said or 0)
    except ValueError:
        return 0.0


class Link(msgspec.Struct):
    path: str | None = msgspec.field(default=None, name="@odata.id")


class Status(msgspec.Struct, rename="pascal"):
    state: str | None = None
    health: str | None = None
    health_rollup: str | None = msgspec.field(default=None, name="HealthRollup")
    health_roll_up: str | None = msgspec.field(default=None, name="HealthRollUp")  # seen as well

    @property
    def worst(self) -> str:
        return self.health_rollup or self.health_roll_up or self.health or ""


class Expand(msgspec.Struct, rename="pascal"):
    no_links: bool | None = None


class Features(msgspec.Struct, rename="pascal"):
    expand_query: Expand | None = None


class Root(msgspec.Struct, rename="pascal"):
    redfish_version: str | None = None
    systems: Link | None = None
    protocol_features_supported: Features | None = None

    @property
    def expands(self) -> bool:
        """Whether a collection can be asked for with all that is in it."""
        features = self.protocol_features_supported
        return bool(features and features.expand_query and features.expand_query.no_links)


class Processors(msgspec.Struct, rename="pascal"):
    count: Numeric = None  # sockets
    core_count: Numeric = None
    logical_processor_count: Numeric = None
    model: str | None = None


class Memory(msgspec.Struct):
    gib: Numeric = msgspec.field(default=None, name="TotalSystemMemoryGiB")


class System(msgspec.Struct, rename="pascal"):
    path: str | None = msgspec.field(default=None, name="@odata.id")
    etag: str | None = msgspec.field(default=None, name="@odata.etag")
    id: str | None = None
    uuid: str | None = msgspec.field(default=None, name="UUID")
    name: str | None = None
    host_name: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial_number: str | None = None
    system_type: str | None = None
    power_state: str | None = None
    status: Status | None = None
    processor_summary: Processors | None = None
    memory_summary: Memory | None = None
    processors: Link | None = None


class CardMemory(msgspec.Struct):
    mib: Numeric = msgspec.field(default=None, name="CapacityMiB")


class CardMemorySummary(msgspec.Struct):
    mib: Numeric = msgspec.field(default=None, name="TotalMemorySizeMiB")


class Processor(msgspec.Struct, rename="pascal"):
    path: str | None = msgspec.field(default=None, name="@odata.id")
    etag: str | None = msgspec.field(default=None, name="@odata.etag")
    processor_type: str | None = None
    model: str | None = None
    total_cores: Numeric = None
    total_threads: Numeric = None
    status: Status | None = None
    memory_summary: CardMemorySummary | None = None
    processor_memory: list[CardMemory] | None = None

    @property
    def memory_mib(self) -> float:
        if self.memory_summary and self.memory_summary.mib:
            return number(self.memory_summary.mib)
        return sum(number(one.mib) for one in self.processor_memory or ())


class Collection(msgspec.Struct):
    """Members are links, or all that there is of each."""

    members: list[msgspec.Raw] = msgspec.field(name="Members")
    count: int | None = msgspec.field(default=None, name="Members@odata.count")  # on all pages
    more: str | None = msgspec.field(default=None, name="Members@odata.nextLink")


ROOT: Final = msgspec.json.Decoder(Root)
COLLECTION: Final = msgspec.json.Decoder(Collection)
SYSTEM: Final = msgspec.json.Decoder(System)
PROCESSOR: Final = msgspec.json.Decoder(Processor)
