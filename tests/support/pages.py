"""What the page of a gateway is tried on: identifiers, and answers in the form that is agreed."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Page, Route, expect

from csid.identifier import parse
from csid.record import Record, encode
from tests.support.identifiers import PRINTED
from tests.support.records import FULL

ACTIVE, MOVED, ENDED, ABSENT = map(parse, PRINTED)
HOSTILE = '<img src=x onerror="alert(1)">'
FACTS: dict[str, Any] = {
    "state": "active",
    "name": HOSTILE,
    "chip": "昇腾 910B",
    "count": 8,
    "endpoints": ["https://a.example:8443/v1", "javascript://b.example:443/%0aalert(1)"],
}
OWNER = ACTIVE.to_dns_name().split(".", 4)[4]
MILLISECONDS = 20_000  # for anything a test waits for
STEPS: list[dict[str, Any]] = [
    {
        "zone": ".",
        "server": "192.0.2.1:53",
        "server_name": None,
        "name": ACTIVE.to_dns_name(),
        "type": "TYPE65347",
        "depth": 0,
        "milliseconds": 1.234,
        "outcome": "referral",
        "said": f"referral to {OWNER}: ns.{OWNER}",
    },
    {
        "zone": OWNER,
        "server": "192.0.2.77:5300",
        "server_name": f"ns.{OWNER}",
        "name": ACTIVE.to_dns_name(),
        "type": "TYPE65347",
        "depth": 0,
        "milliseconds": 1800.4,
        "outcome": "no answer",
        "said": "no answer in time",
    },
]
FREE: dict[str, Any] = {
    "identifier": str(ACTIVE),
    "status": "free",
    "age": 1,
    "taken": "2026-11-26T10:00:00.000Z",
    "until": "2026-11-26T10:00:31.000Z",
    "source": "gw1",
    "health": "ok",
    "load": 0.25,
    "free": {"chips": 5},
}
# The least contrast of a text to what is behind it; every element that has a text of its own.


def _line(name: str, facts: dict[str, Any]) -> str:
    data = encode(Record(facts))
    return f"{name} TYPE65347 \\# {len(data)} {data.hex()}\n"


ZONE = f"""\
$TTL 300
@ SOA ns hostmaster 1 7200 900 1209600 60
  NS ns
ns A 127.0.0.1
{MOVED.to_dns_name()} CNAME {ACTIVE.to_dns_name()}
{_line(ACTIVE.to_dns_name(), FACTS)}{_line(ENDED.to_dns_name(), FULL)}"""


def shows(page: Page, name: str) -> None:
    expect(page.get_by_role("region", name=name)).to_be_visible()


def give(
    page: Page,
    path: str,
    answer: object,
    media: str = "application/json",
    headers: dict[str, str] | None = None,
) -> None:
    """Let the gateway have another answer to a call, in the form that is agreed."""
    body = answer if isinstance(answer, str) else json.dumps(answer)

    def fulfil(route: Route) -> None:
        said = {"Content-Type": media, **(headers or {})}
        route.fulfill(status=200, headers=said, body=body)

    page.route(re.compile(re.escape(path)), fulfil)
