"""What is known of a source's resources, as it is kept between polls. Values alone; no store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

ACTIVE, SUSPENDED = "active", "suspended"  # what an identifier of ours is, or is to be
Facts = dict[str, Any]  # members of a record (schemas/record.md) that a source decides
INTERVAL_SECONDS: Final = 60


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it was added.

    Attributes:
        name, kind, url, owner, industry, location, options: as `readings.Source` has them.
        type: of the identifiers, three letters; empty: from what there is.
        each: one identifier for each unit, in place of pools.
        interval: seconds between two polls.
        token_file: path of a file with what is sent along with requests; never what is in it.
        authorities: path of a file of certificates (PEM) that the source's is held against; empty:
            those of the machine.
        paused: it is not polled.
    """

    name: str
    kind: str
    url: str
    owner: str
    industry: str
    location: str
    options: dict[str, str] = {}
    type: str = ""
    each: bool = False
    interval: int = INTERVAL_SECONDS
    token_file: str = ""
    authorities: str = ""
    paused: bool = False


class Unit(msgspec.Struct, frozen=True, array_like=True):
    """A unit that is known: what it had when it was put into its pool.

    Attributes:
        pool: key of its pool.
        name: what people there call it.
        chip: as the source has it.
        chips, vcpu, memory_gib, chip_memory_gib: in total; of one chip.
        group: as the source has it.
        gone: Unix milliseconds since when the source does not name it; 0 if it does.
        less: since when it has less than it had; 0 if it has not.
    """

    pool: str
    name: str
    chip: str
    chips: float
    vcpu: float
    memory_gib: float
    chip_memory_gib: float
    group: str
    gone: int = 0
    less: int = 0


class Pool(msgspec.Struct, frozen=True, array_like=True):
    """A pool that is known.

    Attributes:
        identifier: that was minted for it.
        attempt: which serial it is, the first being 0.
        asked: the facts that it is registered with, always the same however often it is asked.
        wanted: the facts that its record is to have.
        state: what it is to be.
        done: the facts that its record has from us; None: it is not registered yet.
        done_state: what the registry has been told to make it.
        refusal: what the registry has said, if it has refused; nothing is asked again then until
            something else is wanted, or a person says so.
        made: when it was found first, in Unix milliseconds.
    """

    identifier: str
    attempt: int
    asked: Facts
    wanted: Facts
    state: str = ACTIVE
    done: Facts | None = None
    done_state: str = ACTIVE
    refusal: str = ""
    made: int = 0

    @property
    def is_active(self) -> bool:
        """Whether it is registered and in use."""
        return self.done is not None and self.state == self.done_state == ACTIVE

    @property
    def is_owed(self) -> bool:
        """Whether the registry is to be asked for something."""
        return self.done is None or self.done != self.wanted or self.state != self.done_state


class Known(msgspec.Struct, frozen=True):
    """All that is known of a source: units and pools by their keys."""

    units: Mapping[str, Unit] = {}
    pools: Mapping[str, Pool] = {}


class Polled(msgspec.Struct, frozen=True):
    """How the polls of a source are.

    Attributes:
        at, taken: Unix milliseconds of the last one, and of what was said last.
        failures: in a row; `error`: why the last one failed.
        units, version, notes: of the last that did not fail.
        owed: why what the registry was to be asked for waits; empty if nothing does.
        refused: how many statuses the gateway has refused of it, and why.
        seconds: that it took.
    """

    at: int = 0
    taken: int = 0
    failures: int = 0
    error: str = ""
    units: int = 0
    version: str = ""
    notes: tuple[str, ...] = ()
    owed: str = ""
    refused: str = ""
    seconds: float = 0
