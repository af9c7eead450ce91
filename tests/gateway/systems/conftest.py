"""Systems of one test are not those of the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.systems import forgotten


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    with forgotten("remark", "broken", "greeting", "serve", "greet", "welcome"):
        yield
