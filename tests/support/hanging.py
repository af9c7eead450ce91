"""A process of a server that some questions take up for ever; run as those of `KINDS` are."""

from __future__ import annotations

import itertools
import os
import socket
import sys
import threading
from collections import deque
from typing import Final

from resolver.answer.reply import Reply
from resolver.answer.source import Stages
from resolver.server import tcp_process, worker

DATAGRAMS: Final = socket.SOCK_DGRAM


def spin() -> None:
    while True:
        pass


def spin_in_c() -> None:
    deque(itertools.repeat(0), maxlen=0)  # meanwhile no signal handler runs, and no other thread


def deadlock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


WAYS: Final = {one.__name__: one for one in (spin, spin_in_c, deadlock)}


def hang(reply: Reply) -> None:
    """Never return if the name asked begins with one of WAYS."""
    first = reply.name[1 : 1 + reply.name[0]].decode()
    if first in WAYS:
        WAYS[first]()


def main() -> int:
    stages = Stages(admit=(hang,))
    worker.stages_of = tcp_process.stages_of = lambda _: stages
    fd = int(sys.argv[sys.argv.index("--fd") + 1])
    with socket.socket(fileno=os.dup(fd)) as sock:
        run = worker.main if sock.type == DATAGRAMS else tcp_process.main
    return run()


if __name__ == "__main__":
    sys.exit(main())
