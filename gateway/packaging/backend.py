"""How distributions are built (PEP 517, PEP 660): by setuptools, and beside it what compiles
(setup.py), unless CSID_PURE says that nothing is to be compiled.
"""

from __future__ import annotations

import os
from typing import Any, Final

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

# dnspython, for mypyc to know what the zone reader is given by it.
COMPILERS: Final = ("mypy>=1.15", "cython>=3.1", "dnspython>=2.6")


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What a wheel is built with."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compilers()]


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """What an editable install is built with."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compilers()]


def _compilers() -> tuple[str, ...]:
    return () if os.environ.get("CSID_PURE") else COMPILERS
