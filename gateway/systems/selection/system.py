"""The system `selection`, as a whole."""

from __future__ import annotations

from typing import Any, Final

from csid.vocabulary import Words
from gateway.systems.contract import ASK, Route, System, Task
from gateway.systems.selection import calls, kept, rows
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.settings import Selection
from gateway.systems.selection.state import Selecting

DEMAND_OCTETS: Final = 64 << 10  # of a body

ROUTES: Final = (
    Route(
        "POST",
        "/v1/select",
        "select",
        Words("选择算力", "what fits a demand, the best first; as events: as it changes"),
        calls.select,
        given=Demand,
        said=dict[str, Any],
        octets=DEMAND_OCTETS,
    ),
    Route(
        "GET",
        "/v1/selection",
        "showSources",
        Words("供给来源", "where supply is learnt from, and how fresh that is"),
        calls.show_sources,
        said=dict[str, Any],
    ),
    Route(
        "POST",
        "/v1/demands",
        "keepDemand",
        Words("登记需求", "keep a demand"),
        calls.keep,
        given=calls.Keep,
        said=dict[str, Any],
        role=ASK,
        octets=DEMAND_OCTETS,
    ),
    Route(
        "GET",
        "/v1/demands",
        "listDemands",
        Words("列出需求", "the demands of the caller"),
        calls.list_demands,
        said=dict[str, Any],
    ),
    Route(
        "GET",
        "/v1/demands/{demand}/stream",
        "followDemand",
        Words("跟踪需求", "what fits a demand, as it changes (events)"),
        calls.stream_demand,
        media="text/event-stream",
    ),
    Route(
        "GET",
        "/v1/demands/{demand}",
        "showDemand",
        Words("查看需求", "a demand, and what fits it now"),
        calls.show_demand,
        said=dict[str, Any],
    ),
    Route(
        "DELETE",
        "/v1/demands/{demand}",
        "withdrawDemand",
        Words("撤回需求", "keep a demand no longer"),
        calls.withdraw,
        said=dict[str, Any],
        role=ASK,
    ),
    Route(
        "POST",
        "/v1/reservations",
        "reserve",
        Words("短时预留", "reserve for seconds what is free"),
        calls.reserve,
        given=calls.Reserve,
        said=dict[str, Any],
        role=ASK,
        octets=DEMAND_OCTETS,
    ),
    Route(
        "GET",
        "/v1/reservations",
        "listReservations",
        Words("列出预留", "what the caller has reserved"),
        calls.list_reservations,
        said=dict[str, Any],
    ),
    Route(
        "DELETE",
        "/v1/reservations/{reservation}",
        "release",
        Words("解除预留", "release what was reserved"),
        calls.release,
        said=dict[str, Any],
        role=ASK,
    ),
)

SYSTEM: Final = System(
    name="selection",
    words=Words("算力选择系统", "the compute that a demand needs, found, ranked and reached"),
    settings=Selection,
    tables=(*rows.TABLES, kept.TABLE),
    begin=Selecting,
    routes=ROUTES,
    tasks=(Task("following", Selecting.follow), Task("releasing", Selecting.let_go)),
)
