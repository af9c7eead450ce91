"""A real Redfish service over machines that are none: sushy-emulator with its fake driver."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.peers import HOST, free_port
from tests.support.server_programs import server_program
from tests.support.slurm import until

PROGRAM = "sushy-emulator"
MACHINES = {  # UUID by name, as they are when it starts
    "m1": "1c8f0a52-7f6e-4c3f-9d8e-000000000001",
    "m2": "1c8f0a52-7f6e-4c3f-9d8e-000000000002",
}
_CONFIGURATION = """\
SUSHY_EMULATOR_STATE_DIR = {folder!r}
SUSHY_EMULATOR_FAKE_SYSTEMS = [
    {{"uuid": uuid, "name": name, "power_state": "On", "external_notifier": False, "nics": []}}
    for name, uuid in {machines!r}.items()
]
"""


def installed() -> bool:
    return server_program(PROGRAM) is not None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Its URL; it is ended on the way out."""
    port = free_port()
    file = folder / "sushy.conf"
    file.write_text(_CONFIGURATION.format(folder=str(folder), machines=MACHINES))
    command = [str(server_program(PROGRAM)), "--fake", "--config", str(file)]
    with (folder / "sushy.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-i", HOST, "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    url = f"http://{HOST}:{port}"
    try:
        until(lambda: process.poll() is not None or _answers(url))
        assert process.poll() is None, (folder / "sushy.log").read_text()[-2_000:]
        yield url
    finally:
        process.terminate()
        process.wait()


def reset(url: str, name: str, kind: str) -> None:
    """Ask for another power state, which comes some seconds later, up to 11."""
    path = f"/redfish/v1/Systems/{MACHINES[name]}/Actions/ComputerSystem.Reset"
    httpx.post(url + path, json={"ResetType": kind}, trust_env=False).raise_for_status()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/redfish/v1/", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
