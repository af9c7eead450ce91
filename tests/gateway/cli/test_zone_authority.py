"""`csid zone load`, `drop` and `rebuild` below the suffix, where the registry is the authority."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from csid import names
from csid.protocol import NS
from gateway.cli.commands.zone import command as zone
from registry.service import Registry
from registry.tables import log_entry
from registry.tables.transaction import AuditStore
from resolver.store.environment import Store
from resolver.store.node import RRset
from tests.support import trees
from tests.support.commands import Node, Ran
from tests.support.registering import OTHER, OWNER, PLACE, identifier

FIRST, SECOND, THIRD = (str(identifier(serial)) for serial in ("0001", "0002", "0003"))
SUFFIX = "csid.internal."
HEAD = "@ 300 SOA ns host {serial} 3600 900 604800 60\n@ 300 NS ns\nns 300 A 192.0.2.1\n"


@pytest.fixture
def book(node: Node) -> Node:
    """Two identifiers live, one of which is reached at a host below the suffix; one has ended."""
    node.must("assign", FIRST, "--endpoint", "https://ns1.csid.internal:8443")
    node.must("assign", SECOND)
    node.must("assign", THIRD)
    node.must("retire", THIRD)
    return node


def dns(text: str) -> str:
    """The DNS name of an identifier or prefix."""
    return ".".join(reversed(text.lower().split("/"))) + f".{SUFFIX}"


def dumped(node: Node, origin: str = SUFFIX) -> str:
    return node.run("zone", "dump", origin).out


def load(node: Node, text: str, *words: str, origin: str = SUFFIX) -> Ran:
    path = node.data.parent / "given.zone"
    path.write_text(f"$ORIGIN {origin}\n{text}")
    return node.run("zone", "load", path, *words)


def raised(text: str, serial: int = 100) -> str:
    """A dump with another serial."""
    lines = text.splitlines()
    at = next(index for index, line in enumerate(lines) if "\tSOA\t" in line or " SOA " in line)
    fields = lines[at].split()
    fields[-5] = str(serial)
    lines[at] = " ".join(fields)
    return "\n".join(lines) + "\n"


def is_sound(node: Node) -> bool:
    with Store.open(node.data) as store:
        trees.check(store)
    return node.run("zone", "rebuild", "--dry-run").err == "" and not any(
        one["found"] for one in node.run("zone", "rebuild", "--dry-run", "--json").json
    )


def leaves(node: Node, kind: str) -> list[dict[str, Any]]:
    """The leaves of one kind, by the table of the log."""
    with Registry.open(node.data) as registry, registry.store.read() as read:
        found = (log_entry.decode(data)._asdict() for data in AuditStore(read).leaves())
        return [leaf for leaf in found if leaf["kind"] == kind]


def without(text: str, name: str) -> str:
    return "".join(line for line in text.splitlines(True) if not line.startswith(name))


CHANGED = {
    "takes a live one away": (lambda text: without(text, dns(FIRST)), FIRST),
    "takes an ended one away": (lambda text: without(text, dns(THIRD)), THIRD),
    "another TXT": (lambda text: f'{text}{dns(FIRST)} 300 TXT "v=csid1" "state=retired"\n', FIRST),
    "another SVCB": (lambda text: f"{text}{dns(FIRST)} 300 SVCB 2 evil.example. port=1\n", FIRST),
    "another SVCB alone": (lambda text: f"{text}{dns(SECOND)} 300 SVCB 1 evil.example.\n", SECOND),
    "an address": (lambda text: f"{text}{dns(FIRST)} 300 A 192.0.2.9\n", FIRST),
    "a delegation at the owner": (lambda text: f"{text}{dns(OWNER)} 60 NS ns.example.\n", FIRST),
    "a delegation at one": (lambda text: f"{text}{dns(SECOND)} 60 NS ns.example.\n", SECOND),
    "a DNAME at the industry": (
        lambda text: f"{text}{dns(f'{OWNER}/6450')} 60 DNAME x.example.\n",
        FIRST,
    ),
    "a DNAME at the apex": (lambda text: f"{text}{SUFFIX} 60 DNAME x.example.\n", SUFFIX),
    "a DNAME where nobody is": (lambda text: f"{text}{dns(OTHER)} 60 DNAME x.example.\n", OTHER),
    "nobody assigned it": (
        lambda text: f"{text}{dns(str(identifier('0009')))} 60 A 192.0.2.9\n",
        str(identifier("0009")),
    ),
    "nobody assigned it, below a delegation": (
        lambda text: (
            f"{text}{dns(OTHER)} 60 NS ns.example.\n"
            f"{dns(str(identifier('0009', OTHER)))} 60 A 192.0.2.9\n"
        ),
        str(identifier("0009", OTHER)),
    ),
    "a wildcard for all": (lambda text: f"{text}*.{SUFFIX} 60 A 192.0.2.9\n", f"*.{SUFFIX}"),
    "a wildcard at a place": (
        lambda text: f"{text}*.{dns(PLACE)} 60 CNAME x.example.\n",
        f"*.{dns(PLACE)}",
    ),
    "another TTL": (
        lambda text: text.replace(f"{dns(SECOND)} 300", f"{dns(SECOND)} 60"),
        SECOND,
    ),
}


@pytest.mark.parametrize("case", list(CHANGED))
@pytest.mark.parametrize("mode", ["keep", "increment"])
def test_a_file_that_takes_something_from_the_registry_is_refused(
    book: Node, case: str, mode: str
) -> None:
    change, name = CHANGED[case]
    before = dumped(book)
    ran = load(book, raised(change(before)), "--serial", mode)
    assert ran.code == 1, case
    assert name.lower() in ran.err.lower() and "\n" in ran.err, ran.err
    assert dumped(book) == before
    assert is_sound(book)
    tried = load(book, raised(change(before)), "--serial", mode, "--dry-run")
    assert (tried.code, tried.err) == (1, ran.err)


@pytest.mark.parametrize("place", [OWNER, f"{OWNER}/6450/330106", PLACE])
def test_a_child_zone_must_have_the_names_that_lie_in_it(book: Node, place: str) -> None:
    ran = load(book, HEAD.format(serial=1), origin=dns(place))
    assert ran.code == 1 and FIRST in ran.err and "csid zone dump" in ran.err
    assert is_sound(book)
    lines = dumped(book).splitlines(True)
    own = "".join(line for line in lines if line.startswith((dns(FIRST), dns(SECOND), dns(THIRD))))
    ran = load(book, HEAD.format(serial=1) + own, origin=dns(place))
    assert (ran.code, ran.err) == (0, "")
    assert is_sound(book)
    # It is the deepest now: what is changed is changed there, and the parent's copy is hidden.
    book.must("suspend", SECOND)
    assert book.state(SECOND) == "suspended" and is_sound(book)
    ran = book.run("zone", "drop", dns(place))
    assert ran.code == 1 and "1 live identifiers" in ran.err  # the parent's is that of before
    book.must("zone", "rebuild", SUFFIX)
    assert book.run("zone", "drop", dns(place)).code == 0
    assert is_sound(book)


def test_a_zone_may_not_begin_at_an_identifier(book: Node) -> None:
    for name in (FIRST, str(identifier("0009"))):
        ran = load(book, HEAD.format(serial=1), origin=dns(name))
        assert ran.code == 1 and name in ran.err
    assert is_sound(book)


def test_other_names_may_be_loaded(book: Node) -> None:
    more = (
        f"www.{SUFFIX} 60 A 192.0.2.7\n*.www.{SUFFIX} 60 A 192.0.2.8\n"
        f"{dns(OTHER)} 60 NS ns.{dns(OTHER)}\nns.{dns(OTHER)} 60 A 192.0.2.9\n"
        f"_status.{dns(FIRST)} 60 TXT x\n"
    )
    ran = load(book, raised(dumped(book)) + more)
    assert (ran.code, ran.err) == (0, "")
    assert is_sound(book)
    leaf = leaves(book, "zone.load")[-1]
    assert (leaf["on"], leaf["role"], leaf["to"]) == (SUFFIX, "administrator", "")
    ran = load(book, raised(dumped(book), 101), "--reason", "改", "--as", "li")
    leaf = leaves(book, "zone.load")[-1]
    assert (leaf["by"], leaf["why"]) == ("li", "改")


def test_a_zone_above_the_suffix_is_free_while_it_answers_for_nothing(book: Node) -> None:
    text = HEAD.format(serial=1) + f"*.internal. 60 A 192.0.2.9\n{SUFFIX} 60 NS ns.example.\n"
    assert load(book, text, origin="internal.").code == 0
    assert is_sound(book)
    assert len(leaves(book, "zone.load")) == 1
    assert book.run("zone", "drop", "internal.").code == 0
    assert leaves(book, "zone.drop") == []


def test_what_a_zone_above_the_suffix_hides_is_judged_when_it_would_answer(node: Node) -> None:
    feigned = f"{dns(str(identifier('0009')))} 60 A 192.0.2.9\n"
    assert load(node, HEAD.format(serial=1) + feigned, origin="internal.").code == 0
    assert node.run("audit", "verify").code == 0
    ran = node.run("zone", "drop", SUFFIX)
    assert ran.code == 1 and "not assigned" in ran.err
    assert node.run("audit", "verify").code == 0


def test_roles_other_than_the_administrator_may_not(book: Node) -> None:
    for words in (("load", "x.zone"), ("drop", SUFFIX), ("rebuild",)):
        ran = book.run("zone", *words, "--role", "auditor")
        assert ran.code != 0 and "administrator" in ran.err


def test_a_zone_with_live_identifiers_is_not_dropped(book: Node) -> None:
    ran = book.run("zone", "drop", SUFFIX)
    assert ran.code == 1
    assert "2 live identifiers" in ran.err and "1 ended" in ran.err
    assert book.run("zone", "drop", SUFFIX, "--dry-run").err == ran.err
    assert is_sound(book)
    book.must("retire", FIRST)
    book.must("retire", SECOND)
    assert book.run("zone", "drop", SUFFIX, "--dry-run").code == 0
    assert dumped(book)
    ran = book.run("zone", "drop", SUFFIX, "--reason", "moved", "--json")
    assert ran.code == 0
    (told,) = ran.json
    assert told["outcome"] == "dropped" and "3 ended" in told["said"][0]
    (leaf,) = leaves(book, "zone.drop")
    assert (leaf["on"], leaf["why"]) == (SUFFIX, "moved")
    assert book.run("zone", "dump", SUFFIX).code == 2


def test_a_dropped_zone_is_made_anew(book: Node) -> None:
    for name in (FIRST, SECOND):
        book.must("retire", name)
    before = dumped(book)
    book.must("zone", "drop", SUFFIX)
    assert book.run("zone", "rebuild").code == 0  # it was dropped on purpose
    assert book.run("zone", "dump", SUFFIX).code == 2
    ran = book.run("zone", "rebuild", SUFFIX)
    assert ran.code == 0 and "SOA and NS" in ran.err
    after = dumped(book)
    for name in (FIRST, SECOND, THIRD):
        own = [line for line in before.splitlines() if line.startswith(dns(name))]
        assert own and own == [line for line in after.splitlines() if line.startswith(dns(name))]
    assert is_sound(book)


def test_a_zone_is_not_dropped_while_the_one_above_denies_what_has_ended(book: Node) -> None:
    text = dumped(book)
    for one in (FIRST, SECOND):
        book.must("retire", one)
    ours = "".join(line for line in dumped(book).splitlines(True) if f".{dns(OWNER)}" in line)
    assert load(book, HEAD.format(serial=1) + ours, origin=dns(OWNER)).code == 0
    bare = "".join(line for line in text.splitlines(True) if dns(OWNER) not in line)
    assert load(book, raised(bare)).code == 0
    ran = book.run("zone", "drop", dns(OWNER))
    assert ran.code == 1 and "3 ended" in ran.err and SUFFIX in ran.err
    assert book.run("zone", "drop", dns(OWNER), "--dry-run").err == ran.err
    assert load(book, raised(bare + ours, 200)).code == 0
    assert book.run("zone", "drop", dns(OWNER)).code == 0
    assert is_sound(book)


def test_names_that_only_look_like_rows_of_the_registry_stay(book: Node) -> None:
    text = dumped(book)
    odd = [
        f"{FIRST.lower()}.{SUFFIX} 60 IN A 192.0.2.7\n",
        f"acv/{FIRST.lower().rpartition('/')[2]}.{dns(f'{OWNER}/6450/330106')} 60 IN A 192.0.2.7\n",
    ]
    assert load(book, raised(text + "".join(odd))).code == 0
    book.must("zone", "rebuild")
    assert all(line in dumped(book) for line in odd)
    assert is_sound(book)


def test_the_same_serial_with_other_content_is_refused(book: Node) -> None:
    text = dumped(book)
    ran = load(book, text)
    assert ran.code == 0 and "unchanged" in ran.out
    other = text + f"www.{SUFFIX} 60 A 192.0.2.7\n"
    ran = load(book, other)
    assert ran.code == 1 and "--serial increment" in ran.err
    before = trees_serial(book)
    assert load(book, other, "--serial", "increment").code == 0
    assert trees_serial(book) == before + 1
    ran = load(book, other, "--serial", "increment", "--json")
    assert ran.json[0]["outcome"] == "unchanged" and trees_serial(book) == before + 1
    assert load(book, text, "--serial", "unixtime").code == 0
    assert trees_serial(book) > 1_700_000_000
    ran = load(book, raised(text, 7))
    assert ran.code == 0 and "goes back" in ran.err


def trees_serial(node: Node) -> int:
    with Store.open(node.data) as store:
        return trees.serial(store, SUFFIX)


def test_a_replaced_zone_keeps_its_journal(book: Node) -> None:
    before = trees_serial(book)
    load(book, dumped(book) + f"www.{SUFFIX} 60 A 192.0.2.7\n", "--serial", "increment")
    with Store.open(book.data) as store, store.read() as read:
        journal = read.journal(read.zone(names.from_text(SUFFIX)))
        changed = journal.since(before)
    assert changed is not None and list(changed) == [b"www\0"]


@contextmanager
def writing(data: Path) -> Iterator[None]:
    """While it lasts, another process holds the write lock."""
    program = (
        "import sys; from pathlib import Path; from resolver.store.environment import Store\n"
        "with Store.open(Path(sys.argv[1]), writable=True) as store, store.write(keep=False):\n"
        "    print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, data],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        try:
            yield
        finally:
            other.stdin.close()


def test_a_dry_run_writes_and_locks_nothing(book: Node) -> None:
    held = (book.data / "data.mdb").read_bytes()
    text = raised(dumped(book)) + f"www.{SUFFIX} 60 A 192.0.2.7\n"
    with writing(book.data):
        (told,) = load(book, text, "--dry-run", "--json").json
        assert told["outcome"] == "loaded" and told["dry_run"] and told["serial"] == 100
        assert book.run("zone", "drop", SUFFIX, "--dry-run").code == 1
        assert book.run("zone", "rebuild", "--dry-run").code == 0
    assert (book.data / "data.mdb").read_bytes() == held


def spoil(node: Node, name: str) -> None:
    """Damage the tree, past everything."""
    with Store.open(node.data, writable=True) as store:
        with store.read() as read:
            held = read.zone(names.from_text(SUFFIX))
            nodes = dict(read.nodes(held.generation))
        key = names.key_of(names.from_text(dns(FIRST)))[len(held.apex) :]
        with store.write() as txn:
            tree = txn.table(b"tree")
            at = held.generation + key
            blob = nodes[key]
            if name == "gone":
                tree.delete(at)
            elif name == "garbage":
                tree.put(at, b"\xff" * 7)
            elif name == "cover":
                tree.put(at, bytes((0, 2)) + blob[2:])
            elif name == "foreign garbage":
                tree.put(held.generation + b"ns1\0", b"\0\0\0")
            elif name == "no way there":
                tree.delete(held.generation + key[: key.index(b"\0") + 1])
            elif name == "one too many":
                other = str(identifier("0009"))
                other_key = names.key_of(names.from_text(dns(other)))[len(held.apex) :]
                tree.put(held.generation + other_key, blob)
            elif name == "a cut":
                owner = held.generation + key[: key.index(b"\0") + 1]
                cut = b"\2\2" + nodes[b""][2:]
                tree.put(owner, cut)
            elif name == "wildcards":
                tree.put(held.generation + key[: key.index(b"\0") + 1] + b"*\0", blob)
            elif name == "no apex":
                tree.delete(held.generation)
            elif name == "another record":
                tree.put(at, blob.replace(b"state=active", b"state=ACTIVE"))
            elif name == "no zone":
                apexes = txn.table(b"apexes")
                apexes.delete(b"\0" + held.apex)


DAMAGE = [
    "gone",
    "garbage",
    "cover",
    "foreign garbage",
    "no way there",
    "one too many",
    "a cut",
    "wildcards",
    "no apex",
    "another record",
    "no zone",
]


@pytest.mark.parametrize("name", DAMAGE)
def test_a_zone_is_made_anew_from_the_registry(book: Node, name: str) -> None:
    before = dumped(book)
    serial = trees_serial(book)
    spoil(book, name)
    if name not in ("no zone",):
        assert book.run("zone", "rebuild", "--dry-run", "--json").json[0]["found"]
    ran = book.run("zone", "rebuild", "--json")
    assert ran.code == 0, ran
    assert is_sound(book)
    after = dumped(book)
    for line in before.splitlines():
        if line.startswith((dns(FIRST), dns(SECOND), dns(THIRD))):
            assert line in after.splitlines()
    if name not in ("no apex", "no zone", "foreign garbage"):
        assert [line for line in after.splitlines() if "SOA" not in line] == [
            line for line in before.splitlines() if "SOA" not in line
        ]
    assert json.loads(ran.out)["outcome"] == "loaded"
    assert trees_serial(book) >= serial
    book.must("assign", str(identifier("0010")))
    assert is_sound(book)


@pytest.mark.parametrize("at", [OTHER, f"{OTHER}/6450/330106"])
def test_a_delegation_of_what_leads_on_is_refused(book: Node, at: str) -> None:
    book.must("alias", f"{OTHER}/6450/330106", f"{OWNER}/6450/330106")
    before = dumped(book)
    ran = load(book, raised(f"{before}{dns(at)} 60 NS ns.example.\n"))
    assert ran.code == 1 and "is delegated away" in ran.err
    assert dumped(book) == before and is_sound(book)


@pytest.mark.parametrize("at", [OTHER, f"{OTHER}/6450/330106"])
def test_a_delegation_of_what_leads_on_is_taken_out_by_a_rebuild(book: Node, at: str) -> None:
    book.must("alias", f"{OTHER}/6450/330106", f"{OWNER}/6450/330106")
    before = dumped(book)
    with Store.open(book.data, writable=True) as store, store.write() as txn:
        update = txn.update(names.from_text(SUFFIX))
        key = names.key_of(names.from_text(dns(at)))[len(update.apex) :]
        update.set(key, update.rrsets(key) | {NS: RRset(60, [names.from_text("ns.example.")])})
        update.finish()
    assert book.run("audit", "verify").code == 1
    assert book.run("zone", "rebuild").code == 0
    assert [line for line in dumped(book).splitlines() if "SOA" not in line] == [
        line for line in before.splitlines() if "SOA" not in line
    ]
    assert is_sound(book)


def test_what_is_sound_is_made_anew_without_a_new_serial(book: Node) -> None:
    before, serial = dumped(book), trees_serial(book)
    ran = book.run("zone", "rebuild")
    assert ran.code == 0 and "0 处有误" in ran.out
    assert (dumped(book), trees_serial(book)) == (before, serial)


def test_on_a_terminal_names_go_away_only_when_agreed(
    book: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = dumped(book)
    load(book, raised(text) + f"www.{SUFFIX} 60 A 192.0.2.7\n")
    monkeypatch.setattr(zone, "_on_terminal", lambda: True)
    for answer, code in (("\n", 1), ("n\n", 1), ("", 1), ("y\n", 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        ran = load(book, raised(text, 101))
        assert ran.code == code and f"www.{SUFFIX}" in ran.err and "1 " in ran.err
        assert (f"www.{SUFFIX}" in dumped(book)) == bool(code)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert load(book, HEAD.format(serial=1), origin="x.example.").code == 0  # nothing goes away
    assert book.run("zone", "drop", "x.example.").code == 1
    assert book.run("zone", "drop", "x.example.", "--yes").code == 0


def test_a_directory_begins_with_a_log(tmp_path: Path) -> None:
    node = Node(tmp_path / "new")
    (init,) = leaves(node, "node.init")
    (loaded,) = leaves(node, "zone.load")
    assert init["on"] == loaded["on"] == SUFFIX and loaded["prev"] == -1
