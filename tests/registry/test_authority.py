"""What must hold of the tree below the suffix: the registry's names, and none that feign one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from csid import names
from csid.protocol import CNAME, CSID, DNAME, NS, SVCB, TXT, A
from csid.record import Record
from registry.authority import Fault, Finding, homeless, judged
from registry.rules.requests import Alias, AliasSubtree, Assign, Retire
from registry.service import Registry
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from resolver.store import build, node
from resolver.store.node import RRset
from tests.support import books, trees
from tests.support.registering import OTHER, OWNER, PLACE, identifier

NAMED = Names(books.SUFFIX)
FIRST, SECOND, THIRD = (str(identifier(serial)) for serial in ("0001", "0002", "0003"))
ADDRESS = {A: RRset(60, [b"\xc0\0\2\1"])}
Data = dict[bytes, dict[int, RRset]]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Three identifiers: one lives, one has ended, one is an alias of the first."""
    with books.opened(tmp_path / "data") as made:
        for serial in ("0001", "0002", "0003"):
            record = Record({"state": "active", "endpoints": [f"https://n{serial}.example:8443"]})
            assert books.status(made, Assign(identifier(serial), record)).success
        assert books.status(made, Retire(identifier("0002"))).success
        assert books.status(made, Alias(identifier("0003"), identifier("0001"))).success
        yield made


def findings(registry: Registry) -> list[Finding]:
    """Of all zones."""
    with registry.store.read() as read:
        view = TransactionView(read)
        found: list[Finding] = []
        for held in read.zones():
            judgement = judged(read, view, NAMED, held)
            found += judgement or ()
        return found


def faults(registry: Registry) -> list[tuple[Fault, str]]:
    return [(one.fault, one.name) for one in findings(registry)]


def data_of(registry: Registry, origin: bytes = books.ORIGIN) -> Data:
    with registry.store.read() as read:
        held = read.zone(origin)
        return {
            names.wire_of_key(held.apex + key): dict(node.rrsets_of(blob))
            for key, blob in read.nodes(held.generation)
            if len(blob) > 2
        }


def load(registry: Registry, data: Data, origin: bytes = books.ORIGIN) -> None:
    """Write a zone past every guard."""
    with registry.store.write() as txn:
        txn.replace_zone(origin, build.build(origin, data))
    registry.store.sweep()
    trees.check(registry.store)


def put(registry: Registry, key: bytes, blob: bytes | None) -> None:
    """Write octets of a node past everything."""
    with registry.store.read() as read:
        generation = read.zone(books.ORIGIN).generation
    with registry.store.write() as txn:
        if blob is None:
            txn.table(b"tree").delete(generation + key)
        else:
            txn.table(b"tree").put(generation + key, blob)


def apex_of(registry: Registry) -> dict[int, RRset]:
    return data_of(registry)[books.ORIGIN]


def at(text: str) -> bytes:
    """A name below the suffix, or that of an identifier or prefix, in wire form."""
    return names.from_text(text) if "." in text else NAMED.target(text)


def key_of(text: str) -> bytes:
    return NAMED.key(text)[len(names.key_of(books.ORIGIN)) :]


def test_what_the_registry_wrote_holds(registry: Registry) -> None:
    assert findings(registry) == []


def test_a_name_that_is_missing_or_differs_is_found(registry: Registry) -> None:
    sound = data_of(registry)
    txt = sound[at(FIRST)][TXT]
    changed = {
        "no name": None,
        "no SVCB": {t: r for t, r in sound[at(FIRST)].items() if t != SVCB},
        "another TYPE65347": sound[at(FIRST)] | {CSID: RRset(300, [b"\x81\xa2st\xa6active"])},
        "A": sound[at(FIRST)] | ADDRESS,
        "TXT with TTL 60": sound[at(FIRST)] | {TXT: RRset(60, txt.rdatas)},
        "another TXT": sound[at(FIRST)] | {TXT: RRset(300, [*txt.rdatas, b"\1x"])},
    }
    for said, rrsets in changed.items():
        load(registry, {k: v for k, v in sound.items() if k != at(FIRST) or rrsets})
        if rrsets is None:
            assert faults(registry) == [(Fault.MISSING, FIRST)]
            continue
        load(registry, sound | {at(FIRST): rrsets})
        (found,) = findings(registry)
        assert (found.fault, found.name) == (Fault.CHANGED, FIRST)
        assert found.found.startswith(said), found
    load(registry, sound | {at(THIRD): {CNAME: RRset(300, [at(SECOND)])}})
    assert faults(registry) == [(Fault.CHANGED, THIRD)]
    load(registry, sound)
    assert findings(registry) == []


