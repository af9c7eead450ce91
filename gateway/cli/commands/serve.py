"""`csid serve`: answer over UDP and TCP until told to end."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from csid.address import Address
from gateway.acting import known_of
from gateway.cli import options
from gateway.cli.version import version
from gateway.configuration import values
from gateway.configuration.load import load
from gateway.configuration.places import DEFAULT_FILE, file_here
from gateway.configuration.sections import WORKERS_MAX, Configuration, Http, Serve, workers_here
from gateway.http.kind import kind_of, require_safe
from gateway.writing import kind_of as writer_of
from registry.sync.kind import SYNC
from resolver.server import notices, rate_limit, supervisor, tap
from resolver.server.credentials import Credentials, CredentialsError
from resolver.server.kinds import TCP_SERVER, UDP_WORKER
from resolver.server.sockets import bind_tls, listen_address


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `csid serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="answer over UDP and TCP 启动解析服务",
        description="Answer over UDP and TCP until SIGTERM or Ctrl-C. SIGHUP opens the data "
        "directory anew, SIGUSR1 prints what each process has done. 启动解析服务",
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
    parser.add_argument("--nsid", type=_nsid, metavar="TEXT", help="name of this server (RFC 5001)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve; returns when ended by a signal."""
    found = load(arguments.config)
    notices.log_as(found.log.format, found.log.level)
    given = {
        option.name: value
        for option in fields(Serve)
        if (value := getattr(arguments, option.name)) is not None
    }
    said = replace(found.serve, **given)
    known_of(found)  # so that what is wrong there is told at once
    file = file_here(arguments.config, os.environ) or DEFAULT_FILE
    return _serve(arguments.data, said, found.http, _added(found, said.nsid), file)


def _added(found: Configuration, nsid: str) -> dict[str, list[str]]:
    """Further options of the processes that answer, by their kind."""
    added: dict[str, list[str]] = {UDP_WORKER: [], TCP_SERVER: []}
    limit, dnstap = found.rate_limit, found.dnstap
    if limit.per_second:
        limits = rate_limit.Limits(**{one.name: getattr(limit, one.name) for one in fields(limit)})
        added[UDP_WORKER] += ["--rate-limit", rate_limit.packed(limits)]
    if dnstap.to:
        identity = nsid or socket.gethostname()
        told = tap.Told(dnstap.to, dnstap.queries, dnstap.answers, identity, f"csid {version()}")
        for options_of in added.values():
            options_of += ["--dnstap", tap.packed(told)]
    return added


def _serve(
    data: Path, said: Serve, http: Http, added: Mapping[str, Sequence[str]], file: Path
) -> int:
    require_safe(http)
    workers = said.workers or workers_here()

    def ready(bound: Sequence[Address]) -> None:
        where = " ".join(map(str, bound[: len(said.listen)]))
        if len(bound) > len(said.listen):
            where += " tls " + " ".join(map(str, bound[len(said.listen) :]))
        if interfaces:
            where += " http " + " ".join(str(one.address) for one in interfaces)
        count = f"{workers} worker{'s'[: workers != 1]}"
        with contextlib.suppress(OSError):  # whoever started it may not care
            print(f"ready: udp+tcp {where}, {count}, data {data}", flush=True)

    with contextlib.ExitStack() as opened:
        interfaces = [bind_tls(address) for address in http.listen]
        for one in interfaces:
            opened.callback(one.close)
        further = (kind_of(http, interfaces, file),) if interfaces else ()
        supervisor.serve(
            data,
            said.listen,
            workers,
            said.nsid,
            ready,
            further=(writer_of(file), SYNC, *further),
            tls=_tls(said, opened),
            software=version(),
            added=added,
        )
    return 0


def _tls(said: Serve, opened: contextlib.ExitStack) -> tuple[Sequence[Address], Credentials] | None:
    """Where to listen for TLS, and what to show there."""
    if not said.listen_tls:
        if said.tls_cert or said.tls_key or said.tls_client_ca:
            raise CredentialsError("certificates without --listen-tls: say where they are shown")
        return None
    if not said.tls_cert:
        raise CredentialsError("--listen-tls needs --tls-cert, and --tls-key if that has no key")
    credentials = Credentials(said.tls_cert, said.tls_key or said.tls_cert, said.tls_client_ca)
    opened.callback(credentials.close)
    return said.listen_tls, credentials


def _workers(text: str) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= WORKERS_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to {WORKERS_MAX}")


def _nsid(text: str) -> str:
    try:
        return values.nsid(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected {error}") from None
