"""Selection as it runs, once for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.selecting import Selecting, selecting


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Selecting]:
    """All of it."""
    with selecting(tmp_path_factory.mktemp("selection")) as found:
        yield found
