"""`_status.NAME` on a real node, asked with dig."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from csid import names
from csid.status import Told
from resolver.status import entry as entries
from resolver.status.store import FOLDER, Report, Statuses
from tests.support.servers import PATIENCE, SUFFIX, Server, eventually, make_data, serving

pytestmark = pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig")
KEY = names.key_of(names.from_text(f"www.{SUFFIX}"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = make_data(tmp_path_factory.mktemp("statuses") / "data")
    with serving(data) as found:
        yield found


@pytest.fixture(scope="module")
def statuses(server: Server) -> Iterator[Statuses]:
    data = Path(server.ready.partition("data ")[2].partition(",")[0])
    made = Statuses(data / FOLDER)
    yield made
    made.close()


def dig(server: Server, name: str, *options: str) -> str:
    words = ["dig", "@127.0.0.1", "-p", str(server.port), "+tries=1", *options, f"{name}.{SUFFIX}"]
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE).stdout


def tell(statuses: Statuses, number: int, valid: float) -> None:
    now = time.time_ns() // 1_000_000
    told = entries.pack(Told(free={"chips": 8.0}))
    with statuses.writing() as writing:
        report = Report(KEY, number, now, now + round(valid * 1_000), told)
        writing.take("gw-1", [report], now)


def test_what_is_reported_is_seen_over_udp_and_tcp(server: Server, statuses: Statuses) -> None:
    for options in ((), ("+tcp",), ("+dnssec",), ("+noedns",)):
        answer = dig(server, "_status.www", "TXT", *options)
        assert '"status=unknown"' in answer and "NOERROR" in answer and " aa" in answer
    tell(statuses, 1, 30.0)
    eventually("the status", lambda: '"free.chips=8"' in dig(server, "_status.www", "TXT"))
    for options in ((), ("+tcp",), ("+dnssec",), ("+noedns",)):
        eventually(
            "the status",
            lambda options=options: '"source=gw-1"' in dig(server, "_STATUS.WWW", "TXT", *options),
        )
    assert "NXDOMAIN" in dig(server, "_status.none", "TXT")
    assert dig(server, "www", "A", "+short") == "192.0.2.1\n"


def test_what_is_past_its_validity_is_unknown(server: Server, statuses: Statuses) -> None:
    tell(statuses, 2, 0.2)
    time.sleep(0.3)
    answer = dig(server, "_status.www", "TXT")
    assert '"status=unknown"' in answer and '"number=2"' in answer and "free" not in answer
