"""Decisions about the register of nodes, which the national node keeps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Final

from csid.identifier import fold
from csid.limits import NODES_PER_COMMIT
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.requests import (
    REFERENCE_MAX,
    AddNode,
    ChangeNode,
    ReinstateNode,
    RekeyNode,
    RemoveNode,
    SuspendNode,
)
from registry.rules.status import Status
from registry.rules.texts import text_fault
from registry.tables import codec, network
from registry.tables.enums import NODE_ROLE_BY_WORD, NodeRole, NodeState
from registry.tables.naming import Names
from registry.tables.rows import NO_LEAF, Node
from registry.tables.view import View, cut_moving_to, get_node, get_node_use, get_place

NAME_MAX: Final = 40  # characters: with its generation it is a label of its key's name
ADDRESSES_MAX: Final = 8
SCOPE_MAX: Final = 64  # prefixes
OVERLAP_MAX: Final = 90 * 86_400  # seconds
OVERLAP: Final = 7 * 86_400
LEADING_MAX: Final = NODES_PER_COMMIT // 2  # cuts whose referrals change with a node's addresses
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_ADDRESS: Final = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})")
_FACTS: Final = {"role": str, "scope": tuple | list, "addresses": tuple | list, "contact": str}
# Role -> what its scope is of, and how long a code of that is.
_SCOPES: Final = {NodeRole.REGION: ("location", 6), NodeRole.INDUSTRY: ("industry", 4)}


def suffix_of(view: View) -> Names | Refusal:
    """The suffix of the network whose national node this is."""
    place = get_place(view)
    if place is None or place.role is not NodeRole.NATIONAL:
        return Refusal(
            Status.NOT_NATIONAL,
            "the register of nodes and the cuts are kept at the national node; ask there (one is "
            "made with csid init --role national)",
        )
    return Names(place.suffix)


def known(view: View, name: str) -> Node | Refusal:
    """A node that is in the register."""
    node = get_node(view, name) if name.isascii() and 0 < len(name) <= NAME_MAX else None
    if node is None or node.state is NodeState.REMOVED:
        return Refusal(
            Status.NODE_UNKNOWN,
            f"node {name[:NAME_MAX]!r} is not in the register; csid node add enters it",
        )
    return node


def add(case: Case, body: AddNode) -> Decision:
    """A node that joins the network, or comes back under its name, with another key."""
    name = body.name.lower()
    facts = {
        "role": body.role,
        "scope": body.scope,
        "addresses": body.addresses,
        "contact": body.contact,
    }
    suffix = suffix_of(case.view)
    if isinstance(suffix, Refusal):
        return suffix.about(body.name[:REFERENCE_MAX])
    if not (_NAME.fullmatch(name) and len(name) <= NAME_MAX):
        return Decision(
            Status.BAD_VALUE,
            body.name[:REFERENCE_MAX],
            f"a node's name is a label of at most {NAME_MAX} characters: letters, digits, hyphens",
        )
    before = get_node(case.view, name)
    blank = Node(NodeRole.REGION, (), (), "", NodeState.ACTIVE, 1, 0, case.leaf, case.now)
    after = _with_facts(blank, facts)
    if isinstance(after, Refusal):
        return after.about(name)
    if before is not None and before.state is not NodeState.REMOVED:
        if before[:4] == after[:4]:
            return Decision(Status.UNCHANGED, name)
        return Decision(
            Status.EXISTS, name, f"node {name} is registered; change it: csid node change"
        )
    if before is not None:
        after = after._replace(generation=before.generation + 1)
    return _written(case, suffix, name, before, after)


def change(case: Case, body: ChangeNode) -> Decision:
    """Other facts about a node."""
    name = body.name.lower()
    found = _found(case, name)
    if isinstance(found, Refusal):
        return found.about(name[:REFERENCE_MAX])
    suffix, before = found
    after = _with_facts(before, dict(body.facts))
    if isinstance(after, Refusal):
        return after.about(name)
    if after == before:
        return Decision(Status.UNCHANGED, name)
    use = sum(get_node_use(case.view, name))
    if after.role is NodeRole.AGGREGATE and use:
        return _has_cuts(name, use, "an aggregate has none")
    if after.addresses != before.addresses and use > LEADING_MAX:
        return _has_cuts(
            name, use, f"the addresses of more than {LEADING_MAX:,} do not change at once: add a "
            "node with the new addresses and move the cuts to it"
        )  # fmt: skip
    return _written(case, suffix, name, before, after._replace(leaf=case.leaf))


def suspend(case: Case, body: SuspendNode) -> Decision:
    """Nothing is taken from the node any more."""
    return _to_state(case, body.name.lower(), NodeState.SUSPENDED)


def reinstate(case: Case, body: ReinstateNode) -> Decision:
    """A suspension ends."""
    return _to_state(case, body.name.lower(), NodeState.ACTIVE)


def rekey(case: Case, body: RekeyNode) -> Decision:
    """The next key; the one before holds for a while."""
    name = body.name.lower()
    found = _found(case, name)
    if isinstance(found, Refusal):
        return found.about(name[:REFERENCE_MAX])
    suffix, before = found
    if not 0 <= body.overlap <= OVERLAP_MAX:
        detail = f"an overlap of {body.overlap} seconds; expected 0 to {OVERLAP_MAX} (90 days)"
        return Decision(Status.BAD_RANGE, name, detail)
    until = case.now + body.overlap if body.overlap else 0
    after = before._replace(generation=before.generation + 1, until=until, leaf=case.leaf)
    return _written(case, suffix, name, before, after)


def remove(case: Case, body: RemoveNode) -> Decision:
    """A node leaves the network; its row stays, so that no key of it ever holds again."""
    name = body.name.lower()
    gone = get_node(case.view, name) if name.isascii() and 0 < len(name) <= NAME_MAX else None
    if gone is not None and gone.state is NodeState.REMOVED:
        return Decision(Status.UNCHANGED, name)
    found = _found(case, name)
    if isinstance(found, Refusal):
        return found.about(name[:REFERENCE_MAX])
    suffix, before = found
    if use := sum(get_node_use(case.view, name)):
        return _has_cuts(name, use, "move or withdraw them first")
    led = next(case.view.scan(codec.CUT_INDEX, codec.by_server(network.host_path(name))), None)
    if led is not None:
        cut = led[0].rpartition(b"//")[2].decode("ascii")
        detail = f"it is a name server of {cut}, a cut of another node; that has to leave it out"
        return Decision(Status.NODE_HAS_CUTS, name, detail)
    if cut := cut_moving_to(case.view, name):
        detail = f"{cut} moves to it; csid filing move {cut} --cancel takes that back"
        return Decision(Status.NODE_HAS_CUTS, name, detail)
    after = before._replace(state=NodeState.REMOVED, until=0, leaf=case.leaf)
    return _written(case, suffix, name, before, after)


def _has_cuts(name: str, use: int, advice: str) -> Decision:
    return Decision(Status.NODE_HAS_CUTS, name, f"node {name} has {use:,} cuts; {advice}")


def _found(case: Case, name: str) -> tuple[Names, Node] | Refusal:
    suffix = suffix_of(case.view)
    if isinstance(suffix, Refusal):
        return suffix
    node = known(case.view, name)
    return node if isinstance(node, Refusal) else (suffix, node)


def _to_state(case: Case, name: str, state: NodeState) -> Decision:
    found = _found(case, name)
    if isinstance(found, Refusal):
        return found.about(name[:REFERENCE_MAX])
    suffix, before = found
    if before.state is state:
        return Decision(Status.UNCHANGED, name)
    return _written(case, suffix, name, before, before._replace(state=state, leaf=case.leaf))


def _with_facts(node: Node, facts: dict[str, Any]) -> Node | Refusal:
    """A node with these facts in place of its own."""
    for fact, value in facts.items():
        if fact not in _FACTS:
            return Refusal(Status.BAD_VALUE, f"{fact}: unknown; known are {', '.join(_FACTS)}")
        texts = value if isinstance(value, tuple | list) else ()
        if not isinstance(value, _FACTS[fact]) or not all(isinstance(one, str) for one in texts):
            return Refusal(Status.BAD_VALUE, f"{fact} cannot be {value!r}")
    role = NODE_ROLE_BY_WORD.get(facts["role"]) if "role" in facts else node.role
    if role is None or role is NodeRole.NATIONAL:
        words = ", ".join(word for word, one in NODE_ROLE_BY_WORD.items() if one)
        return Refusal(Status.BAD_VALUE, f"role {facts['role'][:20]!r}: expected one of {words}")
    scope = _scope(role, facts.get("scope", node.scope))
    if isinstance(scope, Refusal):
        return scope
    addresses = node.addresses
    if "addresses" in facts:
        read = _addresses(facts["addresses"])
        if isinstance(read, Refusal):
            return read
        addresses = read
    contact = facts.get("contact", node.contact)
    refusal = text_fault("contact", contact, least=0)
    if refusal is not None:
        return refusal
    return node._replace(role=role, scope=scope, addresses=addresses, contact=contact)


def _scope(role: NodeRole, given: Sequence[str]) -> tuple[str, ...] | Refusal:
    """What codes a node's cuts begin with, in order; none is no limit."""
    prefixes = tuple(sorted({fold(one) for one in given}))
    if role not in _SCOPES:
        if prefixes:
            return Refusal(
                Status.BAD_VALUE,
                "an aggregate files no cuts and has no scope; leave --scope out, or empty",
            )
        return ()
    what, longest = _SCOPES[role]
    if len(prefixes) > SCOPE_MAX:
        detail = f"{len(prefixes)} prefixes of {what}, at most {SCOPE_MAX} are taken"
        return Refusal(Status.BAD_RANGE, detail)
    for prefix in prefixes:
        if not (prefix.isascii() and prefix.isalnum() and len(prefix) <= longest):
            detail = f"{prefix[:20]!r} begins no {what} code; expected 1 to {longest} of 0-9 A-Z"
            return Refusal(Status.BAD_VALUE, detail)
    return prefixes


