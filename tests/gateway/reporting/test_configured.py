"""Where a gateway reports to, as the configuration says it: with a key, and not in the clear."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from gateway.configuration.gateway_sections import Gateway
from gateway.reporting.routes import ReportingError, key_in
from gateway.resolving.kind import OverHttpError, options_of, require_safe
from tests.support.commands import Node
from tests.support.interface import offered
from tests.support.registering import OWNER, PLACE, identifier
from tests.support.servers import PATIENCE, eventually, resolving

KEY = Path("/etc/csid/gateway.key")


@pytest.mark.parametrize(
    "url",
    ["https://node.example:8443", "http://127.0.0.1:8080", "http://[::1]:80", "http://localhost:1"],
)
def test_a_node_is_reported_to_over_tls_or_on_this_machine(url: str) -> None:
    said = Gateway(report_to=url, report_key=KEY)
    require_safe(said)
    words = options_of(said)
    assert words[words.index("--report-to") + 1] == url
    assert words[words.index("--report-key") + 1] == str(KEY)
    assert "--report-ca" not in words


@pytest.mark.parametrize(
    ("url", "key", "why"),
    [
        ("https://node.example", None, "report-key"),
        ("http://node.example", KEY, "in the clear"),
        ("http://127.0.0.1.example", KEY, "in the clear"),
        ("node.example:8443", KEY, "expected https"),
        ("https://", KEY, "expected https"),
    ],
)
def test_what_would_tell_others_the_key_is_refused(url: str, key: Path | None, why: str) -> None:
    with pytest.raises(OverHttpError, match=why):
        require_safe(Gateway(report_to=url, report_key=key))


@pytest.mark.parametrize("text", ["", "secret", "csid_X_y", "\u7535"])
def test_a_file_without_a_key_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text, "utf-8")
    with pytest.raises(ReportingError, match="key"):
        key_in(file)
    with pytest.raises(ReportingError):
        key_in(tmp_path / "none")


def test_csid_gateway_takes_reports_for_its_node(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.accredit(OWNER)
    one = str(identifier("A001"))
    node.must("assign", one, "--endpoint", "https://a.example:8443")
    key = tmp_path / "key"
    key.write_text(node.must("gateway", "enrol", "gw-1", "--prefix", PLACE))
    with offered(node, tmp_path) as interface:
        words = ["--root", f"127.0.0.1:{interface.server.port}", "--listen", "127.0.0.1:0"]
        words += ["--http", "127.0.0.1:0", "--report-to", f"http://{interface.address}"]
        with resolving(tmp_path / "gateway", *words, "--report-key", str(key)) as gateway:
            address = gateway.ready.partition(" http ")[2].partition(",")[0]
            with httpx.Client(base_url=f"http://{address}", timeout=PATIENCE) as client:
                posted = {"identifier": one, "free": {"chips": 4}}

                def seen() -> bool:
                    client.post("/v1/status", json=posted)
                    said = client.get(f"/v1/identifiers/{one}/status").json()
                    return bool(said.get("status") == "free")

                eventually("what was posted is answered", seen)

            def listed() -> bool:
                (one,) = node.run("gateway", "list", "--json").json
                return bool(one["statuses"] and one["last_seen"])

            eventually("when it was seen is listed", listed)
