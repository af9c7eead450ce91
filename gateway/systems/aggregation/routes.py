"""The routes of aggregation (docs/aggregation.md)."""

from __future__ import annotations

from typing import Any, Final

from csid.vocabulary import Words
from gateway.systems.aggregation import asked, calls, exchange, shapes
from gateway.systems.contract import ASK, OPERATE, Route

_WORD_OCTETS: Final = 4_096

ROUTES: Final = (
    Route(
        "GET",
        "/v1/aggregation/sources",
        "listComputeSources",
        Words("算力来源", "where compute is read, and how that goes"),
        calls.sources,
        said=shapes.Sources,
    ),
    Route(
        "GET",
        "/v1/aggregation/sources/{source}/units",
        "listUnits",
        Words("来源单元", "what a source has said last of its units"),
        calls.units,
        asked=asked.Page,
        said=shapes.Units,
    ),
    Route(
        "GET",
        "/v1/aggregation/sources/{source}",
        "showComputeSource",
        Words("查看来源", "a source, and what is held back of it"),
        calls.source,
        said=shapes.Source,
    ),
    Route(
        "POST",
        "/v1/aggregation/sources/{source}/accept",
        "acceptChange",
        Words("接受变更", "apply what is held back of a source and was shown"),
        calls.accept,
        given=asked.Judged,
        said=shapes.HeldBack,
        role=OPERATE,
        octets=_WORD_OCTETS,
    ),
    Route(
        "POST",
        "/v1/aggregation/sources/{source}/refuse",
        "refuseChange",
        Words("拒绝变更", "leave what is held back of a source and was shown"),
        calls.refuse,
        given=asked.Judged,
        said=shapes.HeldBack,
        role=OPERATE,
        octets=_WORD_OCTETS,
    ),
    Route(
        "GET",
        "/v1/aggregation/picture",
        "showPicture",
        Words("全域算力资源感知", "what compute there is, and what of it can be had"),
        calls.show_picture,
        asked=asked.Where,
        said=shapes.Picture,
    ),
    Route(
        "GET",
        "/v1/aggregation/history",
        "showUse",
        Words("算力使用历史", "how compute was used, by minute, hour or day"),
        calls.show_history,
        asked=asked.When,
        said=shapes.Past,
    ),
    Route(
        "GET",
        "/v1/aggregation/neighbours",
        "showNeighbours",
        Words("其他区域算力", "what is known of other regions"),
        calls.neighbours,
        said=shapes.Neighbours,
    ),
    Route(
        "POST",
        "/v1/aggregation/exchange",
        "exchangePictures",
        Words("算力态势交换", "a region tells of itself, and is told of the others"),
        calls.exchange,
        given=exchange.Report,
        said=exchange.Answer,
        role=ASK,
        octets=exchange.REPORT_OCTETS,
    ),
    Route(
        "GET",
        "/v1/aggregation/http_sd",
        "listTargets",
        Words("监控目标", "what is registered, as targets for Prometheus (http_sd_configs)"),
        calls.targets,
        said=list[dict[str, Any]],
    ),
)
