"""A zone that follows nobody any more is not brought back by a transfer that was under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from csid import names
from csid.errors import ZoneError
from registry.sync.transfers import StillFollowed
from resolver.store.environment import Store
from resolver.sync import states
from resolver.sync.settings import FOLLOWS, Follow, Target, pack, where
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.fetch import Fetch
from tests.support.servers import make_data
from tests.support.transfers import NOW, given, lines_of, messages, whole

ZONE = "net."
ORIGIN = names.from_text(ZONE)
TEXT = "$ORIGIN net.\n$TTL 60\n@ NS ns.net.\nns A 192.0.2.1\n"


def test_a_zone_comes_only_as_long_as_it_follows(tmp_path: Path) -> None:
    at = where(names.key_of(ORIGIN))
    with Store.open(make_data(tmp_path / "data"), writable=True) as store:
        with store.write() as txn:
            txn.table(FOLLOWS).put(at, pack(Follow((Target("192.0.2.1", 53),))))
            states.begin(txn, names.key_of(ORIGIN))
        first = Fetch(store, ORIGIN, None, NOW, watch=StillFollowed())
        second = Fetch(store, ORIGIN, None, NOW, watch=StillFollowed())
        lines = whole(ZONE, 7, lines_of(TEXT, ZONE))
        assert given(first, messages(first.request, lines))
        with store.write() as txn:
            txn.table(FOLLOWS).delete(at)
            txn.drop_zone(ORIGIN)
        with pytest.raises(TransferError, match="follows no server any more"):
            given(second, messages(second.request, lines))
        with store.read() as read, pytest.raises(ZoneError):
            read.zone(ORIGIN)
