"""Small random zones full of corners, and questions about them; the same for the same seed.

A family is a zone with what may lie around it: a child `c.` and a grandchild `g.m.c.` that are held
too, delegated or not, and a zone beside it that aliases lead to. Of each zone few names are made of
few labels, so that wildcards, cuts, aliases and hosts meet.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from csid import names
from csid.limits import MAX_NAME_OCTETS

Target = Callable[[], str]

TYPES = (
    *("A", "AAAA", "TXT", "MX", "NS", "SOA", "CNAME", "DNAME", "DS", "SRV", "SVCB", "HTTPS"),
    *("NSEC", "NSEC3", "RRSIG", "DNSKEY", "NAPTR", "AFSDB", "KX", "RT", "PTR", "TYPE65347"),
    *("A", "A", "A", "MX", "DS", "CNAME", "NS", "ANY"),  # those with more to them, more often
)
_LABELS = ("a", "b", "c", "d", "A", "m", "*", r"a\032b", r"\000", r"x\.y", r"\255-", "_tcp")
_ASKED = (b"a", b"b", b"*", b"zz", b"m", b"c", b"\0", b"ns0")
_OUTSIDE = "x.elsewhere.invalid."
_DIGEST = "cd" * 32


def family(seed: int, base: str, with_hidden: bool = False) -> dict[str, str]:
    """Zone texts by origin.

    Args:
        base: the origin of the zone the others lie around; the root's is "".
        with_hidden: with data below DNAMEs, which other servers refuse (RFC 6672 section 2.4).
    """
    rng = random.Random(seed)
    origins = [base or ".", f"beside-{base or '.'}"]
    if rng.random() < 0.7:
        origins.append(f"c.{base}")
        if rng.random() < 0.6:
            origins.append(f"g.m.c.{base}")
    return {origin: _zone(rng, origin, origins, with_hidden) for origin in origins}


def questions(seed: int, zones: Mapping[str, str], number: int) -> Iterator[tuple[str, str]]:
    """Names at, below and beside the owners of zones, in mixed case, each with a type."""
    rng = random.Random(seed)
    owners = [line.split()[0] for text in zones.values() for line in text.splitlines()[1:]]
    for _ in range(number):
        name = names.from_text(rng.choice(owners))
        for _ in range(rng.choice((0, 0, 1, 1, 1, 2))):
            label = rng.choice(_ASKED)
            if len(name) + 1 + len(label) <= MAX_NAME_OCTETS:
                name = bytes((len(label),)) + label + name
        if rng.random() < 0.07:
            name = name[1 + name[0] :] or name
        if rng.random() < 0.2:
            name = bytes(octet ^ 0x20 if 65 <= octet & 0xDF <= 90 else octet for octet in name)
        yield names.to_text(name), rng.choice(TYPES)


def _zone(rng: random.Random, origin: str, origins: list[str], with_hidden: bool) -> str:
    below = origin.removeprefix(".")
    made = [_below(rng, below) for _ in range(6)]
    made += [_below(rng, rng.choice(made)) for _ in range(8)]
    owners = list({owner.lower(): owner for owner in made}.values())

    def target() -> str:
        """A name of the zone, one near it, one of another zone, or one nobody here has."""
        name = any_target()
        return name.upper() if rng.random() < 0.1 else name

    def any_target() -> str:
        draw = rng.random()
        if draw < 0.6:
            return rng.choice(owners)
        if draw < 0.75:
            return _below(rng, rng.choice(owners))
        if draw < 0.85:
            return origin
        return _below(rng, rng.choice(origins).removeprefix(".")) if draw < 0.95 else _OUTSIDE

    lines = [f"{origin} SOA ns.{below} h. 7 7200 900 1209600 {rng.choice((60, 900))}"]
    lines.append(f"{origin} NS ns.elsewhere.invalid.")
    if rng.random() < 0.1:
        lines.append(f"{origin} DNAME {target()}")
        if not with_hidden:
            owners.clear()
    else:
        lines.append(f"{origin} NS ns.{below}")
        lines += [f"ns.{below} A 192.0.2.53", f"ns.{below} AAAA 2001:db8::53"]
        lines += _data(rng, origin, target)
    others = [other for other in origins if other != origin]
    children = [other for other in others if owners and other.endswith(f".{below}")]
    for child in children:
        if rng.random() < 0.8:
            lines += _cut(rng, child, target)
    for owner in owners:
        if owner in children:
            continue
        draw = rng.random()
        if draw < 0.15:
            lines.append(f"{owner} CNAME {target()}")
        elif owner.startswith("*") or draw < 0.65:
            lines += _data(rng, owner, target)
        elif draw < 0.8:
            lines.append(f"{owner} DNAME {target()}")
            lines += [f"{owner} TXT beside"] * rng.randrange(2)
        else:
            lines += _cut(rng, owner, target)
    return _text(lines, with_hidden)


def _text(lines: list[str], with_hidden: bool) -> str:
    """Each record once, no alias beside other data, and nothing below a DNAME."""
    aliases = {line.split()[0].lower() for line in lines if line.split()[1] == "CNAME"}
    hiding = tuple("." + line.split()[0].lower() for line in lines if line.split()[1] == "DNAME")
    kept = ["$TTL 300"]
    for line in dict.fromkeys(lines):
        owner, rrtype, *_ = line.lower().split()
        is_hidden = f" {owner}".endswith(hiding) and not with_hidden
        if not is_hidden and (rrtype == "cname" or owner not in aliases):
            kept.append(line)
    return "\n".join(kept) + "\n"


def _below(rng: random.Random, name: str) -> str:
    """A name one or two labels below another, which is "" for the root."""
    for _ in range(rng.choice((1, 1, 2))):
        name = f"{rng.choice(_LABELS)}.{name}"
    return name


def _data(rng: random.Random, owner: str, target: Target) -> list[str]:
    """RRsets of one to three types."""
    lines = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        few, many = rng.choice((1, 2, 9)), rng.choice((1, 1, 2, 3, 40))
        match rng.randrange(12):
            case 0 | 1 | 2:
                lines += [f"{owner} A 192.0.2.{one}" for one in range(many)]
            case 3 | 4:
                lines += [f"{owner} AAAA 2001:db8::{one}" for one in range(many)]
            case 5:
                lines += [
                    f"{owner} TXT {'x' * rng.choice((9, 99, 240))}{one}" for one in range(few)
                ]
            case 6:
                lines += [f"{owner} MX {rng.randrange(9)} {target()}" for _ in range(few)]
            case 7:
                lines += [f"{owner} SRV 0 0 {port} {target()}" for port in range(few)]
            case 8:
                kind = rng.choice(("SVCB", "HTTPS"))
                lines.append(f"{owner} {kind} {rng.choice((0, 1))} {target()}")
            case 9:
                lines.append(f'{owner} NAPTR 1 1 "{rng.choice("asu")}" "x" "" {target()}')
            case 10:
                lines.append(f"{owner} {rng.choice(('AFSDB', 'KX', 'RT'))} 1 {target()}")
            case _:
                lines += [f"{owner} PTR {target()}", f"{owner} TYPE65347 \\# 3 010203"]
    return lines


def _cut(rng: random.Random, owner: str, target: Target) -> list[str]:
    """A delegation to servers below it, below another one, elsewhere in the zone or outside."""
    lines = []
    for number in range(rng.choice((1, 2, 3, 9))):
        host = rng.choice((f"ns{number}.{owner}", target()))
        lines.append(f"{owner} NS {host}")
        if host.endswith("." + owner) and rng.random() < 0.8:
            lines.append(f"{host} A 192.0.2.{number}")
            lines.append(f"{host} AAAA 2001:db8::{number}")
    if rng.random() < 0.4:
        lines.append(f"{owner} DS 1 13 2 {_DIGEST}")
    return lines
