"""Nodes and servers of others that keep zones of each other, as either side.

Each is told who the other is before either runs, so ports are chosen first.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update

from csid import names
from registry.network.following import FOLLOW
from registry.service import Registry
from resolver.store.environment import Store
from resolver.sync import states
from resolver.sync.settings import (
    KEYS,
    RIGHTS,
    TARGETS,
    KeyRow,
    Rights,
    Subject,
    Target,
    pack,
    where,
)
from tests.support.peers import HOST, Bind, Knot, Nsd, Pdns, Peer, Primary
from tests.support.servers import PATIENCE

KEY = names.from_text("sync-key.")
SECRET = bytes(range(32))
SECRET_TEXT = base64.b64encode(SECRET).decode()
ORIGIN = "example.test."
KEYRING = {dns.name.from_text("sync-key."): dns.tsig.Key("sync-key.", SECRET_TEXT, "hmac-sha256")}
ADMINISTRATOR = ("test", "administrator", "", "", "")


def zone_text(serial: int = 1, times: str = "3600 600 86400", more: str = "") -> str:
    return (
        f"$TTL 60\n@ SOA ns hostmaster {serial} {times} 60\n@ NS ns\nns A 127.0.0.1\n"
        f"www A 192.0.2.{serial % 250}\n{more}"
    )


class Updatable(Peer):
    """A server whose zones can be changed by UPDATE."""

    def add(self, name: str, address: str) -> None:
        """Add an address."""
        update = dns.update.Update(ORIGIN, keyring=KEYRING, keyalgorithm="hmac-sha256")
        update.add(name, 60, "A", address)
        answer = dns.query.tcp(update, self.host, port=self.port, timeout=PATIENCE)
        assert answer.rcode() == dns.rcode.NOERROR


def knot(primary_of: int | None = None, secondary_of: int | None = None) -> type[Knot]:
    """Knot that notifies a server on a port and lets it transfer, or that follows one."""

    class Syncing(Knot, Updatable):
        def configuration(self) -> str:
            port = primary_of or secondary_of
            remote = f"""\
key:
  - id: sync-key
    algorithm: hmac-sha256
    secret: {SECRET_TEXT}
remote:
  - id: other
    address: {HOST}@{port}
    key: sync-key
acl:
  - id: other
    key: sync-key
    action: [transfer, update, notify]
