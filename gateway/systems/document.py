"""The document of what a process of systems answers (OpenAPI 3.1), made of the routes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Any, Final

import msgspec

from gateway.http.media import JSON
from gateway.http.problems import MEDIA_TYPE
from gateway.systems.contract import Route

_REF: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "title_zh": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document."""
    types = [one for route in routes for one in (route.given, route.said) if one is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    of_types = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        operation = _operation(route, of_types)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "csid systems 算力互联互通节点系统",
            "version": metadata.version("csid"),
        },
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _PROBLEM},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def _operation(route: Route, of_types: dict[int, Any]) -> dict[str, Any]:
    said = {} if route.said is None else {"schema": of_types[id(route.said)]}
    made: dict[str, Any] = {
        "operationId": route.name,
        "summary": str(route.words),
        "parameters": [*_in_path(route), *_in_query(route)],
        "responses": {
            "2XX": {"description": "done", "content": {route.media: said}},
            "4XX": _problem("the call is at fault"),
            "5XX": _problem("it cannot be done now, or something went wrong here"),
        },
    }
    if route.given is not None:
        body = {"schema": of_types[id(route.given)]}
        made["requestBody"] = {"required": True, "content": {JSON: body}}
    return made


def _in_path(route: Route) -> list[dict[str, Any]]:
    _, brace, rest = route.path.partition("{")
    if not brace:
        return []
    name = rest.partition("}")[0]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]


def _in_query(route: Route) -> list[dict[str, Any]]:
    if route.asked is None:
        return []
    (_,), components = msgspec.json.schema_components([route.asked], ref_template=_REF)
    members = components[route.asked.__name__]["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in members.items()
    ]


def _problem(words: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name="Problem")}
    return {"description": words, "content": {MEDIA_TYPE: {"schema": schema}}}
