"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# What this machine has seen of nodes (resolver/store/epochs.py) is the tests' own, also in the
# processes that they start.
_STATE = tempfile.TemporaryDirectory(prefix="csid-state-")
os.environ["CSID_STATE"] = _STATE.name
# Texts are those that are shown where nobody asks for a language, whatever this machine speaks.
os.environ["CSID_LANG"] = "both"

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


SHARED = "its sources are shared data"
# What may skip in CI, by test or by module, and why; all else that skips there fails.
MAY_SKIP_IN_CI = {
    "tests/csid/test_codes.py::test_the_divisions_in_force_are_those_of_the_source": SHARED,
    "tests/csid/test_codes.py::test_every_code_that_a_change_retires_is_in_the_table": SHARED,
    "tests/csid/test_codes.py::test_the_committed_tables_are_what_the_build_makes": SHARED,
    "tests/gateway/systems/selection/paths/test_latency.py::"
    "test_the_model_holds_against_what_was_measured_between_cloud_regions": SHARED,
    "tests/project/test_examples.py::test_the_table_is_what_the_script_makes": SHARED,
    "tests/project/test_examples.py::test_an_unknown_accelerator_stops_the_script": SHARED,
    "tests/resolver/answer/test_conformance.py": SHARED,
    "tests/resolver/zonefile/test_check.py::"
    "test_every_zone_of_the_conformance_cases_is_accepted": SHARED,
    "tests/gateway/cli/test_sheets.py::test_a_sheet_that_another_program_has_saved_is_the_same": (
        "LibreOffice is several hundred megabytes"
    ),
    "tests/registry/audit/test_interop.py": "aics-tlog is for Python 3.12 and later",
}


def _fail_if_it_must_not_skip(
    report: pytest.TestReport | pytest.CollectReport,
) -> None:
    """In CI a skip that nobody listed is a failure: there, everything is installed."""
    test = report.nodeid.partition("[")[0]
    listed = test in MAY_SKIP_IN_CI or test.partition("::")[0] in MAY_SKIP_IN_CI
    if not os.environ.get("CI") or not report.skipped or hasattr(report, "wasxfail") or listed:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = (
        f"{reason}: in CI only what MAY_SKIP_IN_CI in tests/conftest.py lists may skip. "
        "Install what is missing in .ci/run, or list the test with the reason."
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_it_must_not_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_it_must_not_skip(report)
    return report


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that every user may enter and read; those of `tmp_path` are the owner's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, or of as many as the test's parameter says."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={getattr(request, 'param', 4)}m"
    words = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(words, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
