"""Compiles what answers and what reads zones where mypyc, Cython and a C compiler are; the rest is
in pyproject.toml.

Without them the same files run interpreted: a failed build of an extension is no error. With
CSID_PURE=1 nothing is compiled, nor what compiles it fetched: installed within seconds.
"""

from __future__ import annotations

import os
import sys

from setuptools import Extension, setup

# Plain typed Python, compiled as it stands. The modules of a group call each other directly.
ANSWER_PATH = [
    "csid/names.py",
    "resolver/store/node.py",
    "resolver/store/entries.py",
    "resolver/store/apexes.py",
    "resolver/store/extras.py",
    "resolver/store/build.py",
    "resolver/answer/lookup.py",
    "resolver/store/seek.py",
    "resolver/answer/reply.py",
    "resolver/answer/edns.py",
    "resolver/answer/parse.py",
    "resolver/answer/source.py",
    "resolver/answer/resolve.py",
    "resolver/answer/fit.py",
    "resolver/answer/encode.py",
    "resolver/answer/process.py",
    "resolver/cache/entry.py",
    "resolver/cache/source.py",
    "resolver/server/rate_limit.py",
    "resolver/server/udp.py",
    "resolver/sync/transfer/weave.py",
]
ZONE_FILES = [
    "resolver/zonefile/tokens.py",
    "resolver/zonefile/rdata.py",
    "resolver/zonefile/generate.py",
    "resolver/zonefile/directives.py",
    "resolver/zonefile/source.py",
    "resolver/zonefile/reader.py",
    "resolver/zonefile/check.py",
]
# What is decided about each zone that follows another server.
ENGINE = [
    "resolver/sync/job.py",
    "resolver/sync/wire.py",
    "resolver/sync/checks.py",
    "resolver/sync/expire.py",
    "resolver/sync/outcomes.py",
    "resolver/sync/peer.py",
    "resolver/sync/looking.py",
    "resolver/sync/engine.py",
]
# What identifiers and records are read by.
VALUES = [
    "csid/check.py",
    "csid/identifier.py",
    "csid/endpoint.py",
    "csid/fields.py",
    "csid/record_quick.py",
]
# What the client does for each question.
CLIENT = [
    "csid/client/wire.py",
    "csid/client/memory.py",
    "csid/client/servers.py",
    "csid/client/session.py",
    "csid/client/answer.py",
    "csid/client/asking.py",
]
# What a resolver does for a question that its cache has no answer to.
RECURSION = [
    "resolver/cache/sieve.py",
    "resolver/cache/store.py",
    "resolver/recursion/records.py",
    "resolver/recursion/reading.py",
    "resolver/recursion/between.py",
    "resolver/recursion/cuts.py",
    "resolver/recursion/task.py",
    "resolver/recursion/table.py",
    "resolver/server/recursive/packets.py",
    "resolver/server/recursive/asking.py",
]
# What a gateway does for each identifier of a batch.
GATEWAY = [
    "gateway/resolving/remembered.py",
    "gateway/resolving/slices.py",
]
GROUPS = {
    "csid": ANSWER_PATH,
    "csid_zones": ZONE_FILES,
    "csid_engine": ENGINE,
    "csid_values": VALUES,
    "csid_client": CLIENT,
    "csid_recursion": RECURSION,
    "csid_gateway": GATEWAY,
}
# Loops over octets and the batch I/O, beside their forms in plain Python; a .py is its own, with
# C types in a .pxd.
LOOPS = [
    "csid/coctets.pyx",
    "gateway/systems/selection/cscan.pyx",
    "resolver/server/cdatagrams.pyx",
    "resolver/server/ctap.pyx",
    "resolver/sync/transfer/cpack.pyx",
    "resolver/sync/transfer/cunpack.pyx",
    "gateway/systems/selection/paths/search.py",
]
PURE = bool(os.environ.get("CSID_PURE"))


def extensions() -> list[Extension]:
    """What can be built here; an empty list where the compilers' packages are not to be had."""
    try:
        from Cython.Build import cythonize
        from mypyc.build import mypycify
    except ImportError as error:
        print(f"csid runs interpreted: {error}", file=sys.stderr)
        return []
    options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
    parts: list[Extension] = []
    for name, files in GROUPS.items():
        try:
            parts += mypycify([*options, *files], opt_level="3", group_name=name)
        except SystemExit as error:  # how mypyc gives up
            print(f"csid runs {', '.join(files)} interpreted: {error}", file=sys.stderr)
    parts += cythonize(
        [Extension(path.rpartition(".")[0].replace("/", "."), [path]) for path in LOOPS],
        build_dir="build",
        quiet=True,
    )
    for part in parts:
        part.optional = True
    return parts


BUILT = {"build_ext", "bdist_wheel", "editable_wheel"} & set(sys.argv)

setup(
    ext_modules=extensions() if BUILT and not PURE else [],
    options={"build_ext": {"parallel": os.cpu_count()}},
)
