"""Options before and behind the command, and what was meant by a slip."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.parser import in_order
from tests.support.commands import Node, run


@pytest.mark.parametrize(
    ("words", "ordered"),
    [
        ("--data X list", "list --data X"),
        ("--data=X --config C zone list", "zone list --data=X --config C"),
        ("zone --data X load F", "zone load F --data X"),
        ("list --data X", "list --data X"),
        ("list --data", "list --data"),
        ("list -- --data X", "list -- --data X"),
        ("--data X list -- --config Y", "list --data X -- --config Y"),
        ("--database X list", "--database X list"),
        ("", ""),
    ],
)
def test_general_options_may_stand_anywhere(words: str, ordered: str) -> None:
    assert in_order(words.split()) == ordered.split()


def test_the_data_directory_is_that_of_the_option_the_environment_or_the_file(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = run("owner", "list", "--data", node.data, "--json").out
    assert wanted
    assert run("--data", node.data, "owner", "list", "--json").out == wanted
    file = tmp_path / "csid.toml"
    file.write_text(f'[node]\ndata = "{node.data}"\n')
    assert run("--config", file, "owner", "list", "--json").out == wanted
    monkeypatch.setenv("CSID_CONFIG", str(file))
    assert run("owner", "list", "--json").out == wanted
    monkeypatch.setenv("CSID_CONFIG", "/dev/null")
    monkeypatch.setenv("CSID_DATA", str(node.data))
    assert run("owner", "list", "--json").out == wanted
    monkeypatch.delenv("CSID_DATA")
    nobody_says = run("owner", "list", "--json")
    assert (nobody_says.code, nobody_says.out) == (2, "")
    assert "--data DIR" in nobody_says.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("list --limt 3", "did you mean --limit?"),
        ("zone lod x", "did you mean load?"),
        ("zone load --seriall x y", "did you mean --serial?"),
        ("list --zzzzz", "unrecognized arguments: --zzzzz"),
    ],
)
def test_slips_are_told_with_what_was_meant(words: str, hint: str) -> None:
    ran = run(*words.split(), "--data", "/nowhere")
    assert (ran.code, ran.out) == (2, "")
    assert hint in ran.err.splitlines()[-1]


def test_the_version_is_told() -> None:
    told = run("--version")
    assert told.code == 0
    assert told.out.startswith("csid 0.")
    assert "schema" in told.out
