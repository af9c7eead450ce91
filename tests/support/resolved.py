"""A small network that a gateway resolves: a root, an owner's node below it, and what they hold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from csid.identifier import Identifier, make, parse
from csid.record import Record, encode
from tests.support.identifiers import PRINTED
from tests.support.records import FULL
from tests.support.servers import Server, make_data, serving

RETIRED, ACTIVE, ALIAS, ABSENT = map(parse, PRINTED)
TOMBSTONE = FULL
RECORD = {name: FULL[name] for name in FULL if name not in ("ended", "reason", "successor")} | {
    "state": "active"
}
TTL = 300
MANY = [
    make("91350100M000100Y43", "6450", "110108", "ACB", "H71M10N4", f"B{n:03}")
    for n in range(1_500)
]
# At its name is something else than a record.
INVALID = make("91350100M000100Y43", "6450", "110108", "ACB", "H71M10N4", "C001")
# An alias of a name that is no identifier.
ELSEWHERE = make("91350100M000100Y43", "6450", "110108", "ACB", "H71M10N4", "C002")
# Which holds for a second.
BRIEF = make("91350100M000100Y43", "6450", "110108", "ACB", "H71M10N4", "C003")
OWNER = RETIRED.to_dns_name().split(".", 4)[4]
OWNER_HOST = "127.0.0.32"


class Network(NamedTuple):
    """Two nodes."""

    root: Server
    owner: Server

    @property
    def top(self) -> str:
        """HOST:PORT of the root."""
        return f"127.0.0.1:{self.root.port}"


def row(identifier: Identifier, record: Record) -> str:
    """A record in a zone file."""
    data = encode(record)
    return f"{identifier.to_dns_name()} TYPE65347 \\# {len(data)} {data.hex()}\n"


@contextlib.contextmanager
def network(folder: Path) -> Iterator[Network]:
    """A root, and the node of an owner at its port."""
    there = "".join(row(one, Record({"state": "active", "count": 8})) for one in MANY)
    above = f"""\
$TTL {TTL}
@ SOA ns hostmaster 1 7200 900 1209600 60
  NS ns
ns A 127.0.0.1
{OWNER} NS ns.{OWNER}
ns.{OWNER} A {OWNER_HOST}
{ALIAS.to_dns_name()} CNAME {RETIRED.to_dns_name()}
{INVALID.to_dns_name()} TYPE65347 \\# 3 010203
{row(BRIEF, Record(RECORD)).replace(" TYPE", " 1 TYPE", 1)}
{ELSEWHERE.to_dns_name()} CNAME shop.csid.internal.
{row(ACTIVE, Record(RECORD))}{row(ACTIVE, Record(RECORD)).replace(ACTIVE.to_dns_name(), "shop")}
{there}"""
    below = f"$TTL {TTL}\n@ SOA ns h 1 1 1 1 60\n@ NS ns\nns A {OWNER_HOST}\n"
    below += row(RETIRED, Record(TOMBSTONE))
    with (
        serving(make_data(folder / "root", above)) as root,
        serving(
            make_data(folder / "owner", below, OWNER), listen=[f"{OWNER_HOST}:{root.port}"]
        ) as owner,
    ):
        yield Network(root, owner)
