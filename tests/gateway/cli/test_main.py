"""The command itself: what it prints where, and its exit codes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from gateway.cli import COMMANDS
from tests.support.commands import Node, run
from tests.support.registering import OTHER, OWNER, identifier
from tests.support.servers import CHECKOUT

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_listed_and_explains_itself(command: str) -> None:
    listed = run("--help")
    assert listed.code == 0
    assert f"  {command:{max(map(len, COMMANDS))}}  {COMMANDS[command].purpose}" in listed.lines
    told = run(command, "--help")
    assert told.code == 0
    assert told.out.startswith(f"usage: csid {command} ")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("trasnfer", OWNER), "did you mean transfer?"),
        (("lst",), "did you mean list?"),
        (("search",), "csid --help lists them"),
        (("--", "list"), "csid list ..."),
        ((), "required: COMMAND"),
    ],
)
def test_what_is_no_command_is_told_with_the_nearest(words: tuple[str, ...], hint: str) -> None:
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert hint in ran.err.splitlines()[-1]


def test_serving_needs_nothing_that_draws_tables() -> None:
    names = "import sys, gateway.cli.commands.serve; print('rich' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", names], capture_output=True, text=True, cwd=CHECKOUT, check=True
    )
    assert done.stdout == "False\n"


def test_the_command_itself_prints_plainly_and_ends_with_its_code(node: Node) -> None:
    def csid(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway.cli", *words, "--data", str(node.data)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    done = csid("assign", FIRST, "--endpoint", URI)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{FIRST}\n", "")
    refused = csid("assign", FIRST)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "200 EXISTS" in refused.stderr
    assert "\x1b" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    listed = csid("owner", "list")
    assert "\x1b" not in listed.stdout
    assert OTHER in listed.stdout
    assert csid("assign", "nonsense").returncode == 2


def on_a_terminal(node: Node, *words: str) -> str:
    """What a command shows on a terminal of 100 columns."""
    terminal, command_side = pty.openpty()
    fcntl.ioctl(command_side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words, "--data", str(node.data)],
        stdin=command_side,
        stdout=command_side,
        stderr=command_side,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(command_side)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other side is closed
        while block := os.read(terminal, 65_536):
            shown += block
    os.close(terminal)
    assert process.wait(60) == 0, shown
    return shown.decode()


def test_a_terminal_gets_colours_and_a_bar(node: Node) -> None:
    node.must("assign", FIRST, "--endpoint", URI)
    listed = on_a_terminal(node, "owner", "list")
    assert "\x1b[" in listed
    assert OWNER in listed
    found = on_a_terminal(node, "list")
    assert f"{FIRST}" in found
    assert "接入地址 Endpoints" in found
    moved = on_a_terminal(node, "transfer", OWNER, "--to", OTHER)
    assert "1/1" in moved
    assert "办理 done 1" in moved


@pytest.mark.parametrize("words", [["import", "x.csv"], ["list"], ["show", identifier(1)]])
def test_without_a_data_directory_the_way_to_one_is_told(tmp_path: Path, words: list[str]) -> None:
    ran = run(*words, "--data", tmp_path / "none")
    assert ran.code == 2 and "csid init" in ran.err and ran.err.count("\n") == 1
