"""Cuts being filed and changed, with every row and name that follows from them."""

from __future__ import annotations

from registry.tables import codec, network
from registry.tables.changes import Row, TreeChange
from registry.tables.enums import CutState
from registry.tables.naming import Names
from registry.tables.rows import Cut
from registry.tables.view import View, get_hold, get_node_use, get_past_cut, holds_in

LIVE = (CutState.WAITING, CutState.FILED)


def changed(
    seen: View, suffix: Names, cut: str, before: Cut | None, after: Cut
) -> tuple[list[Row], list[TreeChange]]:
    """The rows and names that follow from a cut that is filed, changed or ended.

    Args:
        before: as it was if it waited or was filed.
    """
    key = cut.encode("ascii")
    row = codec.encode_cut(after)
    live = after.state in LIVE
    rows: list[Row] = [(codec.CUTS, key, row if live else None)]
    if not live or get_past_cut(seen, cut) is not None:
        rows.append((codec.PAST_CUTS, key, None if live else row))
    was = before or get_past_cut(seen, cut)
    old = _index(suffix, cut, was)
    new = _index(suffix, cut, after)
    rows += [(codec.CUT_INDEX, one, None) for one in sorted(old.keys() - new.keys())]
    rows += [(codec.CUT_INDEX, one, new[one]) for one in sorted(new.keys() - old.keys())]
    rows += _counts(seen, before, after)
    tree = network.changes(_names(suffix, cut, was), _names(suffix, cut, after))
    if after.state is CutState.WITHDRAWN:  # what is held in it goes with it
        for target in list(holds_in(seen, cut)):
            rows.append((codec.HOLDS, target.encode("ascii"), None))
            held = get_hold(seen, target)
            tree += network.changes(network.hold_names(target, held) if held else [], [])
    return rows, tree


def _names(suffix: Names, cut: str, row: Cut | None) -> list[network.Named]:
    if row is None:
        return []
    return [
        *network.cut_names(suffix, cut, row),
        *network.member_names(suffix, cut, row),
        *network.moving_names(cut, row),
    ]


def _index(suffix: Names, cut: str, row: Cut | None) -> dict[bytes, bytes]:
    """The rows of CUT_INDEX about a cut."""
    if row is None or row.state not in LIVE:
        is_said = row is not None and bool(network.moving_names(cut, row))
        return {codec.moving_key(cut, is_over=True): b""} if is_said else {}
    key = cut.encode("ascii")
    found = {codec.of_node(row.node) + key: b""}
    for place in leads(suffix, cut, row):
        found[codec.by_server(place) + key] = b""
    if row.state is CutState.WAITING:
        found[codec.waiting_key(cut)] = b""
    else:
        found[codec.member_key(network.member_label(suffix, cut, row))] = key
    if row.moving is not None:
        found[codec.moving_key(cut, row.moving.is_over)] = b""
    return found


def leads(suffix: Names, cut: str, row: Cut) -> set[str]:
    """On which hosts of other nodes and on what elsewhere below the suffix (in upper case, at most
    as deep as a cut) the name servers of a cut depend.
    """
    found = set()
    own = network.host_path(row.node)
    for wire, _ in row.servers:
        path = network.path_of(suffix, wire)
        if path is None or path == own or is_within(path, cut):
            continue
        if path.startswith(f"{network.NODES}/"):
            found.add(path)
        else:
            found.add("/".join(path.upper().split("/")[:3]))
    return found


def is_within(path: str, cut: str) -> bool:
    """Whether a path lies at or below a cut."""
    return f"{path.upper()}/".startswith(f"{cut}/")


def _counts(seen: View, before: Cut | None, after: Cut) -> list[Row]:
    """How many cuts the nodes concerned have now, waiting and filed."""
    more: dict[str, list[int]] = {}
    for row, step in ((before, -1), (after, 1)):
        if row is not None and row.state in LIVE:
            more.setdefault(row.node, [0, 0])[row.state is CutState.FILED] += step
    rows: list[Row] = []
    for node, (waiting, filed) in more.items():
        if waiting or filed:
            had = get_node_use(seen, node)
            row_of = (had[0] + waiting, had[1] + filed)
            value = codec.encode(row_of) if any(row_of) else None
            rows.append((codec.COUNTS, codec.node_use_key(node), value))
    return rows