def test_records_in_another_order_are_the_same(registry: Registry) -> None:
    two = Record({"state": "active", "endpoints": ["https://a.example:1", "https://b.example:2"]})
    assert books.status(registry, Assign(identifier("0004"), two)).success
    data = data_of(registry)
    rrsets = data[at(str(identifier("0004")))]
    assert len(rrsets[SVCB].rdatas) == 2
    rrsets[SVCB] = RRset(300, [*reversed(list(rrsets[SVCB].rdatas))])
    load(registry, data)
    assert findings(registry) == []


@pytest.mark.parametrize("place", [OWNER, f"{OWNER}/6450", PLACE, FIRST])
@pytest.mark.parametrize("keeps_names", [True, False])
def test_a_delegation_above_registered_names_is_found(
    registry: Registry, place: str, keeps_names: bool
) -> None:
    data = data_of(registry) if keeps_names else {books.ORIGIN: apex_of(registry)}
    data[at(place)] = {NS: RRset(60, [names.from_text("ns.example.")])}
    load(registry, data)
    found = findings(registry)
    covered = {one.name for one in found if one.fault is Fault.COVERED}
    assert covered == ({FIRST} if place == FIRST else {FIRST, SECOND, THIRD})
    assert all(place in one.found for one in found if one.fault is Fault.COVERED)


def test_a_delegation_where_nothing_is_registered_is_free(registry: Registry) -> None:
    data = data_of(registry)
    data[at(f"{OTHER}/6450")] = {NS: RRset(60, [names.from_text("ns.example.")])}
    data[names.from_text(f"ns.6450.{OTHER.lower()}.csid.internal.")] = ADDRESS
    data[at("www.csid.internal.")] = ADDRESS | {NS: RRset(60, [at("www.csid.internal.")])}
    load(registry, data)
    assert findings(registry) == []


@pytest.mark.parametrize("name", ["csid.internal.", OWNER, f"{OTHER}/6450", PLACE])
def test_a_redirection_of_identifiers_is_found(registry: Registry, name: str) -> None:
    data = data_of(registry)
    target = {DNAME: RRset(60, [names.from_text("x.example.")])}
    data[at(name)] = data.get(at(name), {}) | target
    load(registry, data)
    found = faults(registry)
    assert (Fault.REDIRECT, name) in found
    is_above = name != f"{OTHER}/6450"
    assert [one for one in found if one[0] is Fault.COVERED] == (
        [(Fault.COVERED, one) for one in (FIRST, SECOND, THIRD)] if is_above else []
    )


@pytest.mark.parametrize("parent", ["csid.internal.", OWNER, f"{OTHER}/6450", PLACE])
def test_a_wildcard_that_answers_for_identifiers_is_found(registry: Registry, parent: str) -> None:
    data = data_of(registry)
    data[b"\1*" + at(parent)] = ADDRESS
    load(registry, data)
    assert [fault for fault, _ in faults(registry)] == [Fault.WILDCARD]


def test_other_names_are_free(registry: Registry) -> None:
    data = data_of(registry)
    for name in ("www", "*.www", f"_status.{OWNER}", f"www.acv.330106.6450.{OWNER}", "*.*"):
        data[at(f"{name}.csid.internal.".lower())] = ADDRESS
    data[b"\7_status" + at(FIRST)] = ADDRESS
    data[b"\1*" + at(FIRST)] = ADDRESS
    data[at("d.csid.internal.")] = {DNAME: RRset(60, [names.from_text("x.example.")])}
    load(registry, data)
    assert findings(registry) == []


@pytest.mark.parametrize("rrsets", [ADDRESS, {NS: RRset(60, [names.from_text("ns.example.")])}])
def test_an_identifier_nobody_assigned_is_found(
    registry: Registry, rrsets: dict[int, RRset]
) -> None:
    data = data_of(registry)
    other = str(identifier("0009", OTHER))
    data[at(other)] = rrsets
    data[at(FIRST[:-2] + ("00" if FIRST[-2:] != "00" else "01"))] = rrsets  # a false check
    load(registry, data)
    assert [fault for fault, _ in faults(registry)] == [Fault.UNASSIGNED] * 2
    assert (Fault.UNASSIGNED, other) in faults(registry)


