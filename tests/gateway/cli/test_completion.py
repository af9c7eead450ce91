"""Completions and manual pages: every command and option is in them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.cli import COMMANDS, manual
from gateway.cli.commands.completion import SHELLS
from tests.support.commands import run


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_completed(shell: str) -> None:
    told = run("completion", shell)
    assert told.code == 0
    for command in COMMANDS:
        assert command in told.out
    assert "listen-tls" in told.out


def test_bash_completes_as_it_is_told(tmp_path: Path) -> None:
    if not (bash := shutil.which("bash")):
        pytest.skip("bash is not installed")
    file = tmp_path / "csid.bash"
    file.write_text(run("completion", "bash").out)
    script = f"""
        source {file}
        COMP_WORDS=(csid zone lo) COMP_CWORD=2 COMP_LINE="csid zone lo"
        _shtab_csid csid lo zone
        echo "${{COMPREPLY[*]}}"
    """
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["load"], "")


def test_every_command_has_a_page_with_its_options() -> None:
    pages = dict(manual.pages())
    assert set(pages) == {"csid.1", *(f"csid-{name}.1" for name in COMMANDS)}
    for name, page in pages.items():
        lines = page.splitlines()
        title = name.removesuffix(".1")
        assert lines[0].startswith(f".TH {title.upper()} ")
        assert lines[2].startswith(f"{title} \\- ")
    assert r"\-\-listen\-tls" in pages["csid-serve.1"]


def test_the_pages_are_without_fault(tmp_path: Path) -> None:
    if not (mandoc := shutil.which("man")):
        pytest.skip("man is not installed")
    for name, page in manual.pages():
        (tmp_path / name).write_text(page)
        words = [mandoc, "--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", str(tmp_path / name)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, name
        assert done.stdout
