"""`csid.Registry` and its awaited twin, on a real node over TLS."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import csid
from csid.http.results import Outcome, Problem
from tests.support.certificates import certificate
from tests.support.commands import Node
from tests.support.interface import Interface, offered
from tests.support.registering import CLASS, OTHER, OWNER, PLACE, POOL, identifier
from tests.support.servers import CHECKOUT

RECORD = {"endpoints": ["https://a.example:8443"], "vcpu": 8}


@pytest.fixture(scope="module")
def interface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interface]:
    folder = tmp_path_factory.mktemp("registry")
    node = Node(folder / "node")
    for code in (OWNER, OTHER):
        node.accredit(code)
    node.must("pool", "add", PLACE, "--class", CLASS, "--count", 500)
    node.must("audit", "key", "--new", "example.cn/log")
    with offered(node, folder, tls=True) as found:
        yield found


@pytest.fixture(scope="module")
def arguments(interface: Interface) -> dict[str, Any]:
    token = interface.token("registrar", "--for-owner", OWNER)
    url = f"https://{interface.address}"
    return {"url": url, "token": token, "authorities": interface.certificate}


@pytest.fixture(scope="module")
def registry(arguments: dict[str, Any]) -> Iterator[csid.Registry]:
    with csid.Registry(**arguments) as found:
        yield found


def test_a_life(registry: csid.Registry) -> None:
    done = registry.register(POOL, RECORD, pool=True, reason="首批")
    assert (done.code, done.name) == (100, "DONE")
    seen = registry.identifier(done.subject)
    assert (seen.state, seen.record["vcpu"], seen.since.tzinfo) == ("active", 8, seen.since.tzinfo)
    changed = registry.update(done.subject, {"vcpu": 16}, unless_changed_since=seen.leaf)
    assert changed.code == 100
    with pytest.raises(csid.RefusedError) as refused:
        registry.update(done.subject, {"vcpu": 32}, unless_changed_since=seen.leaf)
    assert refused.value.problem.status == 412
    assert registry.perform("lock", done.subject, locks=["retire"]).code == 100
    with pytest.raises(csid.RegistryError):
        registry.perform("retire", done.subject)
    registry.perform("unlock", done.subject, locks=["retire"])
    registry.perform("retire", done.subject, reason="拆除")
    kinds = [one.kind for one in registry.history(done.subject)]
    assert kinds[0] == "retire" and kinds[-1] == "mint"
    assert registry.history(done.subject)[0].why == "拆除"
    assert registry.filing(done.subject).receipt is None


def test_asked_again_under_its_key_it_is_done_once(registry: csid.Registry) -> None:
    first = registry.register(POOL, pool=True, key="order-1")
    again = registry.register(POOL, pool=True, key="order-1")
    assert (first.subject, again.code) == (again.subject, 102)


def test_batches_pages_and_changes(registry: csid.Registry) -> None:
    since = max((one.leaf for one in registry.changes()), default=-1) + 1
    codes = [str(identifier(f"C{number:03d}")) for number in range(30)]
    items = [{"op": "assign", "identifier": code, "record": RECORD} for code in codes]
    results = registry.batch([*items, {"op": "assign", "identifier": str(identifier("1", OTHER))}])
    assert [type(one) for one in results] == [Outcome] * 30 + [Problem]
    listed = [one.identifier for one in registry.identifiers(PLACE, limit=7)]
    assert {*codes} <= {*listed} and len({*listed}) == len(listed)
    changes = list(registry.changes(since, limit=4))
    assert [one.subject for one in changes] == codes
    follower = registry.changes(changes[-1].leaf, follow=True)
    assert next(follower).subject == codes[-1]
    assert registry.owner(OWNER).standing == "accredited"
    assert {one.owner for one in registry.owners(limit=1)} >= {OWNER}
    assert [one.class_ for one in registry.pools()] == [CLASS]


def test_who_has_no_token_is_refused_and_no_node_is_unreachable(
    arguments: dict[str, Any],
) -> None:
    with (
        csid.Registry(**arguments | {"token": "csid_x_y"}) as stranger,
        pytest.raises(csid.RefusedError) as refused,
    ):
        stranger.owner(OWNER)
    assert refused.value.problem.status == 401
    with (
        csid.Registry("http://127.0.0.1:1", timeout=0.3) as nobody,
        pytest.raises(csid.UnreachableError, match="does not answer") as lost,
    ):
        nobody.register(POOL, pool=True)
    assert lost.value.key


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"\$CSID_REGISTRY"),
        ({"url": "node:8443"}, "no URL of a registry"),
        ({"url": "http://node.example.cn"}, "in the clear"),
        ({"url": "https://a", "authorities": Path("/nothing")}, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_told(
    given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CSID_REGISTRY", raising=False)
    with pytest.raises(csid.RegistryError, match=said):
        csid.Registry(**given)


def test_the_environment_says_where_and_as_whom(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSID_REGISTRY", arguments["url"])
    monkeypatch.setenv("CSID_TOKEN", arguments["token"])
    with csid.Registry(authorities=arguments["authorities"]) as registry:
        assert registry.owner(OWNER).owner == OWNER


def test_a_certificate_is_shown_in_place_of_a_token(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.accredit(OWNER)
    shown = certificate(tmp_path, "holder")
    lines = f'client-ca = "{shown[0]}"\n[[actor]]\nname = "调度"\ncertificate = "dns:ns.test"'
    with (
        offered(node, tmp_path, tls=True, more=lines) as found,
        csid.Registry(
            f"https://{found.address}", certificate=shown, authorities=found.certificate
        ) as registry,
    ):
        assert registry.owner(OWNER).owner == OWNER
        with pytest.raises(csid.RefusedError) as refused:
            registry.register(POOL, pool=True)
        assert refused.value.problem.name == "ROLE_MAY_NOT"


def _in_trio(body: Callable[[], Awaitable[None]]) -> None:
    trio.run(body)  # type: ignore[arg-type]


def _in_asyncio(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(body())  # type: ignore[arg-type]


@pytest.mark.parametrize("run", [_in_trio, _in_asyncio])
def test_the_same_is_awaited(
    arguments: dict[str, Any], run: Callable[[Callable[[], Awaitable[None]]], None]
) -> None:
    async def body() -> None:
        async with csid.AsyncRegistry(**arguments) as registry:
            done = await registry.register(POOL, RECORD, pool=True)
            assert (await registry.identifier(done.subject)).record["vcpu"] == 8
            assert done.subject in [one.identifier async for one in registry.identifiers(PLACE)]
            (last, *_) = await registry.history(done.subject)
            changes = registry.changes(last.leaf, follow=True)
            assert (await anext(aiter(changes))).subject == done.subject
            assert isinstance(changes, AsyncIterator)
            with pytest.raises(csid.RefusedError):
                await registry.perform("suspend", done.subject)
        async with csid.AsyncRegistry("http://127.0.0.1:1", timeout=0.3) as nobody:
            with pytest.raises(csid.UnreachableError):
                await nobody.checkpoint()

    run(body)


def test_both_have_the_same_methods() -> None:
    def signatures(kind: type) -> dict[str, list[str]]:
        return {
            name: [*inspect.signature(method).parameters]
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") and name not in ("close", "aclose")
        }

    assert signatures(csid.Registry) == signatures(csid.AsyncRegistry)


def test_what_is_imported_costs_nothing_until_it_is_asked_for() -> None:
    assert {"Registry", "AsyncRegistry", "RegistryError"} <= {*dir(csid)}
    program = "import csid, sys; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT).returncode == 0
