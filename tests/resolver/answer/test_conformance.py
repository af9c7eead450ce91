"""The answers on which BIND, NSD, Knot and PowerDNS agree, asked of one store that holds all zones.

Cases are those of the Ferret data set (Kakarla et al., NSDI 2022). Their zones share origins, so
each is moved below a suffix of its own.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import dns.flags
import dns.rcode
import pytest

from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.resolve import TreeSource
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.zonefile import check, reader
from tests.support.packets import NOW, PEER, parsed, query, records

SHOWN = 10  # failing cases told in full


def moved(text: str, suffix: str) -> str:
    """Text in which every absolute name ends in the suffix: the zone, a record, or a name."""
    return "\n".join(
        " ".join(word + suffix if word.endswith(".") else word for word in line.split())
        for line in text.splitlines()
    )


def expected(case: dict[str, Any], suffix: str) -> tuple[object, ...]:
    """What all servers said: response code, flags, and sections as sets of records."""
    sections = []
    for section in ("answer", "authority", "additional"):
        lines = (moved(record, suffix).lower().split() for record in case[section])
        sections.append(Counter(" ".join(words[:2] + words[3:]) for words in lines))
    return (case["rcode"], set(case["flags"]), *sections)


def given(packet: bytes) -> tuple[object, ...]:
    """What we said, in the same form."""
    reply = parsed(packet)
    sections = (records(rrsets) for rrsets in (reply.answer, reply.authority, reply.additional))
    return (
        dns.rcode.to_text(reply.rcode()),
        set(dns.flags.to_text(reply.flags).split()),
        *sections,
    )


@pytest.fixture(scope="module")
def cases(shared: Path) -> list[dict[str, Any]]:
    path = shared / "conformance" / "ferret.jsonl.gz"
    if not path.is_file():
        pytest.skip("no conformance cases in the shared folder")
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def test_every_case_is_answered_as_all_servers_do(
    cases: list[dict[str, Any]], tmp_path: Path
) -> None:
    with Store.create(tmp_path / "data", "csid.internal.", "0.EXAMPLE", 1 << 30) as store:
        with store.write() as transaction:
            for case in cases:
                text = moved(case["zone"], f"c{case['id']}.")
                zone = check.collect(reader.read_text(text), f"case {case['id']}")
                transaction.replace_zone(zone.origin, build(zone.origin, zone.rrsets))
        answerer = Answerer(OptWriter(bytes(16)))
        wrong = []
        with store.snapshot() as snapshot:
            for case in cases:
                suffix = f"c{case['id']}."
                packet = query(moved(case["qname"], suffix), case["qtype"])
                reply = answerer.answer(packet, TreeSource(snapshot), NOW, PEER, False)
                assert reply is not None
                if given(reply) != expected(case, suffix):
                    wrong.append((case["id"], case["qname"], case["qtype"], given(reply), case))
    assert not wrong[:SHOWN], f"{len(wrong)} of {len(cases)} cases"
