"""The routes of a gateway, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from csid.names import key_of
from gateway.http.media import JSON
from gateway.resolving import openapi
from gateway.resolving.app import DOCUMENT, Application
from gateway.resolving.batches import Batches
from gateway.resolving.calls import Bodies, Route, encode
from gateway.resolving.dns_queries import DnsQueries
from gateway.resolving.explanations import explaining
from gateway.resolving.handles import Handles
from gateway.resolving.health import Health, Sample
from gateway.resolving.identifiers import Identifiers
from gateway.resolving.lookups import Lookups
from gateway.resolving.meanings import Suffixes
from gateway.resolving.page.routes import routes as routes_of_page
from gateway.resolving.searches import Searches
from gateway.resolving.traces import Traces
from resolver.answer.process import Answerer
from resolver.recursion.cuts import Cut
from resolver.server.counters import BATCHES, QUERIES, Counters
from resolver.server.notices import Repeated

_SINGLE_SHARE: Final = 2  # one octet of so many is for single answers, the others for batches


class Gateway:
    """What the routes of a gateway share. Further routes take from here what they need.

    Args:
        lookups: finds out what names have.
        suffixes: of the DNS names of identifiers; the first is that of identifiers without one.
        authority: of their Handles.
        answerer: makes DNS messages.
        tops: zones whose servers are configured; at and below them others are asked.
        memory: octets of answers that are ready.
        searches: passes searches on.

    Attributes:
        bodies: reads bodies.
        further_samples: gives metrics of further routes.
    """

    def __init__(
        self,
        lookups: Lookups,
        suffixes: Sequence[str],
        authority: str,
        answerer: Answerer,
        tops: Sequence[Cut],
        memory: int,
        searches: Searches,
    ) -> None:
        self.lookups = lookups
        self.suffixes = Suffixes(suffixes)
        self.authority = authority
        self.bodies = Bodies()
        self.further_samples: Callable[[], Iterable[Sample]] = tuple
        single = memory // _SINGLE_SHARE
        self.identifiers = Identifiers(lookups, self.suffixes, authority, single)
        self.batches = Batches(lookups, self.suffixes, self.bodies, memory - single)
        served = [key_of(one.name) for one in tops]
        self.queries = DnsQueries(lookups, answerer, served, self.bodies)
        self.traces = Traces(self.suffixes, tops)
        self.handles = Handles(lookups, self.suffixes)
        self.searches = searches

    def samples(self, counters: Counters) -> Iterator[Sample]:
        """The metrics of this process."""
        counts = self.lookups.counts
        ready = self.identifiers.remembered.octets
        ready += sum(one.octets for one in self.batches.remembered.values())
        rows = (
            ("calls_total", "counter", "Calls taken.", counters[QUERIES]),
            ("problems_total", "counter", "Calls that failed.", counters[BATCHES]),
            ("batch_items_total", "counter", "Identifiers in batches.", self.batches.resolved),
            ("batches", "gauge", "Batches under way.", self.batches.under_way),
            ("hits_total", "counter", "Answers from the cache.", counts.hits),
            ("asked_total", "counter", "Questions not in the cache.", counts.asked),
            ("unanswered_total", "counter", "Of them without an answer.", counts.unanswered),
            ("waiting", "gauge", "Questions under way.", len(self.lookups)),
            ("ready_bytes", "gauge", "Answers that are ready.", ready),
        )
        for name, kind, words, value in rows:
            yield f"csid_gateway_http_{name}", kind, words, value
        yield from self.further_samples()


def routes_of(gateway: Gateway, health: Health) -> list[Route]:
    """The routes; further ones go behind them."""
    one, many, dns = gateway.identifiers, gateway.batches, gateway.queries
    return [
        Route("GET", "/v1/identifiers", gateway.searches.find, openapi.FIND),
        Route("GET", "/v1/identifiers/{identifier}", one.show, openapi.SHOW),
        Route(
            "GET",
            "/v1/identifiers/{identifier}/explanation",
            explaining(gateway.suffixes),
            openapi.EXPLAIN,
        ),
        Route("GET", "/v1/identifiers/{identifier}/trace", gateway.traces.show, openapi.TRACE),
        Route("GET", "/api/handles/{handle}", gateway.handles.show, openapi.HANDLE),
        Route("GET", "/api/handles/", gateway.handles.show),  # of none, which is told as such
        *routes_of_page(),
        Route("POST", "/v1/resolve", many.resolve, openapi.RESOLVE),
        Route("GET", "/dns-query", dns.get, openapi.DNS_GET),
        Route("POST", "/dns-query", dns.post, openapi.DNS_POST),
        Route("GET", "/healthz", health.health, openapi.HEALTH),
        Route("GET", "/readyz", health.ready, openapi.READY),
        Route("GET", "/metrics", health.metrics, openapi.METRICS),
    ]


def application_of(
    gateway: Gateway,
    counters: Counters,
    complaints: Repeated,
    allows: Callable[[str], bool],
    further: Sequence[Route] = (),
) -> Application:
    """The application of a gateway, with further routes, which answers those whose address it
    allows.
    """
    health = Health(gateway.lookups, gateway.suffixes.first, lambda: gateway.samples(counters))
    routes = [*routes_of(gateway, health), *further]
    document = encode(openapi.document(routes))

    async def show_document(_: Request) -> Response:
        return Response(document, media_type=JSON)

    routes.append(Route("GET", DOCUMENT, show_document))
    return Application(routes, counters, complaints, gateway.identifiers.at_once, allows)
