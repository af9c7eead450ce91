"""`csid transfer`: of one identifier and of all below a prefix."""

from __future__ import annotations

import pytest

from registry.service import Outcome, Registry
from registry.writer import plans
from tests.support.commands import Node
from tests.support.registering import OTHER, OWNER, PLACE, POOL, identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


def test_an_identifier_or_all_below_a_prefix_goes_to_another_owner(node: Node) -> None:
    for serial in ("0001", "0002", "0003"):
        node.must("assign", identifier(serial), "--endpoint", URI)
    assert node.must("transfer", FIRST, "--to", OTHER) == str(identifier(owner=OTHER))
    trial = node.run("transfer", OWNER, "--to", OTHER, "--dry-run")
    assert trial.code == 0
    assert "办理 done 2" in trial.out
    assert node.state(identifier("0002")) == "active"
    done = node.run("transfer", f"{OWNER}/6450", "--to", OTHER, "--json")
    assert (done.code, done.json[0]["done"]) == (0, 2)
    moved = node.run("list", OTHER, "--json").json
    assert [one["identifier"] for one in moved] == [
        str(identifier(serial, OTHER)) for serial in ("0001", "0002", "0003")
    ]
    unknown = node.run("transfer", OTHER, "--to", "X00000000000000015", "--json")
    assert (unknown.code, unknown.json[0]["refused"]) == (1, 3)
    assert unknown.json[0]["refusals"][0]["name"] == "OWNER_UNKNOWN"


def test_a_transfer_that_was_interrupted_goes_on_where_it_was(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "COMMIT_SECONDS", 0)
    node.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "40")
    node.must("pool", "mint", POOL, "--all", "--endpoint", URI)
    run = Registry.run

    def interrupted(self: Registry, *words: object) -> Outcome:
        *given, on_progress = words
        assert callable(on_progress)

        def stop(outcome: Outcome) -> None:
            on_progress(outcome)
            if outcome.done > 10:
                raise KeyboardInterrupt

        return run(self, *given, stop)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "run", interrupted)
        assert node.run("transfer", OWNER, "--to", OTHER).code == 130
    moved = len(node.run("list", OTHER, "--limit", "0").lines)
    assert 10 < moved < 40
    done = node.run("transfer", OWNER, "--to", OTHER, "--json").json[0]
    assert done["done"] == 40 - moved
    assert len(node.run("list", OTHER, "--limit", "0").lines) == 40
