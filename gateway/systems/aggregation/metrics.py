"""How aggregation is, for Prometheus (docs/systems.md lists what there is)."""

from __future__ import annotations

from typing import NamedTuple

from gateway.systems.aggregation.known import Polled
from gateway.systems.aggregation.quarantine import WAITING
from gateway.systems.aggregation.region import Aggregating
from gateway.systems.aggregation.tables import Book
from gateway.systems.contract import Metric


class _Of(NamedTuple):
    """How a source is."""

    name: str
    paused: bool
    pools: int
    is_held: bool
    polled: Polled


async def metrics(state: Aggregating) -> list[Metric]:
    """How each source is that is polled."""
    found: list[_Of] = await state.in_tables(_sources, state.book)
    polled = [({"source": one.name}, one.polled) for one in found if not one.paused]
    return [
        Metric(
            "source_paused",
            "gauge",
            "Whether a source is paused.",
            [({"source": one.name}, one.paused) for one in found],
        ),
        Metric(
            "source_pools",
            "gauge",
            "Pools that are known of a source.",
            [({"source": one.name}, one.pools) for one in found],
        ),
        Metric(
            "source_held_back",
            "gauge",
            "Whether what a source has said waits for a word.",
            [({"source": one.name}, one.is_held) for one in found],
        ),
        Metric(
            "source_failures",
            "gauge",
            "Polls that have failed in a row.",
            [(labels, one.failures) for labels, one in polled],
        ),
        Metric(
            "source_units",
            "gauge",
            "Units that the last answer named.",
            [(labels, one.units) for labels, one in polled],
        ),
        Metric(
            "source_taken_timestamp_seconds",
            "gauge",
            "When that was said, since 1970.",
            [(labels, one.taken / 1_000) for labels, one in polled if one.taken],
        ),
        Metric(
            "source_poll_seconds",
            "gauge",
            "How long the last poll took.",
            [(labels, one.seconds) for labels, one in polled if one.at],
        ),
        Metric(
            "source_owed",
            "gauge",
            "Whether something waits that the registry was asked for.",
            [(labels, bool(one.owed)) for labels, one in polled],
        ),
        Metric(
            "source_refused",
            "gauge",
            "Whether the gateway has refused statuses.",
            [(labels, bool(one.refused)) for labels, one in polled],
        ),
    ]


def _sources(book: Book) -> list[_Of]:
    found = []
    for one in book.sources():
        held = book.held_back(one.name)
        is_held = held is not None and held.verdict == WAITING
        pools = book.count(one.name)
        found.append(_Of(one.name, one.paused, pools, is_held, book.polled(one.name)))
    return found
