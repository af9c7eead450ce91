"""`csid aggregate`: sources added, looked at, tried, judged; a Slurm cluster as it was recorded."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from gateway.systems.aggregation.adapters.by_kind import ADAPTERS
from gateway.systems.aggregation.system import SYSTEM
from gateway.systems.aggregation.tables import Book
from gateway.systems.running import opened
from tests.support.adapters import recorded
from tests.support.commands import Ran, run
from tests.support.registering import OWNER
from tests.support.servers import CHECKOUT, eventually, running
from tests.support.sources import Played, played, saying
from tests.support.supply import Spoken, said

TOKEN = "s3cret-token"


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    monkeypatch.setitem(ADAPTERS, "said", Spoken())  # type: ignore[index]
    with played(saying(said({"a": 8, "b": 4}))) as found:
        yield found


class Commands:
    """Commands about one folder of systems."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, action: str, *words: object) -> Ran:
        return run("aggregate", action, *words, "--data", self.folder)

    def add(self, name: str, url: str, *words: object, kind: str = "said") -> Ran:
        place = ("--owner", OWNER, "--location", "330106")
        return self("add", name, "--kind", kind, "--url", url, *place, *words)


@pytest.fixture
def csid(tmp_path: Path) -> Commands:
    return Commands(tmp_path / "systems")


def test_a_source_from_its_beginning_to_its_end(csid: Commands, source: Played) -> None:
    added = csid.add("hz", source.url)
    assert added.code == 0 and "csid aggregate test hz" in added.out and not source.asked
    (row,) = csid("list", "--json").json
    assert (row["name"], row["state"], row["polled"], row["age"]) == ("hz", "new", None, None)
    tested = csid("test", "hz", "--json")
    assert [one["name"] for one in tested.json] == ["a", "b"]
    assert csid("list", "--json").json == [row]  # nothing was written
    assert "4/8" in csid("test", "hz").out
    tried = csid("run", "--once", "--dry-run", "--json")
    assert tried.code == 0
    (change,) = tried.json
    assert change["counts"] == {"registrations": 1} and change["units"] == 2
    assert csid("list", "--json").json == [row]
    once = csid("run", "--once", "--json")
    assert once.code == 0, once
    (row,) = once.json
    assert (row["state"], row["pools"], row["owed"], row["registered"]) == ("ok", 1, 1, 0)
    shown = csid("show", "hz", "--json").json[0]
    assert (
        shown["identifiers"][0]["identifier"] == change["changes"]["registrations"][0]["identifier"]
    )
    assert shown["identifiers"][0]["identifier"] in csid("show", "hz").out
    assert csid("pause", "hz").code == 0
    asked = len(source.asked)
    assert csid("run", "--once").code == 0 and len(source.asked) == asked
    assert csid("list", "--json").json[0]["state"] == "paused"
    assert csid("resume", "hz").code == 0
    assert csid("remove", "hz").code == 0 and csid("list", "--json").json == []
    assert csid("show", "hz").code == 2


def test_what_is_held_back_is_shown_and_judged(csid: Commands, source: Played) -> None:
    csid.add("hz", source.url)
    assert csid("run", "--once").code == 0
    source.answer = saying(b"[]")
    tried = csid("run", "--dry-run", "--json")
    assert tried.code == 1 and tried.json[0]["reasons"][0]["rule"] == "nothing"
    once = csid("run", "--once")
    assert once.code == 1 and "names nothing" in once.err
    (row,) = csid("list", "--json").json
    assert row["state"] == "held"
    held = csid("show", "hz", "--json").json[0]["held"]
    assert held["counts"] == {"vanished": 2} and held["verdict"] == "waiting"
    people = csid("show", "hz").out
    assert "[nothing]" in people and held["digest"][:8] in people
    assert csid("accept", "hz", "--shown", "ffffffff").code == 2
    for action in ("accept", "refuse"):
        unseen = csid(action, "hz")
        assert unseen.code == 2 and f"csid aggregate {action} hz --shown DIGEST" in unseen.err
        assert csid(action, "hz", "--shown", held["digest"][:7]).code == 2
    assert csid("list", "--json").json[0]["state"] == "held"
    assert csid("refuse", "hz", "--shown", held["digest"]).code == 0
    assert csid("list", "--json").json[0]["state"] == "refused"
    assert csid("accept", "hz", "--shown", held["digest"][:8]).code == 0
    assert csid("run", "--once").code == 0
    found = csid("show", "hz", "--json").json[0]
    assert found["held"] is None and len(found["missing"]) == 2
    over = csid("accept", "hz")
    assert over.code == 2 and "nothing is held back" in over.err


