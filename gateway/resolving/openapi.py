"""The document of what a gateway answers over HTTP (OpenAPI 3.1), made of the table of routes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import metadata, resources
from typing import Any, Final

from csid.vocabulary import STATES
from gateway.http.media import JSON, MSGPACK, NDJSON
from gateway.http.problems import MEDIA_TYPE
from gateway.http.record_schema import record_schema
from gateway.resolving.calls import Route

Schema = dict[str, Any]

_STRING: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer", "minimum": 0}
_BOOLEAN: Final = {"type": "boolean"}
_MAYBE_STRING: Final = {"type": ["string", "null"]}
_SET: Final = {"enum": ["true", "yes", "", "false", "no"]}
_STATE: Final = {"enum": [*list(STATES)[:-1], None]}
_DNS: Final = {"application/dns-message": {"schema": {"type": "string", "format": "binary"}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _said(**members: Any) -> Schema:
    """An object all of whose members are there."""
    return {"type": "object", "properties": members, "required": list(members)}


def _content(schema: Schema, *media: str) -> Schema:
    return {one: {"schema": schema} for one in media}


def _answer(description: str, content: Schema | None = None, **headers: str) -> Schema:
    made: Schema = {"description": description}
    if content is not None:
        made["content"] = content
    if headers:
        made["headers"] = {
            name.replace("_", "-"): {"description": words, "schema": _STRING}
            for name, words in headers.items()
        }
    return made


def _problem(description: str, **headers: str) -> Schema:
    return _answer(description, _content(_ref("Problem"), MEDIA_TYPE), **headers)


def _operation(name: str, zh: str, en: str, answers: Schema, **more: Any) -> Schema:
    broken = {"5XX": _problem("it cannot be done now, or something went wrong here")}
    return {
        "operationId": name,
        "summary": f"{zh} {en}",
        "responses": answers | {one: broken[one] for one in broken if one not in answers},
        **more,
    }


def _many(name: str, schema: Schema) -> Schema:
    """A parameter that may stand many times."""
    return {"name": name, "in": "query", "schema": {"type": "array", "items": schema}}


_RESOLUTION: Final = _content(_ref("Resolution"), JSON, MSGPACK)
_RETRY: Final = "seconds after which to ask again"

SHOW: Final = _operation(
    "showIdentifier",
    "解析标识",
    "what an identifier resolves to",
    {
        "200": _answer("its record", _RESOLUTION, ETag="of this answer", Cache_Control="its TTL"),
        "301": _answer("it is an alias", _RESOLUTION, Location="of what it is an alias of"),
        "304": _answer("as the caller has it already"),
        "400": _problem("it is no identifier: the segment, the position and the reason"),
        "404": _problem("it is not assigned"),
        "410": _answer("it is retired: its tombstone", _RESOLUTION),
        "502": _problem("what its authority says is not valid"),
        "503": _problem("nobody can say at this time", Retry_After=_RETRY),
    },
    parameters=[
        {
            "name": "identifier",
            "in": "path",
            "required": True,
            "description": "as identifier, DNS name or Handle; its slashes as such or as %2F",
            "schema": {"type": "string", "minLength": 1, "maxLength": 512},
        },
        {"name": "lang", "in": "query", "schema": {"enum": ["zh", "en"]}},
        {"name": "Accept-Language", "in": "header", "schema": _STRING},
        {"name": "If-None-Match", "in": "header", "schema": _STRING},
    ],
)
EXPLAIN: Final = _operation(
    "explainIdentifier",
    "逐段释义",
    "what each segment of an identifier means, whether or not it is assigned",
    {
        "200": _answer("each part", _content(_ref("Explanation"), JSON)),
        "400": _problem("it is no identifier: the segment, the position and the reason"),
    },
    parameters=SHOW["parameters"][:3],
)
TRACE: Final = _operation(
    "traceIdentifier",
    "逐级解析",
    "the walk from the root, step by step, as it goes now",
    {
        "200": _answer("each step, as far as it comes", _content(_ref("Trace"), JSON)),
        "400": _problem("it is no identifier: the segment, the position and the reason"),
        "429": _problem("too many walks are under way", Retry_After=_RETRY),
    },
    parameters=SHOW["parameters"][:3],
)
_HANDLE: Final = _content(_ref("Handle"), JSON)
HANDLE: Final = _operation(
    "showHandle",
    "Handle 解析",
    "the Handle of an identifier, as the proxy of Handle.Net answers for it",
    {
        "200": _answer("its values, or that there are none of those asked for", _HANDLE),
        "400": _answer("it is no Handle of an identifier, or a parameter is wrong", _HANDLE),
        "404": _answer("there is no such Handle", _HANDLE),
        "500": _answer("what its authority says is not valid", _HANDLE),
        "503": _answer("nobody can say at this time", _HANDLE, Retry_After=_RETRY),
    },
    parameters=[
        {
            "name": "handle",
            "in": "path",
            "required": True,
            "description": "its slashes as such or as %2F",
            "schema": {"type": "string", "minLength": 1, "maxLength": 512},
        },
        _many("type", _STRING),
        _many("index", {"type": "integer"}),
        *({"name": one, "in": "query", "schema": _SET} for one in ("auth", "pretty")),
        {"name": "callback", "in": "query", "schema": _STRING},
    ],
)
FIND: Final = _operation(
    "findIdentifiers",
    "检索标识",
    "a search, passed on to the registry that is configured",
    {
        "200": _answer("a page of what it lists", _content(_ref("Page"), JSON)),
        "4XX": _problem("it is no search"),
        "503": _problem("no registry is configured, or it does not answer"),
    },
    parameters=[
        {"name": name, "in": "query", "schema": schema}
        for name, schema in (
            ("prefix", _STRING),
            ("limit", {"type": "integer", "minimum": 1, "maximum": 1_000}),
            ("after", _STRING),
        )
    ],
)
RESOLVE: Final = _operation(
    "resolve",
    "批量解析",
    "what many identifiers resolve to, in their order, one result a line or a map of msgpack",
    {
        "200": _answer("a result for each", _content(_ref("Result"), NDJSON, MSGPACK)),
        "4XX": _problem("the body is no batch, too large, too slow, or of another kind"),
    },
    requestBody={"required": True, "content": _content(_ref("Batch"), JSON, MSGPACK)},
)
_QUERY_ANSWERS: Final = {
    "200": _answer("the answer, whatever its response code", _DNS, Cache_Control="its TTL"),
    "4XX": _problem("there is no query"),
}
DNS_GET: Final = _operation(
    "queryByGet",
    "DNS 查询",
    "DNS over HTTPS (RFC 8484)",
    _QUERY_ANSWERS,
    parameters=[
        {
            "name": "dns",
            "in": "query",
            "required": True,
            "description": "the message in base64url",
            "schema": _STRING,
        }
    ],
)
DNS_POST: Final = _operation(
    "queryByPost",
    "DNS 查询",
    "DNS over HTTPS (RFC 8484)",
    _QUERY_ANSWERS,
    requestBody={"required": True, "content": _DNS},
)
_STATUS: Final = _content(_ref("Health"), JSON)
HEALTH: Final = _operation(
    "health",
    "健康检查",
    "whether names are resolved",
    {
        "200": _answer("they are, now or as before", _STATUS),
        "503": _answer("they are not", _STATUS),
    },
)
READY: Final = _operation(
    "ready",
    "就绪检查",
    "whether calls are answered",
    {"200": _answer("they are", _STATUS), "503": _answer("they are not", _STATUS)},
)
METRICS: Final = _operation(
    "metrics",
    "监控指标",
    "metrics as Prometheus reads them",
    {"200": _answer("the metrics", _content(_STRING, "text/plain"))},
)


def document(routes: Iterable[Route], schemas: Mapping[str, Any] | None = None) -> Schema:
    """The whole document.

    Args:
        routes: those with an operation are in it.
        schemas: further ones that their operations refer to.
    """
    paths: Schema = {}
    for route in routes:
        if route.operation is not None:
            paths.setdefault(route.path, {})[route.method.lower()] = dict(route.operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "csid gateway 算力标识网关接口",
            "version": metadata.version("csid"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": _schemas() | dict(schemas or {})},
    }


def _file(name: str) -> Schema:
    """A schema of schemas/."""
    found: Schema = json.loads(resources.files("schemas").joinpath(name).read_bytes())
    return found


def _schemas() -> Schema:
    problem = _said(type=_STRING, title=_STRING, title_zh=_STRING, status=_NUMBER, detail=_STRING)
    endpoint = _said(
        uri=_STRING,
        protocol=_STRING,
        host=_STRING,
        port=_NUMBER,
        is_address=_BOOLEAN,
        addresses={"type": "array", "items": _STRING},
    )
    record = {"anyOf": [_ref("Record"), {"type": "null"}]}
    row = _said(segment=_STRING, part=_STRING, code=_STRING, text=_STRING)
    step = _said(
        zone=_STRING,
        server=_STRING,
        server_name=_MAYBE_STRING,
        name=_STRING,
        type=_STRING,
        depth=_NUMBER,
        milliseconds={"type": "number"},
        outcome=_STRING,
        said=_STRING,
    )
    authority = _said(zone=_STRING, server=_STRING)
    return {
        "Problem": problem,
        "Page": _said(items={"type": "array", "items": {"type": "object"}}, next=_MAYBE_STRING),
        "Record": record_schema(),
        "Handle": _file("handle-v1.json"),
        "Explanation": {"type": "array", "items": row},
        "Trace": {"type": "array", "items": step},
        "Endpoint": endpoint,
        "Authority": authority,
        "Resolution": _said(
            identifier=_STRING,
            dns=_STRING,
            handle=_STRING,
            state=_STATE,
            state_text=_MAYBE_STRING,
            alias_of=_MAYBE_STRING,
            endpoints={"type": "array", "items": _ref("Endpoint")},
            record=record,
            authority={"anyOf": [_ref("Authority"), {"type": "null"}]},
            explanation=_ref("Explanation"),
            language={"enum": ["zh", "en"]},
            stale=_BOOLEAN,
            ttl=_NUMBER,
        ),
        "Batch": {
            "type": "object",
            "properties": {"identifiers": {"type": "array", "items": _STRING, "maxItems": 10_000}},
            "required": ["identifiers"],
            "additionalProperties": False,
        },
        "Result": {
            "oneOf": [
                _said(
                    given=_STRING,
                    status={"enum": [200, 301, 410]},
                    identifier=_STRING,
                    state=_STATE,
                    alias_of=_MAYBE_STRING,
                    record=record,
                    stale=_BOOLEAN,
                    ttl=_NUMBER,
                ),
                _said(
                    given=_MAYBE_STRING,
                    type=_STRING,
                    title=_STRING,
                    title_zh=_STRING,
                    status={"enum": [400, 404, 502, 503]},
                    detail=_STRING,
                    ttl=_NUMBER,
                ),
            ]
        },
        "Health": {
            "type": "object",
            "properties": {"status": _STRING, "resolved": _STRING, "seconds": {"type": "number"}},
            "required": ["status"],
        },
    }
