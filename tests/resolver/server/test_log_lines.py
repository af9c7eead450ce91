"""The forms of the log: what is said is the same in each, and always one whole line."""

from __future__ import annotations

import json
import os
import signal
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.server import log_lines
from resolver.server.log_lines import LEVELS, MAX_LINE_OCTETS, Notice
from tests.support.servers import eventually, make_data, serving

TEXTS = st.text(max_size=5_000)
NOTICES = st.builds(
    Notice,
    st.floats(0, 4e9),
    st.sampled_from(LEVELS),
    st.just("UDP worker 1"),
    st.just("event"),
    TEXTS,
    st.dictionaries(st.sampled_from(["pid", "zone"]), TEXTS | st.integers()),
)


@given(NOTICES)
def test_json_is_one_line_of_json_whatever_is_said(notice: Notice) -> None:
    line = log_lines.line_of(log_lines.as_json, notice)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert len(line) <= MAX_LINE_OCTETS
    told = json.loads(line)
    assert (told["level"], told["event"]) == (notice.level, "event")
    assert notice.message.startswith(told["message"])


@given(NOTICES)
def test_text_is_one_line_without_controls(notice: Notice) -> None:
    line = log_lines.line_of(log_lines.text, notice)
    assert line.endswith(b"\n")
    assert len(line) <= MAX_LINE_OCTETS
    assert not set(line[:-1]) & {*range(32), 127}


@given(NOTICES)
def test_what_a_process_hands_over_is_read_as_it_was(notice: Notice) -> None:
    line = log_lines.line_of(log_lines.handed_over, notice)
    told = log_lines.read(line.rstrip(b"\n"), "its name", 0.0)
    assert told.process == "its name"
    assert (told.level, told.event) == (notice.level, notice.event)
    assert notice.message.startswith(told.message)
    assert told.values in (notice.values, {})


@given(st.binary(max_size=200))
def test_what_others_say_is_a_notice_too(line: bytes) -> None:
    told = log_lines.read(line, "worker", 1.0)
    assert told.level in LEVELS
    json.loads(log_lines.line_of(log_lines.as_json, told))


def test_text_shows_its_parts_in_order() -> None:
    notice = Notice(
        0.5, "error", "UDP worker 1", "killed", "it\nis killed", {"pid": 7, "why": "a b"}
    )
    assert log_lines.text(notice) == (
        '1970-01-01T00:00:00.500Z error UDP-worker-1 killed: it is killed pid=7 why="a b"'
    )


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_server_logs_as_it_is_configured(tmp_path: Path, form: str) -> None:
    """What its processes say is in the same form, by their names."""
    data = make_data(tmp_path / "data")
    file = tmp_path / "csid.toml"
    file.write_text(f'[log]\nformat = "{form}"\n')
    with serving(data, "--config", str(file)) as server:
        server.process.send_signal(signal.SIGUSR1)
        eventually("the TCP server reports", lambda: "accepted" in server.log.read_text())
        lines = server.log.read_text().splitlines()
    if form == "json":
        told = [json.loads(line) for line in lines]
        assert {(one["process"], one["event"]) for one in told} >= {
            ("supervisor", "report"),
            ("TCP server", "report"),
        }
        assert all(datetime.fromisoformat(one["time"]).tzinfo for one in told)
    else:
        assert any(" info supervisor report: UDP worker 1" in line for line in lines)
        assert any(" info TCP-server report: TCP server: accepted" in line for line in lines)


def test_a_level_leaves_out_what_is_below(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    file = tmp_path / "csid.toml"
    file.write_text('[log]\nlevel = "warning"\nformat = "json"\n')
    with serving(data, "--config", str(file)) as server:
        server.process.send_signal(signal.SIGUSR1)
        (worker,) = server.workers("resolver.server.worker")
        os.kill(worker, signal.SIGKILL)
        eventually("the end is told of", lambda: "process-replaced" in server.log.read_text())
        told = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {one["level"] for one in told} == {"error"}
