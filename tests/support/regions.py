"""Processes of aggregation for tests: a nation over HTTPS, regions that tell it of themselves."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.certificates import certificate
from tests.support.commands import Ran, run
from tests.support.registering import OWNER
from tests.support.servers import Server, running

STOCK = "资源编号,名称,芯片,芯片数量,核数,空闲卡数,空闲核数,健康状况\n"


class Aggregation:
    """A folder and a configuration of aggregation.

    Attributes:
        folder: of the test.
        name: what the region is called.
        file: the configuration.
    """

    def __init__(self, folder: Path, name: str, systems: str = "", section: str = "") -> None:
        self.name = name
        self.data = folder / name
        self.data.mkdir()
        self.stock = self.data / "stock.csv"
        self.file = self.data / "csid.toml"
        self.file.write_text(
            f'[systems]\ndata = "{self.data}"\n{systems}\n'
            f'[aggregation]\nregion = "{name}"\n{section}\n'
        )

    def __call__(self, *words: object) -> Ran:
        return run("--config", self.file, *words)

    def key(self, name: str, role: str) -> str:
        """A key for who calls."""
        made = self("system", "key", "add", name, "--role", role, "--json")
        return str(made.json[0]["key"])

    def has(self, *rows: str) -> None:
        """Its file says these resources."""
        self.stock.write_text(STOCK + "".join(f"{row}\n" for row in rows), "utf-8")

    def add(self, location: str, interval: str = "600s") -> None:
        """Have that file read."""
        where = ("--kind", "table", "--url", self.stock, "--interval", interval)
        whose = ("--owner", OWNER, "--location", location)
        added = self("aggregate", "add", "stock", *where, *whose)
        assert added.code == 0, added.err

    @contextlib.contextmanager
    def runs(self, key: str = "", authority: Path | None = None) -> Iterator[Called]:
        """Its process, and who calls it."""
        words = ["--config", str(self.file), "system", "run", "aggregation"]
        with running([*words, "--listen", "127.0.0.1:0"], self.data / "log") as server:
            address = server.ready.split(",")[0].split()[2]
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            scheme = "https" if authority else "http"
            verify = ssl.create_default_context(cafile=authority) if authority else True
            with httpx.Client(
                base_url=f"{scheme}://{address}",
                headers=headers,
                verify=verify,
                trust_env=False,
                timeout=20,
            ) as client:
                yield Called(server, client)


class Called:
    """A process that is called.

    Attributes:
        url: of it.
    """

    def __init__(self, server: Server, client: httpx.Client) -> None:
        self.server = server
        self.client = client
        self.url = str(client.base_url).rstrip("/")

    def get(self, path: str, **query: str) -> Any:
        """What is said to a call."""
        answer = self.client.get(f"/v1/aggregation/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.content)


@contextlib.contextmanager
def nation(folder: Path, *believed: str) -> Iterator[tuple[Aggregation, Called, Path]]:
    """A nation over HTTPS that everybody has a key for; and its authority."""
    chain, secret = certificate(folder, "nation")
    named = ", ".join(f'"{one}"' for one in believed)
    made = Aggregation(
        folder,
        "nation",
        f'tls-cert = "{chain}"\ntls-key = "{secret}"',
        f"regions = [{named}]" if believed else "",
    )
    with made.runs(made.key("desk", "operate"), chain) as called:
        yield made, called, chain


def region(folder: Path, name: str, url: str, key: str, authority: Path | None) -> Aggregation:
    """A region that tells such a nation of itself each second."""
    file = folder / f"{name}.key"
    file.write_text(f"{key}\n")
    lines = [f'upward = "{url}"', f'upward-key = "{file}"', "exchange = 1"]
    if authority is not None:
        lines.append(f'upward-ca = "{authority}"')
    return Aggregation(folder, name, section="\n".join(lines))
