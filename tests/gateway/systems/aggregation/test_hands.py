"""What is owed is done at a real node and told to a real gateway: once, whatever happens."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from csid.http.results import Problem, RefusedError
from gateway.async_registry_client import AsyncRegistry
from gateway.systems.aggregation import hands, registries
from gateway.systems.aggregation.known import Settings
from gateway.systems.aggregation.quarantine import ACCEPTED
from gateway.systems.aggregation.registered import RECORDS, Registered
from gateway.systems.aggregation.service import Decided, Service
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import NAMES, OURS, Book
from registry.network import receipts
from registry.receiving import Receipt
from registry.service import Registry
from resolver.server.notices import Repeated
from resolver.tables import Tables
from tests.registry.network.test_receipts import serial_at
from tests.support.aggregating import Net, aggregating
from tests.support.commands import Node, run
from tests.support.interface import Interface, offered
from tests.support.joined import core_of
from tests.support.network import free_port
from tests.support.registering import OTHER, OWNER
from tests.support.servers import eventually
from tests.support.sources import saying
from tests.support.supply import SOURCE, Spoken, said

GRACE = 3_600


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with aggregating(tmp_path_factory.mktemp("aggregation"), GRACE) as found:
        yield found


numbers = itertools.count()


class Bench:
    """A source of its own name, and what is known of it."""

    def __init__(self, net: Net, folder: Path, **more: Any) -> None:
        self.net = net
        self.tables = Tables(folder / "tables.mdb", (*NAMES, RECORDS), 64 << 20, lasting=True)
        self.book = Book(self.tables)
        name = more.pop("name", f"s{next(numbers)}")
        self.source: Settings = msgspec.structs.replace(
            SOURCE, name=name, url=net.source.url, **more
        )
        self.book.add(self.source)
        self.ahead = 0  # seconds by which its clock was turned

    def once(self, units: Mapping[str, float], later: int = 0, **settings: Any) -> Decided:
        """Poll once, so many seconds later; ``settings`` in place of those of the net."""
        self.net.source.answer = saying(said(units))
        self.ahead += later
        made = Aggregation(
            **{
                name: settings.get(name, getattr(self.net.settings, name))
                for name in ("registry", "registry_token", "gateway", "grace")
            }
        )

        async def work() -> Decided | None:
            service = Service(self.book, made, Repeated(), {"said": Spoken()}, now=self.clock)
            try:
                decided, self.done, self.polled = await service.once(self.source)
                return decided
            finally:
                await service.close()

        found = asyncio.run(work())
        assert found is not None, self.polled
        return found

    def follow(self, settings: Aggregation | None = None) -> None:
        """Read what the registry says by now."""

        async def in_tables(work: Any, *given: Any) -> Any:
            return work(*given)

        async def work() -> None:
            made = Registered(self.tables, self.book, in_tables, settings or self.net.settings)
            try:
                await made.read()
            finally:
                await made.close()

        asyncio.run(work())

    def lose(self, **settings: Any) -> None:
        """It names nothing any more, which somebody has accepted, until before the grace is over;
        ``settings`` as those of `once`.
        """
        self.once({}, **settings)
        self.book.judge(self.source.name, ACCEPTED)
        self.once({}, 1, **settings)

    def perform(self, operation: str) -> None:
        """What an administrator does with its identifier."""
        path = f"/v1/identifiers/{self.pool.identifier}/{operation}"
        self.net.office.post(path, json={}).raise_for_status()

    def clock(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000 + self.ahead * 1_000

    @property
    def pool(self) -> Any:
        (found,) = self.book.known(self.source.name).pools.values()
        return found

    def entry(self, identifier: str = "") -> dict[str, Any]:
        """What the registry has."""
        path = f"/v1/identifiers/{identifier or self.pool.identifier}"
        found: dict[str, Any] = self.net.office.get(path).raise_for_status().json()
        return found

    def status(self) -> dict[str, Any]:
        """What the gateway answers."""
        with self.net.gateway.client() as client:
            found: dict[str, Any] = client.get(
                f"/v1/identifiers/{self.pool.identifier}/status"
            ).json()
        return found

    def registered(self) -> list[str]:
        """All identifiers whose record names the source."""
        listed = self.net.office.get("/v1/identifiers", params={"prefix": OWNER, "limit": 500})
        return [
            one["identifier"]
            for one in listed.json()["items"]
            if one["record"].get("extra", {}).get("src") == self.source.name
        ]


def region_node(folder: Path) -> Node:
    """A node that files what it registers, with OWNER; nothing is at its national node."""
    node = Node.__new__(Node)
    node.data = folder / "region"
    key = f"zhejiang-1.:hmac-sha256:{base64.b64encode(bytes(32)).decode()}"
    root = ("--root", f"127.0.0.1:{free_port(1)}", "--key", key, "--name", "zhejiang")
    made = run("init", "--data", node.data, "--role", "region", "--scope", "33", *root)
    assert made.code == 0, made.err
    node.accredit(OWNER)
    return node


def registering_at(net: Net, interface: Interface, token: Path) -> Net:
    """The net with another node's registry; its administrator's token is in the file, or made."""
    if not token.exists():
        token.write_text(interface.token("administrator", "--prefix", OWNER))
    address = f"http://{interface.address}"
    settings = dataclasses.replace(net.settings, registry=address, registry_token=token)
    headers = {"Authorization": f"Bearer {token.read_text()}"}
    office = httpx.Client(base_url=address, headers=headers, timeout=20, trust_env=False)
    return net._replace(interface=interface, office=office, settings=settings)


def refuse(node: Node, name: str) -> None:
    """A receipt of the national node, which does not take an identifier."""
    with Registry.open(node.data, writable=True) as registry:
        receipt = Receipt(name, 7, 300, serial_at(registry, name), "not so")
        receipts.take(core_of(registry), "zhejiang-1.", [receipt], int(time.time()))


@pytest.fixture
def ruling(net: Net, tmp_path: Path) -> Path:
    """A file with the token of an administrator."""
    token = tmp_path / "ruling"
    token.write_text(net.interface.token("administrator", "--prefix", OWNER))
    return token


@pytest.fixture
def bench(net: Net, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(net, tmp_path)
    with closing(made.tables):
        yield made


def test_a_source_becomes_an_identifier_with_a_record_and_a_status(bench: Bench) -> None:
    bench.once({"a": 8, "b": 4})
    assert (bench.done.done, bench.done.left, bench.done.error) == (1, 0, "")
    entry = bench.entry()
    assert entry["state"] == "active"
    record = entry["record"]
    assert (record["chip"], record["count"], record["chip_memory_gib"]) == ("H100", 16, 80)
    assert (record["vcpu"], record["memory_gib"]) == (192, 2304)
    assert record["gflops"]["B"] == 16 * 989_500
    assert record["extra"]["nodes"] == 2 and record["extra"]["per_node"] == 8
    assert record["extra"]["src"] == bench.source.name
    eventually("its status is seen", lambda: bench.status()["status"] == "free")
    found = bench.status()
    assert found["free"] == {
        "chips": 12,
        "vcpu": 144,
        "memory_gib": 1728,
        "nodes": 2,
        "nodes_8": 1,
        "nodes_4": 1,
    }
    assert found["by"] == f"aggregation/{bench.source.name}" and not bench.polled.refused
    assert found["load"] == 0.25
    bench.once({"a": 0, "b": 0})
    eventually("the change is seen", lambda: bench.status()["status"] == "busy")
    assert bench.done.done == 0 and bench.entry()["leaf"] == entry["leaf"]


def test_facts_that_change_are_changed_and_those_of_others_stay(bench: Bench) -> None:
    bench.once({"a": 8, "b": 8})
    path = f"/v1/identifiers/{bench.pool.identifier}"
    mine = {"record": {"trust": 3, "extra": {**bench.entry()["record"]["extra"], "meas": {"B": 1}}}}
    bench.net.office.patch(path, json=mine).raise_for_status()
    bench.once({"a": 8, "b": 8, "c": 8})
    record = bench.entry()["record"]
    assert (record["count"], record["extra"]["nodes"]) == (24, 3)
    assert record["trust"] == 3 and record["extra"]["meas"] == {"B": 1}
    leaf = bench.entry()["leaf"]
    bench.once({"a": 8, "b": 8, "c": 8})
    assert bench.entry()["leaf"] == leaf


def test_what_vanishes_is_suspended_after_the_grace_and_reinstated(
    bench: Bench, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(bench.net.interface.token("administrator", "--prefix", OWNER))
    bench.once({"a": 8})
    bench.once({})
    assert bench.book.held_back(bench.source.name) is not None  # it says nothing at all
    bench.book.judge(bench.source.name, ACCEPTED)
    bench.once({}, 1)
    assert bench.entry()["state"] == "active"
    bench.once({}, GRACE + 1, registry_token=token)
    assert bench.entry()["state"] == "suspended"
    leaf = bench.entry()["leaf"]
    bench.once({}, 60)
    assert bench.entry()["leaf"] == leaf
    bench.once({"a": 8}, 60, registry_token=token)
    assert bench.entry()["state"] == "active" and len(bench.registered()) == 1


def test_a_registrar_proposes_a_suspension_which_others_decide_about(bench: Bench) -> None:
    bench.once({"a": 8})
    bench.once({})
    bench.book.judge(bench.source.name, ACCEPTED)
    bench.once({}, 1)
    bench.once({}, GRACE + 1)
    assert bench.entry()["state"] == "active" and "ROLE_MAY_NOT" in bench.pool.refusal
    bench.once({"a": 8}, 60)  # it is there again: nothing is to be done any more
    assert not bench.pool.refusal and not bench.pool.is_owed


@pytest.mark.parametrize("is_back_first", [False, True])
def test_what_was_suspended_as_proposed_is_reinstated(
    bench: Bench, ruling: Path, is_back_first: bool
) -> None:
    bench.once({"a": 8})
    bench.lose()
    bench.once({}, GRACE + 1)
    assert "ROLE_MAY_NOT" in bench.pool.refusal
    bench.perform("suspend")
    if is_back_first:
        bench.once({"a": 8}, 60)
    bench.follow()
    assert bench.pool.done_state == "suspended" and not bench.pool.refusal
    assert not bench.book.active(bench.source.name)
    bench.once({"a": 8}, 60)  # a registrar may not reinstate, either
    assert "ROLE_MAY_NOT" in bench.pool.refusal and not bench.pool.is_active
    bench.book.pause(bench.source.name, False)
    bench.once({"a": 8}, 60, registry_token=ruling)
    assert bench.entry()["state"] == "active" and bench.pool.is_active


def test_what_others_have_suspended_is_left_so_and_not_told_of(bench: Bench, ruling: Path) -> None:
    bench.once({"a": 8})
    bench.perform("suspend")
    bench.follow()
    assert not bench.book.active(bench.source.name) and not bench.pool.is_owed
    assert bench.pool.refusal.startswith("is suspended at the registry")
    bench.once({"a": 8, "b": 8}, registry_token=ruling)  # its facts change all the same
    entry = bench.entry()
    assert (entry["state"], entry["record"]["count"]) == ("suspended", 16)
    assert bench.pool.refusal.startswith("is suspended at the registry")
    bench.perform("reinstate")
    bench.follow()
    assert bench.pool.is_active and not bench.pool.refusal
    bench.perform("suspend")
    bench.follow()
    bench.book.pause(bench.source.name, False)
    bench.once({"a": 8, "b": 8}, registry_token=ruling)
    assert bench.entry()["state"] == "active" and bench.pool.is_active


def test_what_was_suspended_is_seen_when_facts_change(bench: Bench, ruling: Path) -> None:
    bench.once({"a": 8})
    bench.perform("suspend")
    bench.once({"a": 8, "b": 8}, registry_token=ruling)
    assert bench.entry()["state"] == "suspended" and not bench.pool.is_active
    assert bench.done.left == 1 and bench.pool.refusal.startswith("is suspended at the registry")


def test_what_was_said_before_a_change_is_not_taken_over(bench: Bench) -> None:
    bench.once({"a": 8})
    name, before = bench.source.name, bench.pool
    ((key, _),) = bench.book.pools(name).items()
    bench.once({"a": 8, "b": 8})
    bench.book.follow([(name, key, before, "suspended")])
    assert bench.pool.is_active
    bench.book.follow([(name, key, bench.pool, "suspended")])
    assert not bench.pool.is_active


def test_what_others_have_ended_gets_another_serial_if_somebody_says_so(bench: Bench) -> None:
    bench.once({"a": 8})
    first = bench.pool.identifier
    bench.perform("retire")
    bench.follow()
    assert bench.pool.refusal.startswith("is retired at the registry")
    bench.once({"a": 8, "b": 8})
    assert bench.pool.identifier == first and not bench.book.active(bench.source.name)
    bench.book.pause(bench.source.name, False)
    bench.once({"a": 8, "b": 8})
    bench.once({"a": 8, "b": 8})
    assert bench.pool.is_active and bench.pool.identifier != first
    assert bench.entry(first)["state"] == "retired" and bench.entry()["state"] == "active"


@pytest.mark.parametrize("now", [{"a": 8}, {"a": 8, "b": 8}])  # under the same key, under another
def test_what_ended_before_the_book_was_lost_gets_another_serial(
    bench: Bench, tmp_path: Path, now: dict[str, float]
) -> None:
    bench.once({"a": 8})
    bench.perform("retire")
    again = Bench(bench.net, tmp_path / "new", name=bench.source.name)
    with closing(again.tables):
        again.once(now)
        assert not again.book.active(again.source.name) and not again.pool.refusal
        again.once(now)
        assert again.pool.is_active and again.pool.identifier != bench.pool.identifier


def test_what_ended_before_it_was_adopted_gets_another_serial(bench: Bench, tmp_path: Path) -> None:
    bench.once({"a": 8})
    first = bench.pool.identifier
    again = Bench(bench.net, tmp_path / "new", name=bench.source.name)
    with closing(again.tables):
        again.once({"a": 8, "b": 8})
        assert again.pool.refusal.startswith(OURS)
        bench.perform("retire")
        again.book.pause(again.source.name, False, adopt=True)
        again.once({"a": 8, "b": 8})
        assert not again.pool.is_active
        again.once({"a": 8, "b": 8})
        assert again.pool.is_active and again.pool.identifier != first


def test_what_waits_to_be_filed_is_adopted_as_that(bench: Bench) -> None:
    bench.once({"a": 8}, registry="")
    record = {**bench.pool.asked, "state": "filing"}
    there = {"identifier": bench.pool.identifier, "record": record}
    bench.net.office.post("/v1/identifiers", json=there).raise_for_status()
    bench.once({"a": 8})
    assert bench.pool.refusal.startswith(OURS)
    bench.book.pause(bench.source.name, False, adopt=True)
    bench.once({"a": 8})
    assert (bench.pool.done_state, bench.pool.refusal) == ("filing", "")
    assert not bench.pool.is_active and not bench.pool.is_owed
    bench.perform("activate")
    bench.follow()
    assert bench.pool.is_active and bench.entry()["state"] == "active"


def test_what_the_national_node_has_not_taken_is_not_active(net: Net, tmp_path: Path) -> None:
    node, token = region_node(tmp_path), tmp_path / "there"
    bench = Bench(net, tmp_path)
    with closing(bench.tables):
        with offered(node, tmp_path) as interface:
            bench.net = registering_at(net, interface, token)
            bench.once({"a": 8})
            assert bench.entry()["state"] == "filing"
            assert (bench.pool.done_state, bench.done.left) == ("filing", 0)
            assert not bench.pool.is_owed and not bench.pool.is_active
        refuse(node, bench.pool.identifier)
        with offered(node, tmp_path) as interface:
            bench.net = registering_at(net, interface, token)
            bench.follow()
            assert bench.pool.refusal.startswith("is refused at the registry")
            leaf = bench.entry()["leaf"]
            bench.once({"a": 8})
            assert bench.entry()["leaf"] == leaf
            bench.book.pause(bench.source.name, False)
            bench.once({"a": 8})
            assert bench.entry()["state"] == "filing"
            assert (bench.pool.done_state, bench.pool.refusal) == ("filing", "")


def test_what_goes_before_it_was_registered_is_forgotten(bench: Bench) -> None:
    bench.once({"a": 8}, registry="")
    bench.lose(registry="")
    bench.once({}, GRACE + 1)
    assert (bench.done.done, bench.done.left, bench.done.error) == (1, 0, "")
    assert bench.registered() == [] and not bench.book.pools(bench.source.name)
    bench.once({"a": 8}, 60)
    assert bench.pool.is_active and bench.registered() == [bench.pool.identifier]


def test_what_goes_before_its_registration_was_heard_of_is_suspended(
    bench: Bench, ruling: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(bench.book, "settle", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.once({"a": 8})
    bench.lose(registry="")
    bench.once({}, GRACE + 1, registry_token=ruling)
    assert bench.entry()["state"] == "suspended" and not bench.pool.is_owed


@pytest.mark.parametrize("status", [403, 404])
def test_what_is_not_shown_is_nobody_elses(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async def hidden(*_: object) -> None:
        raise RefusedError(Problem(status=status, title="not shown"))

    bench.once({"a": 8}, registry="")
    first = bench.pool.identifier
    taken = {"identifier": first, "record": {"state": "active", "name": "somebody's"}}
    bench.net.office.post("/v1/identifiers", json=taken).raise_for_status()
    with monkeypatch.context() as patched:
        patched.setattr(AsyncRegistry, "identifier", hidden)
        bench.once({"a": 8})
        bench.once({"a": 8})
    assert bench.pool.identifier == first and "let the token read it" in bench.pool.refusal
    bench.book.pause(bench.source.name, False)
    bench.once({"a": 8})
    bench.once({"a": 8})
    assert bench.pool.identifier != first and bench.pool.is_active


def test_killed_behind_the_registration_it_is_not_done_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(bench.book, "settle", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.once({"a": 8})
    assert bench.pool.done is None and len(bench.registered()) == 1
    leaf = bench.entry()["leaf"]
    bench.once({"a": 8, "b": 8})  # and it says something else by now
    assert bench.registered() == [bench.pool.identifier]
    assert bench.pool.done == bench.pool.wanted and bench.entry()["leaf"] > leaf
    assert bench.entry()["record"]["count"] == 16


def test_what_is_refused_is_shown_and_not_asked_again_until_somebody_says_so(
    net: Net, tmp_path: Path
) -> None:
    bench = Bench(net, tmp_path, owner=OTHER, location="350102")
    with closing(bench.tables):
        bench.once({"a": 8})
        assert "OWNER_NOT_YOURS" in bench.pool.refusal and not bench.book.owed(bench.source.name)
        assert bench.done.left == 1 and not bench.polled.refused
        bench.once({"a": 8})
        assert bench.done.left == 0  # nothing was asked
        bench.book.pause(bench.source.name, False)
        assert not bench.pool.refusal
        bench.once({"a": 8})
        assert bench.done.left == 1 and "OWNER_NOT_YOURS" in bench.pool.refusal


def test_a_book_that_was_lost_doubles_nothing_and_may_be_made_good(
    bench: Bench, tmp_path: Path
) -> None:
    bench.once({"a": 8})
    path = f"/v1/identifiers/{bench.pool.identifier}"
    bench.net.office.patch(path, json={"record": {"trust": 4}}).raise_for_status()
    again = Bench(bench.net, tmp_path / "new", name=bench.source.name)
    with closing(again.tables):
        again.once({"a": 8, "b": 8})
        assert again.pool.identifier == bench.pool.identifier
        assert again.pool.refusal.startswith(OURS) and len(again.registered()) == 1
        again.book.pause(again.source.name, False, adopt=True)
        again.once({"a": 8, "b": 8})
        assert not again.pool.refusal and not again.pool.is_owed
        record = again.entry()["record"]
        assert (record["count"], record["trust"]) == (16, 4)
        assert again.registered() == [bench.pool.identifier]


def test_an_identifier_of_somebody_else_is_left_alone(bench: Bench) -> None:
    decided = bench.once({"a": 8}, registry="")
    first = decided.change.registrations[0].identifier
    assert bench.pool.done is None
    taken = {"identifier": first, "record": {"state": "active", "name": "somebody's"}}
    bench.net.office.post("/v1/identifiers", json=taken).raise_for_status()
    bench.once({"a": 8})
    bench.once({"a": 8})
    assert bench.pool.identifier != first and bench.pool.done is not None
    assert bench.entry(first)["record"]["name"] == "somebody's"
    assert bench.registered() == [bench.pool.identifier]


def test_statuses_are_told_though_the_registry_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "SECONDS", 0.3)
    bench.once({"a": 8})
    bench.once({"a": 3, "b": 8}, registry="http://127.0.0.1:1")
    assert bench.done.error and bench.pool.is_owed and not bench.pool.refusal
    eventually("told", lambda: bench.status().get("free", {}).get("chips") == 11)
    bench.once({"a": 3, "b": 8})
    assert not bench.pool.is_owed and bench.entry()["record"]["count"] == 16


def test_what_the_gateway_refuses_is_shown(net: Net, tmp_path: Path) -> None:
    bench = Bench(net, tmp_path)
    with closing(bench.tables):
        bench.once({"a": 8})
        bench.once({"a": 8}, gateway="http://127.0.0.1:1")
        assert "cannot be told" in bench.polled.refused
        bench.once({"a": 8}, gateway=f"http://{net.interface.address}")  # it is no gateway
        assert "HTTP 404" in bench.polled.refused or "HTTP 405" in bench.polled.refused


def test_a_token_that_was_revoked_marks_no_pool(bench: Bench, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("csid_nobody_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    bench.once({"a": 8}, registry_token=wrong)
    assert bench.done.error and not bench.pool.refusal and bench.polled.owed
    bench.once({"a": 8}, registry_token=tmp_path / "absent")
    assert "No such file" in bench.polled.owed
    bench.once({"a": 8})
    assert bench.pool.done is not None and not bench.polled.owed


@pytest.mark.parametrize(
    ("record", "done", "wanted", "patch"),
    [
        ({"vcpu": 1}, {"vcpu": 1}, {"vcpu": 1}, {}),
        ({"vcpu": 1}, {"vcpu": 1}, {"vcpu": 2}, {"vcpu": 2}),
        ({"vcpu": 2}, {"vcpu": 1}, {"vcpu": 2}, {}),
        ({"chip": "x", "trust": 1}, {"chip": "x"}, {}, {"chip": None}),
        (
            {"extra": {"nodes": 1, "a": 1}},
            {"extra": {"nodes": 1}},
            {"extra": {"src": "s"}},
            {"extra": {"a": 1, "src": "s"}},
        ),
    ],
)
def test_a_patch_has_ours_alone(record: Any, done: Any, wanted: Any, patch: Any) -> None:
    assert hands.patch_of(record, done, wanted) == patch