def on_a_terminal(answer: str, *words: object) -> tuple[int, str]:
    """What a command shows on a terminal where somebody types an answer; its exit code."""
    terminal, command_side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *map(str, words)],
        stdin=command_side,
        stdout=command_side,
        stderr=command_side,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "100"},
        cwd=CHECKOUT,
    )
    os.close(command_side)
    os.write(terminal, f"{answer}\n".encode())
    shown = b""
    with suppress(OSError):  # how Linux says that the other side is closed
        while block := os.read(terminal, 65_536):
            shown += block
    os.close(terminal)
    return process.wait(60), shown.decode()


def test_on_a_terminal_what_is_held_back_is_shown_and_asked_about(
    csid: Commands, source: Played
) -> None:
    csid.add("hz", source.url)
    csid("run", "--once")
    source.answer = saying(b"[]")
    csid("run", "--once")
    held = csid("show", "hz", "--json").json[0]["held"]
    words = ("aggregate", "accept", "hz", "--data", csid.folder)
    code, shown = on_a_terminal("", *words)
    assert code == 1 and "left as it is" in shown and "[nothing]" in shown
    assert held["digest"][:8] in shown and "accept it? [y/N]" in shown
    assert csid("list", "--json").json[0]["state"] == "held"
    code, shown = on_a_terminal("y", *words)
    assert code == 0 and "accepted: done if the next poll says the same" in shown
    assert csid("show", "hz", "--json").json[0]["held"]["verdict"] == "accepted"


def test_exit_codes_tell_what_could_be_read(csid: Commands, source: Played) -> None:
    csid.add("good", source.url)
    csid.add("bad", "http://127.0.0.1:1")
    ran = csid("run", "--once", "--json")
    assert ran.code == 1 and "bad" in ran.err
    assert {one["name"]: one["state"] for one in ran.json} == {"good": "ok", "bad": "failing"}
    assert csid("run", "--once", "bad").code == 2
    assert csid("run", "--dry-run", "bad").code == 2
    assert csid("test", "bad").code == 2
    assert csid("run", "--once", "nobody").code == 2


def test_a_token_is_sent_and_shown_nowhere(csid: Commands, source: Played, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    csid.add("hz", source.url, "--token-file", file)
    printed = [csid("run", "--once", "--json"), csid("show", "hz", "--json"), csid("list")]
    assert source.asked[0][1]["authorization"] == f"Bearer {TOKEN}"
    file.write_text("another\n")
    printed.append(csid("test", "hz"))
    assert source.asked[-1][1]["authorization"] == "Bearer another"
    file.write_text(f"{TOKEN} and more\n")
    printed.append(csid("test", "hz"))
    assert printed[-1].code == 2
    assert all(TOKEN not in one.out + one.err for one in printed)
    stored = [one.read_bytes() for one in csid.folder.rglob("*") if one.is_file()]
    assert not any(TOKEN.encode() in octets for octets in stored)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--owner", "91330106673959654Q"), "check character"),
        (("--location", "330199"), "location"),
        (("--industry", "9999"), "industry"),
        (("--type", "XYZ"), "type"),
        (("--type", "acp"), "three letters"),
        (("--interval", "1s"), "5s to 30m"),
        (("--interval", "1h"), "5s to 30m"),
        (("--set", "novalue"), "NAME=VALUE"),
        (("--url", "ftp://host"), "expected a URL"),
        (("--url", "http://u:p@host"), "without a user"),
        (("--kind", "magic"), "choice"),
    ],
)
def test_a_wrong_source_is_told_when_it_is_added(
    csid: Commands, source: Played, words: tuple[str, ...], says: str
) -> None:
    ran = csid.add("hz", source.url, *words)
    assert ran.code == 2 and says in ran.err
    assert csid("list", "--json").json == []


def test_a_name_is_given_once(csid: Commands, source: Played) -> None:
    assert csid.add("hz", source.url).code == 0
    assert csid.add("hz", source.url).code == 2
    assert csid.add("HZ", source.url).code == 2


@pytest.fixture
def slurm() -> Iterator[Played]:
    """A cluster as it was recorded."""
    answers = recorded("slurm", "v0.0.38")

    def answer(handler: BaseHTTPRequestHandler) -> None:
        found: Any = answers.get(handler.path.rpartition("/")[2])
        if found is None:
            return saying(b"", 404)(handler)
        return saying(found)(handler)

    with played(answer) as found:
        yield found


