"""The calls of selection: what fits a demand, once or as it changes; demands that are kept; what is
reserved for seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec

from csid.errors import IdentifierError
from csid.identifier import parse
from csid.moments import iso
from gateway.http.calls import key_of
from gateway.http.problems import Fault, Problem, Reason
from gateway.systems.contract import ASK, OPERATE, Answer, Call, Event
from gateway.systems.keys import require as require_role
from gateway.systems.selection import said
from gateway.systems.selection.demand import Demand, DemandError, conditions_of
from gateway.systems.selection.kept import DAY, DAYS_MAX, Kept, TooManyError
from gateway.systems.selection.reservations import ITEMS_MAX, Item, NotFreeError, Reservation
from gateway.systems.selection.state import Selecting

GAP_SECONDS: Final = 0.1  # between two answers of a stream, at least
SHARE: Final = 20  # of the time at most one part in so many goes into all streams together
QUIET_SECONDS: Final = 15.0  # after which a stream says that it lives


class Unfit(Reason):
    """Why something cannot be had."""

    NOT_FREE = (409, "已无空闲", "it is not free any more")


class Keep(msgspec.Struct, forbid_unknown_fields=True):
    """A demand to be kept."""

    demand: Demand
    days: Annotated[float, msgspec.Meta(gt=0, le=DAYS_MAX)] = 30.0
    dispatch: bool = False


class Reserve(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be reserved."""

    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
    seconds: Annotated[int, msgspec.Meta(ge=1)] = 10


class How(msgspec.Struct):
    """How a selection is answered.

    Attributes:
        explain: say what each condition keeps away; otherwise where nothing fits. This looks at
            all there is.
        reserve: for so many seconds, what is asked for of the best.
    """

    explain: bool | None = None
    reserve: Annotated[int, msgspec.Meta(ge=0)] = 0


async def select(state: Selecting, call: Call) -> Answer:
    """What fits a demand, now; as events where the caller takes these."""
    demand: Demand = call.given
    require(demand)
    how: How = call.asked
    if "text/event-stream" in call.headers.get("accept", ""):
        if how.reserve:
            raise Problem(Fault.VALUE, "reserve: is asked for once, without a stream")
        return Answer(stream(state, demand, how.explain))
    if how.reserve:
        require_role(call.caller, ASK)
    whole = answered(state, demand)
    if how.reserve:
        if "allocation" not in whole:
            raise Problem(Fault.VALUE, "reserve: what is free and counted is reserved: free, cards")
        items = tuple(
            Item(one["identifier"], one["size"], one["blocks"], one["of"])
            for one in whole["allocation"]
        )
        if items:
            whole["reservation"] = _reserve(state, call, items, how.reserve)
    await explained(state, demand, whole, how.explain)
    return Answer(whole)


def answered(state: Selecting, demand: Demand) -> dict[str, Any]:
    """What is said to a demand.

    Raises:
        Problem: it cannot be understood.
    """
    try:
        return said.answer(state, demand)
    except DemandError as error:
        raise Problem(Fault.VALUE, str(error)) from None


async def explained(
    state: Selecting, demand: Demand, whole: dict[str, Any], explain: bool | None
) -> None:
    """Add why no more fits, if that is asked for, or nothing fits and it is not declined."""
    if explain or (explain is None and not said.holds(whole)):
        whole["why"] = await said.why(state, demand)


def require(demand: Demand) -> None:
    """Refuse what is no demand.

    Raises:
        Problem: it is none.
    """
    try:
        conditions_of(demand, 0)
    except DemandError as error:
        raise Problem(Fault.VALUE, str(error)) from None


async def stream(
    state: Selecting, demand: Demand, explain: bool | None = None
) -> AsyncIterator[Event]:
    """What fits, whenever that is something else than before: `selection`; else now and then that
    nothing has changed: `unchanged`.
    """
    before: Any = None
    number = 0
    state.streams += 1
    try:
        while True:
            version, begun = state.version, time.perf_counter()
            whole = answered(state, demand)
            await explained(state, demand, whole, explain)
            best = [(one["identifier"], one["points"]) for one in whole["results"]]
            now = best, whole.get("allocation")
            spent = time.perf_counter() - begun
            if now != before:
                before, number = now, number + 1
                yield Event("selection", whole, number)
            await asyncio.sleep(max(GAP_SECONDS, SHARE * spent * state.streams))
            while not await state.after(version, QUIET_SECONDS):
                yield Event("unchanged", {"at": whole["at"], "supply": whole["supply"]})
                version = state.version
    finally:
        state.streams -= 1


# -- demands that are kept


