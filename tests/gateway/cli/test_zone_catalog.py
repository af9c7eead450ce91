"""`csid zone catalog` and `csid zone zonemd`: what they make, list and refuse."""

from __future__ import annotations

from csid import names
from csid.protocol import ZONEMD
from registry.network.catalogs import NodePolicy
from registry.service import Registry
from resolver.store import node as nodes
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.sync.catalog import listing, members
from resolver.sync.settings import CATALOGS, Catalog, Target, follow_of, pack, where
from tests.support.commands import Node

CATALOG = "catalog.example."


def listed(node: Node, catalog: str = CATALOG) -> list[tuple[str, list[str], str]]:
    ran = node.run("zone", "catalog", "list", catalog, "--json")
    assert ran.code == 0, ran.err
    return [(one["origin"], one["groups"], one["coo"]) for one in ran.json]


def labels(node: Node) -> dict[str, str]:
    ran = node.run("zone", "catalog", "list", CATALOG, "--json")
    return {one["origin"]: one["label"] for one in ran.json}


def produce(node: Node, *words: str, code: int = 0, catalog: str = CATALOG) -> str:
    ran = node.run("zone", "catalog", "produce", catalog, *words)
    assert ran.code == code, ran.err
    return ran.out + ran.err


def test_a_catalog_is_made_and_changed(node: Node) -> None:
    assert "serial 2" in produce(node, "--add", "a.example", "--add", "B.example", "--group", "n")
    assert sorted(listed(node)) == [("a.example.", ["n"], ""), ("b.example.", ["n"], "")]
    before = labels(node)
    produce(node, "--add", "a.example", "--group", "x", "--group", "y", "--coo", "other.example")
    assert ("a.example.", ["x", "y"], "other.example.") in listed(node)
    produce(node, "--add", "a.example", "--group", "", "--coo", "-")
    assert ("a.example.", [], "") in listed(node)
    produce(node, "--remove", "a.example", "--add", "c.example")
    assert {zone for zone, _, _ in listed(node)} == {"b.example.", "c.example."}
    produce(node, "--add", "a.example")
    assert labels(node)["a.example."] == before["a.example."]
    produce(node, "--add", "a.example", "--reset")
    assert labels(node)["a.example."] != before["a.example."]
    assert labels(node)["b.example."] == before["b.example."]
    assert "serial 7" in produce(node, "--add", "b.example")  # nothing new


def test_a_catalog_below_the_suffix_is_noted_in_the_log(node: Node) -> None:
    produce(node, "--add", "a.example", catalog="_catalog.csid.internal")
    produce(node, "--remove", "a.example", catalog="_catalog.csid.internal")
    assert listed(node, "_catalog.csid.internal") == []
    assert node.run("audit", "verify").code == 0


def test_a_catalog_made_elsewhere_keeps_its_labels(node: Node) -> None:
    file = node.data.with_name("catalog.zone")
    file.write_text(
        f"$ORIGIN {CATALOG}\n$TTL 0\n@ SOA invalid. invalid. 9 1 1 1 1\n@ NS invalid.\n"
        'version TXT "2"\nmine.zones PTR a.example.\ngroup.mine.zones TXT old\n'
    )
    assert node.run("zone", "load", str(file)).code == 0
    produce(node, "--add", "a.example", "--group", "new")
    assert labels(node) == {"a.example.": "mine"}
    produce(node, "--remove", "a.example")
    assert listed(node) == []


def test_what_is_no_catalog_is_not_changed(node: Node) -> None:
    said = produce(node, "--add", "a.example", code=2, catalog="csid.internal")
    assert "version" in said
    assert "not listed" in produce(node, "--remove", "nobody.example", code=2)
    assert "--add" in produce(node, "--group", "x", code=2)


def test_consuming_is_set_up_and_ended(node: Node) -> None:
    words = ["zone", "catalog", "consume", CATALOG, "--from", "192.0.2.1:53"]
    assert "csid key add" in node.run(*words, "--key", "nobody").err
    assert node.run(*words, "--group", "north=192.0.2.2:5300").code == 0
    with Store.open(node.data) as store, store.read() as read:
        follow = follow_of(read, names.key_of(names.from_text(CATALOG)))
    assert follow is not None and follow.primaries == (Target("192.0.2.1", 53),)
    (listed,) = node.run("zone", "catalog", "list", "--json").json
    assert listed == {"catalog": CATALOG, "primaries": ["192.0.2.1:53"], "fault": None}
    assert node.run("zone", "catalog", "stop", CATALOG).code == 0
    assert node.run("zone", "catalog", "list", "--json").json == []
    assert node.run("zone", "catalog", "stop", CATALOG).code == 2
    with Store.open(node.data) as store, store.read() as read:
        assert follow_of(read, names.key_of(names.from_text(CATALOG))) is None


def test_an_own_catalog_is_not_consumed(node: Node) -> None:
    produce(node, "--add", "a.example")
    ran = node.run("zone", "catalog", "consume", CATALOG, "--from", "192.0.2.1")
    assert ran.code == 2
    assert "own" in ran.err
    assert (
        "GROUP=HOST:PORT"
        in node.run("zone", "catalog", "consume", "x.", "--from", "192.0.2.1", "--group", "x").err
    )


