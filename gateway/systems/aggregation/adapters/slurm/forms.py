"""What slurmrestd says of nodes, partitions and reservations, in the forms of its versions.

v0.0.37 and v0.0.38 (Slurm 21.08, 22.05): numbers are numbers, a node's state is a word beside its
flags. Since v0.0.39 (23.02) a number that may be absent or without end is {set, infinite, number},
and states are lists. Since v0.0.40 (23.11) times are such numbers, too, the state of a partition is
inside `partition` (v0.0.39 does not say it), and `meta` names the cluster.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import msgspec


class Number(msgspec.Struct):
    set: bool | None = True
    infinite: bool | None = False
    number: float | None = 0


Numeric: TypeAlias = float | Number | None
Words: TypeAlias = list[str] | str | None


def number(said: Numeric) -> float | None:
    """A number, infinite if it has no end; None if there is none."""
    if isinstance(said, Number):
        if said.infinite:
            return math.inf
        return said.number if said.set else None
    return said


def words(said: Words) -> list[str]:
    """A list, however it was written."""
    if said is None:
        return []
    return said if isinstance(said, list) else [word for word in said.split(",") if word]


class Node(msgspec.Struct):
    name: str
    state: Words = None
    state_flags: Words = None
    cpus: Numeric = None
    effective_cpus: Numeric = None  # without those that Slurm keeps for itself
    idle_cpus: Numeric = None  # until v0.0.38
    alloc_idle_cpus: Numeric = None
    real_memory: Numeric = None  # MiB
    specialized_memory: Numeric = None
    alloc_memory: Numeric = None
    gres: str | None = None
    gres_used: str | None = None
    gres_drained: str | None = None
    tres_used: str | None = None
    active_features: Words = None
    partitions: Words = None
    architecture: str | None = None
    operating_system: str | None = None
    owner: str | None = None  # who has it alone
    reason: str | None = None


class PartitionState(msgspec.Struct):
    state: Words = None


class Partition(msgspec.Struct):
    name: str
    state: Words = None
    partition: PartitionState | None = None

    @property
    def states(self) -> list[str]:
        """In capitals; none where they are not said."""
        said = words(self.state) or (words(self.partition.state) if self.partition else [])
        return [word.upper() for word in said]


class Reservation(msgspec.Struct):
    name: str | None = None
    node_list: str | None = None
    flags: Words = None
    start_time: Numeric = None  # Unix seconds
    end_time: Numeric = None


class Software(msgspec.Struct):
    release: str | None = None
    cluster: str | None = None


class Meta(msgspec.Struct):
    older: Software | None = msgspec.field(default=None, name="Slurm")
    slurm: Software | None = None

    @property
    def software(self) -> Software:
        return self.slurm or self.older or Software()


class Fault(msgspec.Struct):
    error: str | None = None
    description: str | None = None


class Answer(msgspec.Struct):
    meta: Meta | None = None
    errors: list[Fault] | None = None


class Nodes(Answer, kw_only=True):
    nodes: list[Node]


class Partitions(Answer, kw_only=True):
    partitions: list[Partition]


class Reservations(Answer, kw_only=True):
    reservations: list[Reservation]


class Description(msgspec.Struct):
    """Its OpenAPI document, of which the paths are read."""

    paths: dict[str, msgspec.Raw]


ANSWER: Final = msgspec.json.Decoder(Answer)
NODES: Final = msgspec.json.Decoder(Nodes)
PARTITIONS: Final = msgspec.json.Decoder(Partitions)
RESERVATIONS: Final = msgspec.json.Decoder(Reservations)
DESCRIPTION: Final = msgspec.json.Decoder(Description)
