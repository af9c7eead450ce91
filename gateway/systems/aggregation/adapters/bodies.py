"""What adapters make of answers in general: refusals told, JSON read into shapes, texts and amounts
of strangers kept within bounds.
"""

from __future__ import annotations

import math
from typing import Final, TypeVar

import msgspec

from gateway.systems.aggregation.readings import ReadingError, Said

TEXT_MAX: Final = 200  # characters of a name, a label, a reason
AMOUNT_MAX: Final = 2**53
_EXCERPT: Final = 80  # octets of an answer that an error shows

Shape = TypeVar("Shape")

_REFUSED: Final = {
    401: "the token is missing, wrong or expired",
    403: "the token has no right to that",
    404: "there is no such thing; is the URL right?",
    406: "it does not speak this version any more",
    410: "what was asked for goes on from what is no longer kept",
    429: "it is asked too often",
}


def read(said: Said, decoder: msgspec.json.Decoder[Shape], what: str, hint: str = "") -> Shape:
    """The body of an answer that was asked for as `what`, in the decoder's shape.

    Args:
        hint: what a refusal may come from at this kind of source.

    Raises:
        ReadingError: another status than 200, or not of that shape.
    """
    if said.status != 200:
        reason = _REFUSED.get(said.status) or text(said.body[:TEXT_MAX].decode("utf-8", "replace"))
        raise ReadingError(
            f"{text(what)}: answered with status {said.status}: {reason}{hint and '; '}{hint}"
        )
    return decoded(said.body, decoder, what)


def decoded(body: bytes, decoder: msgspec.json.Decoder[Shape], what: str) -> Shape:
    """JSON in the decoder's shape.

    Raises:
        ReadingError: it is not.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        begins = text(body[:_EXCERPT].decode("utf-8", "replace"))
        raise ReadingError(
            f"{text(what)}: not what is expected: {text(str(error))}; it begins with {begins!r}; "
            "is this the right kind of source?"
        ) from None


def text(value: str | None, most: int = TEXT_MAX) -> str:
    """A text on one line, without what cannot be shown, cut at `most` characters."""
    if not value:
        return ""
    if value.isprintable() and len(value) <= most:
        return value
    shown = "".join(x if x.isprintable() else " " for x in value[: 4 * most])
    return " ".join(shown.split())[:most]


def amount(value: float | None) -> float:
    """A number as an amount: at least 0, at most AMOUNT_MAX; 0 for none."""
    return min(max(value, 0), AMOUNT_MAX) if value is not None and math.isfinite(value) else 0
