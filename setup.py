"""Compiles the answer path where mypyc, Cython and a C compiler are; all else is in pyproject.toml.

Without them the same files run interpreted: a failed build of an extension is no error.
"""

from __future__ import annotations

import sys

from setuptools import Extension, setup

# Plain typed Python, compiled as it stands.
ANSWER_PATH = [
    "csid/names.py",
    "resolver/store/node.py",
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
    "resolver/server/udp.py",
]
# Loops over octets and the batch I/O, beside their forms in plain Python.
LOOPS = ["csid/coctets.pyx", "resolver/server/cdatagrams.pyx"]


def extensions() -> list[Extension]:
    """What can be built here; an empty list where the compilers' packages are not to be had."""
    try:
        from Cython.Build import cythonize
        from mypyc.build import mypycify
    except ImportError as error:
        print(f"csid runs interpreted: {error}", file=sys.stderr)
        return []
    options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
    try:
        parts: list[Extension] = [
            *mypycify([*options, *ANSWER_PATH], opt_level="3", group_name="csid"),
            *cythonize(
                [Extension(path.removesuffix(".pyx").replace("/", "."), [path]) for path in LOOPS],
                build_dir="build",
                quiet=True,
            ),
        ]
    except SystemExit as error:  # how mypyc gives up
        print(f"csid runs interpreted: {error}", file=sys.stderr)
        return []
    for part in parts:
        part.optional = True
    return parts


setup(
    ext_modules=extensions()
    if {"build_ext", "bdist_wheel", "editable_wheel"} & set(sys.argv)
    else []
)
