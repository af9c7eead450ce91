"""What verification found, and what it did not look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

FAULTS_MAX: Final = 100  # in one report; more are counted


class Verdict(Enum):
    """What a report comes to."""

    SOUND = "sound"
    NOT_SOUND = "not sound"
    UNSIGNED = "signatures not checked"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as the log says.

    Attributes:
        place: the table, as it is called in the data directory.
        what: the row, name or leaves concerned, for people.
        reason: what differs from what.
        leaf: the audit leaf that says how it should be, None if none is known.
        remedy: what puts it right, empty if nothing of the registry does.
    """

    place: str
    what: str
    reason: str
    leaf: int | None = None
    remedy: str = ""

    def __str__(self) -> str:
        where = "" if self.leaf is None else f" (leaf {self.leaf})"
        hint = f"; {self.remedy}" if self.remedy else ""
        return f"{self.place}: {self.what}: {self.reason}{where}{hint}"


@dataclass(slots=True)
class Report:
    """What was found.

    Attributes:
        size: leaves of the log.
        root: the root over them.
        signed: the keys by which checkpoints were checked; none leaves signatures unchecked.
        faults: the first FAULTS_MAX of them.
        more: how many more there are.
        exceptions: what was not compared with the log, and why, for people.
        looked_at: how much was compared, by what it is.
        by_rules: the first FAULTS_MAX leaves that the rules of today would not let come to be so,
            each with the reason; no faults, since rules change.
    """

    size: int = 0
    root: bytes = b""
    signed: tuple[str, ...] = ()
    faults: list[Fault] = field(default_factory=list)
    more: int = 0
    exceptions: list[str] = field(default_factory=list)
    looked_at: dict[str, int] = field(default_factory=dict)
    by_rules: list[tuple[int, str]] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Take over a fault."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(fault)
        else:
            self.more += 1

    def count(self, what: str, number: int) -> None:
        """Say that so many more were compared."""
        self.looked_at[what] = self.looked_at.get(what, 0) + number

    @property
    def verdict(self) -> Verdict:
        """What it comes to."""
        if self.faults:
            return Verdict.NOT_SOUND
        return Verdict.SOUND if self.signed else Verdict.UNSIGNED

    @property
    def agrees(self) -> bool:
        """Whether no fault was found, signatures checked or not."""
        return not self.faults
