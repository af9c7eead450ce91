"""The names that the register of nodes and the cuts have: in the root zone, which begins at the
suffix of the network, and in its catalog zone (RFC 9432).

    NAME.nodes.SUFFIX             A, AAAA   the addresses of a node
                                  TXT       "v=1" "role=…" "scope=…" "state=…" "key=generation"
                                            "until=…" Unix seconds, if the key before still holds
    _sync._tcp.NAME.nodes.SUFFIX  SRV       its ports (RFC 2782)
    CUT.SUFFIX                    NS, DS    a cut; names of servers in it have their addresses
    LABEL.zones._catalog.SUFFIX   PTR       the cut as a member of the catalog
    group.LABEL.zones._catalog…   TXT       the node that serves it
    CUT.moves.SUFFIX              TXT       "v=1" "move=number" "from=…" "to=…"; "serial=…" once the
                                            node that it leaves changes nothing in it any more
    CUT.moved.SUFFIX              TXT       "v=1" "move=number" "node=…": who has it since its last
                                            move was done, or taken back; "serial=…" as above;
                                            "state=withdrawn" if it was since then
    OWNER.owners.SUFFIX           TXT       "v=1" "state=suspended", or ended: nothing new of it
                                            is taken; of other owners there is no name
    TARGET.holds.SUFFIX           TXT       "v=1" "since=…" Unix seconds "node=…" "why=…": what that
                                            node holds, the national one if it says none; one each

A *path* is a name below the suffix as `TreeChange` has it: its labels, the topmost first, with /
between them, in lower case but for cuts.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from csid import names
from csid.protocol import AAAA, DS, NS, PTR, SRV, TXT, A
from registry.tables import codec
from registry.tables.changes import RRsets, TreeChange, TreeKind
from registry.tables.enums import (
    NODE_ROLE_WORDS,
    NODE_STATE_WORDS,
    STANDING_WORDS,
    CutState,
    NodeRole,
    NodeState,
    Standing,
)
from registry.tables.naming import Names
from registry.tables.rows import Cut, Hold, Node, Owner
from registry.tables.view import (
    View,
    cut_above,
    get_cut,
    get_hold,
    get_node,
    get_owner,
    get_past_cut,
    get_place,
)
from resolver.sync.catalog import listing

TTL: Final = 3_600  # seconds, of all of them
NODES: Final = "nodes"  # an owner has 18 characters, so none is called so
CATALOG: Final = "_catalog"
MOVES: Final = "moves"
MOVED: Final = "moved"
OWNERS: Final = "owners"
HOLDS: Final = "holds"
WITHDRAWN: Final = "state=withdrawn"  # said of a cut that had moved
_STOPPED: Final = (Standing.SUSPENDED, Standing.ENDED)
_SERVICE: Final = "_tcp/_sync"
_MEMBERS: Final = f"{CATALOG}/zones"
_GROUP: Final = "group"

Named = tuple[str, RRsets]  # path, all that the name has


def is_national(view: View) -> bool:
    """Whether this is the national node, which has the register."""
    place = get_place(view)
    return place is not None and place.role is NodeRole.NATIONAL


def host_path(name: str) -> str:
    """The path of a node's host."""
    return f"{NODES}/{name}"


def path_of(suffix: Names, wire: bytes) -> str | None:
    """The path of a name in wire form, in lower case; None if it does not lie below the suffix."""
    if not names.is_at_or_below(wire, suffix.wire) or wire == suffix.wire:
        return None
    labels = names.labels_of(wire[: len(wire) - len(suffix.wire)] + names.ROOT)
    return "/".join(label.decode("ascii", "replace") for label in reversed(labels))


def node_names(suffix: Names, name: str, node: Node) -> list[Named]:
    """The names of a node in the register, in order of their paths."""
    host, service = host_path(name), f"{host_path(name)}/{_SERVICE}"
    if node.state is NodeState.REMOVED:
        return [(host, ()), (service, ())]
    found = [ip_address(address).packed for address, _ in node.addresses]
    texts = [
        "v=1",
        f"role={NODE_ROLE_WORDS[node.role][0]}",
        *(f"scope={one}" for one in node.scope),
        f"state={NODE_STATE_WORDS[node.state][0]}",
        f"key={node.generation}",
        *([f"until={node.until}"] if node.until else []),
    ]
    text = text_of(texts)
    target = suffix.target(host)
    ports = sorted({port for _, port in node.addresses})
    services = tuple(bytes(4) + port.to_bytes(2, "big") + target for port in ports)
    return [
        (host, _rrsets(_addresses(found), (TXT, (text,)))),
        (service, _rrsets([], (SRV, services))),
    ]


