"""The two check systems inside a compute identifier.

- the owner's own check character, GB 32100-2015 section 5 (one character, modulus 31);
- the identifier's check characters, ISO 7064 MOD 1271-36 (two characters, pure system).

Callers have made sure of the alphabets; these functions only calculate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import mul

GB32100_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_GB32100_VALUES = bytes(
    GB32100_ALPHABET.find(chr(code)) if chr(code) in GB32100_ALPHABET else 0 for code in range(256)
)
# Seventeen weights 3^i mod 31, and 1 for the check character itself.
_GB32100_WEIGHTS = (*(pow(3, place, 31) for place in range(17)), 1)

BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MODULUS = 1271
_LAST_CHECK = BASE36[(MODULUS - 1) // 36] + BASE36[(MODULUS - 1) % 36]  # "ZA"


def gb32100_check(body: str) -> str:
    """Return the check character of the 17 characters of a social credit code."""
    return GB32100_ALPHABET[-_weighted_sum(body) % 31]


def gb32100_holds(code: str) -> bool:
    """Say whether the last of the 18 characters is the check of the first 17."""
    return len(code) == 18 and _weighted_sum(code) % 31 == 0


def _weighted_sum(code: str) -> int:
    return sum(map(mul, code.encode("ascii").translate(_GB32100_VALUES), _GB32100_WEIGHTS))


def mod1271_36_check(body: str) -> str:
    """Return the two check characters of ``body``, any number of 0-9 A-Z.

    With them appended the whole, read as a numeral of base 36, leaves 1 modulo 1271.
    """
    high, low = divmod((1 - int(body, 36) * 36 * 36) % MODULUS, 36)
    return BASE36[high] + BASE36[low]


def mod1271_36_holds(text: str) -> bool:
    """Say whether the last two characters of ``text`` (0-9 A-Z) are the check of the others.

    Two characters can count to 1295, so that some residues could be written in two ways; only
    the one up to 1270 ("ZA") is a check, or one body would have two identifiers.
    """
    return text[-2:] <= _LAST_CHECK and int(text, 36) % MODULUS == 1


# The check systems by the names that schemes use: is the check at the end of the text right?
HOLDS: Mapping[str, Callable[[str], bool]] = {
    "gb32100": gb32100_holds,
    "mod1271-36": mod1271_36_holds,
}
# ... and the check characters of a text that has none yet.
CHECK_OF: Mapping[str, Callable[[str], str]] = {
    "gb32100": gb32100_check,
    "mod1271-36": mod1271_36_check,
}
