"""The document of the interface is valid, and what it says of each route is what is answered."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema.validators import Draft202012Validator
from schemathesis import checks
from schemathesis.specs.openapi import checks as conformance

from gateway.http import openapi
from gateway.http.calls import Route
from gateway.http.routes import ROUTES
from tests.support.commands import Node
from tests.support.interface import offered
from tests.support.registering import CLASS, OTHER, OWNER, PLACE, identifier

DOCUMENT = openapi.document()
NONE = list(HealthCheck)
CHECKS = [
    checks.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_schema_conformance,
]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("interface")
    node = Node(folder / "node")
    for owner in (OWNER, OTHER):
        node.accredit(owner)
    node.must("pool", "add", PLACE, "--class", CLASS, "--count", 100)
    node.must("assign", identifier("A001"), "--endpoint", "https://a.example:8443")
    node.must("audit", "key", "--new", "example.cn/log")
    node.must("audit", "checkpoint")
    with (
        offered(node, folder, more="per-second = 1000000") as found,
        found.client("administrator") as client,
    ):
        yield client


def test_each_route_is_an_operation_of_its_own() -> None:
    operations = [
        one["operationId"] for path in DOCUMENT["paths"].values() for one in path.values()
    ]
    assert sorted(operations) == sorted(route.name for route in ROUTES)
    assert len(set(operations)) == len(operations)
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_it_is_served_to_everybody(office: httpx.Client) -> None:
    answer = office.get("/v1/openapi.json", headers={"Authorization": ""})
    assert answer.json() == DOCUMENT


READS = {
    "show": f"/v1/identifiers/{identifier('A001')}",
    "history": f"/v1/identifiers/{identifier('A001')}/history",
    "filing": f"/v1/identifiers/{identifier('A001')}/filing",
    "find": "/v1/identifiers",
    "listPools": "/v1/pools",
    "listOwners": "/v1/owners",
    "showOwner": f"/v1/owners/{OWNER}",
    "listFilings": "/v1/filing",
    "changes": "/v1/changes",
}


@pytest.mark.parametrize("name", READS)
def test_what_is_read_is_as_its_schema_says(office: httpx.Client, name: str) -> None:
    (route,) = (one for one in ROUTES if one.name == name)
    answer = office.get(READS[name])
    assert answer.status_code == 200, answer.text
    schema = {**DOCUMENT, **DOCUMENT["components"]["schemas"][route.answer]}
    jsonschema.validate(answer.json(), schema, Draft202012Validator)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_whatever_is_asked_it_answers_as_the_document_says(
    office: httpx.Client, route: Route
) -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    operation = schema[route.path][route.method]
    headers = {"Authorization": office.headers["Authorization"]}

    @given(operation.as_strategy())
    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=NONE)
    def ask(case: schemathesis.Case) -> None:
        case.query.pop("wait", None)
        answer = case.call(base_url=str(office.base_url), headers=headers)
        case.validate_response(answer, checks=CHECKS)

    ask()