def owner_names(code: str, owner: Owner) -> list[Named]:
    """What the root zone says of an owner: none unless nothing new of it is taken."""
    if owner.standing not in _STOPPED:
        return []
    text = text_of(("v=1", f"state={STANDING_WORDS[owner.standing][0]}"))
    return [(f"{OWNERS}/{code}", ((TXT, (text,)),))]


def hold_names(target: str, hold: Hold) -> list[Named]:
    """What the root zone says of what is held: none unless somebody holds it."""
    texts = [
        text_of(
            (
                "v=1",
                f"since={one.since}",
                *([f"node={one.node}"] if one.node else []),
                f"why={one.reason}",
            )
        )
        for one in hold.by
    ]
    return [(f"{HOLDS}/{target}", ((TXT, tuple(sorted(texts))),))] if texts else []


def text_of(texts: Iterable[str]) -> bytes:
    """The data of a TXT record with these strings, of at most 255 octets each."""
    return b"".join(bytes((len(one),)) + one for one in (text.encode() for text in texts))


def moving_names(cut: str, row: Cut) -> list[Named]:
    """What the root zone says of a move of a cut, while it lasts or since: also once it has been
    withdrawn, until another node asks for it.
    """
    moving = row.moving
    if moving is None or not (row.state is CutState.FILED or moving.is_over):
        return []
    place, said = MOVES, [f"from={moving.source}", f"to={moving.to}"]
    if moving.is_over:
        place, said = MOVED, [f"node={row.node}"]
    if row.state is not CutState.FILED:
        said.append(WITHDRAWN)
    texts = [text_of(("v=1", f"move={moving.number}", *said))]
    if moving.serial is not None:
        texts.append(text_of([f"serial={moving.serial}"]))
    return [(f"{place}/{cut}", ((TXT, tuple(sorted(texts))),))]


def cut_names(suffix: Names, cut: str, row: Cut) -> list[Named]:
    """The names of a cut in the root zone, in order of their paths: none unless it is filed."""
    if row.state is not CutState.FILED:
        return []
    servers = tuple(sorted(wire for wire, _ in row.servers))
    own: dict[str, list[tuple[int, tuple[bytes, ...]]]] = {cut: [(NS, servers)]}
    if row.ds:
        own[cut].append((DS, tuple(sorted(row.ds))))
    for wire, packed in row.servers:
        path = path_of(suffix, wire)
        if path is not None and packed:
            path = cut if path.upper() == cut else cut + path[len(cut) :]
            own.setdefault(path, []).extend(_addresses(packed))
    return [(path, _rrsets(found)) for path, found in sorted(own.items(), key=_by_labels)]


def _by_labels(item: tuple[str, object]) -> list[str]:
    return item[0].lower().split("/")


def member_label(suffix: Names, cut: str, row: Cut) -> str:
    """The label of a cut in the catalog zone. A cut keeps it when it moves to another node, or is
    filed again by its own; that of another, who makes a zone of its own there, is another, so that
    nobody takes the one for the other (RFC 9432 sections 5.4 and 5.6).
    """
    began = b"" if not row.tenure else b"%d" % row.tenure
    return listing.label_for(suffix.key(cut) + began).decode("ascii")


def member_names(suffix: Names, cut: str, row: Cut) -> list[Named]:
    """The names of a cut in the catalog zone (RFC 9432 sections 4.1 and 4.4.2): none unless it is
    filed.
    """
    if row.state is not CutState.FILED:
        return []
    member = f"{_MEMBERS}/{member_label(suffix, cut, row)}"
    group = row.node.encode("ascii")
    return [
        (member, ((PTR, (suffix.target(cut),)),)),
        (f"{member}/{_GROUP}", ((TXT, (bytes((len(group),)) + group,)),)),
    ]


