"""A node that offers its registry over HTTP, and clients of it with tokens."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.certificates import certificate
from tests.support.commands import Node
from tests.support.servers import Server, serving


class Interface:
    """The interface of a running node."""

    def __init__(self, node: Node, server: Server, certificate: Path | None = None) -> None:
        self.node = node
        self.server = server
        self.address = server.ready.partition(" http ")[2].partition(",")[0]
        self.certificate = certificate
        self._made = 0

    def token(self, role: str, *options: str) -> str:
        """A new token."""
        self._made += 1
        return self.node.must("token", "add", f"t{self._made}", "--role", role, *options)

    def client(self, role: str = "", *options: str) -> httpx.Client:
        """A client that presents a new token of a role; none without one."""
        headers = {"Authorization": f"Bearer {self.token(role, *options)}"} if role else {}
        scheme = "http" if self.certificate is None else "https"
        verify: ssl.SSLContext | bool = True
        if self.certificate is not None:
            verify = ssl.create_default_context(cafile=str(self.certificate))
        return httpx.Client(
            base_url=f"{scheme}://{self.address}",
            headers=headers,
            verify=verify,
            timeout=20,
            trust_env=False,
        )


@contextlib.contextmanager
def offered(node: Node, folder: Path, tls: bool = False, more: str = "") -> Iterator[Interface]:
    """A node that runs, with its interface on a free port; ``more``: lines of the section."""
    lines = ["[http]", 'listen = "127.0.0.1:0"']
    shown = None
    if tls:
        shown, key = certificate(folder, "interface")
        lines += [f'tls-cert = "{shown}"', f'tls-key = "{key}"']
    file = folder / "csid.toml"
    file.write_text("\n".join([*lines, more]))
    with serving(node.data, "--config", str(file)) as server:
        yield Interface(node, server, shown)
