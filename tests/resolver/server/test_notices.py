"""Lines for the administrator: one write each, never in the way, never too many."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from resolver.server import log_lines, notices
from resolver.server.log_lines import MAX_LINE_OCTETS
from resolver.server.notices import Repeated, relay, tell
from tests.support.servers import CHECKOUT


def test_a_message_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    tell("one\ntwo \udc80")
    relay(b"x" * 10_000, "worker")
    first, second = capfd.readouterr().err.splitlines()
    assert first == "csid: one two \\udc80"
    assert len(second) + 1 == MAX_LINE_OCTETS


def test_what_happens_again_and_again_is_told_seldom(
    capfd: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    repeated = Repeated(lambda: now)
    for _ in range(1_000):
        repeated.tell("damaged")
    now += notices.PAUSE_SECONDS
    repeated.tell("damaged")
    assert capfd.readouterr().err.splitlines() == [
        "csid: damaged",
        "csid: damaged (and 999 times more before)",
    ]


def test_notices_are_put_into_the_language_of_who_reads_them(
    capfd: pytest.CaptureFixture[str],
) -> None:
    try:
        notices.log_as("text", "info", lambda said: said.replace("damaged", "已损坏"))
        notices.tell("damaged", zone="damaged")
    finally:
        notices._render, notices._least, notices._say = log_lines.plain, 0, str
    told = capfd.readouterr().err
    assert ": 已损坏 zone=damaged" in told


def test_without_stderr_nothing_else_takes_its_place() -> None:
    script = (
        "from resolver.server.notices import keep_standard_descriptors, tell\n"
        "import os, tempfile\n"
        "keep_standard_descriptors()\n"
        "with tempfile.TemporaryFile() as file:\n"
        "    assert file.fileno() > 2\n"
        "    tell('lost')\n"
        "    os._exit(len(file.read()))\n"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" <&- 2>&-', sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert done.returncode == 0