def changes(before: list[Named], after: list[Named]) -> list[TreeChange]:
    """What leads from the names that were to those that are to be."""
    old, new = dict(before), dict(after)
    gone: list[Named] = [(path, ()) for path in old if path not in new]
    return [
        TreeChange(TreeKind.NETWORK, path, ttl=TTL, rrsets=rrsets)
        for path, rrsets in (*after, *gone)
        if old.get(path, ()) != rrsets or (path not in new and old[path])
    ]


def wanted_at(view: View, suffix: Names, path: str) -> RRsets | None:
    """What the network has at a path, given in any case; empty if it has nothing at a name that
    only it may have; None of every other name.
    """
    folded = path.lower()
    if folded == NODES or folded.startswith(f"{NODES}/"):
        name = folded.split("/")[1] if "/" in folded else ""
        node = get_node(view, name) if name and folded.isascii() else None
        return dict(node_names(suffix, name, node)).get(folded, ()) if node is not None else ()
    if folded.partition("/")[0] in (MOVES, MOVED):
        cut = path.partition("/")[2].upper()
        is_any = bool(cut) and cut.isascii()
        moved = get_cut(view, cut) or get_past_cut(view, cut) if is_any else None
        found_at = dict(moving_names(cut, moved)) if moved is not None else {}
        return {one.lower(): rrsets for one, rrsets in found_at.items()}.get(folded, ())
    if folded.partition("/")[0] == OWNERS:
        code = path.partition("/")[2].upper()
        owner = get_owner(view, code) if code and code.isascii() else None
        said = dict(owner_names(code, owner)) if owner is not None else {}
        return said.get(f"{OWNERS}/{code}", ())
    if folded.partition("/")[0] == HOLDS:
        target = path.partition("/")[2].upper()
        held = get_hold(view, target) if target and target.isascii() else None
        return dict(hold_names(target, held)).get(f"{HOLDS}/{target}", ()) if held else ()
    if folded == _MEMBERS:
        return ()
    if folded.startswith(f"{_MEMBERS}/"):
        label = folded.split("/")[2]
        key = view.get(codec.CUT_INDEX, codec.member_key(label)) if folded.isascii() else None
        found = None if key is None else get_cut(view, key.decode("ascii"))
        if key is None or found is None:
            return ()
        return dict(member_names(suffix, key.decode("ascii"), found)).get(folded, ())
    above = cut_above(view, path.upper()) if path.isascii() else None
    if above is None or above[1].state is not CutState.FILED:
        return None
    return {one.lower(): rrsets for one, rrsets in cut_names(suffix, *above)}.get(folded, ())


def _addresses(packed: list[bytes] | tuple[bytes, ...]) -> list[tuple[int, tuple[bytes, ...]]]:
    """Addresses as RRsets."""
    both = ((A, 4), (AAAA, 16))
    found = [(rrtype, tuple(sorted({a for a in packed if len(a) == n}))) for rrtype, n in both]
    return [(rrtype, rdatas) for rrtype, rdatas in found if rdatas]


def _rrsets(
    found: list[tuple[int, tuple[bytes, ...]]], *more: tuple[int, tuple[bytes, ...]]
) -> RRsets:
    return tuple(sorted((*found, *more)))


def paths_of(suffix: Names, kind: str, subject: str, row: bytes) -> list[str]:
    """The names that a leaf of a kind is about, by its subject and the row that it says; none of
    any kind that is not the network's.
    """
    if kind.startswith("network.") and kind != "network.begin":
        return [path for path, _ in node_names(suffix, subject, codec.decode_node(row))]
    if kind == "owner.judge":
        return [f"{OWNERS}/{subject}"]
    if kind in ("hold.set", "hold.lift"):
        return [f"{HOLDS}/{subject}"]
    if not kind.startswith("cut."):
        return []
    cut = codec.decode_cut(row)._replace(state=CutState.FILED)
    found = [
        *cut_names(suffix, subject, cut),
        *member_names(suffix, subject, cut),
        *moving_names(subject, cut),
    ]
    return [path for path, _ in found]
