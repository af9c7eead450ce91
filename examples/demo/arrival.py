"""When a new code is answered for where: asked by DNS over and over until it is."""

from __future__ import annotations

import socket
import threading
import time
from typing import Final

import dns.message
from dns.rdatatype import RdataType

from csid.protocol import CSID
from csid.record import decode

PAUSE_SECONDS: Final = 0.0002  # between an answer and the next question


class Observer:
    """Asks one server for one name until the record is active; a context.

    Attributes:
        first: when each state was seen first, by its word, on the clock of `time.perf_counter`.
    """

    def __init__(self, name: str, host: str, port: int) -> None:
        self.first: dict[str, float] = {}
        self._question = dns.message.make_query(name, RdataType(CSID)).to_wire()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(1.0)
        self._socket.connect((host, port))
        self._is_over = False
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()
        self._socket.close()

    def is_active(self) -> bool:
        """Whether it has been seen so."""
        return "active" in self.first

    def _ask(self) -> None:
        last = b""
        while not (self._is_over or self.is_active()):
            try:
                self._socket.send(self._question)
                answer = self._socket.recv(4_096)
            except OSError:  # no answer: ask again
                continue
            now = time.perf_counter()
            if answer != last:
                last = answer
                state = _state_in(answer)
                if state:
                    self.first.setdefault(state, now)
            time.sleep(PAUSE_SECONDS)


def _state_in(answer: bytes) -> str:
    """The state that an answer has; empty if it has no record."""
    for rrset in dns.message.from_wire(answer).answer:
        if rrset.rdtype == CSID:
            return decode(rrset[0].to_digestable()).state
    return ""
