"""How a process of systems is: /v1/health, /metrics, `csid system status`, rules of alerts."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from csid.vocabulary import Words
from gateway.metrics import sample_files
from gateway.systems import watching
from gateway.systems.contract import Metric, System
from gateway.systems.running import Configured, Running
from gateway.systems.watching import Watched
from resolver.server.counters import unread
from resolver.server.notices import Repeated
from tests.support.commands import run
from tests.support.peers import HOST, free_port
from tests.support.systems import configured, made, running_systems

LINE = re.compile(r'^(csid_\w+)(\{(?:\w+="[^"\n]*",?)+\})? (\S+)$')


def samples(text: str) -> dict[str, float]:
    """Each sample, by its name and labels."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = LINE.match(line)
            assert match, line
            found[match[1] + (match[2] or "")] = float(match[3])
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, httpx.Client]]:
    """A process of both systems: a source that does not answer, a registry that does not."""
    folder = tmp_path_factory.mktemp("systems")
    nobody = f"http://{HOST}:{free_port()}"
    file = configured(
        *(folder, 'run = ["aggregation", "selection"]', "[selection]"),
        *(f'registry = ["{nobody}"]', f'probe = ["330100 330106 {HOST}:{free_port()}"]'),
    )
    for words in (
        ("add", "away", "--kind", "slurm", "--url", nobody),
        ("add", "still", "--kind", "slurm", "--url", nobody),
    ):
        owner = ("--owner", "91330106673959654P", "--location", "330106", "--interval", 5)
        ran = run("--config", file, "aggregate", *words, *owner)
        assert ran.code == 0, ran.err
    assert run("--config", file, "aggregate", "pause", "still").code == 0
    with running_systems(file, "aggregation", "selection") as (_, client):
        yield file, client


def told(client: httpx.Client, wanted: str, value: float) -> dict[str, float]:
    """The samples, once one has come to a value."""
    for _ in range(600):
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        found = samples(answer.text)
        if found.get(wanted) == value:
            return found
        asyncio.run(asyncio.sleep(0.1))
    raise AssertionError((wanted, found))


def test_each_system_says_how_it_is(both: tuple[Path, httpx.Client]) -> None:
    _, client = both
    found = told(client, 'csid_aggregation_source_failures{source="away"}', 1)
    probe = 'csid_selection_probe_failing{from="330100",to="330106",server='
    found = told(client, next(name for name in found if name.startswith(probe)), 1)
    assert found["csid_selection_complete"] == found["csid_selection_identifiers"] == 0
    assert found['csid_aggregation_source_paused{source="still"}'] == 1
    assert 'csid_aggregation_source_failures{source="still"}' not in found
    assert found['csid_system_active{system="selection"}'] == 1
    assert found['csid_system_measured{system="aggregation"}'] == 1
    assert found['csid_system_task_failing{task="aggregation.polling"}'] == 0
    calls = found["csid_systems_calls_total"]
    assert client.get("/v1/nothing").status_code == 404
    after = told(client, "csid_systems_problems_total", found["csid_systems_problems_total"] + 1)
    assert after["csid_systems_calls_total"] > calls


def test_rules_of_alerts_are_about_what_there_is(both: tuple[Path, httpx.Client]) -> None:
    _, client = both
    probed = 'csid_selection_probe_failing{from="330100",to="330106",server='
    found = samples(client.get("/metrics").text)
    told(client, next(one for one in found if one.startswith(probed)), 1)
    known = {name.partition("{")[0] for name in samples(client.get("/metrics").text)}
    named = set(re.findall(r"\bcsid_\w+", sample_files.text("system-alerts")))
    assert named and named <= known, named - known


def test_what_it_says_is_what_promtool_accepts(both: tuple[Path, httpx.Client]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian: prometheus) is not installed")
    text = both[1].get("/metrics").text
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_status_says_which_task_fails(both: tuple[Path, httpx.Client]) -> None:
    _, client = both
    ran = run("system", "status", "--url", client.base_url, "--json")
    assert ran.code == 0 and ran.json[0]["status"] == "ok"
    tasks = {one["name"] for one in ran.json[0]["tasks"]}
    assert {"aggregation.polling", "selection.probing"} <= tasks
    shown = run("system", "status", "--url", client.base_url)
    assert "selection.probing" in shown.out and "正常" in shown.out
    away = run("system", "status", "--url", f"http://{HOST}:{free_port()}")
    assert away.code == 2 and "does not answer" in away.err


