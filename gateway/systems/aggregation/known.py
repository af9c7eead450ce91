"""What is known of a source's resources, as it is kept between polls. Values alone; no store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

ACTIVE, SUSPENDED = "active", "suspended"  # what an identifier of ours is, or is to be
# What the registry may say besides: it waits for the national node, which has not taken it; nobody
# has asked that node; it is over for good.
FILING, REFUSED, RESERVED = "filing", "refused", "reserved"
ENDED: Final = frozenset({"retired", "superseded"})
SUSPEND, REINSTATE, FILE = "suspend", "reinstate", "file"  # as the registry knows them
ANOTHER: Final = "another"  # none of the registry's: another serial is registered
# What leads from what an identifier is to what it is to be. What waits to be filed has no step: the
# national node's answer is one.
_STEPS: Final = {
    (ACTIVE, SUSPENDED): SUSPEND,
    (SUSPENDED, ACTIVE): REINSTATE,
    (REFUSED, ACTIVE): FILE,
    (RESERVED, ACTIVE): FILE,
    **{(ended, ACTIVE): ANOTHER for ended in ENDED},
}
_DOES: Final = {
    SUSPEND: "suspends it",
    REINSTATE: "reinstates it",
    FILE: "files it again",
    ANOTHER: "registers another",
}
Facts = dict[str, Any]  # members of a record (schemas/record.md) that a source decides
INTERVAL_SECONDS: Final = 60
DAY_MILLISECONDS: Final = 86_400_000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it was added.

    Attributes:
        name, kind, url, owner, industry, location, options: as `readings.Source` has them.
        type: of the identifiers, three letters; empty: from what there is.
        each: one identifier for each unit, in place of pools.
        elastic: its units come and go, so that half of them gone is nothing unusual.
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
    elastic: bool = False
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
        unseen: since when readings that were not whole do not name it; 0 if the last one did.
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
    unseen: int = 0


class Pool(msgspec.Struct, frozen=True, array_like=True):
    """A pool that is known.

    Attributes:
        identifier: that was minted for it.
        attempt: which serial it is, the first being 0.
        asked: the facts that it is registered with, always the same however often it is asked.
        wanted: the facts that its record is to have.
        state: what it is to be.
        done: the facts that its record has from us; None: it is not registered yet.
        done_state: what the registry said last that it is; empty: that is to be looked at first.
        refusal: what the registry has said, if it has refused; nothing is asked again then until
            something else is wanted, or a person says so.
        made: when it was found first, in Unix milliseconds.
        theirs: others have made it what it is: it stays so until they, or a person, say otherwise.
        proposed: we have asked to suspend it since it was to be in use: if it is, it is by us.
        emptied: Unix milliseconds since when it has no units; 0 if it has.
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
    theirs: bool = False
    proposed: bool = False
    emptied: int = 0

    @property
    def is_active(self) -> bool:
        """Whether it is registered and in use."""
        return self.done is not None and self.state == self.done_state == ACTIVE

    @property
    def step(self) -> str:
        """What leads to the state that it is to have; empty if nothing does, or is ours to do."""
        return "" if self.theirs else _STEPS.get((self.done_state, self.state), "")

    @property
    def is_behind(self) -> bool:
        """Whether it is registered, with other facts than it is to have, and may be changed."""
        return self.done not in (None, self.wanted) and self.done_state not in ENDED

    @property
    def is_owed(self) -> bool:
        """Whether the registry is to be asked for something."""
        return self.done is None or self.is_behind or bool(self.step)


def followed(pool: Pool, source: str, found: str) -> Pool:
    """A registered pool of a source after the registry has said in what state its identifier is.

    What others have made of it is theirs: it is shown, as a refusal, and left alone.
    """
    after = msgspec.structs.replace(
        pool,
        done_state=found,
        theirs=_is_theirs(pool, found),
        proposed=pool.proposed and not found == pool.state == ACTIVE,
    )
    undone = _STEPS.get((found, pool.state)) if after.theirs else None
    refusal = "" if pool.theirs or not after.is_owed else pool.refusal
    if undone is not None:
        refusal = (
            f"is {found} at the registry, which others have decided; "
            f"csid aggregate resume {source} {_DOES[undone]}"
        )
    return msgspec.structs.replace(after, refusal=refusal)


def _is_theirs(pool: Pool, found: str) -> bool:
    """Whether it is others who have made it what it is found to be."""
    if found == pool.done_state:
        return pool.theirs
    if found in (pool.state, FILING):
        return False
    if found == ACTIVE:  # and is to be suspended: it was, or it was only now taken by the nation
        return pool.done_state == SUSPENDED
    if found == SUSPENDED:
        return bool(pool.done_state) and not pool.proposed
    # What ended while nobody wanted it is followed by another as soon as somebody does.
    return found not in ENDED or (pool.state == ACTIVE and bool(pool.done_state))


class Amounts(msgspec.Struct, frozen=True, array_like=True):
    """What a source has at one time: units that are there, and what they have then."""

    units: float = 0
    chips: float = 0
    vcpu: float = 0
    memory_gib: float = 0

    def most(self, other: Amounts) -> Amounts:
        """The larger of each."""
        return Amounts(*map(max, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))


class Past(msgspec.Struct, frozen=True, array_like=True):
    """What a source had, which says more slowly than its last poll what is usual.

    Attributes:
        day: the last one that it was read on, in days since 1970 began.
        base: the most that there was on the day before that it was read on; of the first day, or
            since somebody has accepted what looked wrong, what there was then.
        most: the most that there was on the day.
        made: identifiers that were made for it on the day.
    """

    day: int = 0
    base: Amounts = Amounts()
    most: Amounts = Amounts()
    made: int = 0

    def following(self, now: int, has: Amounts, made: int) -> Past:
        """That after a reading (Unix milliseconds), by which so many identifiers are made."""
        day = now // DAY_MILLISECONDS
        before = self if day == self.day else Past(day, self.most)
        was, is_ = msgspec.structs.astuple(before.base), msgspec.structs.astuple(has)
        base = Amounts(*(one or other for one, other in zip(was, is_, strict=True)))
        return Past(day, base, before.most.most(has), before.made + made)

    def accepted(self, has: Amounts) -> Past:
        """That after somebody has looked at what there is now, and said that it is right."""
        return Past(self.day, has, has)


class Known(msgspec.Struct, frozen=True):
    """All that is known of a source: units and pools by their keys, and what it had."""

    units: Mapping[str, Unit] = {}
    pools: Mapping[str, Pool] = {}
    past: Past = Past()


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