async def keep(state: Selecting, call: Call) -> Answer:
    """Keep a demand."""
    given: Keep = call.given
    require(given.demand)
    if given.dispatch and not state.said.dispatcher:
        raise Problem(Fault.VALUE, "dispatch: there is no dispatcher; [selection] dispatcher")
    now = state.now()
    try:
        made = state.demands.keep(
            call.caller.name, given.demand, now, now + round(given.days * DAY), given.dispatch
        )
    except TooManyError as error:
        raise Problem(Fault.TOO_MANY, str(error)) from None
    state.changed(())  # whoever hands demands on looks
    return Answer(_kept(made), 201, {"Location": f"/v1/demands/{made.name}"})


async def list_demands(state: Selecting, call: Call) -> Answer:
    """The demands of the caller; of all, for who runs the system."""
    found = [one for one in state.demands.all() if _is_its(call, one.by)]
    return Answer({"items": [_kept(one) for one in found]})


async def show_demand(state: Selecting, call: Call) -> Answer:
    """A demand, and what fits it now."""
    one = _demand(state, call)
    whole = answered(state, one.demand)
    await explained(state, one.demand, whole, None)
    return Answer(_kept(one) | {"selection": whole})


async def stream_demand(state: Selecting, call: Call) -> Answer:
    """What fits a demand that is kept, as it changes."""
    return Answer(stream(state, _demand(state, call).demand))


async def withdraw(state: Selecting, call: Call) -> Answer:
    """Keep a demand no longer."""
    one = _demand(state, call)
    state.demands.withdraw(one.name)
    return Answer(_kept(one))


def _demand(state: Selecting, call: Call) -> Kept:
    found = state.demands.get(call.path)
    if found is None or not _is_its(call, found.by):
        raise Problem(Fault.NO_SUCH_PATH, f"there is no demand {call.path[:40]!r} of this caller")
    return found


def _is_its(call: Call, by: str) -> bool:
    return call.caller.name == by or call.caller.role == OPERATE


def _kept(one: Kept) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(one)
    shown["demand"] = msgspec.to_builtins(one.demand)
    shown["state"] = one.state
    for name in ("at", "until", "changed"):
        shown[name] = iso(getattr(one, name) / 1_000, "milliseconds")
    return shown


# -- what is reserved


async def reserve(state: Selecting, call: Call) -> Answer:
    """Reserve for seconds."""
    given: Reserve = call.given
    items = tuple(_canonical(one) for one in given.items)
    made = _reserve(state, call, items, given.seconds)
    return Answer(made, 201, {"Location": f"/v1/reservations/{made['reservation']}"})


def _reserve(state: Selecting, call: Call, items: tuple[Item, ...], seconds: int) -> dict[str, Any]:
    """Reserve all of it, without anybody coming between.

    Raises:
        Problem: nothing is reserved.
    """
    most = state.said.reserve
    if seconds > most:
        raise Problem(Fault.VALUE, f"seconds: expected at most {most} ([selection] reserve)")
    told = {
        name: status
        for name in {one.identifier for one in items}
        if (status := state.status_of(name)) is not None
    }
    until = state.now() + seconds * 1_000
    try:
        made, after = state.reservations.take(
            call.caller.name, items, until, told, key_of(call.headers)
        )
    except NotFreeError as error:
        raise Problem(Unfit.NOT_FREE, str(error)) from None
    state.reserved(after)
    return _reserved(made)


async def list_reservations(state: Selecting, call: Call) -> Answer:
    """What the caller has reserved; what anybody has, for who runs the system."""
    found = [one for one in state.reservations.all() if _is_its(call, one.by)]
    return Answer({"items": [_reserved(one) for one in found]})


async def release(state: Selecting, call: Call) -> Answer:
    """Release what was reserved before its time is over."""
    found = state.reservations.get(call.path)
    if found is None or not _is_its(call, found.by):
        detail = f"there is no reservation {call.path[:40]!r} of this caller that holds"
        raise Problem(Fault.NO_SUCH_PATH, detail)
    state.reserved(state.reservations.release([found.name]))
    return Answer(_reserved(found))


def _canonical(one: Item) -> Item:
    try:
        return msgspec.structs.replace(one, identifier=str(parse(one.identifier)))
    except IdentifierError as error:
        raise Problem(Fault.VALUE, str(error)) from None


def _reserved(one: Reservation) -> dict[str, Any]:
    return {
        "reservation": one.name,
        "by": one.by,
        "until": iso(one.until / 1_000, "milliseconds"),
        "items": [msgspec.to_builtins(item) for item in one.items],
    }


async def show_sources(state: Selecting, _: Call) -> Answer:
    """Where supply is learnt from, and how fresh that is."""
    now = state.now()
    items = [
        {
            "source": one.name,
            "what": one.what,
            "follows": bool(one.since),
            "age": round((now - one.heard) / 1_000, 3) if one.heard else None,
            "taken": one.taken,
            "why": one.why,
        }
        for one in state.sources
    ]
    whole = {
        "supply": len(state.supply),
        "complete": state.complete,
        "reservations": len(state.reservations),
        "sources": items,
    }
    return Answer(whole)
