"""What the command says where it cannot read or write as asked: one line, exit code 2."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import as_nobody
from tests.support.commands import run as csid
from tests.support.tables import identifier

CODE = identifier(1)


def run(*words: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "gateway.cli", *map(str, words)]
    return subprocess.run(command, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("import", "--help"),
        ("id", "explain", CODE),
        ("id", "explain", CODE, "--json"),
        ("id", "check", CODE),
        ("list", "--data"),
        ("list", "--json", "--data"),
        ("show", CODE, "--data"),
        ("owner", "list", "--data"),
        ("history", CODE, "--data"),
        ("export", "--data"),
        ("export", "--format", "jsonl", "--data"),
        ("zone", "list", "--data"),
        ("zone", "dump", "csid.internal.", "--data"),
        ("export", "--output", "/dev/full", "--data"),
        ("zone", "dump", "csid.internal.", "--output", "/dev/full", "--data"),
    ],
)
def test_a_full_disk_is_told(data: Path, words: tuple[str, ...], unbuffered: str) -> None:
    assert csid("assign", CODE, "--data", data).code == 0
    asked = (*words, data) if words[-1] == "--data" else words
    with Path("/dev/full").open("wb") as full:
        done = run(*asked, stdout=full, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    said = done.stderr.decode().removesuffix("\n")
    if "--json" in words:
        said = f"csid: {json.loads(said)['error']['message']}"
    assert said.startswith("csid: ")
    assert said.endswith("No space left on device")


def test_where_nobody_can_be_told_the_exit_code_tells() -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "gateway.cli", "id", "check", "x", "--suffix", "?"]
        assert subprocess.run(command, stdout=full, stderr=full).returncode == 2


def closed(words: tuple[object, ...], streams: str) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a command that is started with some of its streams closed."""
    command = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "gateway.cli"]
    done = subprocess.run(
        [*command, *map(str, words)], capture_output=True, stdin=subprocess.DEVNULL, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "words", [("id", "check", CODE), ("id", "explain", CODE, "--json"), ("--help",)]
)
def test_closed_streams_are_told_where_they_are_needed(words: tuple[str, ...]) -> None:
    told = "the output: Bad file descriptor"
    code, out, err = closed(words, ">&-")
    assert (code, out) == (2, b"")
    if "--json" in words:
        assert json.loads(err)["error"]["message"] == told
    else:
        assert err.decode() == f"csid: {told}\n"
    assert closed(words, ">&- 2>&-") == closed(words, "<&- >&- 2>&-") == (2, b"", b"")
    code, out, err = closed(words, "<&- 2>&-")
    assert (code, bool(out), err) == (0, True, b"")


@pytest.mark.parametrize(
    "words",
    [
        ("id", "check", "-"),
        ("import", "-", "--dry-run", "--data"),
        ("assign", CODE, "--record", "-", "--data"),
    ],
)
def test_a_closed_stdin_is_told(data: Path, words: tuple[str, ...]) -> None:
    code, _, err = closed((*words, data) if words[-1] == "--data" else words, "<&-")
    assert (code, err.count(b"\n")) == (2, 1)
    assert b"cannot be read: Bad file descriptor" in err


def test_a_closed_stdout_is_no_place_for_data(data: Path) -> None:
    closed(("assign", CODE, "--data", data), ">&- 2>&- <&-")
    assert csid("show", CODE, "--data", data).code == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk"])
