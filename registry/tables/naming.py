"""Identifiers as names of the DNS under a deployment's suffix."""

from __future__ import annotations

from csid import names


class Names:
    """Identifiers and prefixes of them as names under a suffix."""

    def __init__(self, suffix: str) -> None:
        self.wire = names.from_text(suffix.lower())
        self._key = names.key_of(self.wire)

    def key(self, text: str) -> bytes:
        """The canonical key of an identifier or prefix in canonical form.

        The same as `names.key_of(identifier.to_wire(suffix))`, for segments hold no octet that a
        key escapes and already stand in the order of a key.
        """
        return self._key + text.lower().replace("/", "\0").encode("ascii") + b"\0"

    def target(self, text: str) -> bytes:
        """Its name in wire form."""
        return names.wire_of_key(self.key(text))
