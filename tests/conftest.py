"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def _shared_folder() -> Path | None:
    """The folder of shared data, if this checkout has one beside it; never in CI."""
    if os.environ.get("CI"):
        return None
    folder = Path(os.environ.get("CSID_SHARED", Path(__file__).parents[2] / "shared"))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared folder, or a skip where it is absent."""
    folder = _shared_folder()
    if folder is None:
        pytest.skip("no shared data folder beside this checkout")
    return folder
