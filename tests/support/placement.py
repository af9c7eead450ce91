"""A real OpenStack Placement (openstack-placement of PyPI) on sqlite, and what its clients do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.server_programs import server_program

HEADERS = {"x-auth-token": "admin"}  # as auth_strategy=noauth2 takes it
_VERSION = {"openstack-api-version": "placement 1.39"}
_CONFIGURATION = """\
[api]
auth_strategy = noauth2
[placement_database]
connection = sqlite:///{folder}/placement.sqlite
sync_on_startup = true
[placement]
randomize_allocation_candidates = false
"""
_SERVER = """\
import os, sys
from wsgiref.simple_server import WSGIRequestHandler, make_server
from placement.wsgi import init_application
WSGIRequestHandler.log_message = lambda *_: None
sys.argv = ["placement-api"]
server = make_server("127.0.0.1", 0, init_application())
print("port", server.server_port, flush=True)
os.dup2(2, 1)  # what it logs is read by nobody
server.serve_forever()
"""


class PlacementServer:
    """A running Placement, and shorthands for what Nova and its operators send to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, headers={**HEADERS, **_VERSION}, timeout=20)
        self._providers: list[str] = []
        self._consumers: list[str] = []

    def clear(self) -> None:
        """Delete all that was made here."""
        for consumer in self._consumers:
            self._client.delete(f"/allocations/{consumer}")
        for uuid in reversed(self._providers):
            self._client.delete(f"/resource_providers/{uuid}")
        self._providers, self._consumers = [], []

    def send(self, method: str, path: str, body: object = None) -> Any:
        """A request that is expected to be granted; what it returned."""
        reply = (
            self._client.request(method, path, json=body)
            if body is not None
            else (self._client.request(method, path))
        )
        assert reply.status_code < 300, reply.text
        return reply.json() if reply.content else None

    def provider(
        self,
        name: str,
        inventories: Mapping[str, Mapping[str, Any]] | None = None,
        traits: list[str] | None = None,
        parent: str | None = None,
    ) -> str:
        """Make a provider; its UUID."""
        uuid = str(uuid4())
        body = {"name": name, "uuid": uuid}
        self.send(
            "POST",
            "/resource_providers",
            body | ({"parent_provider_uuid": parent} if parent else {}),
        )
        self._providers.append(uuid)
        if inventories is not None:
            self.change(uuid, inventories=inventories)
        if traits is not None:
            self.change(uuid, traits=traits)
        return uuid

    def change(self, uuid: str, **parts: Any) -> None:
        """Set inventories, traits or aggregates of a provider."""
        for part, value in parts.items():
            for name in value if part in ("traits", "inventories") else ():
                if name.startswith("CUSTOM_"):
                    kind = "traits" if part == "traits" else "resource_classes"
                    self.send("PUT", f"/{kind}/{name}")
            generation = self.send("GET", f"/resource_providers/{uuid}")["generation"]
            self.send(
                "PUT",
                f"/resource_providers/{uuid}/{part}",
                {"resource_provider_generation": generation, part: value},
            )

    def allocate(self, *taken: tuple[str, Mapping[str, int]]) -> str | None:
        """Let a new consumer have something of providers; None if Placement does not let it."""
        consumer = str(uuid4())
        reply = self._client.put(
            f"/allocations/{consumer}",
            json={
                "allocations": {uuid: {"resources": dict(amounts)} for uuid, amounts in taken},
                "project_id": "p",
                "user_id": "u",
                "consumer_generation": None,
                "consumer_type": "INSTANCE",
            },
        )
        assert reply.status_code in (204, 409), reply.text
        self._consumers.append(consumer)
        return consumer if reply.status_code == 204 else None

    def release(self, consumer: str) -> None:
        """Delete what a consumer has."""
        self.send("DELETE", f"/allocations/{consumer}")

    def generation(self, uuid: str) -> int:
        """The generation of a provider."""
        generation: int = self.send("GET", f"/resource_providers/{uuid}")["generation"]
        return generation

    def candidates(self, query: str) -> set[str]:
        """The roots of the trees of which one allocation can get what a query asks for."""
        said = self.send("GET", f"/allocation_candidates?{query}")
        summaries = said["provider_summaries"]
        return {
            summaries[uuid]["root_provider_uuid"]
            for one in said["allocation_requests"]
            for uuid in one["allocations"]
        }


@contextmanager
def running_placement(folder: Path) -> Iterator[PlacementServer]:
    """A Placement that has nothing yet; skips where it is not installed."""
    python = server_program("python")
    if python is None or not list(python.parent.parent.glob("lib/*/site-packages/placement")):
        pytest.skip("no environment with openstack-placement")
    (folder / "placement.conf").write_text(_CONFIGURATION.format(folder=folder))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [python, "-c", _SERVER],
            env={"OS_PLACEMENT_CONFIG_DIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        port = next((x.split()[1] for x in process.stdout if x.startswith("port ")), "")
        assert port, (folder / "log").read_text()
        yield PlacementServer(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(20)
