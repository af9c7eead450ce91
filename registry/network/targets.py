"""Other servers as they are given by commands: a zone's primaries, and whom it notifies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from csid import names
from csid.errors import CsidError
from resolver.server.sources import source_fault
from resolver.store.write import WriteTransaction
from resolver.sync.settings import Target, key_row
from resolver.sync.tls import tls_fault


class TargetError(CsidError):
    """A server that cannot be asked, or not as it was said."""


def checked_all(txn: WriteTransaction, rows: Iterable[Sequence[Any]]) -> tuple[Target, ...]:
    """Servers that can be asked, by the rows of what was given.

    Raises:
        TargetError: one cannot be asked so from this machine, or its key is not here.
    """
    return tuple(checked(txn, row) for row in rows)


def checked(txn: WriteTransaction, row: Sequence[Any]) -> Target:
    """The same of one."""
    target = Target(*row)
    host, port, key, tls, source = target
    if not isinstance(host, str) or not host or not isinstance(port, int) or not 0 < port < 65_536:
        raise TargetError(f"{host!r:.80}, port {port!r:.20}: no server can be there")
    if fault := tls_fault(tls):
        raise TargetError(f"--tls: {fault}")
    if fault := source_fault(source, host):
        raise TargetError(f"--source: {fault}")
    if key and key_row(txn, key.lower()) is None:
        raise TargetError(
            f"{names.to_text(key)}: no key of this name is here; csid key list lists them, csid "
            "key add adds one"
        )
    return target._replace(key=key.lower())
