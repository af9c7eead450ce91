"""What is compiled and the same as plain Python say the same, octet for octet."""

from __future__ import annotations

import ast
import importlib
import os
import random
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from itertools import zip_longest

import pytest

from csid import names
from csid.errors import ZoneError
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.store import build
from resolver.zonefile import check
from resolver.zonefile.reader import read_text
from tests.resolver.answer.test_fuzz import HOSTILE, OWNERS
from tests.resolver.answer.test_fuzz import TREE as ODD_TREE
from tests.resolver.answer.test_sizes import BIG_TREE
from tests.support.answering import TREE as SMALL_TREE
from tests.support.answering import tree_of
from tests.support.corners import family, questions
from tests.support.packets import NOW, PEER, mutated, opt, query, random_query
from tests.support.servers import CHECKOUT

QUERIES = 4_000
CORNERS = 3_000  # questions about families of zones, in all
FAMILIES = 6

ZONE_LINES = r"""
a 60 A 192.0.2.1
a 90 A 192.0.2.1
A 60 A 192.0.2.2
    AAAA 2001:db8::1 ; of a
*.w TXT "one" two "th\"ree"
b TXT ( "over" ; lines|  "three" )
cut NS ns.cut
cut NS elsewhere.test.
ns.cut A 192.0.2.3
c CNAME a
mail MX 10 a
svc HTTPS 0 a
svc HTTPS 1 . alpn=h2 port=443
d DNAME x
x.d A 192.0.2.4
$GENERATE 1-3 g$ A 192.0.2.$
$TTL 1h
t TYPE65400 \# 2 0a0b
deep.er.still CSID \# 3 81a161
$ORIGIN sub.ex.
n SRV 1 2 3 m
""".strip().split("\n")
WRONG_LINES = ["c A 192.0.2.5", "out.test. A 192.0.2.6", "q A 192.0.2.300", "@ SOA a b 1 2 3 4 5"]
WRONG_LINES += [
    "c CNAME b",
    "$NONE",
    "x TXT (",
    "x TXT",
    "x NOTYPE y",
    "@ CNAME x",
    "x CH A 1.1.1.1",
]
ZONES = 300


def lists_of_setup() -> dict[str, ast.expr]:
    """What setup.py gives names to, by name."""
    return {
        part.targets[0].id: part.value
        for part in ast.parse((CHECKOUT / "setup.py").read_text()).body
        if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name)
    }


def files() -> set[str]:
    """What setup.py gives to mypyc."""
    lists = lists_of_setup()
    groups = lists["GROUPS"]
    assert isinstance(groups, ast.Dict)
    names = [value.id for value in groups.values if isinstance(value, ast.Name)]
    return {file for name in names for file in ast.literal_eval(lists[name])}


def outcomes() -> list[str]:
    """What is made of zones that lines are put together to at random, errors included."""
    rng = random.Random(20_240_102)
    said = []
    for _ in range(ZONES):
        lines = rng.sample(ZONE_LINES, rng.randint(1, len(ZONE_LINES)))
        if rng.random() < 0.3:
            lines.insert(rng.randint(0, len(lines)), rng.choice(WRONG_LINES))
        if rng.random() < 0.9:
            lines = ["$ORIGIN ex.", "$TTL 9", "@ SOA ns h 1 2 3 4 5", "@ NS ns.cut", *lines]
        text = "\n".join(lines).replace("|", "\n")
        if rng.random() < 0.3:
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice('\\"();$ \n\0é') + text[at + 1 :]
        try:
            zone = check.collect(read_text(text), "zone.db")
            nodes = [(key.hex(), blob.hex()) for key, blob in build.build(zone.origin, zone.rrsets)]
            said.append(repr((zone.warnings, nodes)))
        except ZoneError as error:
            said.append(repr(str(error)))
    return said


