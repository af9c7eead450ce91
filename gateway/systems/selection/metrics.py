"""How selection is, for Prometheus (docs/systems.md lists what there is)."""

from __future__ import annotations

from gateway.systems.contract import Metric
from gateway.systems.selection.state import Selecting


async def metrics(state: Selecting) -> list[Metric]:
    """What is known, who follows it, and how fresh it is."""
    sources = [({"source": one.name, "what": one.what}, one) for one in state.sources]
    probes = [
        ({"from": one.probe.one, "to": one.probe.other, "server": str(one.probe.server)}, one)
        for one in state.probes
    ]
    return [
        Metric("identifiers", "gauge", "What is selected from.", [({}, len(state.supply))]),
        Metric(
            "complete",
            "gauge",
            "Whether all that the registries have was read, once at least.",
            [({}, state.complete)],
        ),
        Metric("reservations", "gauge", "What is reserved.", [({}, len(state.reservations))]),
        Metric(
            "open_demands",
            "gauge",
            "Demands that are kept, and open.",
            [({}, len(state.demands.open()))],
        ),
        Metric(
            "source_follows",
            "gauge",
            "Whether a source is followed just now.",
            [(labels, bool(one.since)) for labels, one in sources],
        ),
        Metric(
            "source_heard_timestamp_seconds",
            "gauge",
            "When a source was heard last, since 1970.",
            [(labels, one.heard / 1_000) for labels, one in sources if one.heard],
        ),
        Metric(
            "probe_failing",
            "gauge",
            "Whether the last measurement of a probe had no answer.",
            [(labels, bool(one.why)) for labels, one in probes],
        ),
        Metric(
            "probe_measured_timestamp_seconds",
            "gauge",
            "When a probe has measured last, since 1970.",
            [(labels, one.taken / 1_000) for labels, one in probes if one.taken],
        ),
    ]
