"""The page about selection shows what a process of it answers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.project.test_docs import done, shows, steps
from tests.support.commands import run
from tests.support.selecting import CHEAP, DEAR, selecting
from tests.support.servers import CHECKOUT, eventually

PAGE = "selection.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="it is asked by curl")
def test_the_page_shows_what_its_commands_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with selecting(tmp_path) as net:
        net.tell(CHEAP, seconds=600, chips=16, nodes_8=2)
        net.tell(DEAR, seconds=600, chips=8, nodes_8=1)
        eventually("both are seen", lambda: len(net.names(free=True, cards=8)) == 2)
        url = str(net.client.base_url)
        file = tmp_path / "client.toml"
        file.write_text(f'[client]\nsystems = "{url}"\n')
        monkeypatch.setenv("CSID_CONFIG", str(file))
        for step in steps(PAGE):
            ran = done(step.command.replace("http://127.0.0.1:8090", url))
            assert (step.command, ran.code) == (step.command, step.code), ran
            assert shows(step.shown, ran), (step, ran)


def test_the_configuration_of_the_page_can_be_used(tmp_path: Path) -> None:
    text = (CHECKOUT / "docs" / PAGE).read_text("utf-8")
    toml = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert toml is not None
    file = tmp_path / "csid.toml"
    file.write_text(toml[1], "utf-8")
    ran = run("--config", file, "config", "check")
    assert ran.code == 0, ran
