"""The values of a Handle that follow from what an identifier resolves to (schemas/handle.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from csid.client.answer import Answer
from csid.errors import IdentifierError
from csid.identifier import from_dns_name
from csid.moments import iso
from csid.record import Record
from gateway.handles.asked import Asked, naming_authority

# Indexes: of endpoints 1 to 8, best first; of each other type one, which stays the same.
RECORD: Final = (100, "CSID")
STATE: Final = (101, "CSID.STATE")
SUCCESSOR: Final = (102, "CSID.SUCCESSOR")
DNS_NAME: Final = (103, "CSID.NAME")
ALIAS: Final = (200, "HS_ALIAS")
URL: Final = "URL"


class Value(NamedTuple):
    """A value, its data as text."""

    at: int  # its index
    type: str
    data: str

    def json(self, ttl: int, now: int) -> dict[str, Any]:
        """As Handle.Net writes it."""
        return {
            "index": self.at,
            "type": self.type,
            "data": {"format": "string", "value": self.data},
            "ttl": ttl,
            "timestamp": iso(now),
        }


def values_of(answer: Answer, asked: Asked, suffix: str | None = None) -> list[Value] | None:
    """All values of a Handle, in the order of their indexes; None if there is no such Handle.

    That of an alias says of whom, and nothing else: whoever asks goes on there, as with any alias.

    Args:
        asked: for a Handle; others that are told have the same naming authority.
        suffix: of the deployment's DNS names, that of the scheme if None.
    """
    authority = naming_authority(asked.handle)
    if answer.alias_of is not None:
        try:
            target = from_dns_name(answer.alias_of, suffix=suffix)
        except IdentifierError:
            pass  # a name of another kind, which has no Handle: what is found there is told here
        else:
            return [Value(*ALIAS, f"{authority}{target}")]
    if not answer.exists:
        return None
    name = answer.identifier.to_dns_name(suffix)
    return [] if answer.record is None else list(_of_record(answer.record, authority, name))


def _of_record(record: Record, authority: str, name: str) -> Iterator[Value]:
    # Nobody is to be sent to what has ended; where it was, the record tells.
    if record.state != "retired":
        for index, one in enumerate(record.endpoints, 1):
            yield Value(index, URL, one.uri)
    packed = json.dumps(record.json(), ensure_ascii=False, separators=(",", ":"))
    yield Value(*RECORD, packed)
    yield Value(*STATE, record.state)
    if record.successor is not None:
        yield Value(*SUCCESSOR, f"{authority}{record.successor}")
    yield Value(*DNS_NAME, name)
