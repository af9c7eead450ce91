"""What the writer does of an import: the unit `rows`, some of its rows in one transaction.

The rows of a table come in the order of their names. A row that is plain and new takes the desk's
short way, at a few microseconds; every other one is decided by the rules like a single request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgpack

from csid import record
from csid.errors import CsidError
from csid.identifier import parse
from registry.bulk.csv_stream import Fault
from registry.bulk.entries import Group
from registry.core import Core
from registry.desk import Batch
from registry.rules.decision import Decision
from registry.rules.owners import takes_owners
from registry.rules.requests import Actor, Import, IntroduceOwner, Request, Role
from registry.rules.status import Status
from registry.tables import view
from registry.tables.record_node import node_of
from registry.tables.rows import DEFAULT_TTL

UNIT_SECONDS: Final = 0.02  # of work on rows; what is left then is for the next unit
TWICE: Final = "TWICE"  # kind of fault: another row says otherwise of the same identifier
_REASON: Final = "first inventory 首次清点"
_KEEP_ONE: Final = "with another record; keep one"
_unpack: Final[Any] = msgpack.unpackb


class RowsError(CsidError):
    """Rows that are not what this program makes of a table."""


class Stands(NamedTuple):
    """The last row that stands: one with the same identifier says the same, or is wrong."""

    name: str
    line: int
    record: bytes


NOTHING_STANDS: Final = Stands("", 0, b"")


class Task(NamedTuple):
    """The arguments of the unit.

    Attributes:
        actor: who imports: name, role, owner.
        reason: why.
        year: of registration, 0 is now.
        ttl: of the rows, None is as it is.
        stands: as the result of the unit before said.
        skip: how many rows at the beginning are done.
        rows: as `registry.bulk.entries.Unit` has them.
    """

    actor: tuple[str, str, str]
    reason: str
    year: int
    ttl: int | None
    stands: tuple[str, int, bytes]
    skip: int
    rows: bytes


class Done(NamedTuple):
    """What became of rows.

    Attributes:
        through: how many of the rows are dealt with, those skipped included.
        added: were assigned.
        changed: had another record or TTL before.
        unchanged: say what is known already.
        faults: those not taken, in the order of the lines.
        stands: the last row that does.
    """

    through: int
    added: int
    changed: int
    unchanged: int
    faults: list[Fault]
    stands: tuple[str, int, bytes]


def rows(core: Core, args: Any) -> Done:
    """The unit: decide on rows and commit them, for UNIT_SECONDS at most.

    That the rows are well-formed is believed of administrators, as they may write any zone. What
    the registry says about them is looked at here.

    Raises:
        ActingError: who asks is not who it says.
        RowsError: rows are not as `registry.bulk.entries` makes them.
        StoreError: the store is full or fails: nothing of the unit was done.
    """
    given: list[str] = []
    task = Task(*args)
    actor = core.by.actor(*task.actor)
    own = core.by.own
    if own.role is not Role.ADMINISTRATOR and Role.ADMINISTRATOR not in own.acts_for:
        _require_ours(_unpack(task.rows), DEFAULT_TTL if task.ttl is None else task.ttl)
    with core.desk.batch(core.store, int(time.time())) as batch:
        done = take(batch, task, actor, time.monotonic, given)
    for observe in core.stages.observe:
        for name in given:
            observe(Decision(Status.DONE, name))
    return done


def _require_ours(groups: list[Group], ttl: int) -> None:
    """Make sure that rows are what a record of an identifier comes to, and nothing else.

    Raises:
        RowsError: one is not.
    """
    for at, *columns in groups:
        for spec, line, word, blob, size in zip(*columns, strict=True):
            name, packed = f"{at}/{spec}", blob[-size:]
            try:
                found = record.decode(packed)
                is_ours = (
                    str(parse(name)) == name
                    and found.state == word
                    and node_of(found, packed, ttl) == blob
                )
            except (CsidError, TypeError, ValueError) as error:
                raise RowsError(f"line {line}: {name[:120]}: {error}") from None
            if not is_ours:
                raise RowsError(
                    f"line {line}: {name[:120]}: is not what its record comes to here; use the "
                    "csid that the node runs"
                )


def take(
    batch: Batch, task: Task, actor: Actor, clock: Callable[[], float], given: list[str]
) -> Done:
    """Decide on the rows of a task; ``given`` gets the identifiers that are other than before."""
    deadline = clock() + UNIT_SECONDS
    groups: list[Group] = _unpack(task.rows)
    _introduce(batch, actor, task.reason, {at.partition("/")[0] for at, *_ in groups})
    party = batch.party(actor, Import, task.reason, task.year, task.ttl)
    added = changed = unchanged = 0
    faults: list[Fault] = []
    standing, stood, said = task.stands
    through = 0
    for at, *columns in groups:
        for spec, line, word, blob, size in zip(*columns, strict=True):
            through += 1
            if through <= task.skip:
                continue
            packed = blob[-size:]
            name = f"{at}/{spec}"
            if name == standing:
                if packed == said:
                    unchanged += 1
                else:
                    reason = f"{name}: stands on line {stood} already, {_KEEP_ONE}"
                    faults.append(Fault(line, reason, kind=TWICE))
                continue
            verdict = batch.row(party, at, spec, word, packed, blob)
            status = verdict.status
            if status is Status.DONE:
                given.append(name)
                if verdict.known:
                    changed += 1
                else:
                    added += 1
            elif status is Status.UNCHANGED:
                unchanged += 1
            else:
                reason = f"{name}: {status.zh} {verdict.detail or status.en}"
                faults.append(Fault(line, reason, kind=status.name))
                name = ""
            if name:
                standing, stood, said = name, line, packed
            if clock() > deadline:
                break
        else:
            continue
        break
    return Done(through, added, changed, unchanged, sorted(faults), (standing, stood, said))


def _introduce(batch: Batch, actor: Actor, reason: str, owners: set[str]) -> None:
    """Register the owners that the first inventory of a node (首次清点) brings with it.

    A node that begins has its resources in tables, not its owners in a registry. So as long as
    nobody has registered one by hand, an import by an administrator registers those it meets.
    """
    unknown = [code for code in sorted(owners) if view.get_owner(batch.view, code) is None]
    if unknown and takes_owners(batch.view):
        for code in unknown:
            batch.decide(Request(actor, IntroduceOwner(code), reason or _REASON))
