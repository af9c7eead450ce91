"""In CI a test that skips without being listed fails: what it needs was not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import CHECKOUT

SKIPPING = """\
import pytest

def test_that_skips():
    pytest.skip("no such program")

@pytest.mark.xfail(reason="known")
def test_that_is_known_to_fail():
    assert False
"""
WHOLE_MODULE = 'import pytest\npytest.importorskip("no_such_module")\n'


def outcome(folder: Path, ci: str, file: str, text: str) -> str:
    """What pytest prints of one file beside the suite's conftest."""
    shutil.copy(CHECKOUT / "tests" / "conftest.py", folder)
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    words = [sys.executable, "-m", "pytest", "--rootdir", folder, "-p", "no:cacheprovider", path]
    environment = {**os.environ, "CI": ci}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=folder)
    return done.stdout


@pytest.mark.parametrize(("text", "failed"), [(SKIPPING, "1 failed"), (WHOLE_MODULE, "1 error")])
def test_an_unlisted_skip_is_an_error_in_ci_alone(tmp_path: Path, text: str, failed: str) -> None:
    elsewhere = outcome(tmp_path, "", "test_one.py", text)
    assert "1 skipped" in elsewhere and "failed" not in elsewhere.replace("xfailed", "")
    told = outcome(tmp_path, "1", "test_one.py", text)
    assert failed in told and "MAY_SKIP_IN_CI" in told


@pytest.mark.parametrize("text", [SKIPPING, WHOLE_MODULE])
def test_a_listed_skip_is_none(tmp_path: Path, text: str) -> None:
    told = outcome(tmp_path, "1", "tests/registry/audit/test_interop.py", text)
    assert "1 skipped" in told and "error" not in told
