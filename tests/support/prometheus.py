"""A real Prometheus with a real node exporter, and exporters of cards that a test makes up."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

import httpx

from tests.support.peers import HOST, PATIENCE, free_port
from tests.support.slurm import until

PROGRAMS = ("prometheus", "prometheus-node-exporter")
PATH = "/usr/bin:/usr/sbin"
_CONFIGURATION = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
- {{job_name: node, static_configs: [{{targets: ['{host}:{node}']}}]}}
- {{job_name: dcgm, static_configs: [{{targets: ['{host}:{cards}']}}]}}
- job_name: found
  http_sd_configs: [{{url: 'http://{host}:{cards}/sd', refresh_interval: 1s}}]
  relabel_configs: [{{source_labels: [__meta_csid_identifier], target_label: csid}}]
"""


def installed() -> bool:
    return all(shutil.which(program, path=PATH) for program in PROGRAMS)


def cards(*busy: float, host: str = "", **labels: str) -> str:
    """What an exporter says of H100 of which these are the utilisations, in percent."""
    host = host or socket.gethostname()
    lines = []
    for number, percent in enumerate(busy):
        of = f'gpu="{number}",UUID="GPU-{number:08}",device="nvidia{number}",Hostname="{host}"'
        of += "".join(f',{name}="{value}"' for name, value in labels.items())
        used = 61_440 if percent else 512
        for name, value in (
            ("GPU_UTIL", percent),
            ("FB_USED", used),
            ("FB_FREE", 81_000 - used),
            ("XID_ERRORS", 0),
        ):
            lines.append(f'DCGM_FI_DEV_{name}{{{of},modelName="NVIDIA H100 80GB HBM3"}} {value}')
    return "\n".join(lines) + "\n"


class Watched:
    """What is watched, and by whom.

    Attributes:
        url: of Prometheus.
        text: what the exporter of cards says.
        targets: what is found at /sd.
        node: the node exporter.
    """

    def __init__(self) -> None:
        self.url = ""
        self.text = ""
        self.targets = b"[]"
        self.node_port = free_port()
        self.node: subprocess.Popen[bytes] | None = None

    def values(self, query: str) -> list[float]:
        """What a query gives."""
        said = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, trust_env=False)
        return [float(one["value"][1]) for one in said.json()["data"]["result"]]

    def start_node(self) -> None:
        command = ["prometheus-node-exporter", f"--web.listen-address={HOST}:{self.node_port}"]
        self.node = _start(*command)

    def end_node(self) -> None:
        assert self.node is not None
        _end(self.node)


@contextlib.contextmanager
def running(folder: Path, text: str = "") -> Iterator[Watched]:
    """All of it, each target scraped at least once; ended on the way out."""
    watched = Watched()
    watched.text = text
    with _serving(watched) as cards:
        watched.start_node()
        file = folder / "prometheus.yml"
        file.write_text(_CONFIGURATION.format(host=HOST, node=watched.node_port, cards=cards))
        port = free_port()
        log = folder / "prometheus.log"
        options = [f"--config.file={file}", f"--storage.tsdb.path={folder}/data"]
        with log.open("wb") as output:
            process = _start(
                "prometheus", *options, f"--web.listen-address={HOST}:{port}", log=output
            )
        watched.url = f"http://{HOST}:{port}"
        try:
            until(lambda: process.poll() is not None or _ready(watched))
            assert process.poll() is None, log.read_text()[-2_000:]
            yield watched
        finally:
            _end(process)
            watched.end_node()


@contextlib.contextmanager
def _serving(watched: Watched) -> Iterator[int]:
    """The exporter of cards and what is found, on a port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/sd"
            body = watched.targets if found else watched.text.encode()
            self.send_response(200)
            kind = "application/json" if found else "text/plain; version=0.0.4"
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _ready(watched: Watched) -> bool:
    try:
        return watched.values('up{job=~"node|dcgm"}') == [1, 1]
    except (httpx.HTTPError, ValueError, KeyError):
        return False


def _start(*command: str, log: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log or subprocess.DEVNULL,
        stderr=log or subprocess.DEVNULL,
        env={"PATH": PATH},
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(PATIENCE)
