"""Fields that name record types: one, or a bit map of many (RFC 4034 section 4.1.2)."""

from __future__ import annotations

from typing import Final

from resolver.zonefile.tokens import type_name, type_number
from resolver.zonefile.types.fields import Field, NoTextForm, Words, rest_words, taken, word


def _read_types(words: Words, _: bytes | None) -> bytes:
    """RFC 4034 section 4.1.2."""
    numbers = {type_number(text) for text in rest_words(words)}
    return _bitmap(numbers)


def _bitmap(numbers: set[int]) -> bytes:
    windows: dict[int, bytearray] = {}
    for one in sorted(numbers):
        bits = windows.setdefault(one >> 8, bytearray())
        low = one & 0xFF
        bits.extend(bytes((low >> 3) + 1 - len(bits)))
        bits[low >> 3] |= 0x80 >> (low & 7)
    return b"".join([bytes((high, len(bits))) + bits for high, bits in windows.items()])


def _write_types(data: bytes, at: int) -> tuple[str, int]:
    numbers: list[int] = []
    last = -1
    while at < len(data):
        high, size = taken(data, at, 2)
        bits = taken(data, at + 2, size)
        if high <= last or not 1 <= size <= 32 or not bits[-1]:
            raise ValueError("no bit map of types (RFC 4034 section 4.1.2)")
        numbers += [
            high << 8 | low for low in range(size * 8) if bits[low >> 3] & 0x80 >> (low & 7)
        ]
        last, at = high, at + 2 + size
    if 0 in numbers:
        raise NoTextForm(at)  # a type that no record has, and that NSD takes in no text
    return " ".join(map(type_name, numbers)), at


def _read_old_types(words: Words, _: bytes | None) -> bytes:
    """RFC 2535 section 5.2: one bit map of the types 0 to 127."""
    numbers = {type_number(text) for text in rest_words(words)}
    if not all(0 < one < 128 for one in numbers):
        raise ValueError("an NXT record has place for types 1 to 127 (RFC 2535 section 5.2)")
    return _bitmap(numbers)[2:]


def _write_old_types(data: bytes, at: int) -> tuple[str, int]:
    bits = data[at:]
    if len(bits) > 16 or (bits and (bits[0] & 0x80 or not bits[-1])):
        raise ValueError("no bit map of types (RFC 2535 section 5.2)")
    text, _ = _write_types(bytes((0, len(bits))) + bits, 0) if bits else ("", 0)
    return text, len(data)


def _write_type(data: bytes, at: int) -> tuple[str, int]:
    kind = int.from_bytes(taken(data, at, 2))
    if not kind:
        raise NoTextForm(at + 2)  # as above
    return type_name(kind), at + 2


TYPE: Final = Field(
    lambda words, _: type_number(word(words, "a record type")).to_bytes(2), _write_type
)
TYPES: Final = Field(_read_types, _write_types)
OLD_TYPES: Final = Field(_read_old_types, _write_old_types)
