"""Calls of the interface without sockets: what is sent, attempts, what is made of answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.http.calls import BATCH_MAX, Calls, Lost, Patience, Reply, Send, Steps, Wait
from csid.http.results import (
    Outcome,
    Problem,
    RefusedError,
    RegistryError,
    UnreachableError,
)

T = TypeVar("T")

DONE = {"status": 200, "subject": "A/B/C/D/E", "code": 100, "name": "DONE", "en": "", "zh": ""}
REFUSED = {"status": 409, "title": "held", "detail": "it is on hold", "code": 400, "name": "HELD"}


class World:
    """A node that answers as a test says, and a clock that goes on by what is waited for."""

    def __init__(self, *answers: Reply | Lost, took: float = 0.0) -> None:
        self.answers = list(answers)
        self.sent: list[Send] = []
        self.waits: list[float] = []
        self.now = 100.0
        self._took = took
        self._keys = 0
        self.calls = Calls(Patience(30.0, lambda: self.now, lambda: 0.5, self._key))

    def _key(self) -> str:
        self._keys += 1
        return f"key-{self._keys}"

    def run(self, steps: Steps[T]) -> T:
        got: Reply | Lost | None = None
        while True:
            try:
                step = steps.send(got)
            except StopIteration as ended:
                value: T = ended.value
                return value
            if isinstance(step, Wait):
                self.waits.append(step.seconds)
                self.now += step.seconds
                got = None
            else:
                self.sent.append(step)
                self.now += self._took
                got = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def register(self, key: str = "") -> Outcome:
        return self.run(self.calls.register("A/B", {"vcpu": 8}, None, "首批", key, True))


def reply(status: int, body: Any = None, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, b"" if body is None else json.dumps(body).encode())


def test_what_is_asked_is_sent_under_a_key_of_its_own() -> None:
    world = World(reply(201, DONE))
    assert world.register().subject == "A/B/C/D/E"
    (sent,) = world.sent
    assert (sent.method, sent.path, sent.headers["Idempotency-Key"]) == (
        "POST",
        "/v1/identifiers",
        "key-1",
    )
    assert json.loads(sent.body or b"") == {
        "pool": "A/B",
        "record": {"vcpu": 8},
        "reason": "首批",
    }
    world.register("mine")
    assert world.sent[-1].headers["Idempotency-Key"] == "mine"


@pytest.mark.parametrize(
    "failure",
    [
        Lost("reset"),
        reply(503, {"status": 503, "title": "later"}),
        reply(500),
        reply(502, "<html>"),
    ],
)
def test_what_fails_on_the_way_is_asked_again_under_the_same_key(failure: Reply | Lost) -> None:
    world = World(failure, failure, reply(201, DONE))
    world.register()
    assert [one.headers["Idempotency-Key"] for one in world.sent] == ["key-1"] * 3
    assert world.waits == [pytest.approx(0.15), pytest.approx(0.3)]


def test_it_waits_for_as_long_as_the_node_says() -> None:
    world = World(reply(429, {"status": 429, "title": "often"}, retry_after="7"), reply(201, DONE))
    world.register()
    assert world.waits == [7.0]


def test_the_time_ends_and_it_is_said_that_nobody_knows() -> None:
    world = World(Lost("no answer"), took=4.0)
    with pytest.raises(UnreachableError, match="no answer; whether it was done is not known") as no:
        world.register()
    assert no.value.key == "key-1"
    assert world.now <= 130.0 + 4.0
    assert all(one.seconds <= 30.0 for one in world.sent)
    world = World(Lost("no answer"), took=4.0)
    with pytest.raises(UnreachableError, match=r"no answer$") as only_read:
        world.run(world.calls.identifier("A"))
    assert only_read.value.key == ""


def test_what_is_refused_is_not_asked_again() -> None:
    world = World(reply(409, REFUSED))
    with pytest.raises(RefusedError, match="400 HELD: held: it is on hold") as refused:
        world.register()
    assert (refused.value.problem.code, len(world.sent)) == (400, 1)
    with pytest.raises(RefusedError, match="HTTP 404"):
        World(reply(404, "nothing")).register()


def test_a_batch_has_what_came_of_each() -> None:
    world = World(reply(200, {"items": [DONE, REFUSED]}))
    done, refused = world.run(world.calls.batch([{"op": "retire"}] * 2, "", ""))
    assert isinstance(done, Outcome) and isinstance(refused, Problem)
    for count in (0, BATCH_MAX + 1):
        with pytest.raises(RegistryError, match=f"given {count:,}"):
            world.run(world.calls.batch([{"op": "retire"}] * count, "", ""))


def test_a_change_of_what_was_seen_says_what_that_was() -> None:
    world = World(reply(200, DONE))
    world.run(world.calls.update("A/B", {"vcpu": None}, 17, {"ttl": 60}, "", ""))
    (sent,) = world.sent
    assert (sent.method, sent.path) == ("PATCH", "/v1/identifiers/A%2FB")
    assert sent.headers["If-Match"] == '"17"'
    assert json.loads(sent.body or b"") == {"record": {"vcpu": None}, "ttl": 60}


def test_what_is_not_said_is_not_asked_for() -> None:
    world = World(reply(200, {"items": [], "next": None}))
    world.run(world.calls.identifiers({"prefix": "", "state": "active", "limit": None}, ""))
    assert world.sent[0].query == {"state": "active"}


@given(st.integers(100, 599), st.binary(max_size=80), st.booleans())
def test_whatever_comes_back_is_a_result_or_an_error_of_the_family(
    status: int, body: bytes, is_written: bool
) -> None:
    world = World(Reply(status, {}, body))
    ask: Callable[[], object] = (
        world.register if is_written else lambda: world.run(world.calls.changes(0, 0, None))
    )
    with pytest.raises(RegistryError):
        ask()
