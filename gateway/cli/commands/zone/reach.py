"""How another server is reached: options that commands about such servers share."""

from __future__ import annotations

import argparse
from typing import Final

from csid import names
from csid.address import parse
from resolver.sync.settings import Target

DNS_PORT: Final = 53


def add_reach(parser: argparse.ArgumentParser) -> None:
    """Add `--key`, `--tls` and `--source`."""
    parser.add_argument("--key", default="", metavar="NAME", help="sign with this key 密钥 (TSIG)")
    parser.add_argument(
        "--tls",
        default="",
        metavar="HOW",
        help="over TLS (RFC 9103): opportunistic, pin:<base64 of the SHA-256 of the public key>, "
        "ca:<name>[@<file>] 加密传输",
    )
    parser.add_argument(
        "--source",
        default="",
        metavar="ADDRESS",
        help="send from this address of this machine 源地址 (whichever the system takes)",
    )


def target(args: argparse.Namespace, text: str, key: str | None = None) -> Target:
    """The server that `HOST[:PORT]` means, reached as the options say.

    Args:
        key: the name of one that goes before that of the options.

    Raises:
        CsidError: it is no address, or no name of a key.
    """
    name = key or args.key
    host, port = parse(text, DNS_PORT)
    return Target(host, port, names.from_text(name.lower()) if name else b"", args.tls, args.source)
