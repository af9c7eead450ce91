"""What prices can be compared, and by what: per card and hour (卡时), or per virtual processor and
hour (核时).

A record says what its price buys one of (`price_unit`). A unit is a thing and a time, such as
`card-hour` or `node-day`; a time alone is that of the whole resource. What is counted by another
thing (a request, a token, a GiB) cannot be compared and is left out wherever a price is asked for.
Currencies are never converted.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

CARD, VCPU = PER = ("card", "vcpu")
CURRENCY: Final = "CNY"  # where a limit names none
_HOURS: Final = {  # 730 and 8,760 as clouds count them
    "second": Fraction(1, 3600),
    "minute": Fraction(1, 60),
    "hour": Fraction(1),
    "day": Fraction(24),
    "week": Fraction(168),
    "month": Fraction(730),
    "year": Fraction(8760),
}
_TIMES: Final = {
    **_HOURS,
    **{f"{word}s": hours for word, hours in _HOURS.items()},
    **dict(zip(("秒", "分钟", "小时", "天", "周", "月", "年"), _HOURS.values(), strict=True)),
    "s": _HOURS["second"],
    "h": _HOURS["hour"],
    "hr": _HOURS["hour"],
    "时": _HOURS["hour"],
    "日": _HOURS["day"],
}
_WHOLE, _NODE = "whole", "node"
_THINGS: Final = {
    **dict.fromkeys(("card", "chip", "gpu", "npu", "accelerator", "卡", "芯片"), CARD),
    **dict.fromkeys(("vcpu", "core", "cpu", "核", "核心"), VCPU),
    **dict.fromkeys(("node", "server", "host", "machine", "节点", "台"), _NODE),
    **dict.fromkeys(("", "pool", "resource", "instance"), _WHOLE),
}
_UNIT: Final = re.compile(
    f"({'|'.join(sorted(filter(None, _THINGS), key=len, reverse=True))})?[-_/· ]?"
    f"({'|'.join(sorted(_TIMES, key=len, reverse=True))})"
)
_CURRENCIES: Final = {"元": "CNY", "￥": "CNY", "¥": "CNY", "人民币": "CNY", "$": "USD"} | {
    "美元": "USD",
    "欧元": "EUR",
    "€": "EUR",
}
_MONEY: Final = "|".join(map(re.escape, _CURRENCIES)) + "|[A-Za-z]{3}"
_LIMIT: Final = re.compile(
    rf"({_MONEY})?\s*([0-9]{{1,12}}(?:\.[0-9]{{1,6}})?)\s*({_MONEY})?\s*/\s*(.+)"
)


class Cost(NamedTuple):
    """A price that can be compared: `amount` of a currency per card or vcpu and hour."""

    currency: str
    per: str
    amount: float


class Size(NamedTuple):
    """What a resource has in all, by which its price is divided; None where it does not say."""

    cards: int | None
    per_node: int | None
    nodes: int | None
    vcpu: float | None


class PriceError(ValueError):
    """A text that is no limit of a price."""


@lru_cache(65_536)
def cost(price: str, currency: str, unit: str, size: Size) -> Cost | None:
    """The price of a resource so that it can be compared: per card where it has cards, otherwise
    per virtual processor. The quotient is exact and rounded once, to the nearest double.

    Returns:
        None where the unit is of another kind, or the resource does not say how much it has.
    """
    found = _unit(unit)
    if found is None:
        return None
    thing, hours = found
    per = CARD if size.cards else VCPU
    number = _number_of(thing, per, size)
    if not number:
        return None
    return Cost(currency, per, float(Fraction(price) / (hours * Fraction(number))))


def _number_of(thing: str, per: str, size: Size) -> float | None:
    """How many cards (or virtual processors) one of a thing has."""
    if thing == _WHOLE:
        return size.cards if per == CARD else size.vcpu
    if thing == _NODE:
        if per == CARD:
            return size.per_node
        return size.vcpu / size.nodes if size.vcpu and size.nodes else None
    return 1 if thing == per else None


def limit(text: str) -> Cost:
    """A limit as people write it: `12/卡时`, `12 CNY/card-hour`, `$2/gpu-hour`, `0.3/核时`.

    Raises:
        PriceError: it is none.
    """
    match = _LIMIT.fullmatch(text.strip())
    found = _unit(match[4].strip()) if match else None
    if match is None or found is None or found[0] not in PER or (match[1] and match[3]):
        raise PriceError(
            f"{text[:60]!r} is no price to compare with; expected AMOUNT/UNIT such as 12/卡时, "
            "12 CNY/card-hour, 0.3/核时 or 0.3/vcpu-hour: a unit is card or vcpu, and hour, day, "
            "month …"
        )
    written = match[1] or match[3] or CURRENCY
    currency = _CURRENCIES.get(written, written.upper())
    thing, hours = found
    return Cost(currency, thing, float(Fraction(match[2]) / hours))


def _unit(text: str) -> tuple[str, Fraction] | None:
    match = _UNIT.fullmatch(text.lower())
    return None if match is None else (_THINGS[match[1] or ""], _TIMES[match[2]])