def test_a_terminal_that_cannot_show_a_text_gets_escapes(encoding: str) -> None:
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = run("id", "explain", CODE, stdout=subprocess.PIPE, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode(encoding)
    assert "杭州" in shown if encoding == "gbk" else "\\u" in shown
    done = run("id", "explain", CODE, "--json", stdout=subprocess.PIPE, env=env)
    assert "浙江省" in json.dumps(json.loads(done.stdout), ensure_ascii=False)
    assert run("--help", stdout=subprocess.PIPE, env=env).returncode == 0


def test_what_is_exported_is_utf_8_whatever_the_terminal_has(data: Path) -> None:
    assert csid("assign", CODE, "--name", "杭州一号", "--data", data).code == 0
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run("export", "--data", data, stdout=subprocess.PIPE, env=env)
    assert (done.returncode, "杭州一号" in done.stdout.decode()) == (0, True)


def test_a_directory_that_may_not_be_made_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with as_nobody():
        ran = csid("init", "--data", tmp_path / "a" / "b")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert str(tmp_path) in ran.err and "Permission denied" in ran.err


@pytest.mark.parametrize("content", ["[" * 60_000, '{"a":' * 10_000, "\xff", "{", "[]", "\udcff"])
def test_a_record_file_that_holds_none_is_told(data: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    ran = csid("assign", CODE, "--record", path, "--data", data)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "record.json" in ran.err


@pytest.mark.parametrize("encoding", ["base64", "rot13", "undefined", "martian"])
def test_an_encoding_of_no_text_is_told(data: Path, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "table.csv").write_text("identifier,state\n")
    ran = csid("import", tmp_path / "table.csv", "--encoding", encoding, "--data", data)
    assert (ran.code, ran.err) == (
        2,
        f"csid: '{encoding}' is no encoding; give one such as gb18030\n",
    )


def test_a_directory_in_place_of_a_file_is_told(data: Path, tmp_path: Path) -> None:
    for words in (
        ("import", tmp_path, "--data", data),
        ("restore", tmp_path, "--data", data),
        ("assign", CODE, "--record", tmp_path, "--data", data),
        ("export", "--output", tmp_path, "--data", data),
        ("zone", "dump", "csid.internal.", "--output", tmp_path, "--data", data),
        ("audit", "check", tmp_path, "--key", tmp_path),
    ):
        ran = csid(*words)
        assert (ran.code, ran.err.count("\n")) == (2, 1), (words, ran)


def test_a_key_appears_whole_or_not_at_all(data: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    (tmp_path / "key.pem.pub").write_text("another's")
    ran = csid("audit", "key", "--new", "example.cn/log", "--key", key, "--data", data)
    assert (ran.code, "is there already" in ran.err) == (2, True)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["key.pem.pub"]
    (tmp_path / "key.pem.pub").unlink()
    assert csid("audit", "key", "--new", "example.cn/log", "--key", key, "--data", data).code == 0
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_message_stays_on_its_line_and_moves_no_cursor(tmp_path: Path) -> None:
    ran = csid("list", "--data", tmp_path / "a\n\x1b[2J\u202e")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "\\x1b[2J\\u202e" in ran.err


@pytest.mark.parametrize("words", [("list", "--data"), ("zone", "list", "--data"), ("resolve",)])
def test_what_no_command_takes_is_told_in_one_line(words: tuple[str, ...]) -> None:
    ran = csid(*words, "x", "y", "z", "--further=a\n\x1b[2J\u202e\u3000" + "x" * 100_000)
    *usage, last = ran.err.splitlines()
    assert ran.code == 2 and all(line.startswith(("usage: ", " ")) for line in usage)
    assert "a\\n\\x1b[2J\\u202e\u3000x" in last and len(last) < 1_200


def test_a_message_about_a_long_text_shows_both_its_ends(tmp_path: Path) -> None:
    ran = csid("import", f"{tmp_path}/{'x' * 100_000}", "--data", tmp_path)
    assert ran.code == 2 and len(ran.err) < 1_200
    assert ran.err.startswith(f"csid: {tmp_path}") and "no data directory" in ran.err


def test_lines_of_identifiers_may_be_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = b"\xff\xfe\n" + b"x" * 1_000_000 + b"\n" + CODE.encode() + b"\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(octets)))
    ran = csid("id", "check", "-")
    assert (ran.code, ran.err.count("\n")) == (1, 2)
    assert "1 valid, 2 bad" in ran.out
