"""The page on the client shows programs that run, and what they print."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from csid.identifier import parse
from csid.record import Record, encode
from tests.support.servers import CHECKOUT, PATIENCE, make_data, resolving, serving

RECORDS = {
    "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY": {
        "state": "active",
        "endpoints": ["https://gw.hz.example:8443"],
        "vcpu": 192,
    },
    "91350100M000100Y43/6450/110108/ACB/H71M10N4-A100-I4": {"state": "suspended"},
}
NODES = {
    "items": [
        {"metadata": {"name": f"node-{n}", "annotations": {"csid.cn/identifier": identifier}}}
        for n, identifier in enumerate(RECORDS)
    ]
}


class Shown(NamedTuple):
    """A program of the page, and what is shown of its output."""

    language: str
    program: str
    output: str | None


def programs() -> Iterator[Shown]:
    """The programs of the page in order."""
    text = (CHECKOUT / "docs" / "client.md").read_text(encoding="utf-8")
    pattern = r"```(python|sh)\n(.*?)```\n(?:\n((?:    [^\n]*\n)+))?"
    for language, program, output in re.findall(pattern, text, re.DOTALL):
        is_output = output and not output.lstrip().startswith("kubectl")
        yield Shown(language, program, re.sub("(?m)^    ", "", output) if is_output else None)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that has the identifiers of the page."""
    zone = "$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 60\n  NS ns\nns A 192.0.2.53\n"
    for identifier, facts in RECORDS.items():
        packed = encode(Record(facts))
        name = parse(identifier).to_dns_name()
        zone += f"{name} TYPE65347 \\# {len(packed)} {packed.hex()}\n"
    data = make_data(tmp_path_factory.mktemp("page") / "data", zone)
    with serving(data) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def url(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway before it."""
    folder = tmp_path_factory.mktemp("gateway") / "folder"
    with resolving(folder, "--http", "127.0.0.1:0", root=[address]) as gateway:
        yield f"http://{gateway.ready.split(' http ')[1].split(',')[0]}"


def ran(
    shown: Shown, address: str, folder: Path, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """What a program does, where `csid` is a command."""
    command = folder / "csid"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m gateway.cli "$@"\n')
    command.chmod(0o755)
    words = {"python": [sys.executable, "-c"], "sh": ["sh", "-c"]}[shown.language]
    return subprocess.run(
        [*words, shown.program],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CSID_SERVERS": address,
        },
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("number", range(len(list(programs()))))
def test_a_program_of_the_page_does_what_is_shown(
    number: int, address: str, url: str, tmp_path: Path
) -> None:
    shown = list(programs())[number]
    shown = shown._replace(program=shown.program.replace("http://127.0.0.1:8080", url))
    done = ran(shown, address, tmp_path, json.dumps(NODES))
    assert (done.returncode, done.stderr) == (0, "")
    if shown.output is not None:
        assert done.stdout == shown.output


def test_the_page_has_programs_in_each_language_and_of_some_the_output() -> None:
    assert [one.language for one in programs()].count("python") >= 4
    assert [one.language for one in programs()].count("sh") >= 2
    assert sum(one.output is not None for one in programs()) >= 3


def test_nodes_that_are_not_active_are_named_for_kubernetes(address: str, tmp_path: Path) -> None:
    (shown,) = [one for one in programs() if one.program.startswith("# cordon.py")]
    assert ran(shown, address, tmp_path, json.dumps(NODES)).stdout == "node-1\n"
