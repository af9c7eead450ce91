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

from csid import names
from csid.errors import CsidError
from registry import expiring, resume
from registry.bulk import intake
from registry.core import Core
from registry.network import (
    catalogs,
    filings,
    following,
    handover_units,
    hold_units,
    owed,
    rekeying,
    rights,
)
from registry.rules.requests import Role
from registry.signing import keys, sign
from registry.verify import indexes
from registry.writer import plans
from registry.zones import digests
from registry.zones.asked import Asked
from registry.zones.serials import Mode
from registry.zones.small import DROPPED

REMOVALS_PER_UNIT: Final = 10_000  # nodes

Unit = Callable[[Core, Any], Any]


class UnitError(CsidError):
    """There is no unit of this name."""


def sweep(core: Core, _args: Any) -> int:
    """Remove a part of what is doomed; how many generations are left."""
    return core.store.sweep_some(REMOVALS_PER_UNIT).left


def go_on(core: Core, args: Any) -> resume.Resumed:
    """Go on from an older copy (`registry.resume`)."""
    resumed = resume.resume(core.store, args, core.by)
    following.ring(core, names.key_of(names.from_text(core.suffix)))
    return resumed


def renew_node(core: Core, args: Any) -> bytes:
    """Make a copy a node of its own (`registry.resume`)."""
    return resume.renew_node(core.store, args, core.by)


def set_key(core: Core, args: Any) -> int:
    """Put a key of the audit log in force (`registry.signing.keys`)."""
    return keys.set_key(core.store, args, core.by)


def checkpoint(core: Core, args: Any) -> bool:
    """Keep a signed checkpoint (`registry.signing.sign`)."""
    return sign.keep(core.store, args, core.by)


def mend_indexes(core: Core, args: Any) -> bool:
    """Write rows of indexes that were wrong (`registry.verify.indexes`)."""
    return indexes.mend(core.store, args, core.by)


def doom_strays(core: Core, _args: Any) -> int:
    """Have swept what belongs to no zone, as another tool may have left it."""
    with core.store.write() as txn:
        return txn.doom_strays()


# Zones (registry/zones/work.py): who asks, for which zone.


def zones_since(core: Core, _args: Any) -> int:
    """The moment from which on names that are changed are carried over into what is loaded."""
    return core.zones.moment()


def load_zones(core: Core, args: Any) -> list[Any]:
    """Publish small zones."""
    asked, mode, since, zones = args
    return list(core.zones.load(Asked.of(asked, core.by), Mode(mode), since, zones))


def begin_zone(core: Core, args: Any) -> bytes:
    """Begin a large zone."""
    asked, origin, since = args
    return core.zones.begin(Asked.of(asked, core.by), origin, since, core.process)


def put_nodes(core: Core, args: Any) -> int:
    """Write nodes of a zone that was begun."""
    return core.zones.put(*args)


def check_zone(core: Core, generation: Any) -> tuple[bool, int, list[str]]:
    """Look on at a zone that was begun."""
    return core.zones.look(generation)


def publish_zone(core: Core, args: Any) -> tuple[Any, ...]:
    """Publish a zone that was begun and looked at."""
    generation, asked, mode = args
    return core.zones.publish(generation, Asked.of(asked, core.by), Mode(mode))


def abandon_zone(core: Core, generation: Any) -> None:
    """Be done with a zone that was begun."""
    core.zones.abandon(generation)


def drop_zone(core: Core, args: Any) -> tuple[Any, ...]:
    """Look on at a zone that is to be dropped, and drop it."""
    asked, origin = args
    answer = core.zones.drop(Asked.of(asked, core.by), origin)
    if answer.outcome == DROPPED:
        catalogs.offer(core, origin)
    return answer


def set_digest(core: Core, args: Any) -> int:
    """Put in the digest of a zone."""
    asked, *digest = args
    return digests.put(core, Asked.of(asked, core.by), *digest)


def unfollow(core: Core, args: Any) -> bool:
    """Let a zone follow nobody any more."""
    is_held = following.unfollow(core, args)
    if not is_held:
        catalogs.offer(core, args[1])
    return is_held


def whoami(core: Core, args: Any) -> list[object]:
    """Who the process is that asks, and whom it acts as by what it claims (`Identity.told`)."""
    name, role, owner = args
    return core.by.identity(name, role, owner).told()


WHOAMI: Final = "whoami"
UNITS: Final[Mapping[str, Unit]] = {
    WHOAMI: whoami,
    rights.ADD_KEY: rights.add_key,
    rights.REMOVE_KEY: rights.remove_key,
    rights.ALLOW: rights.allow,
    rights.NOTIFY: rights.notify,
    rekeying.UNIT: rekeying.use,
    "plan": plans.carry_on,
    "rows": intake.rows,
    expiring.UNIT: expiring.sweep,
    filings.UNIT: filings.answer,
    hold_units.ANSWER: hold_units.answer,
    hold_units.FOLLOW: hold_units.follow,
    "sweep": sweep,
    resume.GO_ON: go_on,
    resume.RENEW: renew_node,
    sign.SET_KEY: set_key,
    sign.KEEP: checkpoint,
    "zone.since": zones_since,
    indexes.UNIT: mend_indexes,
    "zone.load": load_zones,
    "zone.begin": begin_zone,
    "zone.nodes": put_nodes,
    "zone.check": check_zone,
    "zone.publish": publish_zone,
    "zone.abandon": abandon_zone,
    "zone.drop": drop_zone,
    "zone.strays": doom_strays,
    owed.UNIT: owed.sent,
    "zone.zonemd": set_digest,
    catalogs.PRODUCE: catalogs.produce,
    catalogs.CONSUME: catalogs.consume,
    catalogs.STOP: catalogs.stop,
    handover_units.FREEZE: handover_units.freeze,
    handover_units.THAW: handover_units.thaw,
    handover_units.LEAVE: handover_units.leave,
    handover_units.PART: handover_units.part,
    handover_units.BEGIN: handover_units.begin,
    handover_units.GIVE_UP: handover_units.give_up,
    handover_units.TAKE: handover_units.take,
    handover_units.OWN: handover_units.own,
    following.FOLLOW: following.follow,
    following.UNFOLLOW: unfollow,
    following.REFRESH: following.refresh,
}


# Whom units are for that are not told who asks. The others ask `Core.by` themselves, but for those
# that are for all who may act here.
FOR: Final[Mapping[str, Role]] = {
    **dict.fromkeys(
        (
            "zone.nodes",
            "zone.check",
            "zone.abandon",
            "zone.strays",
            expiring.UNIT,
            following.REFRESH,
        ),
        Role.ADMINISTRATOR,
    ),
    **dict.fromkeys(
        (
            filings.UNIT,
            owed.UNIT,
            handover_units.FREEZE,
            handover_units.THAW,
            handover_units.LEAVE,
            handover_units.PART,
            handover_units.BEGIN,
            handover_units.GIVE_UP,
            handover_units.TAKE,
            handover_units.OWN,
            hold_units.ANSWER,
            hold_units.FOLLOW,
        ),
        Role.NODE,
    ),
}


def perform(core: Core, name: str, args: Any = None) -> Any:
    """Carry one unit out here.

    Raises:
        ActingError: it is not for whoever asks.
        CsidError: as the unit says; nothing of it was done.
    """
    unit = UNITS.get(name)
    if unit is None:
        raise UnitError(f"{name[:40]!r} is nothing that this version of csid does")
    core.by.actor()  # is it anybody?
    if name in FOR:
        core.by.require(FOR[name], name)
    return unit(core, args)
