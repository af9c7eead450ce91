"""Servers of others as primaries: they let themselves be transferred from, plainly and signed."""

from __future__ import annotations

import base64
import socket
import subprocess
import time
from pathlib import Path

from csid import names
from resolver.sync import tsig
from resolver.sync.transfer.fetch import Fetch
from tests.support import peers
from tests.support.peers import HOST

KEY = tsig.Key(names.from_text("key."), "hmac-sha256", bytes(range(32)))
SECRET = base64.b64encode(KEY.secret).decode()
PATIENCE = 20.0  # seconds for a peer to send something


class Nsd(peers.Nsd):
    def configuration(self) -> str:
        zones = "".join(
            f'zone:\n  name: "{origin}"\n  zonefile: "{origin}zone"\n'
            f"  provide-xfr: {HOST} NOKEY\n  provide-xfr: {HOST} key.\n"
            for origin in self.origins
        )
        head, _, _ = super().configuration().partition("zone:\n")
        return (
            f'{head}key:\n  name: "key."\n  algorithm: hmac-sha256\n  secret: "{SECRET}"\n{zones}'
        )


class Knot(peers.Knot):
    def configuration(self) -> str:
        settings = super().configuration().replace("journal-content: none", "journal-content: all")
        settings = settings.replace("zonefile-load: whole", "zonefile-load: difference")
        settings = settings.replace(
            "    semantic-checks", "    acl: [plain, keyed]\n    semantic-checks"
        )
        head, _, rest = settings.partition("template:\n")
        return f"""\
{head}key:
  - id: key.
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: plain
    address: {HOST}
    action: [transfer, update]
  - id: keyed
    address: {HOST}
    key: key.
    action: [transfer, update]
template:
{rest}"""


class Bind(peers.Bind):
    def configuration(self) -> str:
        settings = super().configuration()
        settings = settings.replace(
            'zone"; };', f'zone"; allow-transfer {{ {HOST}; }}; allow-update {{ {HOST}; }}; }};'
        )
        return f'key "key." {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n{settings}'


class Pdns(peers.Peer):
    """PowerDNS with its LMDB backend, which its tool fills from the zone files."""

    program = "pdns_server"

    def configuration(self) -> str:
        settings = {
            "launch": "lmdb",
            "lmdb-filename": str(self.folder / "pdns.lmdb"),
            "local-address": HOST,
            "local-port": str(self.port),
            "socket-dir": str(self.folder),
            "daemon": "no",
            "guardian": "no",
            "primary": "yes",
            "allow-axfr-ips": HOST,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def command(self, file: Path) -> list[str]:
        file.rename(self.folder / "pdns.conf")
        for origin in self.origins:
            self._tool("load-zone", origin, str(self.folder / f"{origin}zone"))
            self._tool("import-tsig-key", "key.", "hmac-sha256", SECRET)
            self._tool("set-meta", origin, "TSIG-ALLOW-AXFR", "key.")
        return ["pdns_server", f"--config-dir={self.folder}"]

    def _tool(self, *words: str) -> None:
        subprocess.run(
            ["pdnsutil", f"--config-dir={self.folder}", *words], check=True, capture_output=True
        )


def transfer(fetch: Fetch, port: int) -> None:
    """Carry a transfer out over TCP."""
    with socket.create_connection((HOST, port), PATIENCE) as connection:
        connection.sendall(len(fetch.request).to_bytes(2, "big") + fetch.request)
        with connection.makefile("rb") as stream:
            while True:
                size = stream.read(2)
                assert len(size) == 2, "the connection ended early"
                message = stream.read(int.from_bytes(size, "big"))
                if fetch.receive(message, int(time.time())):
                    return
