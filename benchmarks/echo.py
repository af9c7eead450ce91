"""The echo of `echo.c` for machines without a C compiler; tables label it `echo (python)`."""

from __future__ import annotations

import ctypes
import socket
import sys

from benchmarks.sockets import (
    BUFFER_SIZE,
    MSG_WAITFORONE,
    Batch,
    SockAddr,
    recvmmsg,
    sendmmsg,
)

BATCH = 64
SOCKET_BUFFER = 4 << 20  # bytes


def main(port: int) -> None:
    """Set QR in every datagram and send it back, for ever."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
    server.bind(("127.0.0.1", port))
    batch = Batch(BATCH, with_address=True)
    while True:
        for index in range(BATCH):
            batch.vectors[index].length = BUFFER_SIZE
            batch.headers[index].header.name_length = ctypes.sizeof(SockAddr)
        got = recvmmsg(server.fileno(), batch.address, BATCH, MSG_WAITFORONE, None)
        for index in range(got):
            batch.data[index * BUFFER_SIZE + 2] |= 0x80
            batch.vectors[index].length = batch.headers[index].length
        if got > 0:
            sendmmsg(server.fileno(), batch.address, got, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
