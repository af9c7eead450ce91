"""An overlay is what its changes would make of the view below."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.tables import codec
from registry.tables.overlay import Overlay
from registry.tables.view import EMPTY, View

TABLE = codec.PLACES
keys = st.binary(max_size=3)
rows = st.dictionaries(keys, st.one_of(st.none(), st.binary(max_size=2)), max_size=12)


@given(rows, rows, keys, keys)
def test_an_overlay_reads_like_one_table(
    below: dict[bytes, bytes | None],
    over: dict[bytes, bytes | None],
    prefix: bytes,
    start: bytes,
) -> None:
    view: View = EMPTY
    for layer in (below, over):
        view = Overlay(view)
        view.put_all((TABLE, key, value) for key, value in layer.items())
    whole = {key: value for key, value in (below | over).items() if value is not None}
    assert list(view.scan(TABLE, prefix, start)) == [
        (key, whole[key]) for key in sorted(whole) if key.startswith(prefix) and key >= start
    ]
    for key in (*below, *over, prefix):
        assert view.get(TABLE, key) == whole.get(key)


def test_an_overlay_counts_leaves_and_gives_its_rows_in_order() -> None:
    view = Overlay(EMPTY)
    view.put_all([(TABLE, b"b", b"2"), (codec.COUNTS, b"x", None), (TABLE, b"a", None)])
    view.set_leaves(7)
    assert Overlay(view).leaves() == 7
    assert view.rows() == {TABLE: [(b"a", None), (b"b", b"2")], codec.COUNTS: [(b"x", None)]}
