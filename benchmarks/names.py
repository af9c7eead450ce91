"""The names of the benchmarks: one zone of synthetic identifiers, with delegations.

Everything follows from the number of names and a fixed seed, so each server sees the same bytes,
today and next year. A name is a pure function of its number; nothing of the size of the zone is
ever held in memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

SEED = 20250101
SUFFIX = "csid.internal."
OWNERS = 1_000
CUTS = 20_000

ALPHABET = "0123456789abcdefghjklmnpqrtuwxy"  # GB 32100: no i, o, s, v, z
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
INDUSTRIES = ("6450", "6420", "6510", "6520", "6550", "6640", "3910", "7510", "8310", "0000")
CUT_INDUSTRIES = tuple(str(code) for code in range(1310, 1410, 10))  # never in INDUSTRIES
PROVINCES = "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 50 51 52 53 61 62 64 65"
SERIAL_DIGITS = 6  # 36**6 names at most
ABSENT_DIGITS = 10  # a serial of another length than any that exists


class Namespace:
    """The names of a zone of `count` identifiers, and its delegations."""

    def __init__(self, count: int) -> None:
        if not 0 < count <= 36**SERIAL_DIGITS:
            raise ValueError(f"{count} names: give 1 to {36**SERIAL_DIGITS}")
        self.count = count
        random_source = random.Random(SEED)
        self.owners = [_owner(random_source) for _ in range(OWNERS)]
        self.parents = _parents(self.owners, random_source)
        self.classes = [_capability_class(random_source) for _ in range(512)]
        self.cuts = _cuts(self.owners, min(CUTS, count // 50), random_source)

    def name(self, number: int) -> str:
        """The existing name of this number, relative to the suffix, without a final dot."""
        # Fibonacci hashing scatters neighbours over owners; the serial keeps names distinct.
        scattered = (number * 0x9E3779B97F4A7C15 + SEED) & 0xFFFFFFFFFFFFFFFF
        capability = self.classes[scattered & 511]
        check = BASE36[(scattered >> 9) % 36] + BASE36[(scattered >> 15) % 36]
        parent = self.parents[(scattered >> 24) % len(self.parents)]
        return f"{capability}-{_base36(number)}-{check}.{parent}"

    def parent(self, number: int) -> str:
        """The name just above `name(number)`: it exists, and has no records of its own."""
        return self.name(number).partition(".")[2]

    def absent_label(self, random_source: random.Random) -> str:
        """A specification that no name of the zone has."""
        serial = "".join(random_source.choices(BASE36, k=ABSENT_DIGITS))
        return f"{random_source.choice(self.classes)}-{serial}-0z"

    def below_cut(self, random_source: random.Random) -> str:
        """A name of seven labels that a delegation takes out of the zone."""
        cut = random_source.choice(self.cuts)
        middle = f"{_type(random_source)}.{_location(random_source)}"
        if "." not in cut:
            middle += "." + random_source.choice(CUT_INDUSTRIES)
        return f"{self.absent_label(random_source)}.{middle}.{cut}"


def _owner(random_source: random.Random) -> str:
    body = "".join(random_source.choices(ALPHABET, k=9))
    return f"91{random_source.choice(PROVINCES.split())}0100{body}{random_source.choice(ALPHABET)}"


def _location(random_source: random.Random) -> str:
    province = random_source.choice(PROVINCES.split())
    return f"{province}{random_source.randint(1, 12):02}{random_source.randint(1, 30):02}"


def _type(random_source: random.Random) -> str:
    return "".join(random_source.choice(letters) for letters in ("gasq", "ced", "pbvkfa"))


def _capability_class(random_source: random.Random) -> str:
    precision = random_source.choice("dshbeng")
    chip = "".join(random_source.choices(BASE36, k=2))
    return f"{precision}{random_source.randint(10, 99)}m{random_source.randint(0, 12):02}{chip}"


def _parents(owners: list[str], random_source: random.Random) -> list[str]:
    """`type.location.industry.owner` of every place an owner has resources in: about 60 each."""
    parents = []
    for owner in owners:
        types = sorted({_type(random_source) for _ in range(4)})
        for industry in sorted(set(random_source.choices(INDUSTRIES, k=3))):
            for location in sorted({_location(random_source) for _ in range(6)}):
                parents += [f"{kind}.{location}.{industry}.{owner}" for kind in types]
    return parents


def _cuts(owners: list[str], count: int, random_source: random.Random) -> list[str]:
    """Half of the cuts at owners of their own, half at an industry of an owner of the zone."""
    below = [f"{industry}.{owner}" for industry in CUT_INDUSTRIES for owner in owners]
    cuts = below[: count // 2]
    known = set(owners)
    while len(cuts) < max(count, 1):
        owner = _owner(random_source)
        if owner not in known:
            known.add(owner)
            cuts.append(owner)
    return cuts


def _base36(number: int) -> str:
    digits = []
    for _ in range(SERIAL_DIGITS):
        number, digit = divmod(number, 36)
        digits.append(BASE36[digit])
    return "".join(reversed(digits))


def zone_lines(space: Namespace) -> Iterator[str]:
    """The master file: apex, delegations with glue, one TXT for each name."""
    yield f"$ORIGIN {SUFFIX}\n$TTL 3600\n"
    yield "@ SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ NS ns1\n@ NS ns2\n"
    yield "ns1 A 192.0.2.1\nns2 A 192.0.2.2\n"
    for number, cut in enumerate(space.cuts):
        high, low = number >> 8 & 255, number & 255
        yield (
            f"{cut} NS ns1.{cut}\n{cut} NS ns2.{cut}\n"
            f"ns1.{cut} A 198.18.{high}.{low}\nns2.{cut} A 198.19.{high}.{low}\n"
        )
    for number in range(space.count):
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        yield f'{space.name(number)} TXT "v=csid1 ep={address}:8443 alpn=h2 st=active"\n'
