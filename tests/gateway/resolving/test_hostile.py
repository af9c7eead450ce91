"""What strangers send to a gateway over HTTP costs a bounded time and no other caller anything."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import pytest
from hyperframe.frame import HeadersFrame, RstStreamFrame, SettingsFrame

from gateway.http.connections import HEAD_SECONDS, TAKE_SECONDS
from gateway.resolving.http2 import HEAD_OCTETS, PREFACE, STREAMS, TAKEN_BACK
from tests.support.gateways import GatewayHttp, gateway_http
from tests.support.resolved import ACTIVE, MANY, network
from tests.support.servers import eventually

MARGIN = 4.0  # seconds, on a busy machine
PATH = f"/v1/identifiers/{ACTIVE}"
BATCH = json.dumps({"identifiers": [str(one) for one in MANY] * 6}).encode()
POST = b"POST /v1/resolve HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SETTINGS = SettingsFrame(0).serialize()
# Beginnings that go on letter by letter, and never end.
BEGINNINGS = {
    "nothing": b"",
    "a letter of both versions": b"P",
    "most of the preface": PREFACE[:-1],
    "a head": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ",
    "the preface alone": PREFACE,
    "an idle connection of HTTP/2": PREFACE + SETTINGS,
    "a head of HTTP/2": PREFACE + SETTINGS + HeadersFrame(1, data=b"\x82").serialize(),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayHttp]:
    folder = tmp_path_factory.mktemp("hostile")
    with network(folder) as net, gateway_http(folder / "gateway", net.top) as made:
        with made.client() as client:
            assert client.get(PATH).status_code == 200
        yield made


def connected(gateway: GatewayHttp) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), 20)


def until_closed(sock: socket.socket, seconds: float) -> float:
    """How long it took until the other side closed."""
    begun = time.monotonic()
    sock.settimeout(seconds)
    with contextlib.suppress(ConnectionError):
        while sock.recv(65_536):
            pass
    return time.monotonic() - begun


def test_who_sends_letter_by_letter_is_left_within_the_time_for_a_head(
    gateway: GatewayHttp,
) -> None:
    begun = time.monotonic()
    ended: dict[str, float] = {}
    stopped = threading.Event()

    def drip(name: str, octets: bytes) -> None:
        with connected(gateway) as sock:
            sock.sendall(octets)
            sock.setblocking(False)
            while not stopped.wait(0.2):
                try:
                    if name.startswith(("a head", "nothing")):
                        sock.send(b"a" if "HTTP/2" not in name else b"")
                    if not sock.recv(65_536):
                        break
                except BlockingIOError:
                    continue
                except ConnectionError:
                    break
            ended[name] = time.monotonic() - begun

    threads = [threading.Thread(target=drip, args=one) for one in BEGINNINGS.items()]
    for one in threads:
        one.start()
    with gateway.client() as client:
        while time.monotonic() - begun < HEAD_SECONDS / 2:
            assert client.get(PATH).status_code == 200
    for one in threads:
        one.join(HEAD_SECONDS + MARGIN)
    stopped.set()
    assert ended.keys() == BEGINNINGS.keys()
    assert max(ended.values()) < HEAD_SECONDS + MARGIN, ended


def test_a_body_that_says_no_length_is_bounded(gateway: GatewayHttp) -> None:
    with connected(gateway) as sock:
        sock.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n" % (1 << 20) + b"a" * (1 << 20) + b"\r\n"
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                sock.sendall(chunk)
        sock.settimeout(20)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = sock.recv(65_536)
        assert answer.startswith((b"HTTP/1.1 413", b""))
    with gateway.client() as client:
        large = client.post(
            "/v1/resolve",
            content=iter([b"a" * (1 << 20)] * 10),
            headers={"Content-Type": "application/json"},
        )
        assert large.status_code == 413


def test_who_leaves_in_the_middle_of_a_batch_ends_it(gateway: GatewayHttp) -> None:
    for _ in range(5):
        with connected(gateway) as sock:
            sock.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(BATCH) + BATCH)
            assert sock.recv(100).startswith(b"HTTP/1.1 200")
    with connected(gateway) as sock:
        sock.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(BATCH) + BATCH[:100])
    with gateway.client() as client:
        eventually("no batch", lambda: "http_batches 0\n" in client.get("/metrics").text)


def test_who_takes_no_results_is_left_and_others_are_served(gateway: GatewayHttp) -> None:
    begun = time.monotonic()
    with connected(gateway) as sock, gateway.client() as client:
        call = POST + b"Content-Length: %d\r\n\r\n" % len(BATCH) + BATCH

        def send() -> None:
            with contextlib.suppress(OSError):
                sock.sendall(call * 20)

        threading.Thread(target=send).start()
        eventually("a batch", lambda: "http_batches 1\n" in client.get("/metrics").text)
        while time.monotonic() - begun < 2:
            assert client.get(PATH).elapsed.total_seconds() < 1
        eventually(
            "no batch",
            lambda: "http_batches 0\n" in client.get("/metrics").text,
            TAKE_SECONDS + MARGIN,
        )


def test_batches_give_way_to_single_calls(gateway: GatewayHttp) -> None:
    with gateway.client() as client, gateway.client() as other:
        headers = {"Content-Type": "application/json"}
        for _ in range(2):
            client.post("/v1/resolve", content=BATCH, headers=headers)
        stopped = threading.Event()

        def resolve() -> None:
            while not stopped.is_set():
                client.post("/v1/resolve", content=BATCH, headers=headers)

        batches = threading.Thread(target=resolve)
        batches.start()
        took = []
        for _ in range(200):
            begun = time.perf_counter()
            other.get(PATH)
            took.append(time.perf_counter() - begun)
        stopped.set()
        batches.join()
    assert sorted(took)[100] < 0.05  # of a batch that is not parted it would be the half


def test_who_is_in_no_network_that_is_answered_is_told_so(
    gateway: GatewayHttp, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("elsewhere")
    with (
        gateway_http(folder / "gateway", gateway.address, allow=["192.0.2.0/24"]) as other,
        other.client() as client,
    ):
        for path in (PATH, "/healthz", "/openapi.json"):
            answer = client.get(path)
            assert answer.status_code == 403
            assert "127.0.0.1" in answer.json()["detail"]


def test_calls_that_come_together_are_answered_in_turn(gateway: GatewayHttp) -> None:
    count = 1_000
    with connected(gateway) as sock:
        sock.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * count)
        octets = b""
        while octets.count(b"HTTP/1.1 200 OK") < count or not octets.endswith(b"}"):
            octets += sock.recv(1 << 20)
        assert octets.count(b"HTTP/1.1 ") == count


class Peer:
    """A client of HTTP/2 that does what it likes."""

    def __init__(self, gateway: GatewayHttp) -> None:
        self.sock = connected(gateway)
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                validate_outbound_headers=False, normalize_outbound_headers=False
            )
        )
        self.h2.initiate_connection()

    def call(self, path: str, *fields: tuple[str, str], ends: bool = True) -> int:
        number = self.h2.get_next_available_stream_id()
        head = [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "x")]
        self.h2.send_headers(number, [*head, *fields], end_stream=ends)
        return number

    def send(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def events(self, until: type[h2.events.Event]) -> list[h2.events.Event]:
        """What comes until such an event, or the end."""
        found: list[h2.events.Event] = []
        self.sock.settimeout(20)
        while not any(isinstance(one, until) for one in found):
            octets = self.sock.recv(65_536)
            if not octets:
                break
            came = self.h2.receive_data(octets)
            for one in came:
                if isinstance(one, h2.events.DataReceived):
                    self.h2.acknowledge_received_data(one.flow_controlled_length, one.stream_id)
            found += came
            self.send()
        return found


def test_streams_that_are_begun_and_taken_back_end_the_connection(gateway: GatewayHttp) -> None:
    peer = Peer(gateway)
    with peer.sock:
        with contextlib.suppress(ConnectionError):
            for _ in range(TAKEN_BACK * 20):
                number = peer.call("/v1/identifiers/" + str(MANY[-1]), ends=False)
                octets = peer.h2.data_to_send()
                peer.sock.sendall(octets + RstStreamFrame(number, error_code=8).serialize())
                peer.h2.streams.pop(number)
        found = []
        with contextlib.suppress(ConnectionError):
            found = peer.events(h2.events.ConnectionTerminated)
        ended = [one for one in found if isinstance(one, h2.events.ConnectionTerminated)]
        assert all(one.error_code == 11 for one in ended)  # ENHANCE_YOUR_CALM
        assert until_closed(peer.sock, 5.0) < 5.0
    with gateway.client() as client:
        assert client.get(PATH).status_code == 200


def test_a_head_of_http2_is_bounded(gateway: GatewayHttp) -> None:
    peer = Peer(gateway)
    with peer.sock:
        peer.call(PATH, ("x", "a" * (HEAD_OCTETS + 1)))
        peer.send()
        assert until_closed(peer.sock, 5.0) < 5.0


def test_many_calls_at_a_time_are_answered_over_one_connection(gateway: GatewayHttp) -> None:
    peer = Peer(gateway)
    with peer.sock:
        for _ in range(STREAMS - 1):
            peer.call(PATH)
        peer.send()
        ended = 0
        while ended < STREAMS - 1:
            found = peer.events(h2.events.StreamEnded)
            assert found
            ended += sum(isinstance(one, h2.events.StreamEnded) for one in found)


def test_a_result_waits_for_the_window_of_who_takes_it(gateway: GatewayHttp) -> None:
    """A batch over HTTP/2 whose peer lets only so much come; then it takes all."""
    peer = Peer(gateway)
    with peer.sock:
        number = peer.h2.get_next_available_stream_id()
        head = [(":method", "POST"), (":path", "/v1/resolve"), (":scheme", "http")]
        head += [(":authority", "x"), ("content-type", "application/json")]
        body = json.dumps({"identifiers": [str(ACTIVE)] * 1_000}).encode()
        peer.h2.send_headers(number, head)
        peer.send()
        peer.events(h2.events.RemoteSettingsChanged)
        at, octets = 0, 0
        is_over = False
        while not is_over:
            room = min(peer.h2.local_flow_control_window(number), 16_384, len(body) - at)
            if room > 0:
                peer.h2.send_data(number, body[at : at + room], end_stream=at + room == len(body))
                at += room
                peer.send()
                continue
            for event in peer.h2.receive_data(peer.sock.recv(65_536)):
                if isinstance(event, h2.events.DataReceived):
                    octets += len(event.data)
                    peer.h2.acknowledge_received_data(event.flow_controlled_length, number)
                is_over |= isinstance(event, h2.events.StreamEnded)
            peer.send()
        assert octets > 500_000