def consumed(node: Node, *zones: str) -> None:
    """Let a catalog that lists these zones have been transferred."""
    origin = names.from_text(CATALOG)
    apex = names.key_of(origin)
    with Registry.open(node.data, writable=True) as registry, registry.store.write() as txn:
        txn.replace_zone(origin, build(origin, listing.first_nodes(origin)))
        update = txn.update(origin)
        for zone in zones:
            listing.add(update, names.key_of(names.from_text(zone)))
        update.finish()
        txn.table(CATALOGS).put(where(apex), pack(Catalog((Target("192.0.2.1", 53),))))
        policy = NodePolicy("csid.internal.")
        members.consume(txn, apex, None, 1, policy)


def states_of(node: Node) -> dict[str, str]:
    ran = node.run("zone", "catalog", "list", CATALOG, "--json")
    return {one["origin"]: one["state"].split(":")[0] for one in ran.json}


def test_a_zone_that_is_dropped_is_held_if_a_catalog_lists_it(node: Node) -> None:
    file = node.data.with_name("own.zone")
    file.write_text("$ORIGIN own.example.\n@ 0 SOA x. x. 9 1 1 1 1\n@ 0 NS x.\n")
    assert node.run("zone", "load", str(file)).code == 0
    consumed(node, "own.example.", "other.example.")
    assert states_of(node) == {"own.example.": "passed over", "other.example.": "held"}
    assert node.run("zone", "drop", "own.example", "--yes").code == 0
    assert states_of(node) == {"own.example.": "held", "other.example.": "held"}
    assert node.run("audit", "verify").code == 0


def test_no_catalog_takes_zones_in_which_identifiers_lie(filled: Node) -> None:
    ran = filled.run("list", "--json", "--limit", "1")
    owner = ran.json[0]["identifier"].split("/")[0].lower()
    consumed(filled, f"{owner}.csid.internal.", "csid.internal.", "x0.csid.internal.")
    states = states_of(filled)
    assert states[f"{owner}.csid.internal."] == "passed over"
    assert states["csid.internal."] == "passed over"
    assert filled.run("audit", "verify").code == 0


# -- digests


def digests(node: Node, origin: str) -> int:
    with Store.open(node.data) as store, store.read() as read:
        zone = read.zone(names.from_text(origin))
        apex = dict(nodes.rrsets_of(dict(read.nodes(zone.generation))[b""]))
    return len(apex[ZONEMD].rdatas) if ZONEMD in apex else 0


def verify(node: Node, origin: str) -> str:
    ran = node.run("zone", "zonemd", origin, "--verify", "--json")
    assert ran.code == 0, ran.err
    outcome: str = ran.json[0]["outcome"]
    return outcome


def test_a_digest_is_made_verified_and_taken_out_by_a_change(filled: Node) -> None:
    suffix = "csid.internal"
    assert verify(filled, suffix) == "absent"
    assert filled.run("zone", "zonemd", suffix, "--hash", "sha384", "--hash", "sha512").code == 0
    assert digests(filled, suffix) == 2
    assert verify(filled, suffix) == "good"
    assert filled.run("audit", "verify").code == 0
    filled.accredit("91330106673959654P")
    assert filled.run("zone", "zonemd", suffix, "--remove").code == 0
    assert verify(filled, suffix) == "absent"
    assert filled.run("zone", "zonemd", suffix).code == 0
    assert verify(filled, suffix) == "good"


def test_a_zone_with_another_digest_is_told(node: Node) -> None:
    file = node.data.with_name("some.zone")
    digest = "ab" * 48
    file.write_text(
        "$ORIGIN some.example.\n$TTL 0\n@ SOA invalid. invalid. 9 1 1 1 1\n@ NS invalid.\n"
        f"@ ZONEMD 9 1 1 {digest}\n"
    )
    assert node.run("zone", "load", str(file)).code == 0
    ran = node.run("zone", "zonemd", "some.example", "--verify")
    assert ran.code == 1
    assert "SHA384" in ran.err
    assert node.run("zone", "zonemd", "some.example").code == 0
    assert verify(node, "some.example") == "good"


def test_a_zone_is_loaded_with_a_digest(node: Node) -> None:
    file = node.data.with_name("some.zone")
    file.write_text(
        "$ORIGIN some.example.\n$TTL 0\n@ SOA invalid. invalid. 9 1 1 1 1\n@ NS invalid.\n"
        f"@ ZONEMD 9 1 1 {'ab' * 48}\n"
    )
    ran = node.run("zone", "load", str(file))
    assert ran.code == 0
    assert "--zonemd makes it anew" in ran.err
    file.write_text(file.read_text().replace(" 9 ", " 10 "))
    words = ["zone", "load", str(file), "--yes", "--zonemd", "--zonemd", "sha512"]
    assert node.run(*words, "--serial", "increment").code == 2
    assert node.run(*words).code == 0
    assert digests(node, "some.example.") == 2
    assert verify(node, "some.example") == "good"