def test_a_recorded_slurm_cluster(csid: Commands, slurm: Played) -> None:
    assert csid.add("hz", slurm.url, "--set", "version=v0.0.38", kind="slurm").code == 0
    ran = csid("run", "--once", "--dry-run", "--json")
    assert ran.code == 0, ran
    (change,) = ran.json
    assert change["units"] == 8
    classes = {
        one["identifier"].split("/")[-1].split("-")[0]: one["facts"]
        for one in change["changes"]["registrations"]
    }
    assert "H69M09N6" in classes  # of 8 H100 each
    assert csid("run", "--once").code == 0
    again = csid("run", "--once", "--dry-run", "--json").json[0]
    assert again["counts"] == {} and json.dumps(again["statuses"]).count("aggregation/hz")
    assert sum(one["free"].get("chips", 0) for one in again["statuses"].values()) > 0


def test_it_runs_as_a_service_that_commands_act_on(
    csid: Commands, slurm: Played, tmp_path: Path
) -> None:
    words = ["--lang", "en", "aggregate", "run", "--listen", "127.0.0.1:0"]
    words += ["--data", str(csid.folder)]
    with running(words, tmp_path / "log") as server:
        csid.add("hz", slurm.url, "--set", "version=v0.0.38", "--interval", "5s", kind="slurm")

        def state() -> str:
            return str(csid("list", "--json").json[0]["state"])

        eventually("it is polled", lambda: state() == "ok", 40)
        busy = csid("run", "--once")
        assert busy.code == 2 and "polls these sources already" in busy.err
        slurm.answer = saying(b"{}")
        eventually("it fails", lambda: state() == "failing", 40)
        assert csid("show", "hz", "--json").json[0]["units"] == 8
        csid("remove", "hz")
        assert server.stop() == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


@contextmanager
def book(csid: Commands) -> Iterator[Book]:
    """The tables that commands are about."""
    with opened(SYSTEM, SYSTEM.settings(), csid.folder) as place:
        yield Book(place.tables)


def test_a_trial_shows_what_is_owed_from_before_and_what_was_refused(
    csid: Commands, source: Played, tmp_path: Path
) -> None:
    file = tmp_path / "csid.toml"
    file.write_text('[aggregation]\nregistry = "http://127.0.0.1:9"\n')
    csid.add("hz", source.url)
    once = csid("run", "--once", "--config", file)
    assert once.code == 1 and "the registry does not answer" in once.err
    tried = csid("run", "--dry-run", "--json", "--config", file)
    (owed,) = tried.json[0]["identifiers"]
    assert (tried.code, owed["state"], owed["owed"]) == (0, "proposed", True)
    people = csid("run", "--dry-run", "--config", file).out
    assert "待办理 still owed" in people and "nothing changes" not in people
    with book(csid) as found:
        found.settle("hz", owed["pool"], refusal="no such owner")
    tried = csid("run", "--dry-run", "--config", file)
    assert tried.code == 1 and "no such owner" in tried.out and "1 refused" in tried.err


def test_a_trial_knows_what_was_said_of_what_is_held_back(csid: Commands, source: Played) -> None:
    csid.add("hz", source.url)
    csid("run", "--once")
    source.answer = saying(b"[]")
    csid("run", "--once")
    digest = csid("show", "hz", "--json").json[0]["held"]["digest"]
    codes = {"waiting": 1, "refused": 1, "accepted": 0}
    for verdict, action in (("waiting", ""), ("refused", "refuse"), ("accepted", "accept")):
        if action:
            assert csid(action, "hz", "--shown", digest[:8]).code == 0
        tried = csid("run", "--dry-run", "--json")
        assert (tried.code, tried.json[0]["verdict"]) == (codes[verdict], verdict)
        assert ("would be held back" in tried.err) == bool(codes[verdict])
    assert "would be applied" in csid("run", "--dry-run").out
    source.answer = saying(said({"a": 8}))  # something else, which nobody has accepted
    assert csid("run", "--dry-run", "--json").json[0]["verdict"] is None


def test_what_only_looks_makes_nothing(csid: Commands) -> None:
    for words in (("run", "--dry-run"), ("run", "--once", "--dry-run"), ("list",), ("picture",)):
        assert csid(*words).code == 0, words
    for words in (("test", "hz"), ("show", "hz")):
        assert csid(*words).code == 2, words
    assert not csid.folder.exists()
