"""What verification says in the end: nothing is called sound that was not looked at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry import audit
from registry.service import Registry
from registry.verify import Verdict
from tests.support import damaged
from tests.support.books import opened
from tests.support.commands import Node, run
from tests.support.registering import ADMINISTRATOR

KEY = str(damaged.KEY.verifier)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as the registry left it."""
    return damaged.make(tmp_path_factory.mktemp("sound") / "data")


def test_without_a_key_signatures_were_not_checked(sound: Path) -> None:
    ran = run("audit", "verify", "--data", sound)
    assert ran.code == 0
    assert "signatures NOT checked" in ran.lines[0]
    assert "完好 sound" not in ran.out
    assert "--key" in ran.lines[-1]
    (said,) = run("audit", "verify", "--data", sound, "--json").json
    assert (said["verdict"], said["sound"]) == ("signatures not checked", False)
    assert said["signed"] is False


def test_with_the_key_it_is_sound_and_what_was_not_compared_is_said(sound: Path) -> None:
    (said,) = run("audit", "verify", "--data", sound, "--key", KEY, "--json").json
    assert (said["verdict"], said["sound"], said["faults"]) == ("sound", True, [])
    assert said["keys"] == [damaged.KEY.verifier.label]
    assert any("elsewhere.example. lies outside" in one for one in said["exceptions"])
    assert any("being built or taken down" in one for one in said["exceptions"])
    assert {"leaves", "rows", "names", "zones", "journals"} <= said["looked_at"].keys()


def test_leaves_that_no_checkpoint_covers_are_named(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as registry:
        report = registry.verify([damaged.KEY.verifier])
        assert report.verdict is Verdict.UNSIGNED
        assert (
            "no checkpoint was signed yet: no leaf is covered by a signature" in report.exceptions
        )
        registry.checkpoint(damaged.KEY, ADMINISTRATOR)
        report = registry.verify([damaged.KEY.verifier])
        assert (report.verdict, report.exceptions) == (Verdict.SOUND, [])


def test_another_key_is_a_fault(sound: Path) -> None:
    other = audit.SigningKey.generate("registry.example/log").verifier
    ran = run("audit", "verify", "--data", sound, "--key", str(other))
    assert ran.code == 1
    assert "NOT SOUND" in ran.out
    assert "none of this log" in ran.err


def test_zones_dropped_on_purpose_are_named(sound: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(sound, data)
    child = tmp_path / "child.zone"
    child.write_text(
        "$ORIGIN child.csid.internal.\n@ 60 SOA ns1 host 1 60 60 60 60\n@ 60 NS ns1\n"
        "ns1 60 A 127.0.0.1\n"
    )
    assert run("zone", "load", child, "--data", data).code == 0
    with Registry.open(data) as registry:
        assert registry.verify([damaged.KEY.verifier]).verdict is Verdict.SOUND
    dropped = run("zone", "drop", "child.csid.internal.", "--yes", "--data", data)
    assert dropped.code == 0, dropped
    with Registry.open(data) as registry:
        report = registry.verify([damaged.KEY.verifier])
    assert report.verdict is Verdict.SOUND
    assert any("child.csid.internal. was dropped on purpose" in one for one in report.exceptions)


def test_findings_are_bounded_and_counted(sound: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(sound, data)
    with damaged.table(data, b"registry.places") as rows:
        for number in range(150):
            rows.put(b"z%03d" % number, b"")
    (said,) = run("audit", "verify", "--data", data, "--json", "--key", KEY).json
    assert (len(said["faults"]), said["further_faults"]) == (100, 50)
    assert said["faults"][0]["remedy"].endswith("csid audit rebuild-indexes")


def _rotated(node: Node, tmp_path: Path) -> tuple[str, str, Path]:
    """Two keys, and a checkpoint by the second, on a log that has neither it nor its leaf."""
    node.must("audit", "key", "--new", "example.cn/log")
    node.must("audit", "checkpoint")
    backup = shutil.copytree(node.data, tmp_path / "backup")
    node.must("audit", "key", "--rotate")
    point = tmp_path / "newest"
    node.must("audit", "checkpoint", "--output", point)
    new, old = (node.data / "audit-key.pem.pub").read_text().split()
    shutil.rmtree(node.data)
    shutil.copytree(backup, node.data)
    return old, new, point


def test_a_checkpoint_newer_than_the_log_tells_what_was_cut_off_whoever_signed_it(
    tmp_path: Path,
) -> None:
    node = Node(tmp_path / "node")
    old, new, point = _rotated(node, tmp_path)
    for keys in ((new,), (old, new), (new, old)):
        given = [word for key in keys for word in ("--key", key)]
        ran = node.run("audit", "verify", *given, "--checkpoint", point)
        assert (ran.code, "cut off: a checkpoint covers" in ran.err) == (1, True), ran
    refused = node.run("audit", "verify", "--checkpoint", point)
    assert (refused.code, "not signed by" in refused.err) == (2, True)


def test_a_damaged_key_is_told_also_where_a_checkpoint_is_given(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.must("audit", "key", "--new", "example.cn/log")
    point = tmp_path / "point"
    node.must("audit", "checkpoint", "--output", point)
    with damaged.table(node.data, b"registry.settings") as rows:
        rows.put(b"audit-key", rows.get(b"audit-key")[:-3])
    ran = node.run("audit", "verify", "--checkpoint", point)
    assert (ran.code, "NOT SOUND" in ran.out, "no row of a key" in ran.err) == (1, True, True), ran


def test_a_key_without_a_checkpoint_is_asked_for_the_checkpoint_alone(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    ran = node.run("audit", "verify", "--key", KEY)
    assert ran.code == 0
    assert "--key" not in ran.lines[-1] and "csid audit checkpoint" in ran.lines[-1]
