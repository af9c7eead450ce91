"""``csid id`` explains, checks and makes; bad input is one line each and exit code 1."""

from __future__ import annotations

import argparse
import io
import json

import pytest

from csid.identifier import parse
from gateway.cli.commands import id as id_command
from tests.support.identifiers import PRINTED

FIRST = PRINTED[0]
SEGMENTS = {
    "--owner": "91330106673959654p",
    "--industry": "6450",
    "--location": "330106",
    "--type": "acv",
    "--spec": "H60M07A1",
    "--serial": "0001",
}


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    id_command.register(parser.add_subparsers())
    args = parser.parse_args(["id", *words])
    code = args.run(args)
    assert isinstance(code, int)
    return code


def make_words(**changed: str) -> list[str]:
    segments = SEGMENTS | {f"--{name}": value for name, value in changed.items()}
    return ["make", *(word for pair in segments.items() for word in pair)]


Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("form", [str, lambda i: i.to_dns_name(), lambda i: i.to_handle()])
def test_explain_takes_every_form_and_prints_json(form: object, capsys: Capture) -> None:
    assert callable(form)
    assert run("explain", form(parse(FIRST)), "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["identifier"] == FIRST
    assert printed["dns"].endswith(".91330106673959654p.csid.internal.")
    assert {"segment": "spec", "part": "memory", "code": "07"}.items() <= next(
        meaning for meaning in printed["meanings"] if meaning["part"] == "memory"
    ).items()


def test_explain_prints_a_table_in_both_languages(capsys: Capture) -> None:
    assert run("explain", FIRST) == 0
    printed = capsys.readouterr().out
    assert FIRST in printed
    assert "智算" in printed
    assert "AI computing" in printed
    assert parse(FIRST).to_dns_name() in printed


def test_explain_of_a_bad_identifier_says_where(capsys: Capture) -> None:
    assert run("explain", FIRST.replace("FY", "FZ")) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "spec, position 15" in captured.err


def test_check_prints_one_line_for_each_bad_one(capsys: Capture) -> None:
    assert run("check", FIRST, "foo", "[red]x[/red]", FIRST.replace("FY", "FZ")) == 1
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 3
    assert "[red]x[/red]" in captured.err
    assert "1 valid, 3 bad" in captured.out


def test_check_of_good_ones_exits_0(capsys: Capture) -> None:
    assert run("check", *PRINTED) == 0
    assert capsys.readouterr().err == ""


def test_check_reads_stdin(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    octets = f"{FIRST}\n\nbar\n".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(octets)))
    assert run("check", "-", "--json") == 1
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert good == {"given": FIRST, "ok": True, "identifier": FIRST}
    assert (bad["ok"], bad["segment"], bad["position"]) == (False, "identifier", 0)


def test_check_is_as_of_a_date(capsys: Capture) -> None:
    assert run(*make_words(location="330104")) == 0
    retired = capsys.readouterr().out.strip()
    assert run("check", retired) == run("check", retired, "--on", "2020-06-01") == 0
    assert run("check", retired, "--on", "2022-06-01") == 1
    assert "330102" in capsys.readouterr().err
    assert run(*make_words(location="330104"), "--on", "2022-06-01") == 1


def test_a_date_that_is_none_is_a_usage_error(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        run("check", FIRST, "--on", "yesterday")
    assert caught.value.code == 2
    assert "YYYY-MM-DD" in capsys.readouterr().err


def test_make_prints_the_identifier(capsys: Capture) -> None:
    assert run(*make_words()) == 0
    assert capsys.readouterr().out == f"{FIRST}\n"
    assert run(*make_words(), "--json") == 0
    assert json.loads(capsys.readouterr().out)["identifier"] == FIRST


def test_make_refuses_a_wrong_segment(capsys: Capture) -> None:
    assert run(*make_words(owner="91330106673959655P")) == 1
    assert "owner, position 18" in capsys.readouterr().err
