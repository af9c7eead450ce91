"""Whom a right is given, as people write it: an address or network, a key, or both in one."""

from __future__ import annotations

import ipaddress
from typing import Final

from csid import names
from csid.errors import CsidError
from resolver.sync.settings import Subject

WHO: Final = "ADDRESS[/LEN]|KEY|ADDRESS+KEY"


class SubjectError(CsidError):
    """It was not said as it must be who is given a right."""


def subject_of(text: str) -> Subject:
    """Whom a text means.

    Raises:
        CsidError: nobody.
    """
    first, plus, key = text.partition("+")
    found = _network(first)
    if found is None and not plus:
        return Subject(key=names.from_text(first.lower()))
    if found is None or (plus and not key):
        raise SubjectError(f"{text!r:.80}: expected {WHO}")
    packed, length = found
    return Subject(packed, length, names.from_text(key.lower()) if plus else b"")


def _network(text: str) -> tuple[bytes, int] | None:
    """A network as octets and length; None if it must be the name of a key."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        if "/" in text or ":" in text:
            raise SubjectError(f"{text!r:.80} is no network: {error}") from None
        return None
    return network.network_address.packed, network.prefixlen


def subject_text(subject: Subject) -> str:
    """The inverse of `subject_of`."""
    parts = []
    if subject.network:
        address = ipaddress.ip_address(subject.network)
        is_host = subject.length == 8 * len(subject.network)
        parts.append(f"{address}" if is_host else f"{address}/{subject.length}")
    if subject.key:
        parts.append(names.to_text(subject.key))
    return "+".join(parts)
