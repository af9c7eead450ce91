"""Compiles the answer path where Cython and a C compiler are; everything else is in pyproject.toml.

Without them the same files run interpreted: a failed build of an extension is no error.
"""

from setuptools import Extension, setup

# Plain Python files, each with a .pxd beside it that gives its variables C types.
COMPILED = [
    "csid/names.py",
    "resolver/node.py",
    "resolver/lookup.py",
    "resolver/seek.py",
    "resolver/edns.py",
    "resolver/answer.py",
    "resolver/udp.py",
]
BATCH_IO = "resolver/cmmsg.pyx"


def extensions() -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    parts = [
        Extension(path.rsplit(".", 1)[0].replace("/", "."), [path], optional=True)
        for path in [*COMPILED, BATCH_IO]
    ]
    compiled: list[Extension] = cythonize(
        parts,
        build_dir="build",
        compiler_directives={"language_level": 3, "annotation_typing": False},
        quiet=True,
    )
    return compiled


setup(ext_modules=extensions())
