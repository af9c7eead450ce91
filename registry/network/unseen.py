"""Cuts that the national node has filed, and that the copy of the root zone does not show (yet): so
that one which was withdrawn before a version with it came here is not taken for filed for ever.

    registry.looked  00 + cut -> serial(4): of the root zone, when the cut was filed
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from csid import names
from registry.tables.naming import Names
from registry.tables.transaction import LOOKED, TransactionView
from registry.zones import founding, places
from resolver.store.write import WriteTransaction
from resolver.sync import timers

_PREFIX: Final = b"\0"  # as no apex begins
_SAID: Final = re.compile(r"filed as of serial ([0-9]{1,10})")


def said(serial: int) -> str:
    """What the national node adds to its answer: the serial of the root zone that has the cut."""
    return f"filed as of serial {serial}"


def serial_in(text: str) -> int | None:
    """The serial that an answer says; None if it says none."""
    found = _SAID.fullmatch(text)
    return int(found[1]) % 2**32 if found else None


def note(txn: WriteTransaction, named: Names, cut: str, serial: int) -> None:
    """A cut was filed with this serial of the root zone."""
    is_here = _is_reached(txn, named, serial)
    if not is_here or not founding.is_delegated_here(txn, TransactionView(txn), named, cut):
        txn.table(LOOKED).put(_PREFIX + cut.encode("ascii"), serial.to_bytes(4, "big"))


def note_now(txn: WriteTransaction, named: Names, cut: str) -> None:
    """A cut counts as filed by what the copy of the root zone says of its move. It may have been
    withdrawn since, of which there would be no other sign, so that is looked at next.
    """
    soa = timers.soa_of(txn, names.key_of(named.wire))
    if soa is not None:
        note(txn, named, cut, soa.serial)


def is_unseen(txn: WriteTransaction, named: Names, cut: str) -> bool:
    """Whether the copy of the root zone is older than the filing of a cut, so that it says nothing
    of it; that it is not so is found once.
    """
    key = _PREFIX + cut.encode("ascii")
    value = txn.table(LOOKED).get(key)
    if value is None:
        return False
    if not _is_reached(txn, named, int.from_bytes(value, "big")):
        return True
    txn.table(LOOKED).delete(key)
    return False


def due(txn: places.Txn, named: Names, most: int) -> Iterator[str]:
    """Those of some cuts, of the first `most`, that the copy of the root zone would show by now if
    they were filed still.
    """
    for key, value in islice(txn.table(LOOKED).scan(_PREFIX), most):
        if _is_reached(txn, named, int.from_bytes(value, "big")):
            yield key[len(_PREFIX) :].decode("ascii")


def _is_reached(txn: places.Txn, named: Names, serial: int) -> bool:
    """Whether the copy of the root zone has a serial, or a later one."""
    soa = timers.soa_of(txn, names.key_of(named.wire))
    return soa is not None and not timers.is_ahead(serial, soa.serial)
