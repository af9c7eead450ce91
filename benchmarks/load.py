"""The load generator: replays prebuilt questions over UDP and keeps a bounded number unanswered.

The rule of this file: no Python runs per packet while the clock runs. Questions are sent from the
buffer they were read into, whole batches per system call; of the answers, the flag bytes are kept
for counting afterwards, and one batch in `SAMPLE` is looked at closely.

    python -m benchmarks.load --questions hits.questions --port 5300 --seconds 3 --pids 4711
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks import processes
from benchmarks.questions import read_packets
from benchmarks.report import percentile
from benchmarks.sockets import (
    BUFFER_SIZE,
    HEADER,
    HEADER_SIZE,
    MSG_DONTWAIT,
    VECTOR,
    Batch,
    recvmmsg,
    sendmmsg,
)

BATCH = 64  # datagrams per system call
SAMPLE = 16  # one batch in so many is timed and compared with its question
WINDOW = 256  # unanswered; what fits into a socket buffer of Linux's default size, 208 KiB
PATIENCE = 0.25  # seconds without an answer on a socket before its questions count as lost
SOCKET_BUFFER = 4 << 20  # bytes
QUESTION_START = 12  # bytes of header before the question section
TYPE_AND_CLASS = 4  # bytes after its name


class Questions:
    """The packets of a question file, laid out for sendmmsg, each with its number as its ID."""

    def __init__(self, packets: Sequence[bytes]) -> None:
        self.count = len(packets) // BATCH * BATCH
        if self.count == 0:
            raise ValueError(f"{len(packets)} questions: at least {BATCH} are needed")
        self.packets = packets
        self._data = bytearray(b"".join(packets))
        self._vectors = bytearray(self.count * VECTOR.size)
        self._headers = bytearray(self.count * HEADER_SIZE)
        data, vectors = _address(self._data), _address(self._vectors)
        offset = 0
        for number in range(self.count):
            length = len(packets[number])
            self._data[offset : offset + 2] = (number & 0xFFFF).to_bytes(2, "big")
            VECTOR.pack_into(self._vectors, number * VECTOR.size, data + offset, length)
            vector = vectors + number * VECTOR.size
            HEADER.pack_into(self._headers, number * HEADER_SIZE, 0, 0, vector, 1, 0, 0, 0, 0)
            offset += length
        self.address = _address(self._headers)

    def asked(self, identity: int, position: int) -> bytes:
        """The latest question with this ID that was sent before ring position `position`."""
        number = position - 1 - ((position - 1 - identity) & 0xFFFF)
        if number < 0:
            last = self.count - 1
            number = last - ((last - identity) & 0xFFFF)
        return self.packets[number]


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def question_end(packet: bytes) -> int:
    """Where the question section of a question of ours ends (one question, no compression)."""
    position = QUESTION_START
    while packet[position]:
        position += packet[position] + 1
    return position + 1 + TYPE_AND_CLASS


def matches(answer: bytes, question: bytes) -> bool:
    """An answer has QR set and repeats the question section to the letter case.

    A FORMERR or the like may come without the section; it is no answer here.
    """
    end = question_end(question)
    return bool(answer[2] & 0x80) and answer[QUESTION_START:end] == question[QUESTION_START:end]


class Tally:
    """What came back in one measured span of time."""

    def __init__(self) -> None:
        self.answers = self.lost = self.refused_sends = self.checked = self.wrong = 0
        self.polls = self.empty_polls = 0
        self.flags = bytearray()  # byte 2 of each answer's header
        self.codes = bytearray()  # byte 3
        self.latencies: list[float] = []  # seconds

    def rcodes(self) -> dict[str, int]:
        counts = Counter(bytes(self.codes).translate(bytes(code & 15 for code in range(256))))
        return {str(code): counts[code] for code in sorted(counts)}

    def truncated(self) -> int:
        return sum(n for flag, n in Counter(bytes(self.flags)).items() if flag & 0x02)


class Loader:
    """A closed window over some connected sockets, in lockstep with nothing but the answers."""

    def __init__(self, questions: Questions, port: int, sockets: int, window: int) -> None:
        self.questions = questions
        self.position = 0
        self.room = [window // sockets] * sockets
        self.limit = window // sockets
        self.step = min(BATCH, max(1, self.limit // 2))
        self.heard = [0.0] * sockets
        # Per socket: the ID whose answer is awaited, and when it was sent.
        self.pending: list[tuple[bytes, float] | None] = [None] * sockets
        self.sends = 0
        self.batch = Batch(BATCH)
        self.sockets = [self._connect(port) for _ in range(sockets)]

    def _connect(self, port: int) -> socket.socket:
        connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        connection.connect(("127.0.0.1", port))
        return connection

    def run(self, seconds: float, tally: Tally) -> float:
        """Ask for `seconds`; returns the seconds it took. The window stays open afterwards."""
        clock = time.monotonic
        start = now = clock()
        end = start + seconds
        self.heard = [now] * len(self.sockets)
        numbered = list(enumerate(s.fileno() for s in self.sockets))
        while now < end:
            for index, descriptor in numbered:
                tally.polls += 1
                got = recvmmsg(descriptor, self.batch.address, BATCH, MSG_DONTWAIT, None)
                now = clock()
                if got > 0:
                    self._take(index, got, now, tally)
                else:
                    tally.empty_polls += 1
                    if now - self.heard[index] > PATIENCE:
                        self._give_up(index, now, tally)
                if self.room[index] >= self.step:
                    self._ask(index, descriptor, now, tally)
        return now - start

    def _take(self, index: int, got: int, now: float, tally: Tally) -> None:
        data = self.batch.data
        tally.answers += got
        tally.flags += data[2 : got * BUFFER_SIZE : BUFFER_SIZE]
        tally.codes += data[3 : got * BUFFER_SIZE : BUFFER_SIZE]
        self.room[index] = min(self.limit, self.room[index] + got)
        self.heard[index] = now
        pending = self.pending[index]
        if pending is None:
            return
        identity, sent = pending
        for offset in range(0, got * BUFFER_SIZE, BUFFER_SIZE):
            if data[offset : offset + 2] == identity:
                self.pending[index] = None
                tally.latencies.append(now - sent)
                tally.checked += 1
                answer = bytes(data[offset : offset + BUFFER_SIZE])
                asked = self.questions.asked(int.from_bytes(identity, "big"), self.position)
                tally.wrong += not matches(answer, asked)
                return

    def _ask(self, index: int, descriptor: int, now: float, tally: Tally) -> None:
        questions = self.questions
        count = min(self.room[index], BATCH, questions.count - self.position)
        address = questions.address + self.position * HEADER_SIZE
        sent = sendmmsg(descriptor, address, count, 0)
        if sent <= 0:
            tally.refused_sends += 1
            return
        self.sends += 1
        if self.sends % SAMPLE == 0 and self.pending[index] is None:
            self.pending[index] = ((self.position & 0xFFFF).to_bytes(2, "big"), now)
        self.room[index] -= sent
        self.position = (self.position + sent) % questions.count

    def _give_up(self, index: int, now: float, tally: Tally) -> None:
        """Count what a silent socket waits for as lost, and ask anew.

        A single loss only narrows the window until then: per-question timers would cost more than
        the questions.
        """
        tally.lost += self.limit - self.room[index]
        self.room[index] = self.limit
        self.pending[index] = None
        self.heard[index] = now

    def close(self) -> None:
        for connection in self.sockets:
            connection.close()


def measure(loader: Loader, warm: float, seconds: float, pids: Sequence[int]) -> dict[str, object]:
    """Warm the server up, then count answers and the CPU time its processes take for them."""
    loader.run(warm, Tally())
    tally = Tally()
    before, own_before = processes.cpu_seconds(pids), time.process_time()
    elapsed = loader.run(seconds, tally)
    cpu, own = processes.cpu_seconds(pids) - before, time.process_time() - own_before
    latencies = sorted(tally.latencies)
    answers = max(tally.answers, 1)
    return {
        "answers": tally.answers,
        "lost": tally.lost,
        "refused_sends": tally.refused_sends,
        "seconds": round(elapsed, 4),
        "rate": round(tally.answers / elapsed),
        "server_cpu_us": round(cpu / answers * 1e6, 4),
        "server_busy": round(cpu / elapsed, 4),
        "loader_cpu_us": round(own / answers * 1e6, 4),
        "loader_idle": round(tally.empty_polls / max(tally.polls, 1), 4),
        "rcodes": tally.rcodes(),
        "truncated": tally.truncated(),
        "checked": tally.checked,
        "wrong": tally.wrong,
        "latency_us": {
            f"p{share}": round(percentile(latencies, share) * 1e6, 1) if latencies else None
            for share in (50, 90, 99)
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.load", description="UDP load generator")
    parser.add_argument("--questions", type=Path, required=True, help="a question file")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--warm", type=float, default=0.5, help="seconds not measured")
    parser.add_argument("--sockets", type=int, default=4)
    parser.add_argument("--window", type=int, default=WINDOW, help="questions unanswered at most")
    parser.add_argument("--core", type=int, help="pin the generator to this core")
    parser.add_argument("--pids", default="", help="processes of the server, comma-separated")
    options = parser.parse_args(arguments)
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    with options.questions.open("rb") as stream:
        questions = Questions(list(read_packets(stream)))
    gc.disable()  # a collection in the middle would be a gap in the load
    loader = Loader(questions, options.port, options.sockets, options.window)
    pids = [int(pid) for pid in options.pids.split(",") if pid]
    try:
        print(json.dumps(measure(loader, options.warm, options.seconds, pids)))
    finally:
        loader.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
