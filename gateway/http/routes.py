"""The table of routes. The application is made from it, and so is its document (OpenAPI)."""

from __future__ import annotations

from typing import Final

from csid.vocabulary import Words
from gateway.http import reading, reports, writing
from gateway.http.bodies import (
    ADD_OWNER,
    ADD_POOL,
    JUDGEMENTS,
    OPERATIONS,
    QUALIFY_OWNER,
    REQUEST_FILING,
    STEPS,
    UPDATE_OWNER,
)
from gateway.http.calls import TEXT, Route

_ONE: Final = "/v1/identifiers/{identifier}"
_OWNER: Final = "/v1/owners/{owner}"

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST",
        "/v1/identifiers",
        "register",
        Words("赋码", "assign an identifier that is chosen, or the next one of a pool"),
        writing.register,
        schema="Registration",
        status=201,
    ),
    Route(
        "GET",
        "/v1/identifiers",
        "find",
        Words("检索", "find identifiers by prefix and attributes"),
        reading.find_identifiers,
        query=reading.SEARCH,
        answer="IdentifierPage",
    ),
    Route(
        "POST",
        "/v1/batches",
        "batch",
        Words("批量办理", "many operations at once, with a result for each"),
        writing.batch,
        schema="Batch",
        answer="BatchResults",
        lasts=True,
    ),
    # What stands below an identifier comes before it, as that has slashes itself.
    *(
        Route(
            "POST",
            f"{_ONE}/{step}",
            step,
            OPERATIONS[step].words,
            writing.carrying_out(OPERATIONS[step]),
            OPERATIONS[step],
        )
        for step in STEPS
    ),
    Route(
        "GET",
        f"{_ONE}/history",
        "history",
        Words("变更历史", "the changes of an identifier, the last one first"),
        reading.show_history,
        answer="Changes",
    ),
    Route(
        "GET",
        f"{_ONE}/proof",
        "prove",
        Words("出具证明", "the proof that a change is in the audit log (schemas/audit.md)"),
        reading.show_proof,
        query={"leaf": reading.LEAF},
        answer="",
        media=TEXT,
    ),
    Route(
        "GET",
        f"{_ONE}/filing",
        "filing",
        Words("备案状态", "what the national node has said of an identifier"),
        reading.show_filing,
        answer="Filing",
    ),
    Route(
        "GET",
        _ONE,
        "show",
        Words("查看标识", "one identifier"),
        reading.show_identifier,
        answer="WholeIdentifier",
    ),
    Route(
        "PATCH",
        _ONE,
        "update",
        OPERATIONS["update"].words,
        writing.update,
        OPERATIONS["update"],
        conditional=True,
    ),
    Route(
        "GET",
        "/v1/pools",
        "listPools",
        Words("列出资源池", "pools, and how far they are used"),
        reading.list_pools,
        query=reading.POOLS,
        answer="PoolPage",
    ),
    Route(
        "POST",
        "/v1/pools",
        "addPool",
        ADD_POOL.words,
        writing.carrying_out(ADD_POOL),
        ADD_POOL,
    ),
    Route(
        "GET",
        "/v1/owners",
        "listOwners",
        Words("列出主体", "the owners"),
        reading.list_owners,
        query=reading.OWNERS,
        answer="OwnerPage",
    ),
    Route(
        "POST",
        "/v1/owners",
        "addOwner",
        ADD_OWNER.words,
        writing.carrying_out(ADD_OWNER, "/v1/owners"),
        ADD_OWNER,
        status=201,
    ),
    *(
        Route(
            "POST",
            f"{_OWNER}/{word}",
            f"{word}Owner",
            operation.words,
            writing.carrying_out(operation),
            operation,
        )
        for word, operation in (*JUDGEMENTS.items(), ("qualify", QUALIFY_OWNER))
    ),
    Route(
        "GET",
        _OWNER,
        "showOwner",
        Words("查看主体", "one owner"),
        reading.show_owner,
        answer="Owner",
    ),
    Route(
        "PATCH",
        _OWNER,
        "updateOwner",
        UPDATE_OWNER.words,
        writing.carrying_out(UPDATE_OWNER),
        UPDATE_OWNER,
    ),
    Route(
        "GET",
        "/v1/filing",
        "listFilings",
        Words("备案情况", "the cuts that are filed, and what waits below them"),
        reading.list_filings,
        answer="Filings",
    ),
    Route(
        "POST",
        "/v1/filing",
        "requestFiling",
        REQUEST_FILING.words,
        writing.carrying_out(REQUEST_FILING),
        REQUEST_FILING,
    ),
    Route(
        "POST",
        "/v1/reports",
        "report",
        Words("上报", "statuses and events that a gateway has seen, with a result for each"),
        reports.report,
        schema="Reports",
        answer="ReportResults",
        octets=True,
    ),
    Route(
        "GET",
        "/v1/gateway",
        "showGateway",
        Words("本网关", "the gateway that asks, and what is taken of it"),
        reports.show_gateway,
        answer="Gateway",
    ),
    Route(
        "GET",
        "/v1/events",
        "listEvents",
        Words("事件", "events that gateways have reported, in the order they came"),
        reports.list_events,
        query=reports.EVENTS,
        answer="EventPage",
    ),
    Route(
        "GET",
        "/v1/changes",
        "changes",
        Words("变更流", "the changes from a leaf of the audit log on, to follow the registry"),
        reading.list_changes,
        query=reading.CHANGES,
        answer="ChangePage",
    ),
    Route(
        "GET",
        "/v1/checkpoint",
        "checkpoint",
        Words("检查点", "the checkpoint of the audit log that was signed last"),
        reading.show_checkpoint,
        answer="",
        media=TEXT,
    ),
)
