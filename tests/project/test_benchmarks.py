"""The instruments of the benchmarks measure what they say."""

from __future__ import annotations

import io
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.servers import CHECKOUT

if not (CHECKOUT / "benchmarks").is_dir():
    pytest.skip("benchmarks are part of the checkout only", allow_module_level=True)
sys.path.insert(0, str(CHECKOUT))

from benchmarks import data, load, measure, processes, report
from benchmarks.names import SUFFIX, Namespace, zone_lines
from benchmarks.questions import (
    LENGTH,
    SETS,
    Question,
    encode,
    flood,
    hits,
    mix,
    read_packets,
)

NAMES = 2_000
ASKED = 400
SMALL = Namespace(50)


@pytest.fixture(scope="module")
def space() -> Namespace:
    return Namespace(NAMES)


@pytest.fixture(scope="module")
def zone(space: Namespace) -> dns.zone.Zone:
    return dns.zone.from_text("".join(zone_lines(space)), origin=SUFFIX, relativize=False)


def outcome(zone: dns.zone.Zone, question: Question) -> str:
    """What an authority says, worked out from dnspython's view of the zone."""
    name = dns.name.from_text(question.name.lower())
    above = name
    while above != zone.origin:
        if zone.get_rdataset(above, "NS"):
            return "referral"
        above = above.parent()
    if zone.get_rdataset(name, question.rrtype):
        return "hit"
    return "no data" if zone.get_node(name) else "no name"


def test_zone_has_as_many_names_as_asked_for(zone: dns.zone.Zone) -> None:
    assert sum(1 for _ in zone.iterate_rdatasets("TXT")) == NAMES


def test_hits_exist(space: Namespace, zone: dns.zone.Zone) -> None:
    source = random.Random(1)
    assert {outcome(zone, hits(space, source)) for _ in range(ASKED)} == {"hit"}


def test_flood_never_exists_but_its_parent_does(space: Namespace, zone: dns.zone.Zone) -> None:
    source = random.Random(2)
    names = {name.to_text() for name in zone}
    for _ in range(ASKED):
        question = flood(space, source)
        assert outcome(zone, question) == "no name"
        assert any(name.endswith("." + question.name.partition(".")[2]) for name in names)


def test_mix_has_the_shares_it_promises(space: Namespace, zone: dns.zone.Zone) -> None:
    source = random.Random(3)
    questions = [mix(space, source) for _ in range(ASKED * 5)]
    outcomes = [outcome(zone, question) for question in questions]
    shares = {"hit": 0.6, "referral": 0.2, "no name": 0.1, "no data": 0.1}
    for kind, share in shares.items():
        assert outcomes.count(kind) / len(outcomes) == pytest.approx(share, abs=0.04)
    cookies = sum(bool(question.cookie) for question in questions)
    assert cookies / len(questions) == pytest.approx(0.5, abs=0.05)


@given(name=st.sampled_from(sorted(SETS)), seed=st.integers(0, 2**32))
def test_packets_read_back_as_the_question(name: str, seed: int) -> None:
    question = SETS[name](SMALL, random.Random(seed))
    packet = encode(question)
    message = dns.message.from_wire(packet)
    assert message.question[0].name.to_text() == question.name
    assert message.question[0].rdtype == question.rrtype
    cookies = [question.cookie] if question.cookie else []
    assert [option.to_wire() for option in message.options] == cookies
    # A reply cut at the end of the question section holds the whole section and nothing else.
    reply = bytearray(packet[: load.question_end(packet)])
    reply[2] |= 0x80
    assert load.matches(bytes(reply), packet)
    assert not load.matches(packet, packet)
    reply[13] ^= 0x20  # another letter case
    assert not load.matches(bytes(reply), packet)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8))
def test_question_files_read_back(packets: list[bytes]) -> None:
    stream = io.BytesIO(b"".join(LENGTH.pack(len(packet)) + packet for packet in packets))
    assert list(read_packets(stream)) == packets


def test_cut_question_file_is_refused() -> None:
    with pytest.raises(ValueError, match="ends within a packet"):
        list(read_packets(io.BytesIO(b"\x00\x05abc")))


def test_built_data_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "QUESTIONS", 100)
    first = data.build(tmp_path, 200)
    written = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    again = data.build(tmp_path, 200)
    assert {path: path.stat().st_mtime_ns for path in again.folder.iterdir()} == written
    assert len(first.dnsperf.read_text().splitlines()) == 100
    with first.questions("hits").open("rb") as stream:
        assert next(iter(read_packets(stream))) == first.hosted


