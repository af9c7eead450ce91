"""`csid gateway`: a compute gateway (算力标识网关), which resolves from the root and remembers."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path

from csid import address
from csid.address import Address
from gateway.cli import options
from gateway.cli.commands.gateway import enrolment
from gateway.cli.commands.gateway.serving import ServingGateway
from gateway.cli.listening import add_listen, add_workers, say_ready
from gateway.cli.version import version
from gateway.configuration import values
from gateway.configuration.gateway_sections import Gateway
from gateway.resolving import kind as http
from resolver.client.settings import DEFAULT_PORT
from resolver.server import service_manager, supervisor
from resolver.server.recursive.folder import Folder
from resolver.server.sockets import listen_address


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid gateway`."""
    parser = subparsers.add_parser(
        "gateway",
        description="Resolve all names of a deployment from its root, and remember what they "
        "resolve to, until SIGTERM or Ctrl-C 启动算力标识网关. Names elsewhere are refused, or "
        "asked of others as the configuration says. SIGHUP reads the configuration again, SIGUSR1 "
        "prints what each process has done. Exit code: 0 it was told to end, 2 it could not start, "
        "or not go on.",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="its folder, made if it is not there 网关目录"
    )
    options.add_config(parser)
    parser.add_argument(
        "--root",
        type=_server,
        action="append",
        metavar="HOST:PORT",
        help="a server of the suffix's zone, where resolution begins 根节点地址, repeatable",
    )
    parser.add_argument(
        "--suffix", type=_name, metavar="NAME", help="DNS suffix of the deployment 域名后缀"
    )
    add_listen(parser, Gateway().listen)
    parser.add_argument(
        "--listen-tls",
        type=listen_address,
        action="append",
        metavar="ADDRESS:PORT",
        help="where to listen for DNS over TLS (RFC 7858) 加密监听地址, repeatable; needs --tls",
    )
    parser.add_argument(
        "--http",
        type=listen_address,
        action="append",
        metavar="ADDRESS:PORT",
        help="where to listen over HTTP; with --tls over HTTPS HTTP 监听地址, repeatable",
    )
    parser.add_argument(
        "--tls",
        nargs=2,
        type=Path,
        metavar=("CERT", "KEY"),
        help="certificate with those of its issuers, and its private key (PEM) 证书与私钥",
    )
    parser.add_argument(
        "--report-to",
        metavar="URL",
        help="interface of the node that takes its reports 上报节点地址",
    )
    parser.add_argument(
        "--report-key",
        type=Path,
        metavar="FILE",
        help="its key, as csid gateway enrol has printed it there 上报密钥文件",
    )
    add_workers(parser)
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(
        metavar="ACTION", description="Without one the gateway runs. With one, at a node:"
    )
    enrolment.register(actions)


def run(arguments: argparse.Namespace) -> int:
    """Resolve; returns when ended by a signal."""
    manager = service_manager.manager_here()
    with contextlib.ExitStack() as opened:
        opened.callback(manager.close)
        serving = opened.enter_context(contextlib.closing(ServingGateway(arguments)))
        said = serving.found

        def ready(bound: Sequence[Address]) -> None:
            plain, tls = bound[: len(said.listen)], bound[len(said.listen) :]
            where = {"udp+tcp": plain, "tls": tls, http.NAME: serving.interfaces()}
            say_ready(where, serving.workers, f"folder {serving.folder}")

        supervisor.serve(
            serving.folder,
            said.listen,
            serving.workers,
            serving.settings(),
            ready,
            kinds=serving.kinds(),
            tls=(said.listen_tls, serving.credentials) if serving.credentials else None,
            software=version(),
            reread=serving.reread,
            manager=manager,
            looked_after=Folder,
        )
    return 0


def _server(text: str) -> Address:
    try:
        return address.parse(text, DEFAULT_PORT)
    except address.AddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _name(text: str) -> str:
    try:
        return values.domain(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected {error}") from None
