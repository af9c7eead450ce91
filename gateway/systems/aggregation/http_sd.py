"""What is registered, as targets for Prometheus (`http_sd_configs`): who watches a region adds no
machine by hand.

Labels that begin with `__meta_` are for relabelling and gone afterwards: keep an identifier with
`{source_labels: [__meta_csid_identifier], target_label: csid}`, choose endpoints with
`{source_labels: [__meta_csid_protocol], action: keep, regex: https}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from csid.identifier import Identifier
from csid.record import Record


class Registered(NamedTuple):
    """An identifier with its record."""

    identifier: Identifier
    record: Record


class _Group(msgspec.Struct):
    targets: list[str]
    labels: dict[str, str]


def http_sd(registered: Iterable[Registered]) -> bytes:
    """JSON of one group an endpoint, in the order in which they come; what has no endpoint has
    none.
    """
    return msgspec.json.encode([group for one in registered for group in _groups(*one)])


def _groups(identifier: Identifier, record: Record) -> Iterable[_Group]:
    facts = {
        "identifier": str(identifier),
        "owner": identifier.owner,
        "industry": identifier.industry,
        "location": identifier.location,
        "type": identifier.type,
        "capability": identifier.capability,
        "state": record.state,
        "name": record.name,
        "chip": record.chip,
        "count": record.count,
        "fabric": record.fabric,
    }
    labels = {f"__meta_csid_{name}": str(value) for name, value in facts.items() if value}
    for endpoint in record.endpoints:
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        of_endpoint = {
            "__meta_csid_protocol": endpoint.protocol,
            "__meta_csid_endpoint": endpoint.uri,
        }
        yield _Group([f"{host}:{endpoint.port}"], labels | of_endpoint)