@given(
    st.integers(load.BATCH, 200_000).map(lambda n: n // load.BATCH * load.BATCH),
    st.data(),
)
def test_an_id_leads_back_to_the_latest_question_sent(count: int, draw: st.DataObject) -> None:
    ring = load.Questions.__new__(load.Questions)
    ring.count, ring.packets = count, range(count)  # type: ignore[assignment]
    position = draw.draw(st.integers(0, count - 1))
    back = draw.draw(st.integers(1, min(count, load.WINDOW)))
    number = (position - back) % count
    assert ring.asked(number & 0xFFFF, position) == number


ANSWERED = 100


@pytest.fixture
def responder() -> Iterator[tuple[int, list[bytes]]]:
    """A server that says NXDOMAIN, truncated, to its first questions and falls silent then."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(0.05)
    heard: list[bytes] = []
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                packet, peer = server.recvfrom(2048)
            except TimeoutError:
                continue
            heard.append(packet)
            if len(heard) <= ANSWERED:
                server.sendto(packet[:2] + bytes((packet[2] | 0x82, 3)) + packet[4:], peer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1], heard
    ended.set()
    thread.join()
    server.close()


def test_load_counts_answers_codes_and_losses(
    responder: tuple[int, list[bytes]], space: Namespace
) -> None:
    port, heard = responder
    source = random.Random(4)
    packets = [encode(mix(space, source)) for _ in range(load.BATCH * 3)]
    loader = load.Loader(load.Questions(packets), port, sockets=2, window=32)
    tally = load.Tally()
    for _ in range(20):  # the loader's spinning leaves the responder's thread little time
        loader.run(load.PATIENCE * 2, tally)
        if tally.answers == ANSWERED and tally.lost:
            break
    loader.close()
    assert tally.answers == ANSWERED
    assert tally.lost > 0
    assert tally.rcodes() == {"3": ANSWERED}
    assert tally.truncated() == ANSWERED
    assert tally.wrong == 0
    assert {packet[2:] for packet in heard} <= {packet[2:] for packet in packets}
    assert [int.from_bytes(packet[:2], "big") for packet in heard[:16]] == list(range(16))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_percentile_leaves_its_share_below(values: list[float], share: int) -> None:
    ordered = sorted(values)
    value = report.percentile(ordered, share)
    assert value in ordered
    assert sum(v <= value for v in ordered) * 100 >= share * len(ordered)
    assert sum(v < value for v in ordered) * 100 < share * len(ordered)


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        report.percentile([], 50)


def test_ratios_name_what_was_not_measured() -> None:
    rows = report.ratio_rows({"echo": 4.0, "ours": 6.0, "nsd": None}, ("echo", "nsd"))
    assert rows == [
        ["echo", "4.00", "1.00", "–"],
        ["ours", "6.00", "1.50", "–"],
        ["nsd", "–", "–", "–"],
    ]
    assert report.middle([3.0, 1.0, 9.0]) == 3.0
    assert report.middle([]) is None


def test_report_keeps_tables_and_figures(tmp_path: Path) -> None:
    kept = report.Report("udp", {"names": 5})
    kept.add("UDP hits", ["server", "µs"], [["echo", "3.30"]])
    kept.raw["udp"] = {"echo": [3.3]}
    page = kept.write(tmp_path)
    assert "| echo | 3.30 |" in page.read_text(encoding="utf-8")
    assert '"echo": [' in page.with_suffix(".json").read_text(encoding="utf-8")


def test_cpu_time_is_that_of_the_process() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    idle = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        time.sleep(0.2)
        before = [processes.cpu_seconds([child.pid]) for child in (busy, idle)]
        time.sleep(0.3)
        used = [
            processes.cpu_seconds([c.pid]) - b for c, b in zip((busy, idle), before, strict=True)
        ]
        assert used[0] > used[1] + 0.01
        assert {busy.pid, idle.pid} <= set(processes.family(os.getpid()))
        memory = processes.memory(idle.pid)
        assert 1 << 20 < memory.own <= memory.proportional < 1 << 28
    finally:
        for child in (busy, idle):
            child.kill()
            child.wait()


def test_the_cost_of_a_command_is_its_own(tmp_path: Path) -> None:
    work = "import time; x = bytearray(64 << 20); t = time.process_time()\n"
    work += "while time.process_time() < t + 0.2: pass"
    words = [sys.executable, "-c", work]
    cost = processes.cost_of(words, tmp_path, os.environ, core=0)
    assert 0.2 < cost.cpu_seconds <= cost.seconds + 0.1
    assert 64 << 20 < cost.peak_octets < 1 << 28
    with pytest.raises(subprocess.CalledProcessError) as caught:
        processes.cost_of([sys.executable, "-c", "exit('why')"], tmp_path, os.environ, core=0)
    assert caught.value.output == b"why\n"


def test_dnsperf_output_is_understood() -> None:
    output = """Statistics:

  Queries sent:         60351
  Queries completed:    60000 (99.42%)
  Queries lost:         351 (0.58%)
  Queries per second:   30171.234567
"""
    assert measure.dnsperf_figures(output, cpu=0.6) == {
        "rate": 30171.234567,
        "lost": 351.0,
        "server_cpu_us": pytest.approx(10.0),
    }
