"""What `csid serve` and `csid gateway` take and say alike of where they listen."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping, Sequence

from csid.address import Address
from gateway.configuration.options import WORKERS_MAX
from resolver.server.sockets import listen_address


def add_listen(parser: argparse.ArgumentParser, default: Sequence[Address]) -> None:
    """Add --listen."""
    parser.add_argument(
        "--listen",
        type=listen_address,
        action="append",
        metavar="ADDRESS:PORT",
        help=f"where to listen 监听地址, repeatable; IPv6 as [::1]:5300; port 0 takes a free one "
        f"({', '.join(map(str, default))})",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --workers."""
    parser.add_argument(
        "--workers",
        type=_worker_count,
        metavar="N",
        help="UDP processes per address 每个地址的工作进程数 (one per core)",
    )


def say_ready(where: Mapping[str, Sequence[Address]], workers: int, holds: str) -> None:
    """Say that all is there, in the line that whoever started the program waits for.

    Args:
        where: it listens, by transport.
        workers: UDP processes per address.
        holds: what it serves from.
    """
    listed = " ".join(f"{name} {' '.join(map(str, at))}" for name, at in where.items() if at)
    count = f"{workers} worker{'s'[: workers != 1]}"
    with contextlib.suppress(OSError):  # whoever started it may not care
        print(f"ready: {listed}, {count}, {holds}", flush=True)


def _worker_count(text: str) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= WORKERS_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to {WORKERS_MAX}")
