"""What is asked of whom, and what callers get: `scenarios/`, with a clock turned by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.resolver.recursion.playing import Playing, scenarios


@pytest.mark.parametrize("path", scenarios(), ids=lambda path: path.stem)
def test_a_scenario(path: Path) -> None:
    Playing(path.read_text(encoding="utf-8")).play()