template:
"""
            text = super().configuration().replace("template:\n", remote)
            role = "    notify: other\n" if primary_of else "    master: other\n"
            text = text.replace("  - id: default\n", f"  - id: default\n    acl: other\n{role}")
            text = text.replace("journal-content: none", "journal-content: changes")
            if secondary_of:
                text = text.replace("zonefile-load: whole", "zonefile-load: none")
            return text

    return Syncing


def bind(primary_of: int | None = None, secondary_of: int | None = None) -> type[Bind]:
    """BIND, likewise."""

    class Syncing(Bind, Updatable):
        def configuration(self) -> str:
            port = primary_of or secondary_of
            text = super().configuration().replace("  notify no;\n", "")
            key = f'key "sync-key" {{ algorithm hmac-sha256; secret "{SECRET_TEXT}"; }};\n'
            if primary_of:
                role = (
                    "type primary; notify explicit; "
                    f"also-notify {{ {HOST} port {port} key sync-key; }}; "
                    "allow-transfer { key sync-key; }; allow-update { key sync-key; }; "
                )
            else:
                role = (
                    f"type secondary; primaries {{ {HOST} port {port} key sync-key; }}; "
                    "allow-notify { key sync-key; }; notify no; "
                )
            return key + text.replace("type primary; ", role)

    return Syncing


def nsd(primary_of: int | None = None, secondary_of: int | None = None) -> type[Nsd]:
    """NSD, likewise; it takes no UPDATE, and reads its zone file anew with SIGHUP."""

    class Syncing(Nsd):
        def configuration(self) -> str:
            other = f"{HOST}@{primary_of or secondary_of} sync-key"
            if primary_of:
                role = f"  provide-xfr: {HOST} sync-key\n  notify: {other}\n"
                role += "  store-ixfr: yes\n  create-ixfr: yes\n"
            else:
                role = f"  request-xfr: {other}\n  allow-notify: {HOST} sync-key\n"
            key = f'  name: sync-key\n  algorithm: hmac-sha256\n  secret: "{SECRET_TEXT}"\n'
            text = super().configuration().replace("zone:\n", f"key:\n{key}zone:\n", 1)
            return text.replace('zone"\n', f'zone"\n{role}')

        def add(self, name: str, address: str) -> None:
            file = self.folder / f"{ORIGIN}zone"
            text = file.read_text()
            serial = int(text.partition("hostmaster ")[2].split()[0])
            text = text.replace(f"hostmaster {serial} ", f"hostmaster {serial + 1} ")
            file.write_text(f"{text}{name} A {address}\n")
            os.kill(self.pid, signal.SIGHUP)

    return Syncing


def pdns(primary_of: int | None = None, secondary_of: int | None = None) -> type[Pdns]:
    """PowerDNS over LMDB, likewise."""

    class Syncing(Pdns, Updatable):
        def configuration(self) -> str:
            text = super().configuration()
            if secondary_of:
                return text
            text = text.replace("secondary=yes\n", "primary=yes\nsend-signed-notify=yes\n")
            return f"{text}also-notify={HOST}:{primary_of}\ndnsupdate=yes\n"

        def prepare(self) -> None:
            if secondary_of:
                self.primary = Primary(secondary_of, "sync-key", SECRET_TEXT)
                super().prepare()
                for origin in self.origins:  # of what came by IXFR, it answers for no name
                    self._util("set-meta", origin, "IXFR", "0")
                return
            (self.folder / "pdns.conf").write_text(self.configuration())
            self._util("import-tsig-key", "sync-key", "hmac-sha256", SECRET_TEXT)
            for origin in self.origins:
                self._util("load-zone", origin, str(self.folder / f"{origin}zone"))
                self._util("set-kind", origin, "primary")
                for right in ("TSIG-ALLOW-AXFR", "TSIG-ALLOW-DNSUPDATE"):
                    self._util("set-meta", origin, right, "sync-key")
                self._util("set-meta", origin, "NOTIFY-DNSUPDATE", "1")

    return Syncing


KINDS: dict[str, Callable[..., type[Peer]]] = {
    "knot": knot,
    "bind": bind,
    "nsd": nsd,
    "pdns": pdns,
}


@contextlib.contextmanager
def secondary(kind: type[Peer], folder: Path, port: int) -> Iterator[Peer]:
    """A server that follows our zone ORIGIN, which need not be there yet."""
    peer = kind(folder, [ORIGIN], port)
    peer.prepare()
    file = folder / f"{kind.program}.conf"
    file.write_text(peer.configuration())
    log = folder / f"{kind.program}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            peer.command(file),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={"PATH": "/usr/sbin:/usr/bin:/usr/local/sbin"},
        )
    try:
        yield peer
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def give_key(data: Path) -> None:
    """Let a node know the key of the tests."""
    with Store.open(data, writable=True) as store, store.write() as txn:
        txn.table(KEYS).put(KEY, pack(KeyRow("hmac-sha256", SECRET)))


def follow(data: Path, *ports: int, origin: str = ORIGIN, tls: str = "", key: bytes = KEY) -> None:
    """Let a zone follow servers on this machine."""
    targets = [Target(HOST, port, key, tls) for port in ports]
    with Registry.alone(data) as registry:
        registry.perform(FOLLOW, (ADMINISTRATOR, names.from_text(origin), targets, True))


def notify(data: Path, *ports: int, origin: str = ORIGIN) -> None:
    """Let servers on this machine be notified of a zone, and transfer it."""
    at = where(names.key_of(names.from_text(origin)))
    with Store.open(data, writable=True) as store, store.write() as txn:
        txn.table(TARGETS).put(at, pack([Target(HOST, port, KEY) for port in ports]))
        txn.table(RIGHTS).put(at, pack(Rights(transfer=(Subject(key=KEY),))))


def state(data: Path, origin: str = ORIGIN) -> states.StateRow:
    with Store.open(data) as store, store.read() as read:
        found = states.state_of(read, names.key_of(names.from_text(origin)))
    assert found is not None
    return found


def ask(port: int, name: str, rrtype: str = "A") -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, rrtype), HOST, port=port, timeout=1)


def answer(port: int, name: str, rrtype: str = "A") -> str:
    """What a server answers for a name: the first record's data, or the response code."""
    try:
        reply = ask(port, name, rrtype)
    except (OSError, dns.exception.DNSException) as error:
        return type(error).__name__
    if reply.answer:
        return str(reply.answer[0][0])
    return str(dns.rcode.to_text(reply.rcode()))


def until(found: Callable[[], object], seconds: float = PATIENCE) -> object:
    """What is found, once it is anything true.

    Raises:
        AssertionError: it is not in time.
    """
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "nothing came of it in time"
        time.sleep(0.02)
    return value