def replies() -> list[str]:
    """The answers to a fixed series of queries, and to a broken one beside each, in hex."""
    rng = random.Random(20_240_101)
    asked = [
        names.from_text(f"{label}.big.") for label in ("many", "cut", "half", "tomany", "gone")
    ]
    asked += [names.from_text("example."), names.from_text("child.example."), *OWNERS]
    answerer = Answerer(OptWriter(bytes(range(16)), b"node-1"))
    sources = [tree.source() for tree in (SMALL_TREE, BIG_TREE, ODD_TREE)]
    said = []
    for number in range(QUERIES):
        packet = random_query(rng, asked)
        source = sources[number % 3]
        stream = rng.random() < 0.3
        address = rng.choice((PEER, bytes(16)))
        for one in (packet, mutated(rng, packet)):
            reply = answerer.answer(one, source, NOW + number // 10, address, stream)
            said.append(f"{one.hex()} {'-' if reply is None else reply.hex()}")
    for packet in HOSTILE.values():
        reply = answerer.answer(packet, sources[2], NOW, PEER, True)
        said.append(f"{packet.hex()} {'-' if reply is None else reply.hex()}")
    for seed in range(FAMILIES):
        zones = family(seed, f"f{seed}." if seed else "", with_hidden=True)
        source = tree_of(zones).source()
        for name, qtype in questions(seed, zones, CORNERS // FAMILIES):
            rest = rng.choice(((), (opt(octets=512),), (opt(),)))
            packet = query(name, qtype, *rest)
            reply = answerer.answer(packet, source, NOW, PEER, rng.random() < 0.3)
            said.append(f"{packet.hex()} {'-' if reply is None else reply.hex()}")
    return said


def said_by_a_process(what: str, pure: bool) -> list[str]:
    """`replies` or `outcomes` of a process that runs what is compiled, or the sources."""
    script = (
        "from tests.resolver import test_compiled as t; "
        f"print(len(t.interpreted())); print(*t.{what}(), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "CSID_PURE": "1" if pure else ""},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    mode, *lines = done.stdout.splitlines()
    assert int(mode) == (len(files()) if pure else 0)
    return lines


def interpreted() -> set[str]:
    """The files of those that are to be compiled which run as sources here."""
    modules = {file: importlib.import_module(file[:-3].replace("/", ".")) for file in files()}
    return {file for file, module in modules.items() if str(module.__file__).endswith(".py")}


needs_compiled = pytest.mark.skipif(
    interpreted() == files(), reason="nothing is compiled: python setup.py build_ext --inplace"
)


@needs_compiled
def test_all_is_compiled_or_nothing() -> None:
    """A group of setup.py that fails to build leaves its files interpreted, and says so only in the
    output of the build.
    """
    assert interpreted() == set()
    for file in ast.literal_eval(lists_of_setup()["LOOPS"]):
        importlib.import_module(file.rpartition(".")[0].replace("/", "."))


@needs_compiled
def test_compiled_and_interpreted_readers_make_the_same_of_zones() -> None:
    fast, plain = said_by_a_process("outcomes", False), said_by_a_process("outcomes", True)
    different = [pair for pair in zip_longest(fast, plain) if pair[0] != pair[1]]
    assert not different[:3], f"{len(different)} of {len(plain)}; is the build up to date?"
    assert ZONES / 4 < sum(line.startswith("(") for line in plain) < ZONES * 3 / 4  # else refused


@needs_compiled
def test_compiled_and_interpreted_answers_are_the_same() -> None:
    fast, plain = said_by_a_process("replies", False), said_by_a_process("replies", True)
    assert len(plain) == 2 * QUERIES + len(HOSTILE) + CORNERS
    different = [pair for pair in zip_longest(fast, plain) if pair[0] != pair[1]]
    assert not different[:3], f"{len(different)} of {len(plain)}; is the build up to date?"
    assert len({line.partition(" ")[2][4:] for line in plain}) > QUERIES / 4  # worth comparing


def test_coverage_leaves_out_what_is_compiled_and_nothing_else() -> None:
    """A compiled file would count as never run, and one left out in vain as not looked at."""
    told = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]
    sources = {str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob("*/**/*.py")}
    left_out = {one for one in sources for rule in told["omit"] if fnmatch(one, rule)}
    assert {one for one in left_out if not one.endswith("__init__.py")} == files()