def _addresses(given: Sequence[str]) -> tuple[tuple[str, int], ...] | Refusal:
    """Addresses as they were given, each once."""
    if not 1 <= len(given) <= ADDRESSES_MAX:
        return Refusal(
            Status.BAD_RANGE, f"{len(given)} addresses, expected 1 to {ADDRESSES_MAX} of a node"
        )
    found = []
    for text in given:
        match = _ADDRESS.fullmatch(text)
        try:
            host = str(ip_address(match[1] or match[2])) if match else ""
        except ValueError:
            host = ""
        port = int(match[3]) if match else 0
        if not host or not 0 < port < 65_536:
            return Refusal(
                Status.BAD_VALUE,
                f"address {text[:80]!r}: expected ADDRESS:PORT, such as 192.0.2.1:53 or "
                "[2001:db8::1]:53",
            )
        found.append((host, port))
    ports = sorted({port for _, port in found})
    if len(ports) > 1:
        return Refusal(
            Status.BAD_VALUE,
            f"ports {', '.join(map(str, ports))}: all addresses of a node are reached by one port, "
            "as its names in the root zone say it",
        )
    return tuple(dict.fromkeys(found))


def _written(case: Case, suffix: Names, name: str, before: Node | None, after: Node) -> Decision:
    row = codec.encode(after)
    old = network.node_names(suffix, name, before) if before is not None else []
    tree = network.changes(old, network.node_names(suffix, name, after))
    prev = before.leaf if before is not None else NO_LEAF
    return case.done(name, [(codec.NODES, name.encode("ascii"), row)], tree, row, prev)
