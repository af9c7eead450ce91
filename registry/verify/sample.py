"""Some identifiers of the registry compared with the tree: what is
seen of a difference in a moment. All of them are compared by `registry.verify.run`.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from csid.errors import CsidError, ZoneError
from csid.identifier import Identifier, parse
from registry.authority.finding import difference, is_same
from registry.tables import holding, log_entry
from registry.tables.naming import Names
from registry.tables.registered import node_of
from registry.tables.transaction import TransactionView
from registry.tables.view import View, get_assignment
from resolver.store import node
from resolver.store.read import ReadTransaction
from resolver.sync.settings import follow_of


class Sampled(NamedTuple):
    """What was looked at."""

    compared: int
    faults: tuple[str, ...]  # each begins with the identifier


def compare_some(read: ReadTransaction, suffix: str, most: int, random: Random) -> Sampled:
    """Take leaves of the log at random; the identifiers that they are about should resolve to what
    the registry says, where their zone is this node's.

    Args:
        most: leaves.
    """
    seen, named = TransactionView(read), Names(suffix)
    compared, faults = 0, []
    size = seen.leaves()
    for index in sorted(random.sample(range(size), min(most, size))):
        leaf = seen.leaf(index)
        if leaf is None:
            faults.append(f"leaf {index} of the log is missing")
            continue
        try:
            identifier = parse(log_entry.decode(leaf).on)
        except (CsidError, ValueError):
            continue  # it is about something else
        zone = read.snapshot.zone_of(named.key(str(identifier)))
        if zone is None or follow_of(read, zone.apex) is not None:
            continue
        fault = _fault(read, seen, named, suffix, identifier)
        if fault is not None:
            compared += 1
            faults += [f"{identifier} {fault}"] if fault else []
    return Sampled(compared, tuple(faults))


def _fault(
    read: ReadTransaction, seen: View, named: Names, suffix: str, identifier: Identifier
) -> str | None:
    """What is wrong with it; nothing if all is well, None if it is not registered any more."""
    try:
        row = get_assignment(seen, str(identifier))
        if row is None:
            return None
        wanted = dict(node.rrsets_of(node_of(named, row)))
    except (CsidError, ValueError) as error:
        return f"has a row that cannot be read: {error}"
    try:
        held = holding.find(read, identifier, suffix).rrsets
    except ZoneError as error:
        return f"does not resolve: {error.reason}"
    except (CsidError, ValueError) as error:
        return f"is damaged in the tree: {error}"
    if is_same(held, wanted):
        return ""
    found, expected = difference(held, wanted)
    return f"resolves to {found}; expected: {expected}" if expected else f"resolves to {found}"
