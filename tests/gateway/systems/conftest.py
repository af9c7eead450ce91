"""Systems of one test are not those of the next."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Have modules forgotten that were found in folders of the test's own."""
    path, known = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if name.partition(".")[0] in ("remark", "broken", "greeting", "serve", "greet", "welcome"):
            del sys.modules[name]
