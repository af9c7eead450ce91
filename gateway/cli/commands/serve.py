"""`csid serve`: answer over UDP and TCP until told to end."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from csid.address import Address
from registry.sync.kind import SYNC
from registry.writer.kind import WRITER
from resolver.server import supervisor
from resolver.server.credentials import Credentials, CredentialsError
from resolver.server.sockets import listen_address

DEFAULT_LISTEN: Final = "127.0.0.1:5300"
MAX_WORKERS: Final = 256  # UDP processes per address
MAX_NSID_OCTETS: Final = 128


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `csid serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="answer over UDP and TCP 启动解析服务",
        description="Answer over UDP and TCP until SIGTERM or Ctrl-C. SIGHUP opens the data "
        "directory anew, SIGUSR1 prints what each process has done. 启动解析服务",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the data directory 数据目录"
    )
    parser.add_argument(
        "--listen",
        action="append",
        metavar="ADDRESS:PORT",
        help=f"where to listen 监听地址, repeatable; IPv6 as [::1]:5300; port 0 takes a free one "
        f"(default {DEFAULT_LISTEN})",
    )
    parser.add_argument(
        "--listen-tls",
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
        type=_count,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="UDP processes per address 每个地址的工作进程数 (default: one per core)",
    )
    parser.add_argument(
        "--nsid", type=_nsid, default="", metavar="TEXT", help="name of this server (RFC 5001)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve; returns when ended by a signal."""
    addresses = [listen_address(text) for text in arguments.listen or [DEFAULT_LISTEN]]

    def ready(bound: Sequence[Address]) -> None:
        where = " ".join(map(str, bound[: len(addresses)]))
        if len(bound) > len(addresses):
            where += " tls " + " ".join(map(str, bound[len(addresses) :]))
        count = f"{arguments.workers} worker{'s'[: arguments.workers != 1]}"
        with contextlib.suppress(OSError):  # whoever started it may not care
            print(f"ready: udp+tcp {where}, {count}, data {arguments.data}", flush=True)

    with contextlib.ExitStack() as opened:
        supervisor.serve(
            arguments.data,
            addresses,
            arguments.workers,
            arguments.nsid,
            ready,
            further=(WRITER, SYNC),
            tls=_tls(arguments, opened),
        )
    return 0


def _tls(
    arguments: argparse.Namespace, opened: contextlib.ExitStack
) -> tuple[Sequence[Address], Credentials] | None:
    """Where to listen for TLS, and what to show there."""
    if not arguments.listen_tls:
        if arguments.tls_cert or arguments.tls_key or arguments.tls_client_ca:
            raise CredentialsError("certificates without --listen-tls: say where they are shown")
        return None
    if not arguments.tls_cert:
        raise CredentialsError("--listen-tls needs --tls-cert, and --tls-key if that has no key")
    addresses = [listen_address(text) for text in arguments.listen_tls]
    key = arguments.tls_key or arguments.tls_cert
    credentials = Credentials(arguments.tls_cert, key, arguments.tls_client_ca)
    opened.callback(credentials.close)
    return addresses, credentials


def _count(text: str) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_WORKERS:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to {MAX_WORKERS}")


def _nsid(text: str) -> str:
    if len(text.encode()) <= MAX_NSID_OCTETS:
        return text
    raise argparse.ArgumentTypeError(f"expected at most {MAX_NSID_OCTETS} octets")
