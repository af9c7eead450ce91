"""`csid serve`: answer over UDP and TCP until told to end."""

from __future__ import annotations

import argparse
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

from csid.address import Address
from gateway.cli import options
from gateway.cli.version import version
from gateway.configuration import values
from gateway.configuration.actors import known
from gateway.configuration.load import load
from gateway.configuration.sections import WORKERS_MAX, Configuration, Serve, workers_here
from gateway.http.kind import HTTP_SERVER, kind_of, options_of, require_safe
from registry.sync.kind import SYNC
from registry.writer import admission
from registry.writer.kind import WRITER
from resolver.server import notices, privileges, rate_limit, service_manager, supervisor, tap
from resolver.server.credentials import Credentials, CredentialsError
from resolver.server.kinds import TCP_SERVER, UDP_WORKER, Settings
from resolver.server.service_manager import ServiceManager
from resolver.server.sockets import bind_tls, listen_address

# What is bound or given up once, at the start.
_FIXED: Final = {
    "node": ("data",),
    "serve": ("listen", "listen_tls", "workers", "user"),
    "http": ("listen",),
}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `csid serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="answer over UDP and TCP 启动解析服务",
        description="Answer over UDP and TCP until SIGTERM or Ctrl-C. SIGHUP opens the data "
        "directory anew and reads configuration and certificates again, SIGUSR1 prints what each "
        "process has done. Exit code: 0 it was told to end, 2 it could not start, or not go on. "
        "启动解析服务",
    )
    options.add_data(parser)
    parser.add_argument(
        "--listen",
        type=listen_address,
        action="append",
        metavar="ADDRESS:PORT",
        help=f"where to listen 监听地址, repeatable; IPv6 as [::1]:5300; port 0 takes a free one "
        f"({', '.join(map(str, Serve().listen))})",
    )
    parser.add_argument(
        "--listen-tls",
        type=listen_address,
        action="append",
        metavar="ADDRESS:PORT",
        help="where to listen for DNS over TLS and transfers over TLS (RFC 7858, RFC 9103) "
        "加密监听地址, repeatable; needs --tls-cert",
    )
    parser.add_argument(
        "--tls-cert",
        type=Path,
        metavar="PEM",
        help="certificate of this server with those of its issuers 证书",
    )
    parser.add_argument(
        "--tls-key", type=Path, metavar="PEM", help="its private key 私钥 (default: in --tls-cert)"
    )
    parser.add_argument(
        "--tls-client-ca",
        type=Path,
        metavar="PEM",
        help="authorities that must have issued a client's certificate 客户端证书的签发机构",
    )
    parser.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="UDP processes per address 每个地址的工作进程数 (one per core)",
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="once all sockets are there, be this user and no longer root 绑定端口后切换到的用户",
    )
    parser.add_argument("--nsid", type=_nsid, metavar="TEXT", help="name of this server (RFC 5001)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve; returns when ended by a signal."""
    manager = service_manager.manager_here()
    with contextlib.ExitStack() as opened:
        opened.callback(manager.close)
        return _serve(arguments, manager, opened)


def _serve(
    arguments: argparse.Namespace, manager: ServiceManager, opened: contextlib.ExitStack
) -> int:
    found = _found(arguments)
    said = found.serve
    user = privileges.account(said.user) if said.user else None
    workers = said.workers or workers_here()

    def ready(bound: Sequence[Address]) -> None:
        where = " ".join(map(str, bound[: len(said.listen)]))
        if len(bound) > len(said.listen):
            where += " tls " + " ".join(map(str, bound[len(said.listen) :]))
        if interfaces:
            where += " http " + " ".join(str(one.address) for one in interfaces)
        count = f"{workers} worker{'s'[: workers != 1]}"
        with contextlib.suppress(OSError):  # whoever started it may not care
            print(f"ready: udp+tcp {where}, {count}, data {arguments.data}", flush=True)

    def reread() -> Settings:
        now = _found(arguments)
        _tell_fixed(found, now)
        if credentials is not None and now.serve.tls_cert is not None:
            credentials.name(*_files(now.serve))
        return _settings(now)

    def all_bound() -> None:
        if user is not None:
            privileges.become(user, arguments.data)

    interfaces = [bind_tls(address) for address in found.http.listen]
    for one in interfaces:
        opened.callback(one.close)
    credentials = _credentials(said)
    if credentials is not None:
        opened.callback(credentials.close)
    supervisor.serve(
        arguments.data,
        said.listen,
        workers,
        _settings(found),
        ready,
        further=(WRITER, SYNC, *([kind_of(interfaces)] if interfaces else [])),
        tls=(said.listen_tls, credentials) if credentials is not None else None,
        software=version(),
        reread=reread,
        manager=manager,
        all_bound=all_bound,
    )
    return 0


def _found(arguments: argparse.Namespace) -> Configuration:
    """What holds here; what the command line says goes before the file."""
    found = load(arguments.config)
    require_safe(found.http)
    given = {
        option.name: value
        for option in fields(Serve)
        if (value := getattr(arguments, option.name)) is not None
    }
    notices.log_as(found.log.format, found.log.level)
    return replace(found, serve=replace(found.serve, **given))


def _settings(found: Configuration) -> Settings:
    """What the processes are told."""
    added: dict[str, list[str]] = {UDP_WORKER: [], TCP_SERVER: []}
    limit, dnstap = found.rate_limit, found.dnstap
    if limit.per_second:
        limits = rate_limit.Limits(**{one.name: getattr(limit, one.name) for one in fields(limit)})
        added[UDP_WORKER] += ["--rate-limit", rate_limit.packed(limits)]
    if dnstap.to:
        identity = found.serve.nsid or socket.gethostname()
        told = tap.Told(dnstap.to, dnstap.queries, dnstap.answers, identity, f"csid {version()}")
        for options_of_kind in added.values():
            options_of_kind += ["--dnstap", tap.packed(told)]
    if found.actor:
        added[WRITER.name] = ["--actors", admission.packed(known(found))]
    added[HTTP_SERVER] = options_of(found.http)
    return Settings(found.serve.nsid, added)


def _tell_fixed(found: Configuration, now: Configuration) -> None:
    """Say which options have changed that hold from the next start on."""
    changed = [
        f"[{section}] {name.replace('_', '-')}"
        for section, names in _FIXED.items()
        for name in names
        if getattr(getattr(found, section), name) != getattr(getattr(now, section), name)
    ]
    if changed:
        notices.tell(
            f"{', '.join(changed)}: changed, and will hold when the server is started again",
            event="configuration",
        )


def _credentials(said: Serve) -> Credentials | None:
    """What is to be shown over TLS; None if nobody is listened to over TLS."""
    if not said.listen_tls:
        if said.tls_cert or said.tls_key or said.tls_client_ca:
            raise CredentialsError("certificates without --listen-tls: say where they are shown")
        return None
    return Credentials(*_files(said))


def _files(said: Serve) -> tuple[Path, Path, Path | None]:
    """The files of certificate, key and authorities."""
    if not said.tls_cert:
        raise CredentialsError("--listen-tls needs --tls-cert, and --tls-key if that has no key")
    return said.tls_cert, said.tls_key or said.tls_cert, said.tls_client_ca


def _workers(text: str) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= WORKERS_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to {WORKERS_MAX}")


def _nsid(text: str) -> str:
    try:
        return values.nsid(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected {error}") from None