@pytest.mark.parametrize("origin", [OWNER, f"{OWNER}/6450/330106", PLACE])
def test_a_deeper_zone_has_the_names_below_it(registry: Registry, origin: str) -> None:
    whole = data_of(registry)
    apex = apex_of(registry)
    data = {at(origin): apex, at(FIRST): whole[at(FIRST)], at(SECOND): whole[at(SECOND)]}
    load(registry, data, at(origin))
    assert faults(registry) == [(Fault.MISSING, THIRD)]  # the parent's copy is hidden
    load(registry, data | {at(THIRD): whole[at(THIRD)]}, at(origin))
    assert findings(registry) == []
    load(registry, {books.ORIGIN: apex})
    assert findings(registry) == []
    with registry.store.write() as txn:
        txn.drop_zone(at(origin))
    assert faults(registry) == [(Fault.MISSING, one) for one in (FIRST, SECOND, THIRD)]


def test_what_leads_on_is_not_hidden_by_a_deeper_zone(registry: Registry) -> None:
    assert books.status(registry, AliasSubtree(f"{OTHER}/6450", f"{OWNER}/6450")).success
    deep = at(f"{OTHER}/6450/330106/ACV")
    load(registry, {deep: apex_of(registry)}, deep)
    assert faults(registry) == [(Fault.WITHIN, f"{OTHER}/6450/330106/ACV")]
    with registry.store.write() as txn:
        txn.drop_zone(deep)
    load(registry, {b"\2_x" + deep: apex_of(registry)}, b"\2_x" + deep)
    assert [fault for fault, _ in faults(registry)] == [Fault.WITHIN]


def test_a_prefix_is_not_closed_above_a_zone_that_is_held(registry: Registry) -> None:
    deep = at(f"{OTHER}/6450/330106/ACV")
    load(registry, {deep: apex_of(registry)}, deep)
    decision = books.ask(registry, AliasSubtree(f"{OTHER}/6450", f"{OWNER}/6450"))
    assert not decision.status.success and names.to_text(deep) in decision.detail
    assert findings(registry) == []


def test_a_zone_whose_apex_is_an_identifier_is_found(registry: Registry) -> None:
    apex = apex_of(registry)
    load(registry, {at(FIRST): apex}, at(FIRST))
    load(registry, {at(str(identifier("0009"))): apex}, at(str(identifier("0009"))))
    assert faults(registry) == [
        (Fault.APEX, FIRST),
        (Fault.UNASSIGNED, str(identifier("0009"))),
    ]


def test_a_zone_above_the_suffix_answers_where_none_is_deeper(registry: Registry) -> None:
    internal = names.from_text("internal.")
    whole = data_of(registry)
    apex = apex_of(registry)
    feigning: Data = {
        internal: apex | {DNAME: RRset(60, [names.from_text("x.example.")])},
        b"\1*" + internal: ADDRESS,
        at(str(identifier("0009"))): ADDRESS,
    }
    load(registry, {internal: feigning[internal], b"\1*" + internal: ADDRESS}, internal)
    assert findings(registry) == []  # the zone of the suffix is deeper
    with registry.store.write() as txn:
        txn.drop_zone(books.ORIGIN)
    found = {fault for fault, _ in faults(registry)}
    assert found == {Fault.REDIRECT, Fault.COVERED, Fault.WILDCARD}
    names_below = {owner: rrsets for owner, rrsets in whole.items() if owner != books.ORIGIN}
    load(registry, {internal: apex, b"\1*" + internal: ADDRESS} | names_below, internal)
    assert findings(registry) == []  # the suffix is there, so the wildcard does not stand for it
    load(registry, {internal: apex, b"\1*" + internal: ADDRESS}, internal)
    assert {fault for fault, _ in faults(registry)} == {Fault.MISSING, Fault.WILDCARD}
    with registry.store.write() as txn:
        txn.drop_zone(internal)
    with registry.store.read() as read:
        rows = list(homeless(read, TransactionView(read), NAMED))
    assert [row.decode() for row in rows] == [FIRST, SECOND, THIRD]


def test_a_closed_prefix_leads_on(registry: Registry) -> None:
    assert books.status(registry, AliasSubtree(OTHER, OWNER)).success
    assert findings(registry) == []
    data = data_of(registry)
    assert DNAME in data[at(OTHER)]
    load(registry, {owner: rrsets for owner, rrsets in data.items() if owner != at(OTHER)})
    assert faults(registry) == [(Fault.CLOSED, OTHER)]
    for rrsets in (ADDRESS, {DNAME: RRset(300, [names.from_text("x.example.")])}):
        load(registry, data | {at(OTHER): rrsets})
        assert faults(registry) == [(Fault.CLOSED, OTHER)]
    load(registry, data | {at(OTHER): data[at(OTHER)] | ADDRESS})
    assert findings(registry) == []
    cut = {NS: RRset(60, [names.from_text("ns.example.")])}
    load(registry, data | {at(OTHER): data[at(OTHER)] | cut})
    assert faults(registry) == [(Fault.CLOSED, OTHER)]


