"""Units of work: what long commands ask of the writer, one after the other.

A long command (an import, a plan, the load of a zone) reads and prepares by itself, and has what is
decided and written done in units: each in its own transactions, bounded in time, so that single
requests come in between. A unit is a name and arguments that msgpack can carry, so it may be asked
of the writer process of a running node, or carried out in the command itself where none runs.
What a command had done before it was killed stays; given again, it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from csid.errors import CsidError
from registry.core import Core
from registry.signing import keys, sign
from registry.writer import plans

REMOVALS_PER_UNIT: Final = 10_000  # nodes

Unit = Callable[[Core, Any], Any]


class UnitError(CsidError):
    """There is no unit of this name."""


def sweep(core: Core, _args: Any) -> int:
    """Remove a part of what is doomed; how many generations are left."""
    return core.store.sweep_some(REMOVALS_PER_UNIT).left


def set_key(core: Core, args: Any) -> int:
    """Put a key of the audit log in force (`registry.signing.keys`)."""
    return keys.set_key(core.store, args)


def checkpoint(core: Core, args: Any) -> bool:
    """Keep a signed checkpoint (`registry.signing.sign`)."""
    return sign.keep(core.store, args)


UNITS: Final[Mapping[str, Unit]] = {
    "plan": plans.carry_on,
    "sweep": sweep,
    sign.SET_KEY: set_key,
    sign.KEEP: checkpoint,
}


def perform(core: Core, name: str, args: Any = None) -> Any:
    """Carry one unit out here.

    Raises:
        CsidError: as the unit says; nothing of it was done.
    """
    unit = UNITS.get(name)
    if unit is None:
        raise UnitError(f"{name[:40]!r} is nothing that this version of csid does")
    return unit(core, args)
