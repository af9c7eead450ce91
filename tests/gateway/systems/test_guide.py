"""The system that docs/systems.md writes from nothing, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from csid.protocol import REFUSED
from gateway.configuration.load import load
from gateway.systems.hooks import stages_of
from gateway.systems.run import configured as configured_of
from resolver.answer.reply import Reply
from tests.support.commands import run
from tests.support.servers import CHECKOUT
from tests.support.systems import configured, running_systems

PAGE = CHECKOUT / "docs" / "systems.md"


@pytest.fixture
def greeting(tmp_path: Path) -> Path:
    """A folder with the system of the page."""
    folder = tmp_path / "greeting"
    folder.mkdir()
    for text in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        name = re.match(r'"""greeting/(\w+\.py)"""', text)
        assert name is not None
        (folder / name[1]).write_text(text, "utf-8")
    return tmp_path


def test_it_has_about_fifty_lines(greeting: Path) -> None:
    text = (greeting / "greeting" / "system.py").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 50


def test_it_runs(greeting: Path) -> None:
    file = configured(greeting, "[greeting]", 'word = "你好"')
    with running_systems(file, "greeting") as (_, client):
        for times in (1, 2):
            said = client.post("/v1/greeting/world").json()
            assert said == {"said": "你好 world", "times": times}


def test_its_hook_refuses(greeting: Path) -> None:
    file = configured(greeting, "[serve]", 'systems = ["greeting"]')
    (admit,) = stages_of(load(file)).admit
    reply = Reply(bytes(12) + b"\x06secret\x00\x00\x01\x00\x01", b"", False)
    reply.name = b"\x06secret\x00"
    admit(reply)
    assert reply.rcode == REFUSED


def test_its_command_is_one_of_csid(greeting: Path) -> None:
    file = configured(greeting)
    with running_systems(file, "greeting") as (_, client):
        assert client.post("/v1/greeting/world").status_code == 200
        ran = run("--config", file, "greeted", "world")
        assert (ran.code, ran.out) == (0, "1\n"), ran
    assert run("greeted", "world", "--config", file, "--data", greeting / "none").out == "0\n"


def test_the_configuration_of_the_page_can_be_used(greeting: Path) -> None:
    toml = re.search(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert toml is not None
    file = greeting / "csid.toml"
    file.write_text(toml[1].replace("/etc/csid/systems", str(greeting)), "utf-8")
    ran = run("--config", file, "config", "check")
    assert ran.code == 0, ran
    found = load(file)
    assert [one.system.name for one in configured_of(found, found.systems.run)] == [
        "aggregation",
        "selection",
    ]


def test_what_the_readme_of_a_new_one_configures_can_be_used(tmp_path: Path) -> None:
    assert run("system", "new", "remark", "--folder", tmp_path).code == 0
    readme = (tmp_path / "remark" / "README.md").read_text("utf-8")
    toml = re.search(r"```toml\n(.*?)```", readme, re.DOTALL)
    assert toml is not None
    file = tmp_path / "csid.toml"
    file.write_text(toml[1], "utf-8")
    (one,) = configured_of(load(file), ["remark"])
    assert one.settings.days == 30
    assert "template" not in readme
