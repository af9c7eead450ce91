"""Units of work: what long commands ask of the writer, one after the other.

A long command (an import, a plan, the load of a zone) reads and prepares by itself, and has what is
decided and written done in units: each in its own transactions, bounded in time, so that single
requests come in between. A unit is a name and arguments that msgpack can carry, so it may be asked
of the writer process of a running node, or carried out in the command itself where none runs.
What a command had done before it was killed stays; given again, it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry import resume
from registry.signing import keys, sign
from resolver.answer.source import NO_STAGES, Stages
from resolver.store.environment import Store


@dataclass(slots=True)
class Core:
    """What units work on: the store, open for writing, and what plugins add."""

    store: Store
    stages: Stages = NO_STAGES


Unit = Callable[[Core, Any], Any]


def sweep(core: Core, _args: Any) -> int:
    """Remove what is doomed; how many generations went."""
    return core.store.sweep()


def go_on(core: Core, args: Any) -> resume.Resumed:
    """Go on from an older copy (`registry.resume`)."""
    return resume.resume(core.store, args)


def renew_node(core: Core, args: Any) -> bytes:
    """Make a copy a node of its own (`registry.resume`)."""
    return resume.renew_node(core.store, args)


def set_key(core: Core, args: Any) -> int:
    """Put a key of the audit log in force (`registry.signing.keys`)."""
    return keys.set_key(core.store, args)


def checkpoint(core: Core, args: Any) -> bool:
    """Keep a signed checkpoint (`registry.signing.sign`)."""
    return sign.keep(core.store, args)


UNITS: Final[Mapping[str, Unit]] = {
    "sweep": sweep,
    resume.GO_ON: go_on,
    resume.RENEW: renew_node,
    sign.SET_KEY: set_key,
    sign.KEEP: checkpoint,
}


def perform(core: Core, name: str, args: Any = None) -> Any:
    """Carry one unit out here.

    Raises:
        CsidError: as the unit says; nothing of it was done.
    """
    return UNITS[name](core, args)
