"""The client of the writer, where one writer follows another."""

from __future__ import annotations

import socket
from pathlib import Path
from threading import Thread

from registry.writer import protocol
from registry.writer.address import SOCKET
from registry.writer.client import connected
from resolver.store.environment import identity
from tests.support.books import create


def test_one_that_ends_before_it_greets_is_no_stranger(tmp_path: Path) -> None:
    data = create(tmp_path / "data")
    found = identity(data)
    assert found is not None
    greetings = [protocol.frame(0, protocol.BYE), b"", protocol.hello(found.data)]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(data / SOCKET))
        listener.listen()

        def writers() -> None:
            for greeting in greetings:
                sock, _ = listener.accept()
                with sock:
                    sock.recv(1_024)
                    sock.sendall(greeting)

        following = Thread(target=writers)
        following.start()
        client = connected(data)
        following.join()
    assert client is not None
    client.close()