def test_a_task_that_fails_is_shown_with_the_reason(tmp_path: Path) -> None:
    file = configured(made(tmp_path))
    module = tmp_path / "remark" / "system.py"
    text = module.read_text("utf-8")
    begin = re.search(r"async def forget\(.*?\) -> None:\n(?= +)", text, re.S)
    assert begin is not None
    indent = re.match(" +", text[begin.end() :])
    assert indent is not None
    fault = f'{indent[0]}raise OSError("the disk is gone")\n'
    text = text[: begin.end()] + fault + text[begin.end() :]
    module.write_text(text, "utf-8")
    with running_systems(file, "remark") as (_, client):
        told(client, 'csid_system_task_failing{task="remark.forgetting"}', 1)
        ran = run("system", "status", "--url", client.base_url, "--json")
    assert ran.code == 1 and ran.json[0]["status"] == "degraded"
    (task,) = ran.json[0]["tasks"]
    assert task["is_failing"] and "gone" in task["why"] and task["failures"] >= 1


def test_one_system_that_says_nonsense_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.1)

    asked = 0

    async def slow(_: Any) -> list[Metric]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(3_600)
        raise AssertionError

    async def ending(_: Any) -> list[Metric]:
        raise SystemExit(3)

    def saying(*some: Metric) -> Any:
        async def say(_: Any) -> list[Metric]:
            return list(some)

        return say

    good = Metric("notes", "gauge", "Two\nlines.", [({"who": 'a "b"\n'}, 2), ({}, 0.5)])
    wrong = {
        "name": Metric("no name", "gauge", "", [({}, 1)]),
        "kind": Metric("name", "histogram", "", [({}, 1)]),
        "label": Metric("name", "gauge", "", [({"a b": ""}, 1)]),
        "value": Metric("name", "gauge", "", [({}, "x")]),  # type: ignore[list-item]
        "large": Metric("name", "gauge", "", [({}, 10**400)]),
        "complex": Metric("name", "gauge", "", [({}, 1j)]),  # type: ignore[list-item]
        "surrogate": Metric("name", "gauge", "", [({"a": "\ud800"}, 1)]),
        "again": good,
        "twice": Metric("name", "gauge", "", [({"a": "b"}, 1), ({"a": "b"}, 2)]),
    }
    metrics = {"good": saying(good), "slow": slow, "silent": None, "ending": ending}
    metrics |= {name: saying(good, one) for name, one in wrong.items()}
    systems = [System(name, Words("", ""), metrics=one) for name, one in metrics.items()]

    async def main() -> str:
        running = Running([Configured(one, None) for one in systems], tmp_path)
        try:
            watched = Watched(running, unread(), lambda: 3, Repeated())
            first = await watched.text()
            watched._made = -1e9
            assert await watched.text() == first  # who is slow is not asked twice
            return first
        finally:
            await running.close()

    text = asyncio.run(main())
    assert asked == 1
    assert "# HELP csid_good_notes Two\\nlines.\n" in text
    assert 'csid_good_notes{who="a \\"b\\"\\n"} 2\ncsid_good_notes 0.5\n' in text
    for name in metrics:
        holds = int(name in ("good", "silent"))
        assert f'csid_system_measured{{system="{name}"}} {holds}\n' in text
        assert (f"csid_{name}_" in text) == (name == "good")


def test_one_that_waits_for_another_process_is_not_called_well(tmp_path: Path) -> None:
    file = configured(made(tmp_path))
    with running_systems(file, "remark") as (_, first):
        told(first, 'csid_system_active{system="remark"}', 1)
        with running_systems(file, "remark") as (_, second):
            assert samples(second.get("/metrics").text)['csid_system_active{system="remark"}'] == 0
            ran = run("system", "status", "--url", second.base_url)
            assert ran.code == 0 and "等待" in ran.out and "正常" not in ran.out
            assert "另一进程" in ran.err
