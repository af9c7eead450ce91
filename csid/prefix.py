"""Prefixes: what identifiers begin with, in any of the three forms people write.

91330106673959654P/6450/33            the last segment may be cut anywhere
0.EXAMPLE.91330106673959654P/6450/       the beginning of a Handle
6450.91330106673959654p.csid.internal. a DNS name above them, its labels whole
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from csid import scheme
from csid.errors import IdentifierError
from csid.identifier import canonical, fold, labels_under
from csid.segments import require

SEGMENTS: Final = ("owner", "industry", "location", "type", "spec")
PLACE: Final = SEGMENTS[:-1]  # what identifiers at one place share
SEPARATOR: Final = "/"
ANY: Final = "*"  # a segment that may be anything


def parts(text: str, suffix: str | None = None, authority: str = "") -> tuple[str, ...]:
    """The segments that a text gives, folded; an empty last one stands for a text that ends behind
    a whole segment.

    Args:
        text: in any of the forms above; ``*`` stands for a segment that is left open.
        suffix: of DNS names, that of the scheme if None.
        authority: of Handles, needed where the text has no ``/``.

    Raises:
        IdentifierError: the text is no such beginning.
    """
    folded = fold(text)
    if authority:
        folded = folded.removeprefix(f"{authority.upper()}.")
    if SEPARATOR not in folded and "." in folded:
        found = (*reversed(labels_under(folded, suffix)), "")[: len(SEGMENTS)]
    else:
        found = tuple(canonical(folded, suffix).split(SEPARATOR))
    if not folded.isascii() or len(found) > len(SEGMENTS) or "" in found[:-1]:
        raise IdentifierError(
            "identifier",
            0,
            f"{text[:80]!r} is no beginning of an identifier such as OWNER/INDUSTRY; "
            f"{ANY} stands for any segment",
        )
    return found


def whole(text: str, most: int = len(PLACE), least: int = 1) -> str:
    """The canonical form of the first ``least`` to ``most`` segments, each of them whole.

    Raises:
        IdentifierError: it is not so many, or a segment is wrong.
    """
    known = scheme.load().segments
    found = parts(fold(text).rstrip(SEPARATOR))
    if not least <= len(found) <= most:
        wanted = SEPARATOR.join(name.upper() for name in SEGMENTS[:most])
        count = f"{least} to {most}" if least < most else str(most)
        raise IdentifierError(
            "identifier", 0, f"expected {count} segments of {wanted}, found {len(found)}"
        )
    for segment, part in zip(known, found, strict=False):
        require(segment, part)
    return SEPARATOR.join(found)


def is_whole_identifier(text: str) -> bool:
    """Whether a text has all segments of an identifier, or is a DNS name, whose labels say so."""
    folded = fold(text).rstrip(SEPARATOR)
    return folded.count(SEPARATOR) >= len(PLACE) or (SEPARATOR not in folded and "." in folded)


def ancestors(prefix: str) -> Iterator[str]:
    """The prefixes at and above one of whole segments, the owner first."""
    at = prefix.find(SEPARATOR)
    while at >= 0:
        yield prefix[:at]
        at = prefix.find(SEPARATOR, at + 1)
    yield prefix
