"""Who has held which cut, one after the other, as an aggregate has seen it.

A tenure of a cut begins when a node files it that did not have it before, passes on when the cut
moves to another node, and goes on when the same node files it again. What was taken in it is of the
node that holds it last, whoever has the cut now: a code that one node had in use is not given to
another that was delegated its place later. Tenures have numbers, from 1 on.

registry.tenures  63 cut 00 label -> number(4)   label: of the cut in the catalog, of the tenure
                  68 number(4)    -> name of the node that holds it, or held it last
"""

from __future__ import annotations

from typing import Final

from registry.tables.transaction import TENURES
from resolver.store.write import WriteTransaction

_OF_CUT: Final = b"c"
_HOLDER: Final = b"h"
_NUMBER: Final = 4  # octets


def noted(txn: WriteTransaction, cut: bytes, label: bytes, node: str) -> int:
    """The number of a tenure of a cut, which a node holds now; one that is new gets the next."""
    rows = txn.table(TENURES)
    key = _OF_CUT + cut + b"\0" + label
    value = rows.get(key)
    if value is None:
        last = rows.last(_HOLDER)
        number = 1 if last is None else int.from_bytes(last[0][1:], "big") + 1
        value = number.to_bytes(_NUMBER, "big")
        rows.put(key, value)
    if rows.get(_HOLDER + value) != node.encode():
        rows.put(_HOLDER + value, node.encode())
    return int.from_bytes(value, "big")


def holder(txn: WriteTransaction, number: int) -> str:
    """The node that holds a tenure, or held it last; empty if there is none of that number."""
    value = txn.table(TENURES).get(_HOLDER + number.to_bytes(_NUMBER, "big"))
    return "" if value is None else value.decode()
