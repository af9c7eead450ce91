"""Routes that change something: each is a request of the registry, or a batch of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from gateway.http import shown
from gateway.http.actors import touched
from gateway.http.bodies import OPERATIONS, Operation, read
from gateway.http.calls import Answer, Call, Carrying, key_of, leaf_of
from gateway.http.problems import Fault, Problem, refusal
from gateway.http.reading import spelled
from registry.rules.decision import Decision
from registry.rules.requests import KEY_MAX, Request
from registry.rules.status import Status

BATCH_MAX: Final = 2_000  # items
_NUMBER_ROOM: Final = len(f"#{BATCH_MAX}")
REASON: Final = "reason"
_OF_ITEMS: Final = ("op", "key", REASON)


def request_of(
    call: Call,
    operation: Operation,
    given: Any,
    key: str,
    reason: str = "",
    besides: tuple[str, ...] = (REASON,),
) -> Request:
    """The request that JSON stands for.

    Args:
        reason: where it says none itself.
        besides: members that are no operation's own.

    Raises:
        Problem: it stands for none, or for one that the caller does not reach.
    """
    body = read(operation, given, besides)
    if call.caller.prefixes:
        call.caller.require(touched(body))
    why = given.get(REASON, reason)
    if not isinstance(why, str):
        raise Problem(Fault.VALUE, "reason: expected a text")
    return Request(call.caller.actor, body, why, key)


def _carrying(call: Call, operation: Operation, given: Any, place: str = "") -> Carrying:
    """One operation; ``place``: what it makes is found below it."""

    def answer(decision: Decision) -> Answer:
        if not decision.status.success:
            raise Problem.of(decision)
        made = Answer(shown.outcome(decision))
        if place and decision.status is Status.DONE:
            made.status = made.body["status"] = 201
            made.headers["Location"] = f"{place}/{quote(decision.subject, safe='')}"
        return made

    return Carrying(request_of(call, operation, given, key_of(call.headers)), answer)


def carrying_out(operation: Operation, place: str = "") -> Callable[[Call], Carrying]:
    """A route that carries one operation out."""

    def handle(call: Call) -> Carrying:
        leaf_of(call.headers, is_looked_at=False)
        return _carrying(call, operation, _with_path(call, operation), place)

    return handle


def register(call: Call) -> Carrying:
    """Assign an identifier that is chosen, or the next one of a pool."""
    leaf_of(call.headers, is_looked_at=False)
    is_minted = isinstance(call.given, dict) and "pool" in call.given
    operation = OPERATIONS["mint" if is_minted else "assign"]
    return _carrying(call, operation, call.given, "/v1/identifiers")


def update(call: Call) -> Carrying:
    """Change facts of a record, unless it was changed since it was seen."""
    operation = OPERATIONS["update"]
    given = _with_path(call, operation)
    leaf = leaf_of(call.headers, is_looked_at=True)
    if leaf is not None and given.setdefault("unless_changed_since", leaf) != leaf:
        raise Problem(Fault.VALUE, "unless_changed_since: If-Match says another leaf")
    return _carrying(call, operation, given)


def _with_path(call: Call, operation: Operation) -> dict[str, Any]:
    """What is given, with what the path says in place of members."""
    given = {} if call.given is None else call.given
    if not isinstance(given, dict):
        raise Problem(Fault.VALUE, "expected a JSON object")
    for name in operation.subject:
        if name in given:
            raise Problem(Fault.VALUE, f"{name}: stands in the path, so leave it out here")
    said = {
        name: spelled(call) if name == "identifier" else call.path[name]
        for name in operation.subject
    }
    return {**given, **said}


def batch(call: Call) -> Answer:
    """Many operations on identifiers, one after the other; what came of each."""
    leaf_of(call.headers, is_looked_at=False)
    given = call.given
    if not isinstance(given, dict) or not {*given} <= {"items", REASON}:
        raise Problem(Fault.VALUE, "expected a JSON object with items, and reason if there is one")
    items, reason = given.get("items"), given.get(REASON, "")
    if not isinstance(items, list) or not 1 <= len(items) <= BATCH_MAX:
        raise Problem(Fault.VALUE, f"items: expected an array of 1 to {BATCH_MAX:,}")
    if not isinstance(reason, str):
        raise Problem(Fault.VALUE, "reason: expected a text")
    shared = key_of(call.headers, KEY_MAX - _NUMBER_ROOM)

    def make(number: int) -> Request:
        item = items[number]
        name = item.get("op") if isinstance(item, dict) else None
        operation = OPERATIONS.get(name) if isinstance(name, str) else None
        if operation is None:
            raise Problem(Fault.VALUE, f"op: expected one of {', '.join(OPERATIONS)}")
        key = item.get("key", f"{shared}#{number}" if shared else "")
        if not isinstance(key, str):
            raise Problem(Fault.VALUE, "key: expected a text")
        return request_of(call, operation, item, key, reason, _OF_ITEMS)

    results: list[Any] = []
    for outcome in call.work.submit_all(len(items), make):
        if isinstance(outcome, Problem):
            results.append(outcome.body)
        elif outcome.status.success:
            results.append(shown.packed_outcome(outcome))
        else:
            results.append(refusal(outcome))
    return Answer({"items": results}, cost=len(items))
