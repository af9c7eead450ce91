"""Settings of other servers that change what they send or ask for: zones are kept up to date."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.registry.sync.test_odd_zones import rows_at
from tests.registry.sync.test_servers import node, put
from tests.support.commands import run
from tests.support.peers import HOST, Peer, free_port, installed, running
from tests.support.servers import serving
from tests.support.syncing import (
    KEYRING,
    KINDS,
    ORIGIN,
    answer,
    follow,
    notify,
    secondary,
    state,
    until,
    zone_text,
)

MANY = "".join(f"n{number} A 192.0.2.{number % 250}\n" for number in range(3_000))


class Case(NamedTuple):
    """A server with other settings than it has by itself."""

    name: str
    kind: str
    at: str  # in its configuration, ...
    more: str  # ... before which there is this, too
    come: str = "IXFR"  # how a change comes
    instead: bool = False  # in place of it


OPTIONS = "  recursion no;"
IN_ZONE = "type primary; "
TEMPLATE = "    semantic-checks"
REMOTE = "    key: sync-key\nacl"
PATTERN = "  notify: "
ASKS = "  request-xfr: "
PRIMARIES = [
    Case("gives no IXFR", "bind", OPTIONS, "  provide-ixfr no;\n", "AXFR"),
    Case("one record a message", "bind", OPTIONS, "  transfer-format one-answer;\n"),
    Case("small messages", "bind", OPTIONS, "  transfer-message-size 512;\n"),
    Case("no compression", "bind", OPTIONS, "  message-compression no;\n"),
    Case("signs", "bind", "also-notify", "dnssec-policy default; inline-signing yes; "),
    Case("journal of all", "knot", TEMPLATE, "    serial-policy: increment\n"),
    Case("serials by time", "knot", TEMPLATE, "    serial-policy: unixtime\n"),
    Case("makes digests", "knot", TEMPLATE, "    zonemd-generate: zonemd-sha512\n"),
    Case("signs", "knot", TEMPLATE, "    dnssec-signing: on\n"),
    Case("knows no EDNS", "knot", REMOTE, "    no-edns: on\n"),
    Case("no journal", "nsd", PATTERN, "  ixfr-number: 0\n", "AXFR"),
]
SECONDARIES = [
    Case("asks for no IXFR", "bind", OPTIONS, "  request-ixfr no;\n", "AXFR"),
    Case("asks without EDNS", "bind", OPTIONS, "  edns-udp-size 512;\n"),
    Case("small bounds", "bind", OPTIONS, "  max-records 10000; transfers-in 1;\n"),
    Case("signs", "bind", "allow-notify", "dnssec-policy default; inline-signing yes; "),
    Case("journal of all", "knot", TEMPLATE, "    journal-max-depth: 2\n"),
    Case("verifies digests", "knot", TEMPLATE, "    zonemd-verify: on\n"),
    Case("signs", "knot", TEMPLATE, "    dnssec-signing: on\n"),
    Case("knows no EDNS", "knot", REMOTE, "    no-edns: on\n"),
    Case("asks over UDP", "nsd", ASKS, f"{ASKS}UDP ", instead=True),
    Case("asks for no IXFR", "nsd", ASKS, f"{ASKS}AXFR ", instead=True),
]


def made(case: Case, base: type[Peer]) -> type[Peer]:
    """The server with its settings."""
    if not installed(base):
        pytest.skip(f"{base.program} is not installed")

    class Set(base):  # type: ignore[misc,valid-type]
        def configuration(self) -> str:
            text: str = super().configuration()
            assert case.at in text
            return text.replace(case.at, case.more + ("" if case.instead else case.at), 1)

    return Set


def named(cases: Iterable[Case]) -> list[str]:
    return [f"{case.kind} {case.name}" for case in cases]


@pytest.mark.parametrize("case", PRIMARIES, ids=named(PRIMARIES))
def test_a_primary_is_followed(tmp_path: Path, case: Case) -> None:
    data = node(tmp_path / "node")
    port = free_port()
    kind = made(case, KINDS[case.kind](primary_of=port))
    folder = tmp_path / case.kind
    folder.mkdir()
    text = zone_text(more=MANY)
    with (
        serving(data, listen=(f"{HOST}:{port}",)),
        running(kind, folder, {ORIGIN: text}) as primary,
    ):
        follow(data, primary.port)
        until(lambda: answer(port, f"www.{ORIGIN}") == "192.0.2.1")
        notify(data)
        primary.add("new", "192.0.2.77")
        until(lambda: answer(port, f"new.{ORIGIN}") == "192.0.2.77")
        until(lambda: rows_at(port, KEYRING) == rows_at(primary.port, KEYRING), 60)
        until(lambda: state(data).kind == case.come)
        assert not state(data).failures


@pytest.mark.parametrize("case", SECONDARIES, ids=named(SECONDARIES))
def test_a_secondary_follows(tmp_path: Path, case: Case) -> None:
    data = node(tmp_path / "node")

    def publish(serial: int) -> None:
        put(data, zone_text(serial, more=MANY))
        assert run("zone", "zonemd", ORIGIN, "--data", data).code == 0  # adds one to the serial

    publish(1)
    port, theirs = free_port(), free_port()
    notify(data, theirs)
    folder = tmp_path / case.kind
    folder.mkdir()
    kind = made(case, KINDS[case.kind](secondary_of=port))
    with (
        serving(data, listen=(f"{HOST}:{port}",)),
        secondary(kind, folder, theirs),
    ):
        until(lambda: answer(theirs, f"www.{ORIGIN}") == "192.0.2.1")
        for serial in range(10, 40, 10):
            publish(serial)
            until(lambda wanted=f"192.0.2.{serial}": answer(theirs, f"www.{ORIGIN}") == wanted, 15)
