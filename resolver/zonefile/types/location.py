"""LOC record data (RFC 1876), in whole numbers: milliseconds of arc and centimetres.

Binary floats cannot hold 1.15, so a reader that multiplies them is a centimetre off.
"""

from __future__ import annotations

import re
from typing import Final

from resolver.zonefile.types.fields import Field, NoTextForm, Words, number, rest_words

_EQUATOR: Final = 2**31  # latitude 0 and longitude 0
_BELOW: Final = 10_000_000  # centimetres from the base of altitudes to sea level
_LARGEST: Final = 9 * 10**9  # centimetres of size and precision
_DEFAULTS: Final = ("1m", "10000m", "10m")  # size, horizontal and vertical precision
_DEGREES: Final = (("NS", 90), ("EW", 180))
_OCTETS: Final = 16

_SECONDS = re.compile(r"(?=\.?\d)(\d{0,2})(?:\.(\d{0,3}))?", re.ASCII)
_METRES = re.compile(r"([+-]?)(?=\.?\d)(\d{0,8})(?:\.(\d{0,2}))?[mM]?", re.ASCII)


def _read(words: Words, _: bytes | None) -> bytes:
    texts = rest_words(words)
    arcs = [_arc(texts, *limits) for limits in _DEGREES]
    if not 1 <= len(texts) <= 4:
        raise ValueError("behind the longitude stand altitude, size and two precisions, in metres")
    altitude = _centimetres(texts[0]) + _BELOW
    if not 0 <= altitude < 2**32:
        raise ValueError(f"altitude {texts[0]}: it is between -100000.00m and 42849672.95m")
    sizes = bytes(map(_size, (*texts[1:], *_DEFAULTS[len(texts) - 1 :])))
    return b"\0" + sizes + b"".join([value.to_bytes(4) for value in (*arcs, altitude)])


def _arc(texts: list[str], hemispheres: str, most: int) -> int:
    """Takes degrees, minutes, seconds and hemisphere from the front of the words."""
    end = next((at for at, text in enumerate(texts) if text.upper() in tuple(hemispheres)), 0)
    if not 1 <= end <= 3:
        raise ValueError(f"an angle is degrees, minutes, seconds and {' or '.join(hemispheres)}")
    degrees, minutes, seconds = (*texts[:end], "0", "0")[:3]
    found = _SECONDS.fullmatch(seconds)
    if found is None:
        raise ValueError(f"{seconds[:20]!r}: seconds have at most three decimals")
    whole = number(found[1] or "0", 59) * 1000 + int((found[2] or "").ljust(3, "0"))
    value = (number(degrees, most) * 60 + number(minutes, 59)) * 60_000 + whole
    if value > most * 3_600_000:
        raise ValueError(f"an angle above {most} degrees")
    sign = 1 if texts[end].upper() == hemispheres[0] else -1
    del texts[: end + 1]
    return _EQUATOR + sign * value


def _centimetres(text: str) -> int:
    found = _METRES.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:20]!r} is no length; write metres with at most two decimals")
    value = int(found[2] or "0") * 100 + int((found[3] or "").ljust(2, "0"))
    return -value if found[1] == "-" else value


def _size(text: str) -> int:
    """One digit and a power of ten, in centimetres; further digits are cut off, as BIND does."""
    value = _centimetres(text)
    if text[0] in "+-" or value > _LARGEST:
        raise ValueError(f"{text[:20]!r}: sizes and precisions are between 0 and 90000000.00m")
    digits = str(value)
    return int(digits[0]) << 4 | (len(digits) - 1)


def _write(data: bytes, at: int) -> tuple[str, int]:
    if data[:1] not in (b"", b"\0"):
        raise NoTextForm(len(data))  # of another version nothing is known
    if len(data) != _OCTETS:
        raise ValueError(f"{len(data)} octets; version 0 has {_OCTETS} (RFC 1876 section 2)")
    latitude, longitude, altitude = (int.from_bytes(data[i : i + 4]) for i in (4, 8, 12))
    texts = [
        _arc_text(latitude, *_DEGREES[0]),
        _arc_text(longitude, *_DEGREES[1]),
        _metres(altitude - _BELOW),
        *(_metres(_size_of(octet)) for octet in data[1:4]),
    ]
    return " ".join(texts), _OCTETS


def _arc_text(value: int, hemispheres: str, most: int) -> str:
    offset = value - _EQUATOR
    if abs(offset) > most * 3_600_000:
        raise ValueError(f"an angle above {most} degrees")
    minutes, milliseconds = divmod(abs(offset), 60_000)
    seconds = f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
    return f"{minutes // 60} {minutes % 60} {seconds} {hemispheres[offset < 0]}"


def _size_of(octet: int) -> int:
    digit, power = octet >> 4, octet & 15
    if digit > 9 or power > 9 or (not digit and power):
        raise ValueError("a size that is no digit and power of ten (RFC 1876 section 2)")
    return digit * int(10**power)


def _metres(centimetres: int) -> str:
    sign = "-" if centimetres < 0 else ""
    return f"{sign}{abs(centimetres) // 100}.{abs(centimetres) % 100:02d}m"


LOCATION: Final = Field(_read, _write)
