"""The calls of selection: what fits a demand, once or as it changes; demands that are kept; what is
reserved for seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from csid.errors import IdentifierError
from csid.identifier import parse
from csid.moments import iso
from gateway.http.calls import key_of
from gateway.http.problems import Fault, Problem, Reason
from gateway.systems.contract import ASK, OPERATE, Answer, Call
from gateway.systems.keys import require as require_role
from gateway.systems.selection import reserving, said
from gateway.systems.selection.allocation import blocks_asked
from gateway.systems.selection.demand import Demand, DemandError, conditions_of
from gateway.systems.selection.kept import DAY, DAYS_MAX, Kept, TooManyError
from gateway.systems.selection.reservations import ITEMS_MAX, Item, NotFreeError, Reservation
from gateway.systems.selection.state import Selecting
from gateway.systems.selection.streams import stream

DEMANDS: Final = 1_000  # of a page, at most


class Unfit(Reason):
    """Why something cannot be had."""

    NOT_FREE = (409, "已无空闲", "it is not free any more")


class Keep(msgspec.Struct, forbid_unknown_fields=True):
    """A demand to be kept."""

    demand: Demand
    days: Annotated[float, msgspec.Meta(gt=0, le=DAYS_MAX)] = 30.0
    dispatch: bool = False


class Listed(msgspec.Struct):
    """Which demands are listed: a page of those behind a name."""

    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=DEMANDS)] = 100


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
        answered(state, demand)  # what cannot be answered is refused before events begin
        return Answer(stream(state, demand, how.explain))
    whole = _reserving(state, call, how.reserve) if how.reserve else answered(state, demand)
    await said.explained(state, demand, whole, how.explain)
    return Answer(whole)


def _reserving(state: Selecting, call: Call, seconds: int) -> dict[str, Any]:
    """What fits, with what is reserved of it; the same again under the same key says what was
    reserved then, and finds it as if it were not.
    """
    require_role(call.caller, ASK)
    demand: Demand = call.given
    asked = reserving.words_of(demand)
    held = state.reservations.under(call.caller.name, key := key_of(call.headers))
    if held is not None:
        if held.asked != asked:
            detail = f"Idempotency-Key {key[:40]}: something else was reserved by it"
            raise Problem(Unfit.NOT_FREE, detail)
        with reserving.put_back(state, held):
            whole = answered(state, demand)
        whole["allocation"] = [said.taken(one) for one in held.items]
        return whole | {"reservation": _reserved(held)}
    whole = answered(state, demand)
    if "allocation" not in whole:
        raise Problem(Fault.VALUE, "reserve: what is free and counted is reserved: free, cards")
    items = tuple(said.item_of(one) for one in whole["allocation"])
    if items:
        whole["reservation"] = _reserve(state, call, items, seconds, asked)
    return whole


def answered(state: Selecting, demand: Demand) -> dict[str, Any]:
    """What is said to a demand.

    Raises:
        Problem: it cannot be understood.
    """
    try:
        return said.answer(state, demand)
    except DemandError as error:
        raise Problem(Fault.VALUE, str(error)) from None


def require(demand: Demand) -> None:
    """Refuse what is no demand.

    Raises:
        Problem: it is none.
    """
    try:
        conditions_of(demand, 0)
        if demand.free and (demand.blocks or demand.cards):
            blocks_asked(demand)
    except DemandError as error:
        raise Problem(Fault.VALUE, str(error)) from None


# -- demands that are kept


async def keep(state: Selecting, call: Call) -> Answer:
    """Keep a demand."""
    given: Keep = call.given
    require(given.demand)
    if given.dispatch and not state.said.dispatcher:
        raise Problem(Fault.VALUE, "dispatch: there is no dispatcher; [selection] dispatcher")
    whole = _of_kept(state, given.demand)
    now = state.now()
    try:
        made = state.demands.keep(
            call.caller.name, given.demand, now, now + round(given.days * DAY), given.dispatch
        )
    except TooManyError as error:
        raise Problem(Fault.TOO_MANY, str(error)) from None
    state.changed(())  # whoever hands demands on looks
    shown = _open(made, whole)  # a chip may be misspelt, or not registered yet
    return Answer(shown, 201, {"Location": f"/v1/demands/{made.name}"})


async def list_demands(state: Selecting, call: Call) -> Answer:
    """A page of the demands of the caller, by name; of all, for who runs the system."""
    asked: Listed = call.asked
    by = None if call.caller.role == OPERATE else call.caller.name
    found = state.demands.page(by, asked.after, asked.limit + 1)
    page = found[: asked.limit]
    following = page[-1].name if len(found) > len(page) else None
    return Answer({"items": [_kept(one) for one in page], "next": following})


async def show_demand(state: Selecting, call: Call) -> Answer:
    """A demand, and what fits it now."""
    one = _demand(state, call)
    whole = _of_kept(state, one.demand)
    await said.explained(state, one.demand, whole, None)
    return Answer(_open(one, whole) | {"selection": whole})


async def stream_demand(state: Selecting, call: Call) -> Answer:
    """What fits a demand that is kept, as it changes."""
    one = _demand(state, call)
    _of_kept(state, one.demand)  # what cannot be answered is refused before events begin
    return Answer(stream(state, one.demand))


async def withdraw(state: Selecting, call: Call) -> Answer:
    """Keep a demand no longer."""
    one = _demand(state, call)
    state.demands.withdraw(one.name)
    return Answer(_kept(one))


def _of_kept(state: Selecting, demand: Demand) -> dict[str, Any]:
    try:
        return said.of_kept(state, demand)
    except DemandError as error:  # an older version of this program took it
        raise Problem(Fault.VALUE, str(error)) from None


def _open(one: Kept, whole: dict[str, Any]) -> dict[str, Any]:
    """A demand as it is shown; of one that is open and cannot be answered yet, why."""
    why = {"why": whole["unanswered"]} if one.state == "open" and "unanswered" in whole else {}
    return _kept(one) | why


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


def _reserve(
    state: Selecting, call: Call, items: tuple[Item, ...], seconds: int, asked: str = ""
) -> dict[str, Any]:
    """Reserve all of it, without anybody coming between.

    Raises:
        Problem: nothing is reserved.
    """
    most = state.said.reserve
    if seconds > most:
        raise Problem(Fault.VALUE, f"seconds: expected at most {most} ([selection] reserve)")
    try:
        made = reserving.take(state, call.caller.name, items, seconds, key_of(call.headers), asked)
    except NotFreeError as error:
        raise Problem(Unfit.NOT_FREE, str(error)) from None
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
        "items": [
            {name: value for name, value in msgspec.to_builtins(item).items() if value}
            for item in one.items
        ],
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
        "probes": [
            {
                "from": one.probe.one,
                "to": one.probe.other,
                "server": str(one.probe.server),
                "age": round((now - one.taken) / 1_000, 3) if one.taken else None,
                "why": one.why,
            }
            for one in state.probes
        ],
    }
    return Answer(whole)
