"""BIND as primary and secondary of the zone of `bench_lag`."""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PRIMARY = """
zone "{origin}" {{ type primary; file "zone"; allow-update {{ key "{key}"; }};
  allow-transfer {{ key "{key}"; }}; notify explicit; notify-delay 0;
  also-notify {{ 127.0.0.1 port {other} key "{key}"; }}; }};
"""
SECONDARY = """
zone "{origin}" {{ type secondary; file "copy"; masterfile-format raw;
  primaries {{ 127.0.0.1 port {other} key "{key}"; }}; }};
"""


def program() -> str | None:
    """Where BIND is; None if it is not installed."""
    return shutil.which("named", path="/usr/sbin:/usr/bin")


def make(
    folder: Path, port: int, other: int, key: tuple[str, bytes], origin: str, count: int
) -> None:
    """The files of a server; of the primary if there are names, else of the secondary."""
    folder.mkdir()
    name, secret = key[0], base64.b64encode(key[1]).decode()
    settings = (
        f'key "{name}" {{ algorithm hmac-sha256; secret "{secret}"; }};\n'
        f'options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }};\n'
        f"  listen-on-v6 {{ none; }}; recursion no; pid-file none; session-keyfile none;\n"
        f"  serial-query-rate 1000; notify-rate 1000; }};\ncontrols {{ }};\n"
    )
    zone = PRIMARY if count else SECONDARY
    settings += zone.format(origin=origin, key=name, other=other)
    (folder / "named.conf").write_text(settings)
    if count:
        with (folder / "zone").open("w") as file:
            file.write(
                f"$ORIGIN {origin}\n$TTL 60\n@ SOA ns h 1 3600 600 86400 60\n@ NS example.\n"
            )
            for number in range(count):
                file.write(f"n{number:07} A 192.0.2.1\n")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """A server of these files; its process."""
    words = [str(program()), "-g", "-n", "1", "-c", str(folder / "named.conf")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()