def test_what_leads_on_is_not_delegated_away(registry: Registry) -> None:
    assert books.status(
        registry, AliasSubtree(f"{OTHER}/6450/330106", PLACE[: -len("/ACV")])
    ).success
    data = data_of(registry)
    cut = {NS: RRset(60, [names.from_text("ns.example.")])}
    load(registry, data | {at(f"{OTHER}/6450"): cut})
    assert faults(registry) == [(Fault.CLOSED, f"{OTHER}/6450/330106")]
    load(registry, data)
    assert books.status(registry, AliasSubtree(OTHER, OWNER)).success  # a wider one hides its own
    assert findings(registry) == []


DAMAGES = {
    "octets": (key_of(FIRST), b"\0\0\xff\xff\xff"),
    "a cover without a cause": (key_of(FIRST), None),
    "no empty non-terminal": (key_of(f"{OWNER}/6450"), b""),
    "an empty node for nothing": (key_of(f"{OTHER}/6450"), b"\0\0"),
    "flags of a foreign name": (b"ns1\0", None),
}


@pytest.mark.parametrize("name", list(DAMAGES))
def test_what_answering_relies_on_is_found(registry: Registry, name: str) -> None:
    key, blob = DAMAGES[name]
    if blob is None:
        with registry.store.read() as read:
            held = dict(read.nodes(read.zone(books.ORIGIN).generation))[key]
        blob = bytes((held[0] ^ (name.startswith("flags") and 2), held[1] ^ 1)) + held[2:]
    put(registry, key, blob or None)
    found = findings(registry)
    assert found and {one.fault for one in found} <= {Fault.NODE, Fault.CHANGED}


def test_every_octet_of_every_node_matters(registry: Registry) -> None:
    """Of names that are the registry's, of others, and of what stands for nothing."""
    data = data_of(registry) | {at("a.b.csid.internal."): ADDRESS | {TXT: RRset(7, [b"\1x"])}}
    load(registry, data)
    with registry.store.read() as read:
        nodes = dict(read.nodes(read.zone(books.ORIGIN).generation))
    sound = digest_of(registry)
    for key, blob in nodes.items():
        for index in range(len(blob)):
            spoilt = blob[:index] + bytes((blob[index] ^ 0x10,)) + blob[index + 1 :]
            put(registry, key, spoilt)
            if key == b"" and not findings(registry):
                assert digest_of(registry) != sound or is_serial(blob, index), (key, index)
                continue
            assert findings(registry) or digest_of(registry) != sound, (key, index)
        put(registry, key, blob)
    assert findings(registry) == [] and digest_of(registry) == sound


def is_serial(blob: bytes, index: int) -> bool:
    end = node.find_entry(blob, 6)
    end += 10 + len(node.records_at(blob, end))
    return end - 20 <= index < end - 16


def digest_of(registry: Registry) -> bytes:
    with registry.store.read() as read:
        judgement = judged(read, TransactionView(read), NAMED, read.zone(books.ORIGIN))
        assert judgement is not None
        list(judgement)
        return judgement.walk.digest


def test_the_digest_is_that_of_the_foreign_names(registry: Registry) -> None:
    before = digest_of(registry)
    assert books.status(registry, Assign(identifier("0005"), Record({"state": "active"}))).success
    assert books.status(registry, AliasSubtree(OTHER, OWNER)).success
    assert digest_of(registry) == before
    load(registry, data_of(registry) | {at("x.csid.internal."): ADDRESS})
    assert digest_of(registry) != before


def test_a_damaged_row_is_found(registry: Registry) -> None:
    key = FIRST.encode()
    for value in (b"", b"\x90", b"\xc1", b"\x97\x09\x00\x00\x00\x00\xc4\x00\xa0"):
        with registry.store.write() as txn:
            TransactionView(txn).table(codec.ASSIGNMENTS).put(key, value)
        assert (Fault.ROW, FIRST) in faults(registry)
    with registry.store.write() as txn:
        table = TransactionView(txn).table(codec.ASSIGNMENTS)
        for odd in (b"\xff\xfe", b"a" * 300, b"/", b"\0"):
            table.put(odd, b"\x90")
    assert faults(registry)
