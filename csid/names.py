"""Domain names in the three forms the system keeps them in.

- text: what people write, `h60m07a1.acv.csid.internal.`
- wire: length-prefixed labels, least significant part first (RFC 1035 section 3.1)
- key: labels most significant first, lower case, each escaped (00 -> 01 01, 01 -> 01 02) and
  ended by 00. Byte order of keys is the canonical order of RFC 4034 section 6.1, an ancestor's key
  is a prefix of its descendants', and a subtree is one range of keys.
"""

from __future__ import annotations

from csid.errors import DomainNameError
from csid.limits import MAX_LABEL_OCTETS, MAX_NAME_KEY_OCTETS, MAX_NAME_OCTETS

try:
    from csid.coctets import read_key as read_key
except ImportError:  # not compiled on this machine
    from csid.octets import read_key as read_key

ROOT = b"\0"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*/+=:@!?")


def key_of(wire: bytes) -> bytes:
    """The key of a whole name in wire form.

    Raises:
        DomainNameError: `wire` is not exactly one uncompressed name.
    """
    key: bytes
    key, end = read_key(wire, 0)
    if end == 0 or end != len(wire):
        raise DomainNameError(f"{wire!r} is not one uncompressed domain name (RFC 1035 3.1)")
    return key


def checked_key(wire: bytes) -> bytes:
    """`key_of` for a name that is to be stored below an 8-octet generation: its key must fit LMDB.

    Raises:
        DomainNameError: the key would be longer than the store takes. Only names made almost
            wholly of 00 and 01 octets are.
    """
    key = key_of(wire)
    if len(key) > MAX_NAME_KEY_OCTETS:
        raise DomainNameError(
            f"{to_text(wire)}: its escaped form has {len(key)} octets, at most "
            f"{MAX_NAME_KEY_OCTETS} can be stored; use a name with fewer octets of value 0 and 1"
        )
    return key


def labels_of_key(key: bytes) -> list[bytes]:
    """The labels of a key, most significant first, unescaped."""
    parts = key.split(b"\0")[:-1]
    if b"\1" not in key:
        return parts
    return [part.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1") for part in parts]


def wire_of_key(key: bytes) -> bytes:
    """The lower-case wire form of a key; the inverse of `key_of` on lower-case names."""
    wire = ROOT
    for label in labels_of_key(key):
        wire = bytes((len(label),)) + label + wire
    return wire


def labels_of(wire: bytes) -> list[bytes]:
    """The labels of a whole valid name, in wire order, the root label left out."""
    labels = []
    at = 0
    while wire[at]:
        end = at + 1 + wire[at]
        labels.append(wire[at + 1 : end])
        at = end
    return labels


def is_at_or_below(name: bytes, top: bytes) -> bool:
    """Whether a name is another one or lies below it; both in wire form, in the same case."""
    if not name.endswith(top):
        return False
    at = 0
    excess = len(name) - len(top)
    while at < excess:
        at += 1 + name[at]
    return at == excess


def to_text(wire: bytes) -> str:
    """A name as text with its final dot; what is not plain is written \\. or \\DDD (RFC 4343)."""
    labels = labels_of(wire)
    return "".join(_label_text(label) + "." for label in labels) or "."


def _label_text(label: bytes) -> str:
    if _PLAIN.issuperset(label):
        return label.decode("ascii")
    return "".join(
        chr(octet)
        if octet in _PLAIN
        else f"\\{chr(octet)}"
        if 0x21 <= octet <= 0x7E
        else f"\\{octet:03d}"
        for octet in label
    )


def from_text(text: str) -> bytes:
    """The wire form of a name in text; it counts as absolute with or without its final dot.

    Raises:
        DomainNameError: an empty or overlong label, an overlong name, a broken escape, or a
            character outside ASCII.
    """
    if text in ("", "."):
        if not text:
            raise DomainNameError("an empty text is no domain name; the root is written '.'")
        return ROOT
    labels = _split_text(text)
    if labels[-1] == b"":
        labels.pop()
    for label in labels:
        if not label:
            raise DomainNameError(f"{text!r} has an empty label; write one dot between labels")
        if len(label) > MAX_LABEL_OCTETS:
            raise DomainNameError(
                f"{text!r} has a label of {len(label)} octets; a label has at most "
                f"{MAX_LABEL_OCTETS}"
            )
    wire = b"".join(bytes((len(label),)) + label for label in labels) + ROOT
    if len(wire) > MAX_NAME_OCTETS:
        raise DomainNameError(
            f"{text!r} has {len(wire)} octets; a name has at most {MAX_NAME_OCTETS}"
        )
    return wire


def _split_text(text: str) -> list[bytes]:
    """The labels of a name in text, escapes resolved."""
    labels = [bytearray()]
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == ".":
            labels.append(bytearray())
        elif char == "\\":
            digits = text[at : at + 3]
            if len(digits) == 3 and digits.isdecimal() and digits.isascii() and int(digits) < 256:
                labels[-1].append(int(digits))
                at += 3
            elif at < len(text) and text[at].isascii() and not text[at].isdecimal():
                labels[-1].append(ord(text[at]))
                at += 1
            else:
                raise DomainNameError(
                    f"{text!r}: a backslash is followed by three digits up to 255 or one character"
                )
        elif char.isascii():
            labels[-1].append(ord(char))
        else:
            raise DomainNameError(
                f"{text!r}: {char!r} is not ASCII; write such names in A-label form"
            )
    return [bytes(label) for label in labels]
