"""What a source says of its compute, in one shape whatever the source; and how it is asked.

An adapter is pure: it yields what it wants to be asked and gets what was said; its value is a
reading. Sockets, clocks, caches and patience are the poller's.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, MutableMapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from csid.errors import CsidError
from csid.status import Health

CHIPS, VCPU, MEMORY_GIB, DISK_GIB = KINDS = ("chips", "vcpu", "memory_gib", "disk_gib")
LABELS_MAX: Final = 64  # of one unit


class Source(NamedTuple):
    """A place where compute is managed, as it was added.

    Attributes:
        name: what it is called here: 1 to 32 of a-z 0-9 -.
        kind: which adapter reads it.
        url: where its interface is; of a table, its file.
        owner: whose the resources are: 18 characters (GB 32100).
        industry, location: of their identifiers.
        options: further settings, of which each adapter has its own.
        headers: what is sent along with each request: tokens, read from a file by the poller.
    """

    name: str
    kind: str
    url: str
    owner: str
    industry: str
    location: str
    options: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}


class Unit(NamedTuple):
    """What has capacity by itself at a source: a node, a host, a machine.

    Attributes:
        key: what it is for the source however often it is asked: an identity that goes to nothing
            else later. Never an index or an address alone.
        name: what people there call it.
        total: what it has, by kind (KINDS: chips and virtual processors in number, memory and disk
            in GiB), with over-commit as the source has it, less what the source keeps for itself.
        free: what of it can be had now: nothing where it is drained, failed or not ready.
        health: how it is.
        why: why nothing or less of it can be had, in the source's words; empty if it all can.
        chip: model of its accelerators, such as H100; empty if it has none, or nobody says.
        chip_memory_gib: of one of them; 0 where nobody says.
        group: what it is pooled with at most: a partition, an aggregate, a node pool.
        labels: what else is said of it.
        is_known: what of it is not free is in use; otherwise nobody knows.
    """

    key: str
    name: str
    total: Mapping[str, float]
    free: Mapping[str, float]
    health: Health = "ok"
    why: str = ""
    chip: str = ""
    chip_memory_gib: float = 0
    group: str = ""
    labels: Mapping[str, str] = {}
    is_known: bool = True


class Reading(NamedTuple):
    """What a source said at one time.

    Attributes:
        units: by their keys, none twice.
        taken: Unix milliseconds.
        version: of the source's software or interface, as it was said.
        whole: all of the source was said; otherwise nothing that is missing has vanished.
        notes: what was left out, and why.
    """

    units: tuple[Unit, ...]
    taken: int
    version: str = ""
    whole: bool = True
    notes: tuple[str, ...] = ()


class ReadingError(CsidError):
    """A source has said what its adapter cannot read, or has refused: nothing of it is believed."""


class Ask(NamedTuple):
    """One thing to be asked with GET.

    Attributes:
        kind: what it is: requests are counted, cached and budgeted by it.
        path: below the source's URL, with its query.
        headers: besides those of the source.
        cached: what was said last may be said again if the source says that it has not changed.
    """

    kind: str
    path: str
    headers: Mapping[str, str] = {}
    cached: bool = True


class Said(NamedTuple):
    """What was said: an HTTP status, header fields by names in lower case, the body.

    Of a file the status is 200, or 404.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


Polling = Generator[Sequence[Ask], Sequence[Said], Reading]
# What an adapter keeps from one poll to the next, while the process runs.
Memory = MutableMapping[str, Any]


class Watch(Protocol):
    """A source that tells of changes by itself: an answer without an end, line by line.

    The watches of a source share what they know, so each gives the whole reading; they are fed
    from one thread. After an answer has ended, `ask` goes on behind its last line. An answer whose
    status is not 200 has no lines: the source is to be polled again, and watched anew.
    """

    @property
    def ask(self) -> Ask:
        """What is to be asked now."""

    def line(self, octets: bytes, now: int) -> Reading | None:
        """What is known after one more line; None if it changes nothing that is told.

        Raises:
            ReadingError: the source is to be polled again, and watched anew.
        """


class Adapter(Protocol):
    """How a kind of source is read."""

    kind: str

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        """Ask, in as few requests as there can be, and read what was said.

        Args:
            now: Unix milliseconds.

        Raises:
            ReadingError: it cannot be read.
        """

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        """What goes on to be told after a poll, all at the same time; none if the source is polled
        again.
        """
