"""The configuration file: which is read, what it says, and what is said of slips."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.address import Address
from gateway.configuration.load import load, parse
from gateway.configuration.sections import KINDS, Configuration, Node, Serve
from gateway.configuration.show import example, shown
from gateway.configuration.values import ConfigurationError
from tests.support.commands import run


def test_the_example_as_it_stands_is_the_defaults() -> None:
    assert parse(example().encode(), "example") == Configuration()


def test_the_example_without_its_comment_signs_has_every_option() -> None:
    bare = re.sub(r"^# (?=\[|[a-z0-9-]+ = )", "", example(), flags=re.MULTILINE)
    found = parse(bare.encode(), "example")
    for name, kind in KINDS.items():
        one = getattr(found, name)
        section = one[0] if get_args(kind) else one
        for option in fields(section):
            said = f"\n{option.name.replace('_', '-')} = "
            assert bare.count(said) >= 1, option.name
            assert getattr(section, option.name) is not None
    assert parse(shown(found).encode(), "shown") == found


@given(
    st.builds(
        Serve,
        listen=st.tuples(st.builds(Address, st.just("::1"), st.integers(0, 65_535))),
        workers=st.none() | st.integers(1, 256),
        nsid=st.text(st.characters(codec="utf-8"), max_size=30),
        tls_cert=st.none()
        | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(Path),
    ),
    st.builds(Node, st.none() | st.just(Path("数据"))),
)
def test_what_is_shown_is_read_as_it_was(serve: Serve, node: Node) -> None:
    found = Configuration(node, serve)
    assert parse(shown(found).encode(), "shown") == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[serv]\n", "serv: no such section; did you mean serve?"),
        ("[serve]\nworker = 3\n", "[serve] worker: no such option; did you mean workers?"),
        ("[serve]\nxyz = 3\n", "[serve] xyz: no such option; there are listen, "),
        ("[serve]\nworkers = 0\n", "[serve] workers: '0': expected a number from 1 to 256"),
        ("[serve]\nworkers = true\n", "[serve] workers: 'True': expected a number"),
        ('[serve]\nlisten = "host:1"\n', "[serve] listen: 'host:1': expected an IP address with"),
        ("[serve]\nlisten = [1]\n", "expected an IP address with a port"),
        ("[serve]\nnsid = 5\n", "[serve] nsid: '5': expected a text of at most 128 octets"),
        ("[node]\ndata = 1\n", "[node] data: '1': expected a path"),
        ("serve = 1\n", "[serve]: expected a section"),
        ("[actor]\nuid = 1\n", "actor: may come many times: write [[actor]]"),
        (
            "[[actor]]\nname = 'a'\nuid = 1\n[[actor]]\nrole = 'king'\n",
            "[[actor]] number 2 role: 'king': expected one",
        ),
        ("[[node]]\n", "[node]: expected a section"),
        ("[serve\n", "no TOML: "),
        ("[serve]\nlisten_tls = []\n", "listen_tls: no such option; did you mean listen-tls?"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)) as caught:
        parse(text.encode(), "/etc/csid/csid.toml")
    assert str(caught.value).startswith("/etc/csid/csid.toml: ")


def test_the_option_goes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text('[node]\ndata = "/one"\n')
    two.write_text('[node]\ndata = "/two"\n')
    environ = {"CSID_CONFIG": str(two)}
    assert load(None, environ).node.data == Path("/two")
    assert load(one, environ).node.data == Path("/one")
    assert load(one, environ | {"CSID_DATA": "/three"}).node.data == Path("/three")


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    for environ, file in (({"CSID_CONFIG": str(tmp_path / "no")}, None), ({}, tmp_path / "no")):
        with pytest.raises(ConfigurationError, match="No such file"):
            load(file, environ)


def test_a_file_without_end_is_none() -> None:
    with pytest.raises(ConfigurationError, match="longer than"):
        load(Path("/dev/zero"), {})


def test_commands_tell_whether_it_can_be_used_and_what_holds(tmp_path: Path) -> None:
    file = tmp_path / "csid.toml"
    file.write_text("[serve]\nworkers = 7\n")
    assert run("config", "check", "--config", file).code == 0
    assert "workers = 7" in run("--config", file, "config", "show").lines
    assert run("config", "show", "--example").out == example()
    file.write_text("[serve]\nworkers = 7000\n")
    checked = run("config", "check", "--config", file)
    assert (checked.code, checked.out) == (2, "")
    assert f"{file}: [serve] workers: '7000'" in checked.err
