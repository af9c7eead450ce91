"""Records as most are, read in one pass; `csid.record` reads all others, and says what is wrong.

Apart from it because it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgpack

from csid.fields import FIELDS, check_together

_OWN_KEYS: Final = ("ep", "fl", "nm", "re")  # of values that few records share, or no key of a dict
_REMEMBERED: Final = 1_024  # values of any other field
_CHECKS: Final[dict[str, Callable[[Any], object]]] = {
    field.key: field.form.check
    if field.key in _OWN_KEYS
    else lru_cache(_REMEMBERED)(field.form.check)
    for field in FIELDS
}
_pack: Final[Callable[[object], bytes]] = msgpack.Packer().pack
_unpack: Final[Callable[..., dict[str, Any]]] = msgpack.unpackb


def quickly(packed: bytes) -> dict[str, object] | None:
    """The map of a record of known fields alone; None if the octets are no such map, or no record.

    Values are looked up among those that were found good. Where they only equal one (True and 1,
    8.0 and 8), or a key is given twice, what they are packed to differs from what came.

    Args:
        packed: as many octets as a record may have.
    """
    try:
        values: dict[str, Any] = _unpack(packed, use_list=False)
        before = ""
        for key, value in values.items():
            if key <= before:
                return None
            before = key
            known = _CHECKS[key](value)
            if known is not value:
                values[key] = known
        check_together(values)
    except Exception:  # whatever the octets lead to; the other way says what is wrong
        return None
    return values if _pack(values) == packed else None
