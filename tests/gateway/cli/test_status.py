"""`csid status` and `csid metrics`: what they say of a node that runs, that does not, that is not
well.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from csid import names
from csid.identifier import parse
from gateway.metrics.families import FAMILIES
from resolver.store.environment import Store
from tests.support.commands import Node, run
from tests.support.servers import PATIENCE, make_data, serving, start

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian: prometheus)")


def told(node: Node) -> tuple[int, Any]:
    """The exit code and the value that `csid status --json` prints."""
    ran = node.run("status", "--json")
    return ran.code, ran.json[0]


def test_a_node_that_runs_is_well(filled: Node) -> None:
    with serving(filled.data, workers=2) as server:
        query = dns.message.make_query("absent.csid.internal.", "A")
        for _ in range(5):
            dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
        code, found = told(filled)
        assert (code, found["problems"]) == (0, [])
        assert found["server"]["pid"] == server.process.pid
        assert found["server"]["software"]
        kinds = [one["kind"] for one in found["server"]["processes"]]
        assert kinds == ["UDP worker", "UDP worker", "TCP server", "writer", "sync"]
        assert all(one["pid"] and one["starts"] == 1 for one in found["server"]["processes"])
        assert found["registry"] == {"compared": found["registry"]["compared"], "faults": []}
        assert found["registry"]["compared"] > 0
        assert found["zones"]["count"] == 1
        shown = filled.run("status")
        assert shown.code == 0
        assert re.search(r"^udp +5 +0 +NXDOMAIN 5$", shown.out, re.MULTILINE), shown.out
        assert "未运行" not in shown.out


def test_without_a_server_the_data_is_told_of_and_that_is_not_well(filled: Node) -> None:
    code, found = told(filled)
    assert code == 1
    assert found["server"] is None
    assert [one["en"] for one in found["problems"]] == ["no server runs here: csid serve"]
    shown = filled.run("status")
    assert (shown.code, shown.err) == (1, "")
    assert "未运行 not running" in shown.out
    assert "! 没有运行中的服务 no server runs here" in shown.out


@pytest.mark.parametrize("command", [("status",), ("sync", "status")])
def test_watched_through_a_pipe_it_is_told_again_and_again(
    filled: Node, command: tuple[str, ...]
) -> None:
    filled.must("zone", "follow", "example.test.", "--from", "127.0.0.1:9")
    process = start([*command, "--watch", "--json", "--data", str(filled.data)], subprocess.PIPE)
    try:
        assert process.stdout is not None
        for _ in range(2):
            assert json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 1
    finally:
        process.kill()
        process.communicate()


def test_a_directory_without_a_registry_is_told_of(tmp_path: Path) -> None:
    ran = run("status", "--json", "--data", make_data(tmp_path / "data"))
    assert ran.code == 1
    found = ran.json[0]
    assert [one["origin"] for one in found["zones"]["first"]] == ["csid.internal."]
    assert (found["log"]["leaves"], found["registry"]["compared"]) == (0, 0)


def test_an_identifier_that_does_not_resolve_is_seen(filled: Node) -> None:
    """Taken out of the tree behind the registry's back."""
    identifier = filled.run("list", "--json", "--limit", "1").json[0]["identifier"]
    with Store.open(filled.data, writable=True) as store, store.write() as txn:
        name = parse(identifier).to_dns_name(store.settings().suffix)
        key = names.key_of(names.from_text(name.lower()))
        updates: dict[bytes, Any] = {}
        update = txn.update_around(key, updates)
        update.set(key[len(update.apex) :], {})
        update.finish()
    found = told(filled)[1]
    assert any(identifier in one for one in found["registry"]["faults"]), found["registry"]
    assert any(identifier in one["en"] for one in found["problems"])


def test_a_checkpoint_is_told_of_with_what_it_does_not_cover(node: Node) -> None:
    before = told(node)[1]["log"]
    assert before["covered"] == 0
    assert before["uncovered_since"]
    node.must("audit", "key", "--new", "example.cn/csid-log")
    node.must("audit", "checkpoint")
    log = told(node)[1]["log"]
    assert log["covered"] == log["leaves"] > 0
    assert log["uncovered_since"] is None
    assert log["covered_at"]


def test_a_directory_that_is_none_is_an_error(tmp_path: Path) -> None:
    for command in ("status", "metrics"):
        ran = run(command, "--data", tmp_path)
        assert (ran.code, ran.out) == (2, "")


@needs_promtool
def test_metrics_are_what_promtool_accepts(filled: Node) -> None:
    texts = [filled.run("metrics").out]
    with serving(filled.data) as server:
        query = dns.message.make_query("absent.csid.internal.", "A")
        dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
        texts.append(filled.run("metrics").out)
    assert "csid_up 0\n" in texts[0]
    assert "csid_up 1\n" in texts[1]
    assert 'csid_answers_total{transport="udp",rcode="NXDOMAIN"} 1\n' in texts[1]
    for text in texts:
        done = subprocess.run(
            [str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_promtool
@pytest.mark.parametrize("name", ["alerts", "system-alerts"])
def test_the_rules_of_alerts_are_what_promtool_accepts(tmp_path: Path, name: str) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(run("metrics", "--sample", name).out)
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(rules)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["alerts", "dashboard"])
def test_the_files_name_metrics_that_there_are(name: str) -> None:
    text = run("metrics", "--sample", name).out
    if name == "dashboard":
        panels = json.loads(text)["panels"]
        text = " ".join(one["expr"] for panel in panels for one in panel["targets"])
    known = {family.name for family in FAMILIES}
    named = set(re.findall(r"\bcsid_\w+", text))
    assert named
    assert named <= known, named - known
