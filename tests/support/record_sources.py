"""Records what real servers say, as the fixtures of adapters:

python -m tests.support.record_sources slurm redfish prometheus
"""

from __future__ import annotations

import json
import platform
import re
import socket
import sys
import tempfile
import time
from pathlib import Path

import httpx

from gateway.systems.aggregation.adapters.prometheus.adapter import Prometheus
from tests.support import prometheus, slurm, sushy
from tests.support.adapters import FIXTURES, over_http, source


def record_slurm() -> None:
    """8 nodes: a job on g1, g2 drained, c5 in maintenance, c3 reserved in part, c1 and c2 soon,
    c4 without its slurmd.
    """
    with slurm.running() as cluster:
        cluster.submit("-p", "gpu", "--gres=gpu:h100:3", "-c", "16", "--mem=100G")
        cluster.run("scontrol", "update", "nodename=g2", "state=drain", "reason=ECC memory error")
        for name, nodes, start, more in (
            ("maint", "c5", "now", ("flags=maint,ignore_jobs",)),
            ("training", "c[1-2]", "now+30minutes", ()),
            ("part", "c3", "now", ("corecnt=8",)),
        ):
            cluster.run(
                "scontrol",
                "create",
                "reservation",
                f"reservationname={name}",
                f"starttime={start}",
                "duration=120",
                f"nodes={nodes}",
                "user=root",
                *more,
            )
        cluster.nodes["c4"].kill()
        slurm.until(lambda: "idle*" in cluster.run("sinfo", "-h", "-N", "-o", "%t"), 60)
        with httpx.Client(base_url=cluster.url, headers=dict(cluster.headers)) as http:
            for version in ("v0.0.37", "v0.0.38"):
                for kind in ("nodes", "partitions", "reservations"):
                    said = http.get(f"/slurm/{version}/{kind}").text
                    _keep("slurm", version, kind, said)
                _keep("slurm", version, "taken", f'{{"taken": {int(time.time() * 1_000)}}}')
                paths = {path: {} for path in http.get("/openapi/v3").json()["paths"]}
                _keep("slurm", version, "versions", json.dumps({"paths": paths}))


def record_redfish() -> None:
    """Two machines that are on."""
    with tempfile.TemporaryDirectory() as folder, sushy.running(Path(folder)) as url:
        root = httpx.get(f"{url}/redfish/v1/").json()
        said = {"/redfish/v1/": root}
        said["/redfish/v1/Systems"] = httpx.get(f"{url}/redfish/v1/Systems").json()
        for member in said["/redfish/v1/Systems"]["Members"]:
            said[member["@odata.id"]] = httpx.get(url + member["@odata.id"]).json()
    version = "sushy-tools-2.2"
    _keep("redfish", version, "by_path", json.dumps(said))
    _keep("redfish", version, "taken", f'{{"taken": {int(time.time() * 1_000)}}}')


def record_prometheus() -> None:
    """A node exporter, and a made-up exporter of two cards of its machine, one at work."""
    with (
        tempfile.TemporaryDirectory() as folder,
        prometheus.running(Path(folder), prometheus.cards(87, 0)) as watched,
    ):
        time.sleep(3)  # so that there are rates
        said: dict[str, str] = {}
        of = source("prometheus", watched.url)
        over_http(Prometheus(), of, said=said)
        watched.end_node()
        prometheus.until(lambda: watched.values('up{job="node"}') == [0])
        down: dict[str, str] = {}
        over_http(Prometheus(), of, said=down)
    for version, answers in (("2.42", said), ("2.42-down", down)):
        for kind, answer in answers.items():
            _keep("prometheus", version, kind, answer)
        _keep("prometheus", version, "taken", f'{{"taken": {int(time.time() * 1_000)}}}')


def _keep(kind: str, version: str, name: str, said: str) -> None:
    """Write it down; the names of this machine and its kernel are no part of it."""
    said = re.sub(rf'"{re.escape(socket.gethostname())}"', '"host"', said)
    said = re.sub(r"Linux [0-9][^ \"]*", "Linux 6.1.0-38-amd64", said)
    said = said.replace(platform.release(), "6.1.0-38-amd64")
    folder = FIXTURES / kind / version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(json.loads(said), indent=1) + "\n")


RECORDERS = {"slurm": record_slurm, "redfish": record_redfish, "prometheus": record_prometheus}

if __name__ == "__main__":
    begun = time.time()
    for wanted in sys.argv[1:]:
        RECORDERS[wanted]()
    print(f"{Path(FIXTURES).name}: recorded in {time.time() - begun:.0f} s")
