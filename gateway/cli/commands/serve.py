"""`csid serve`: answer over UDP and TCP until told to end."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path

from csid.address import Address
from gateway.cli import options
from gateway.cli.listening import add_listen, add_workers, say_ready
from gateway.cli.serving import Serving
from gateway.cli.version import version
from gateway.configuration import values
from gateway.configuration.sections import Serve, workers_here
from resolver.server import privileges, service_manager, supervisor
from resolver.server.kinds import KINDS
from resolver.server.sockets import listen_address


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
    add_listen(parser, Serve().listen)
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
    add_workers(parser)
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
        serving = opened.enter_context(contextlib.closing(Serving(arguments)))
        said = serving.found.serve
        user = privileges.account(said.user) if said.user else None
        workers = said.workers or workers_here()

        def ready(bound: Sequence[Address]) -> None:
            plain, tls = bound[: len(said.listen)], bound[len(said.listen) :]
            where = {"udp+tcp": plain, "tls": tls} | serving.interfaces()
            say_ready(where, workers, f"data {arguments.data}")

        def all_bound() -> None:
            if user is not None:
                privileges.become(user, arguments.data)

        supervisor.serve(
            arguments.data,
            said.listen,
            workers,
            serving.settings(),
            ready,
            kinds=(*KINDS, *serving.kinds()),
            tls=(said.listen_tls, serving.credentials) if serving.credentials else None,
            software=version(),
            reread=serving.reread,
            manager=manager,
            all_bound=all_bound,
        )
    return 0


def _nsid(text: str) -> str:
    try:
        return values.nsid(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected {error}") from None
