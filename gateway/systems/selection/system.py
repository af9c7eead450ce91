"""The system `selection`, as a whole."""

from __future__ import annotations

from typing import Any, Final

from csid.vocabulary import Words
from gateway.systems.contract import ASK, OPERATE, Route, System, Task
from gateway.systems.selection import calls, kept, latency_calls, path_calls, probes, rows
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.dispatching import dispatch
from gateway.systems.selection.metrics import metrics
from gateway.systems.selection.paths import alto
from gateway.systems.selection.paths.lines import Line, Order
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
        asked=calls.How,
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
        asked=calls.Listed,
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

PATHS: Final = (
    Route(
        "GET",
        "/v1/lines",
        "listLines",
        Words("列出专线", "dedicated lines"),
        path_calls.list_lines,
        asked=path_calls.LinesAsked,
        said=dict[str, Any],
    ),
    Route(
        "POST",
        "/v1/lines",
        "addLine",
        Words("登记专线", "take in a dedicated line"),
        path_calls.add_line,
        given=Line,
        said=Line,
        role=OPERATE,
    ),
    Route(
        "POST",
        "/v1/lines/{line}/orders",
        "orderLine",
        Words("申请开通专线", "order that a line be opened"),
        path_calls.order_line,
        given=path_calls.NewOrder,
        said=Order,
        role=ASK,
    ),
    Route(
        "POST",
        "/v1/orders/{order}",
        "answerOrder",
        Words("办理开通申请", "say what becomes of an order"),
        path_calls.answer_order,
        given=path_calls.Verdict,
        said=Order,
        role=OPERATE,
    ),
    Route(
        "GET",
        "/v1/lines/{line}",
        "showLine",
        Words("查看专线", "a line with its orders and its history"),
        path_calls.show_line,
        said=dict[str, Any],
    ),
    Route(
        "GET",
        "/v1/paths",
        "findPaths",
        Words("查询算网路径", "ways over lines, beside the public internet"),
        path_calls.show_ways,
        asked=path_calls.WaysAsked,
        said=dict[str, Any],
    ),
    Route(
        "GET",
        "/v1/latencies",
        "listLatencies",
        Words("列出实测时延", "what was measured between places"),
        latency_calls.list_latencies,
        asked=latency_calls.LatenciesAsked,
        said=dict[str, Any],
    ),
    Route(
        "POST",
        "/v1/latencies",
        "tellLatencies",
        Words("上报实测时延", "tell what was measured between places"),
        latency_calls.tell_latencies,
        given=latency_calls.Told,
        said=dict[str, Any],
        role=OPERATE,
    ),
    Route(
        "DELETE",
        "/v1/latencies",
        "forgetLatenciesOf",
        Words("删除测量方的实测时延", "forget all that one has measured"),
        latency_calls.forget_of,
        asked=latency_calls.OfWhom,
        said=dict[str, Any],
        role=OPERATE,
    ),
    Route(
        "GET",
        "/v1/latencies/{pair}",
        "showLatency",
        Words("查看时延", "the round trip between two places, FROM/TO, and what that rests on"),
        latency_calls.show_latency,
        said=dict[str, Any],
    ),
    Route(
        "DELETE",
        "/v1/latencies/{pair}",
        "forgetLatency",
        Words("删除实测时延", "forget what was measured between two places, FROM/TO"),
        latency_calls.forget_latency,
        asked=latency_calls.OfWhom,
        said=dict[str, Any],
        role=OPERATE,
    ),
    *(
        Route("GET", f"/alto/{path}", name, words, handle, said=dict[str, Any], media=media)
        for path, name, words, handle, media in (
            (
                "directory",
                "altoDirectory",
                Words("ALTO 目录", "all ALTO resources (RFC 7285)"),
                path_calls.alto_directory,
                alto.DIRECTORY,
            ),
            (
                "networkmap",
                "altoNetworkMap",
                Words("ALTO 网络图", "places as PIDs"),
                path_calls.alto_network_map,
                alto.NETWORK_MAP,
            ),
            (
                "properties",
                "altoProperties",
                Words("ALTO 属性", "what and where PIDs are (RFC 9240)"),
                path_calls.alto_properties,
                alto.PROPERTY_MAP,
            ),
            (
                "costmap/{metric}",
                "altoCostMap",
                Words("ALTO 代价图", "delays between PIDs (RFC 9439)"),
                path_calls.alto_cost_map,
                alto.COST_MAP,
            ),
        )
    ),
    Route(
        "POST",
        "/alto/costmap",
        "altoFilteredCostMap",
        Words("ALTO 筛选代价图", "the costs that are asked for (RFC 7285 section 11.3.2)"),
        path_calls.alto_filtered,
        given=bytes,
        said=dict[str, Any],
        media=alto.COST_MAP,
    ),
)

SYSTEM: Final = System(
    name="selection",
    words=Words("算力选择系统", "the compute that a demand needs, found, ranked and reached"),
    settings=Selection,
    tables=(*rows.TABLES, kept.TABLE),
    begin=Selecting,
    routes=(*ROUTES, *PATHS),
    tasks=(
        Task("following", Selecting.follow),
        Task("releasing", Selecting.let_go),
        Task("noticing", Selecting.notice),
        Task("probing", probes.go_on),
        Task("remembering", Selecting.remember),
        Task("dispatching", dispatch),
    ),
    metrics=metrics,
)
