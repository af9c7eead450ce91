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

from registry.bulk import intake
from registry.core import Core

Unit = Callable[[Core, Any], Any]


def sweep(core: Core, _args: Any) -> int:
    """Remove what is doomed; how many generations went."""
    return core.store.sweep()


UNITS: Final[Mapping[str, Unit]] = {"sweep": sweep, "rows": intake.rows}


def perform(core: Core, name: str, args: Any = None) -> Any:
    """Carry one unit out here.

    Raises:
        CsidError: as the unit says; nothing of it was done.
    """
    return UNITS[name](core, args)
