"""Running the plain Python of modules that are also compiled, when CSID_PURE is set.

Tests hold both to the same answers, and benchmarks show what compiling is worth.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

_PACKAGES = ("csid.", "resolver.", "gateway.")


class _Sources:
    """Finds modules of our packages as source files only."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(_PACKAGES) or not path:
            return None
        spec = FileFinder(path[0], (SourceFileLoader, [".py"])).find_spec(name, target)
        if spec is None:  # nor may another finder come up with a compiled one
            raise ModuleNotFoundError(f"no source of {name} beside its package", name=name)
        return spec


def use_sources_if_asked() -> None:
    """Leave compiled modules aside if the environment has CSID_PURE set to something."""
    if os.environ.get("CSID_PURE") and not any(
        isinstance(finder, _Sources) for finder in sys.meta_path
    ):
        sys.meta_path.insert(0, _Sources())
