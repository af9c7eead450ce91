"""Machines and cards of a real Prometheus, whose exporters change and end."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from csid import identifier
from csid.record import Record
from gateway.systems.aggregation.adapters.prometheus.adapter import Prometheus
from gateway.systems.aggregation.http_sd import Registered, http_sd
from gateway.systems.aggregation.readings import Ask, ReadingError, Said, Unit
from tests.support import prometheus
from tests.support.adapters import driven, over_http, source
from tests.support.slurm import until

pytestmark = pytest.mark.skipif(not prometheus.installed(), reason="Prometheus is not installed")
CSID = "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY"
_RULES = """\
rule_files: []
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
{series}
  promql_expr_test:
  - {{expr: {made}, eval_time: 8m, exp_samples: [{cpus}, {idle}]}}
  - {{expr: {past}, eval_time: 30m, exp_samples: [{cpus}]}}
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[prometheus.Watched]:
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus.running(folder, prometheus.cards(0, 0, 87)) as running:
        until(lambda: len(running.values("DCGM_FI_DEV_GPU_UTIL")) == 3)
        until(lambda: running.values("rate(node_cpu_seconds_total[5m])"))
        yield running


def one(watched: prometheus.Watched, memory: dict[str, Any] | None = None) -> Unit:
    (unit,) = over_http(Prometheus(), source("prometheus", watched.url), memory).units
    return unit


def test_a_machine_and_what_of_it_is_at_rest(watched: prometheus.Watched) -> None:
    asked: list[Ask] = []
    memory: dict[str, Any] = {}
    over_http(Prometheus(), source("prometheus", watched.url), memory, asked=asked)
    assert [ask.kind for ask in asked] == ["version", "values", "made"]
    unit = one(watched, memory)
    assert (unit.name, unit.chip, unit.chip_memory_gib) == (socket.gethostname(), "H100", 80)
    assert (unit.total["chips"], unit.free["chips"]) == (3, 2)
    assert unit.why == "1 of 3 cards are not at rest"
    assert unit.total["memory_gib"] > unit.free["memory_gib"] > 0
    assert unit.total["vcpu"] >= 1
    assert unit.labels["estimated"] == "utilisation"

    watched.text = prometheus.cards(0, 90, 87)
    until(lambda: one(watched).free["chips"] == 1)
    watched.text = prometheus.cards(0, 90, 87, pod="train-0")  # at rest, and somebody's
    until(lambda: one(watched).free["chips"] == 0)


def test_a_target_that_is_down_has_failed_and_keeps_its_key(watched: prometheus.Watched) -> None:
    memory: dict[str, Any] = {}
    before = one(watched, memory)
    watched.end_node()
    until(lambda: watched.values('up{job="node"}') == [0])
    asked: list[Ask] = []
    read = over_http(Prometheus(), source("prometheus", watched.url), memory, asked=asked)
    (after,) = read.units
    assert [ask.kind for ask in asked] == ["values", "made", "past"]
    assert (after.key, after.name, after.health) == (before.key, before.name, "failed")
    assert after.why.startswith("down: node 127.0.0.1:")
    assert not any(after.free.values())
    assert read.whole
    assert one(watched).key == before.key  # for one who remembers nothing as well
    watched.start_node()
    until(lambda: one(watched, memory).health == "ok")


def test_what_is_registered_is_found_by_prometheus(watched: prometheus.Watched) -> None:
    record = Record({"state": "active", "endpoints": [f"http://127.0.0.1:{watched.node_port}/v1"]})
    watched.targets = http_sd([Registered(identifier.parse(CSID), record)])
    until(lambda: watched.values(f'up{{job="found",csid="{CSID}"}}') == [1])


def test_what_is_no_prometheus_is_said_to_be(watched: prometheus.Watched) -> None:
    with pytest.raises(ReadingError, match="query: answered with status 404"):
        over_http(Prometheus(), source("prometheus", watched.url + "/elsewhere"))


def test_a_selector_narrows_what_is_read(watched: prometheus.Watched) -> None:
    url = watched.url
    assert over_http(Prometheus(), source("prometheus", url, match='job="dcgm"')).units[0].name
    assert over_http(Prometheus(), source("prometheus", url, match='job="none"')).units == ()


def test_processors_that_two_replicas_tell_of_count_once(tmp_path: Path) -> None:
    down = b'{"data": {"result": [{"metric": {"__name__": "up", "job": "n", "instance": "a:9100"}, '
    down += b'"value": [0, "0"]}]}}'
    asked: dict[str, str] = {}

    def say(asks: Sequence[Ask]) -> list[Said]:
        asked.update((ask.kind, unquote(ask.path.partition("query=")[2])) for ask in asks)
        return [Said(200, {}, down) for _ in asks]

    driven(Prometheus().poll(source("prometheus"), {}, 1), say)
    series = [
        f'  - {{series: \'node_cpu_seconds_total{{job="n",instance="a:9100",cpu="{cpu}",'
        f'mode="{mode}",replica="{replica}"}}\', values: \'0+{rate}x10\'}}'
        for cpu in (0, 1)
        for mode, rate in (("idle", 30), ("user", 30))
        for replica in "AB"
    ]
    of = 'instance="a:9100",job="n"'
    file = tmp_path / "rules.yml"
    file.write_text(
        _RULES.format(
            series="\n".join(series),
            made=json.dumps(asked["made"]),
            past=json.dumps(asked["past"]),
            cpus=f"{{labels: '{{csid_what=\"cpus\",{of}}}', value: 2}}",
            idle=f"{{labels: '{{csid_what=\"idle\",{of}}}', value: 1}}",
        )
    )
    program = shutil.which("promtool", path=prometheus.PATH)
    assert program
    ended = subprocess.run(
        [program, "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
