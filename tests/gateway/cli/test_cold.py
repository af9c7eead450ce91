"""What a command loads before it has done its work: of commands that are run often, no more than it
needs, for that is most of the time they take.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from csid.identifier import parse
from csid.protocol import CSID
from csid.record import Record, encode
from tests.support.identifiers import PRINTED
from tests.support.records import FULL
from tests.support.servers import CHECKOUT, Server, make_data, serving

FOUND = parse(PRINTED[0])
# What only tables, errors, other formats, other protocols and the data of a node are for.
NOT_FOR_ANSWERS = {
    *("argparse_manpage", "asyncio", "concurrent.futures", "csv", "difflib", "email", "http"),
    *("importlib.metadata", "importlib.resources", "json", "locale", "logging", "multiprocessing"),
    *("pathlib", "pickle", "shtab", "shutil", "ssl", "subprocess", "tempfile", "urllib.request"),
    *("anyio", "cryptography", "dns", "httpx", "lmdb", "msgspec", "openpyxl", "rich", "trio"),
    *("gateway.cli.help", "gateway.cli.output", "gateway.configuration.load", "registry"),
    *("gateway.configuration.sections", "resolver.server", "resolver.store", "resolver.answer"),
}
TREE_OF_A_NODE = {"registry", "lmdb", "resolver.store", "resolver.sync", "cryptography"}
LOADED = """
import sys
before = set(sys.modules)
from gateway.cli import main
try:
    code = main()
except SystemExit as ended:
    code = ended.code or 0
sys.stderr.write(" ".join([str(code), *sorted(set(sys.modules) - before)]))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    record = encode(Record(FULL))
    zone = (
        "$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 60\n@ NS ns\nns A 192.0.2.53\n"
        rf"{FOUND.to_dns_name()} TYPE{CSID} \# {len(record)} {record.hex()}"
        "\n"
    )
    with serving(make_data(tmp_path_factory.mktemp("cold") / "data", zone)) as running:
        yield running


def loaded(*words: str, folder: Path = CHECKOUT) -> set[str]:
    """The modules that a command of its own process has loaded when it ends, which it does well."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=True,
    )
    code, *modules = done.stderr.split()
    assert code == "0", done
    assert done.stdout
    return set(modules)


@pytest.mark.parametrize("language", ["zh", "en", "both"])
@pytest.mark.parametrize("more", [(), ("--tcp",), ("--timeout", "3")])
def test_resolving_loads_what_asks_and_prints_and_no_more(
    server: Server, language: str, more: tuple[str, ...]
) -> None:
    asked = ("resolve", str(FOUND), "--server", f"127.0.0.1:{server.port}", "--lang", language)
    modules = loaded(*asked, *more)
    assert "resolver.client.blocking" in modules
    assert modules & NOT_FOR_ANSWERS == set()
    assert ("gateway.language.speaker" in modules) == (language != "both")


def test_resolving_to_json_loads_nothing_else_but_json(server: Server) -> None:
    asked = ("resolve", str(FOUND), "--server", f"127.0.0.1:{server.port}", "--json")
    assert loaded(*asked) & NOT_FOR_ANSWERS == {"json"}


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("resolve", "--help"),
        ("id", "explain", str(FOUND)),
        ("id", "check", str(FOUND)),
    ],
)
def test_what_needs_no_node_loads_nothing_of_one(words: tuple[str, ...]) -> None:
    assert loaded(*words) & TREE_OF_A_NODE == set()
