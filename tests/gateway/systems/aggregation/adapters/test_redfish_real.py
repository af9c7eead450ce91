"""Machines of a real Redfish service, whose power changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.systems.aggregation.adapters.redfish.adapter import Redfish
from gateway.systems.aggregation.readings import Ask, ReadingError, Unit
from tests.support import sushy
from tests.support.adapters import named, over_http, source
from tests.support.slurm import until

pytestmark = pytest.mark.skipif(not sushy.installed(), reason="sushy-emulator is not installed")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sushy.running(tmp_path_factory.mktemp("sushy")) as running:
        yield running


def units(url: str, **options: str) -> dict[str, Unit]:
    return named(over_http(Redfish(), source("redfish", url, **options)))


def test_machines_are_known_by_their_uuid(url: str) -> None:
    read = over_http(Redfish(), source("redfish", url))
    assert {unit.key: unit.name for unit in read.units} == {
        f"uuid:{uuid}": name for name, uuid in sushy.MACHINES.items()
    }
    assert read.whole
    assert read.version == "Redfish 1.5.0"
    assert {unit.health for unit in read.units} == {"ok"}
    assert "m1: not said how many processors or how much memory it has" in read.notes


def test_options_say_what_the_controller_does_not(url: str) -> None:
    m1 = units(url, vcpu="128", memory_gib="2048", chips="8", chip="H100")["m1"]
    assert m1.total == m1.free == {"vcpu": 128, "memory_gib": 2048, "chips": 8}
    assert (m1.chip, m1.labels["estimated"]) == ("H100", "power")


def test_a_poll_asks_once_for_each_machine(url: str) -> None:
    memory: dict[str, Any] = {}
    asked: list[Ask] = []
    over_http(Redfish(), source("redfish", url), memory, asked=asked)
    assert [ask.kind for ask in asked] == ["root", *3 * ["systems"]]
    asked.clear()
    over_http(Redfish(), source("redfish", url), memory, asked=asked)
    assert [ask.kind for ask in asked] == 3 * ["systems"]


def test_a_machine_that_is_switched_off_cannot_be_had(url: str) -> None:
    sushy.reset(url, "m2", "ForceOff")
    until(lambda: units(url, vcpu="128")["m2"].why)
    m1, m2 = (units(url, vcpu="128")[name] for name in ("m1", "m2"))
    assert (m2.why, m2.free["vcpu"], m2.health) == ("PowerState Off", 0, "ok")
    assert m1.free["vcpu"] == 128
    assert units(url, vcpu="128", free="off")["m2"].free["vcpu"] == 128
    assert not any(unit.free["vcpu"] for unit in units(url, vcpu="128", free="none").values())
    sushy.reset(url, "m2", "On")
    until(lambda: not units(url, vcpu="128")["m2"].why)


def test_what_is_no_redfish_is_said_to_be(url: str) -> None:
    with pytest.raises(ReadingError, match="service root: answered with status 404"):
        over_http(Redfish(), source("redfish", url + "/elsewhere"))
