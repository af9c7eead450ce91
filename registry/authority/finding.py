"""What is found of names below the suffix that does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from resolver.store.node import RRset
from resolver.zonefile.tokens import type_name


class Fault(Enum):
    """What is wrong with a name. The words stand behind it in messages."""

    MISSING = "is assigned, but does not resolve"
    CHANGED = "does not hold what the registry says"
    COVERED = "is assigned, but is delegated or redirected away"
    APEX = "is assigned, but is the apex of a zone"
    CLOSED = "is closed, but does not lead to what took its place"
    WITHIN = "begins below a prefix that is closed, and would hide what leads on from there"
    UNASSIGNED = "has the shape of an identifier, but is not assigned"
    WILDCARD = "is a wildcard that answers for identifiers that are not assigned"
    UPDATED = "does not hold what it was updated to"
    REDIRECT = "redirects (DNAME) names that are the registry's"
    HIDING = "begins where the network has nodes, cuts or its catalog, and would hide them"
    UNNAMED = "is the network's, but is not there"
    UNFILED = "is delegated, but no cut is filed there"
    SURPLUS = "is a name that only the register of the network has, and it does not"
    ROW = "has a row in the registry that cannot be read"
    NODE = "is damaged in the tree"


class Finding(NamedTuple):
    """One thing that does not hold.

    Attributes:
        key: of the name, below the apex of the zone that was looked at.
        name: identifier or prefix in canonical form where it is one, else the domain name.
        found: what is there, `expected` what should be; in words, each may be empty.
    """

    fault: Fault
    key: bytes
    name: str
    found: str = ""
    expected: str = ""

    def __str__(self) -> str:
        said = f"{self.name} {self.fault.value}"
        if self.found:
            said += f": {self.found}"
        return f"{said}; expected: {self.expected}" if self.expected else said

    @property
    def advice(self) -> str:
        """The finding, and what to do about it."""
        return f"{self}; {ADVICE[self.fault]}"


_DUMP = "only the registry changes it: begin with what csid zone dump writes, which has it"
ADVICE: Final[Mapping[Fault, str]] = {
    Fault.MISSING: _DUMP,
    Fault.CHANGED: _DUMP,
    Fault.COVERED: "take that out, or give the identifiers below it up first",
    Fault.APEX: "give the zone another apex",
    Fault.CLOSED: _DUMP,
    Fault.WITHIN: "give the zone another apex",
    Fault.UNASSIGNED: "assign it with csid assign, or take it out",
    Fault.WILDCARD: "take it out",
    Fault.UPDATED: "load the zone from its file, or update the name",
    Fault.REDIRECT: "take it out; csid alias leads identifiers on",
    Fault.HIDING: "give the zone another apex",
    Fault.UNNAMED: _DUMP,
    Fault.UNFILED: "take it out; cuts are filed by their nodes (csid filing list)",
    Fault.SURPLUS: "take it out; csid node and csid filing show what is there",
    Fault.ROW: "run csid audit verify",
    Fault.NODE: "load the zone from its file again, or run csid zone rebuild",
}


def is_same(held: Mapping[int, RRset], wanted: Mapping[int, RRset]) -> bool:
    """Whether two names have the same records; their order says nothing (RFC 2181 section 5)."""
    return _in_order(held) == _in_order(wanted)


def _in_order(rrsets: Mapping[int, RRset]) -> list[tuple[int, int, list[bytes]]]:
    return [(rrtype, ttl, sorted(rdatas)) for rrtype, (ttl, rdatas) in sorted(rrsets.items())]


def difference(held: Mapping[int, RRset], wanted: Mapping[int, RRset]) -> tuple[str, str]:
    """What is there and what should be of two names' records, in words."""
    found, expected = [], []
    for rrtype in sorted({*held, *wanted}):
        one, other, name = held.get(rrtype), wanted.get(rrtype), type_name(rrtype)
        if one is None:
            found.append(f"no {name}")
            expected.append(name)
        elif other is None:
            found.append(name)
            expected.append(f"no {name}")
        elif sorted(one.rdatas) != sorted(other.rdatas):
            found.append(f"another {name}")
        elif one.ttl != other.ttl:
            found.append(f"{name} with TTL {one.ttl}")
            expected.append(f"TTL {other.ttl}")
    return ", ".join(found), ", ".join(expected)
