"""`csid show`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import run
from tests.support.registering import OWNER
from tests.support.tables import identifier, table

SUFFIX = "csid.internal."


def test_an_identifier_is_shown_with_all_that_is_held(tmp_path: Path, data: Path) -> None:
    one = identifier(7)
    run(
        "import",
        table(tmp_path / "t.csv", f"{one},active,池,https://a.example:8443"),
        "--data",
        data,
    )
    serial = one.partition("GCV/")[2].lower()
    dns = f"{serial}.gcv.330106.6450.{OWNER.lower()}.{SUFFIX}"
    for form in (one, one.lower(), dns, f"0.EXAMPLE.{one}"):
        ran = run("show", form, "--data", data)
        assert ran.code == 0
        for word in (
            one,
            dns,
            f"0.EXAMPLE.{one}",
            "池",
            "https://a.example:8443",
            "浙江省",
            "CSID",
        ):
            assert word in ran.out
    shown = json.loads(run("show", one, "--data", data, "--json").out)
    assert shown["origin"] == SUFFIX
    assert shown["record"] == {
        "endpoints": ["https://a.example:8443"],
        "name": "池",
        "state": "active",
    }
    assert {rrset["type"]: rrset["ttl"] for rrset in shown["rrsets"]} == {
        "TXT": 300,
        "SVCB": 300,
        "CSID": 300,
    }
    assert shown["rrsets"][1]["data"] == ['1 a.example. alpn="http/1.1" port="8443"']
    assert any(row["zh"].endswith("西湖区") for row in shown["meanings"])


def test_what_is_not_held_is_told_with_the_reason(tmp_path: Path, data: Path) -> None:
    zone = tmp_path / "cut.zone"
    zone.write_text(
        f"$ORIGIN {SUFFIX}\n$TTL 60\n@ SOA ns h 5 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n"
        f"330106.6450.{OWNER} NS ns.elsewhere.\n"
    )
    assert run("zone", "load", zone, "--data", data).code == 0
    ran = run("show", identifier(1), "--data", data)
    assert ran.code == 1 and f"330106.6450.{OWNER.lower()}.{SUFFIX} is delegated" in ran.err
    ran = run("show", identifier(1, location="110108"), "--data", data)
    assert ran.code == 1 and "not held" in ran.err
    ran = run("show", "nonsense", "--data", data)
    assert ran.code == 2
