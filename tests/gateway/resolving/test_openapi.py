"""The document of a gateway is valid, and what it says of each route is what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema.validators import Draft202012Validator
from schemathesis.specs.openapi import checks as conformance

from tests.support.gateways import gateway_http
from tests.support.resolved import ABSENT, ACTIVE, ALIAS, ELSEWHERE, INVALID, RETIRED, network

NONE = list(HealthCheck)
CHECKS = [
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_schema_conformance,
]
OPERATIONS = [
    ("/v1/identifiers", "GET"),
    ("/v1/identifiers/{identifier}", "GET"),
    ("/v1/resolve", "POST"),
    ("/dns-query", "GET"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("openapi")
    with (
        network(folder) as net,
        gateway_http(folder / "gateway", net.top) as gateway,
        gateway.client() as made,
    ):
        yield made


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> Any:
    return client.get("/openapi.json").json()


def validate(document: Any, name: str, value: Any) -> None:
    schema = {**document, **document["components"]["schemas"][name]}
    jsonschema.validate(value, schema, Draft202012Validator)


def test_its_schemas_are_valid_and_its_operations_have_names(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names)
    found = {(path, how.upper()) for path, all_of in document["paths"].items() for how in all_of}
    assert found >= {*OPERATIONS, ("/dns-query", "POST")}


@pytest.mark.parametrize("identifier", [ACTIVE, RETIRED, ALIAS, ELSEWHERE, ABSENT, INVALID, "xx"])
def test_what_is_said_of_an_identifier_is_as_its_schema_says(
    client: httpx.Client, document: Any, identifier: object
) -> None:
    answer = client.get(f"/v1/identifiers/{identifier}")
    name = "Resolution" if answer.status_code < 400 or answer.status_code == 410 else "Problem"
    validate(document, name, answer.json())
    batch = client.post("/v1/resolve", json={"identifiers": [str(identifier)]})
    (line,) = batch.text.splitlines()
    validate(document, "Result", json.loads(line))
    assert json.loads(line)["status"] == answer.status_code


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_whatever_is_asked_it_answers_as_the_document_says(
    client: httpx.Client, document: Any, path: str, method: str
) -> None:
    operation = schemathesis.openapi.from_dict(document)[path][method]

    @given(operation.as_strategy())
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=NONE)
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(base_url=str(client.base_url))
        case.validate_response(answer, checks=CHECKS)
        assert answer.status_code != 500

    ask()
