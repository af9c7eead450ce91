"""The answer path, compiled and as plain Python, says the same octet for octet."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from itertools import zip_longest

import pytest

from csid import names
from resolver.answer import edns, encode, fit, lookup, parse, process, reply, resolve, source
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.server import udp
from resolver.store import node, seek
from tests.resolver.answer.test_fuzz import HOSTILE, OWNERS
from tests.resolver.answer.test_fuzz import TREE as ODD_TREE
from tests.resolver.answer.test_sizes import BIG_TREE
from tests.support.answering import TREE as SMALL_TREE
from tests.support.packets import NOW, PEER, mutated, random_query
from tests.support.servers import CHECKOUT

QUERIES = 4_000
MODULES = (
    names,
    node,
    lookup,
    seek,
    edns,
    encode,
    fit,
    parse,
    process,
    reply,
    resolve,
    source,
    udp,
)


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
    return said


def replies_of_a_process(pure: bool) -> list[str]:
    """`replies` of a process that runs what is compiled, or the sources."""
    script = (
        "from tests.resolver import test_compiled as t; "
        "print(t.compiled()); print(*t.replies(), sep='\\n')"
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
    assert mode == str(not pure)
    return lines


def compiled() -> bool:
    """Whether all of the answer path runs compiled here."""
    return not any(str(module.__file__).endswith(".py") for module in MODULES)


def test_compiled_and_interpreted_answers_are_the_same() -> None:
    if not compiled():
        pytest.skip("nothing is compiled here: python setup.py build_ext --inplace")
    fast, plain = replies_of_a_process(False), replies_of_a_process(True)
    assert len(plain) == 2 * QUERIES + len(HOSTILE)
    different = [pair for pair in zip_longest(fast, plain) if pair[0] != pair[1]]
    assert not different[:3], f"{len(different)} of {len(plain)}; is the build up to date?"
    assert len({line.partition(" ")[2][4:] for line in plain}) > QUERIES / 4  # worth comparing
