"""Whether a table comes owner by owner, as inventories mostly do: then it needs no sorting as a
whole, and its first rows can be decided while the last are still to be read.

The order is proved before anything is written, by one look at the first segment of each line. Rows
of one identifier have one owner, so a part that ends where an owner does holds all of them.
"""

from __future__ import annotations

import os
from operator import le
from typing import Final

from csid.columns import ID_COLUMN, column_named
from registry.bulk.csv_stream import BLOCK_OCTETS, GROUP_OCTETS_MAX, TABLE_OCTETS_MAX

_OWNER_CHARACTERS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARK: Final = b"\xef\xbb\xbf"  # UTF-8's, before a header
_LINE_OCTETS_MAX: Final = 1 << 17  # a longer one is no row


def parts_by_owner(file: int, least: int, most: int, most_lines: int) -> list[int] | None:
    """How many lines behind the header make each part, so that the parts are in order and no owner
    is in two of them; None if the table does not come so, or not plainly so.

    Args:
        file: descriptor of a UTF-8 table; where it stands does not change.
        least: lines of a part, but for the last.
        most: lines of a part.
        most_lines: of the table.
    """
    parts: list[int] = []
    lines = octets = 0  # of the part at hand
    in_all = at = 0  # lines behind the header, octets
    last = b""
    tail = b""
    is_header = True
    while block := os.pread(file, BLOCK_OCTETS, at) or (tail and b"\n"):
        at += len(block)
        whole, newline, tail = (tail + block).rpartition(b"\n")
        if len(tail) > _LINE_OCTETS_MAX or at > TABLE_OCTETS_MAX:
            return None
        if not newline:
            continue
        text = (whole + newline).replace(b"\r\n", b"\n")
        rows = text.removesuffix(b"\n").split(b"\n")
        if is_header:
            is_header = False
            if not _begins_with_identifier(rows.pop(0)):
                return None
        owners = [row.partition(b"/")[0] for row in rows]
        in_all += len(rows)
        if (
            b"\r" in text
            or not all(owners)
            or b"".join(owners).translate(None, _OWNER_CHARACTERS)
            or not all(map(le, [last, *owners], owners))
            or in_all > most_lines
        ):
            return None
        for owner, row in zip(owners, rows, strict=True):
            if owner != last:
                if lines >= least:
                    parts.append(lines)
                    lines = octets = 0
                last = owner
            lines += 1
            octets += len(row)
            if lines > most or octets > GROUP_OCTETS_MAX:
                return None
    return [*parts, lines] if lines else parts


def _begins_with_identifier(header: bytes) -> bool:
    first = header.removeprefix(_MARK).partition(b",")[0].decode("utf-8", "replace").strip()
    return column_named(first) == ID_COLUMN
