"""Identifiers as names of the DNS under a deployment's suffix."""

from __future__ import annotations

from functools import lru_cache

from csid import names


class Names:
    """Identifiers and prefixes of them as names under a suffix."""

    def __init__(self, suffix: str) -> None:
        self.wire, self._key = _suffix(suffix.lower())

    def key(self, text: str) -> bytes:
        """The canonical key of an identifier or prefix in canonical form.

        The same as `names.key_of(identifier.to_wire(suffix))`, for segments hold no octet that a
        key escapes and already stand in the order of a key.
        """
        return self._key + text.lower().replace("/", "\0").encode("ascii") + b"\0"

    def target(self, text: str) -> bytes:
        """Its name in wire form."""
        return names.wire_of_key(self.key(text))


@lru_cache(16)
def _suffix(text: str) -> tuple[bytes, bytes]:
    """A suffix in wire form, and its key."""
    wire = names.from_text(text)
    return wire, names.key_of(wire)
