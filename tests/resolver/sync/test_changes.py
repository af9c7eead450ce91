"""Changes that come by incremental transfers: the copy is then the zone, node by node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid import names
from csid.protocol import TXT
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.node import RRset, rrsets_of
from resolver.store.update import ZoneUpdate
from resolver.store.write import WriteTransaction
from resolver.sync.transfer import outgoing
from resolver.sync.transfer.changes import Changes, Unfit
from resolver.sync.transfer.incoming import ADDED, WHOLE, Incoming
from tests.resolver.store.test_update import (
    ACTIONS,
    CONTENT,
    LABELS,
    Action,
    Labels,
    RRsets,
    act,
    apex_rrsets,
    key_of,
    placed,
)
from tests.resolver.sync.test_outgoing import ORIGIN, ZONE, lower, moment_of, request
from tests.support.servers import make_data


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    folder = tmp_path_factory.mktemp("changes")
    with (
        Store.open(make_data(folder / "one", ZONE), writable=True, sync=False) as one,
        Store.open(make_data(folder / "other", ZONE), writable=True, sync=False) as other,
    ):
        yield one, other


def tree(txn: WriteTransaction, zone: ZoneUpdate) -> dict[bytes, bytes]:
    rows = txn.table(b"tree").scan(zone.generation)
    return {key[len(zone.generation) :]: blob for key, blob in rows}


def records(nodes: dict[bytes, bytes]) -> dict[bytes, object]:
    """What names have, in whatever order."""
    return {
        key: {(rrtype, ttl, *sorted(rdatas)) for rrtype, (ttl, rdatas) in rrsets_of(blob)}
        for key, blob in nodes.items()
    }


def changes_since(
    store: Store, txn: WriteTransaction, origin: bytes, serial: int
) -> tuple[Changes | None, int]:
    """What an answer to who has a serial says, and what serial it leads to; None if it is whole."""
    asked = request(origin, serial)
    incoming = Incoming(int.from_bytes(asked.message[:2], "big"), origin, serial, False)
    changes = Changes()
    for message in outgoing.messages(asked, moment_of(store, txn), 0):
        for part in incoming.parts(message):
            if part.what == WHOLE:
                return None, 0
            changes.add(part.what == ADDED, part.pieces)
    return changes, incoming.serial


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([b"\0", b"\1z\0", ORIGIN]),
    st.dictionaries(LABELS.filter(bool), CONTENT.filter(bool), max_size=8),
    st.lists(st.lists(ACTIONS, min_size=1, max_size=4), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_a_copy_that_changes_are_made_to_is_the_zone(
    stores: tuple[Store, Store],
    origin: bytes,
    first: dict[Labels, RRsets],
    commits: list[list[Action]],
    when: list[bool],
) -> None:
    """Of one version or of several, with covers, additional records and empty non-terminals."""
    apex = names.key_of(origin)
    model = {key_of(labels): lower(placed(rrsets, origin)) for labels, rrsets in first.items()}
    model[b""] = apex_rrsets(origin, {})
    # So much that no change is larger than the zone, which would come whole.
    model |= {b"%04d\0" % n: {TXT: RRset(60, [b"\x7f" + bytes(127)])} for n in range(100)}
    data = {names.wire_of_key(apex + key): held for key, held in model.items() if held}
    one, other = stores
    with one.write(keep=False) as txn, other.write(keep=False) as copied:
        nodes = list(build(origin, data))
        txn.replace_zone(origin, nodes)
        copied.replace_zone(origin, nodes)
        for actions, is_seen in zip(commits, when, strict=False):
            zone = txn.update(origin)
            for what, labels, content in actions:
                act(zone, (what, labels, lower(content)), model)
            zone.finish()
            if not is_seen:
                continue
            copy = copied.update(origin)
            changes, serial = changes_since(one, txn, origin, copy.serial())
            assert changes is not None
            changes.make(copy)
            copy.finish(serial)
            found = tree(copied, copy)
            assert records(found) == records(tree(txn, zone))
            made = {names.wire_of_key(apex + key): dict(rrsets_of(found[key])) for key in found}
            loaded = build(origin, {name: held for name, held in made.items() if held})
            assert found == dict(loaded)
            assert copy.wildcards == zone.wildcards


def test_what_is_not_as_the_primary_takes_it_for_is_unfit(stores: tuple[Store, Store]) -> None:
    """Said of a name that changes by whole RRsets, too, which takes a quick way elsewhere."""
    one, other = stores
    text = {TXT: RRset(60, [b"\1a"])}
    data = {b"\1%c" % n + ORIGIN: text for n in b"bcdefghijklmnopq"}
    data[ORIGIN] = apex_rrsets(ORIGIN, {})
    for spoilt in (None, {TXT: RRset(60, [b"\1x"])}, {}):
        with one.write(keep=False) as txn, other.write(keep=False) as copied:
            for each in (txn, copied):
                each.replace_zone(ORIGIN, build(ORIGIN, data))
            if spoilt is not None:
                copied.update(ORIGIN).set(b"c\0", spoilt)
            zone = txn.update(ORIGIN)
            zone.set(b"c\0", {TXT: RRset(60, [b"\1y"])})
            zone.finish()
            copy = copied.update(ORIGIN)
            changes, _ = changes_since(one, txn, ORIGIN, 7)
            assert changes is not None
            if spoilt is None:
                assert set(changes.make(copy)) == {b"", b"c\0"}
                assert copy.rrsets(b"c\0") == {TXT: RRset(60, [b"\1y"])}
            else:
                with pytest.raises(Unfit, match="that is not there"):
                    changes.make(copy)
