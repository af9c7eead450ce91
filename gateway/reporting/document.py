"""What the document of a gateway (OpenAPI 3.1) says of reports and statuses."""

from __future__ import annotations

from typing import Any, Final

from gateway.http.media import JSON, MSGPACK
from gateway.http.problems import MEDIA_TYPE
from gateway.reporting.schemas import documents

Schema = dict[str, Any]

_STRING: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer", "minimum": 0}
_PROBLEM: Final = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_ITEM: Final = {
    "type": "object",
    "properties": {"status": _NUMBER, "outcome": _STRING, "detail": _STRING},
    "required": ["status", "outcome"],
}
_SAID: Final = {"anyOf": [_ITEM, {"type": "object", "properties": {"items": {"type": "array"}}}]}


def _bare(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name not in ("$schema", "$id")}


def _one_or_many(schema: Schema) -> Schema:
    many = {"type": "array", "items": schema, "minItems": 1}
    listed = {"type": "object", "properties": {"items": many}, "required": ["items"]}
    return {"anyOf": [schema, many, listed]}


def _post(name: str, zh: str, en: str, schema: Schema, *media: str) -> Schema:
    said = {one: {"schema": _SAID} for one in (JSON, MSGPACK)}
    return {
        "operationId": name,
        "summary": f"{zh} {en}",
        "requestBody": {
            "required": True,
            "content": {one: {"schema": _one_or_many(schema)} for one in media},
        },
        "responses": {
            "200": {"description": "what came of each, if not the same of all", "content": said},
            "202": {"description": "taken; the node gets it", "content": said},
            "409": {"description": "another came under this number or id", "content": said},
            "4XX": {"description": "it is not taken", **_PROBLEM},
            "5XX": {"description": "it cannot be taken now; post it again", **_PROBLEM},
        },
    }


_DOCUMENTS: Final = {name: _bare(one) for name, one in documents().items()}
_EVENT: Final = {"anyOf": [one for name, one in _DOCUMENTS.items() if name.startswith("events/")]}
STATUS: Final = _post(
    "postStatus", "上报状态", "report statuses", _DOCUMENTS["status-v1.json"], JSON, MSGPACK
)
EVENTS: Final = _post(
    "postEvents",
    "上报事件",
    "report events (CloudEvents 1.0)",
    _EVENT,
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    JSON,
    MSGPACK,
)
SHOW: Final[Schema] = {
    "operationId": "showStatus",
    "summary": "实时状态 the newest status of an identifier",
    "responses": {
        "200": {
            "description": "the status, its age and its source; unknown past its validity",
            "content": {
                one: {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "identifier": _STRING,
                            "status": {"enum": ["free", "busy", "down", "unknown"]},
                            "age": _NUMBER,
                        },
                        "required": ["identifier", "status"],
                    }
                }
                for one in (JSON, MSGPACK)
            },
        },
        "4XX": {"description": "there is no such identifier", **_PROBLEM},
        "5XX": {"description": "nobody can say at this time", **_PROBLEM},
    },
}
STREAM: Final[Schema] = {
    "operationId": "streamStatus",
    "summary": "状态变化流 changes of statuses, as server-sent events",
    "parameters": [
        {"name": "prefix", "in": "query", "schema": {"type": "array", "items": _STRING}},
        {"name": "Last-Event-ID", "in": "header", "schema": _STRING},
    ],
    "responses": {
        "200": {
            "description": "events `status`; `missed` where some are not kept any more",
            "content": {"text/event-stream": {"schema": _STRING}},
        },
        "4XX": {"description": "a prefix is none", **_PROBLEM},
        "5XX": {"description": "too many follow", **_PROBLEM},
    },
}
