"""What a node that has joined sees of the others: nodes, and the cuts in its territory."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.rules.requests import FileCut
from tests.registry.network.test_cuts import BEIJING, CLOUD, ZHEJIANG
from tests.support.commands import run
from tests.support.joined import follow_root, joined, national
from tests.support.registering import OTHER, OWNER

HERE, ABROAD, WIDE = f"{OWNER}/6440/330108", f"{OWNER}/6440/110108", f"{OTHER}/6440"
OWN, THEIRS = f"{OWNER}/6450/330106", f"{OWNER}/6450/110105"


@pytest.fixture
def region(tmp_path: Path) -> Path:
    """A region node, in whose province an industry node has cuts."""
    path = tmp_path / "data"
    cuts = [(HERE, "cloud"), (ABROAD, "cloud"), (WIDE, "cloud")]
    cuts += [(OWN, "zhejiang"), (THEIRS, "beijing")]
    steps = [ZHEJIANG, BEIJING, CLOUD, *(FileCut(*one) for one in cuts)]
    root = national(tmp_path / "root", steps)
    with joined(path) as registry:
        follow_root(registry, root)
    return path


def listed(region: Path, *words: str) -> list[tuple[str, str]]:
    found = run("filing", "list", *words, "--json", "--data", region).json
    return [(one["cut"], one["node"]) for one in found]


def test_a_region_lists_the_cuts_of_all_that_lie_in_its_territory(region: Path) -> None:
    every = sorted([(HERE, "cloud"), (OWN, "zhejiang"), (WIDE, "cloud")])
    assert listed(region) == every
    assert listed(region, "--node", "cloud") == [one for one in every if one[1] == "cloud"]
    assert listed(region, f"{OWNER}/64") == [one for one in every if one[0].startswith(OWNER)]
    assert listed(region, "--limit", "1") == every[:1]
    assert listed(region, "--after", every[0][0].lower()) == every[1:]
    assert listed(region, "--state", "waiting") == []
    said = run("filing", "list", "--data", region)
    assert said.code == 0 and "根区副本" in said.err and HERE in said.out


def test_a_node_lists_the_nodes_of_the_network(region: Path) -> None:
    found = run("node", "list", "--json", "--data", region).json
    assert [one["node"] for one in found] == ["beijing", "cloud", "zhejiang"]
    assert found[1] == {
        "node": "cloud",
        "role": "industry",
        "scope": ["64"],
        "addresses": ["127.0.0.3:5303"],
        "state": "active",
        "generation": 1,
    }
    (one,) = run("node", "list", "--role", "industry", "--json", "--data", region).json
    assert one["node"] == "cloud"
    assert "行业节点 industry" in run("node", "list", "--data", region).out


@pytest.mark.parametrize("group", ["node", "filing"])
def test_a_node_without_the_root_zone_says_so(tmp_path: Path, group: str) -> None:
    joined(tmp_path / "region").close()
    assert run("init", "--data", tmp_path / "alone").code == 0
    for name in ("region", "alone"):
        ran = run(group, "list", "--data", tmp_path / name)
        assert (ran.code, ran.out) == (1, "")
        assert "411 NOT_NATIONAL" in ran.err
