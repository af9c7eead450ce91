"""Machines and their accelerators as Prometheus knows them from node exporters and exporters of
cards (DCGM): two instant queries a poll, and one more about targets that are newly down.

Prometheus does not know who has been given a card or a processor. Free is what is at rest, and the
label `estimated` says so. Options: `match`, a selector that each series has to fulfil
(`region="330106"`); `key`, a label that tells machines apart; `group`, a label that they are
pooled by; `stale`, seconds after which a sample does not count (120); `rest_percent` and
`rest_mib`, up to which utilisation and used memory a card is at rest (5; 1024).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from gateway.systems.aggregation.adapters import bodies, options, prometheus_hosts, units
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.prometheus_facts import (
    ANSWER,
    NAMES,
    WHAT,
    Facts,
    Name,
    Sample,
    name_of,
)
from gateway.systems.aggregation.readings import (
    Ask,
    Memory,
    Polling,
    Reading,
    ReadingError,
    Said,
    Source,
    Watch,
)

_OPTIONS: Final = ("match", "key", "group", "stale", "rest_percent", "rest_mib")
_SAMPLES_MAX: Final = 2_000_000
_RECALLED_MAX: Final = 20  # targets whose past is asked for in one poll
_TITLES_MAX: Final = 5  # named in a note
_MATCHER: Final = r'[a-zA-Z_]\w*(?:=~|!~|!=|=)"[^"\\\n]*"'
_MATCH: Final = re.compile(f"{_MATCHER}(?:,{_MATCHER})*", re.ASCII)
_REFUSED: Final = "expected the HTTP API of Prometheus below this URL"
# What is at rest has been so for these minutes; idle processors are the mean of them.
_MINUTES: Final = "5m"
_CARD: Final = "DCGM_FI_DEV_GPU_UTIL"
_IDLE: Final = 'node_cpu_seconds_total{mode="idle"%s}'
_MADE: Final = {
    "card_time": f"timestamp({_CARD}%s)",
    "card_peak": f"max_over_time({_CARD}%s[{_MINUTES}])",
    "node_time": "timestamp(node_memory_MemAvailable_bytes%s)",
    "cpus": f"count by (job, instance) ({_IDLE})",
    "idle": f"sum by (job, instance) (rate({_IDLE}[{_MINUTES}]))",
}


class _BuildInfo(msgspec.Struct):
    version: str = ""


class _Build(msgspec.Struct):
    data: _BuildInfo


_BUILD: Final = msgspec.json.Decoder(_Build)


class Prometheus:
    """The adapter."""

    kind = "prometheus"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        options.check(source, _OPTIONS)
        match = source.options.get("match", "")
        if match and not _MATCH.fullmatch(match):
            raise ReadingError(
                f'option match: {text(match)!r} is no selector such as region="330106"'
            )
        if "version" not in memory:
            (said,) = yield [Ask("version", "/api/v1/status/buildinfo", cached=False)]
            memory["version"] = _version(said)
        answered = yield [
            _query("values", _named(("up", *NAMES), match)),
            _query("made", _made(match)),
        ]
        facts = Facts()
        notes: list[str] = []
        missing: list[str] = []
        for one in answered:
            facts.learn(_samples(one, missing))
        yield from _recall(facts, memory.setdefault("past", {}), match, missing)
        facts.settle()
        machines = prometheus_hosts.units(facts.targets.values(), source, notes, missing)
        found = units.distinct(machines, notes)
        return Reading(
            units=found,
            taken=now,
            version=memory["version"],
            whole=not missing and len(found) == len(machines),
            notes=units.noted(missing + notes),
        )

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        return ()


def _recall(
    facts: Facts, past: dict[Name, list[Sample]], match: str, missing: list[str]
) -> Generator[Sequence[Ask], Sequence[Said], None]:
    """Learn of targets that are down what was known of them within a day: once each, while they
    are down. Those of other kinds have nothing to be remembered.
    """
    unknown = facts.unknown()
    for name in past.keys() - set(unknown):
        del past[name]
    asked = [name for name in unknown if name not in past][:_RECALLED_MAX]
    if asked:
        (said,) = yield [_query("past", _past(sorted({name[1] for name in asked}), match))]
        past.update((name, []) for name in asked)
        for sample in _samples(said, missing):
            if (known := past.get(name_of(sample.metric))) is not None:
                known.append(sample)
    for samples in past.values():
        facts.learn(samples)
    if left := [name for name in unknown if name not in past]:
        some = ", ".join(" ".join(name) for name in left[:_TITLES_MAX])
        missing.append(
            text(f"{len(left):,} targets are down, of which nothing is known yet: {some}")
        )


def _query(kind: str, query: str) -> Ask:
    return Ask(kind, f"/api/v1/query?query={quote(query, safe='')}", cached=False)


def _named(names: Sequence[str], match: str) -> str:
    return f'{{__name__=~"{"|".join(names)}"{match and ","}{match}}}'


def _made(match: str) -> str:
    """One query of all that is worked out; their labels keep apart what `or` would take for one."""
    parts = []
    for what, form in _MADE.items():
        within = f",{match}" if "{" in form else f"{{{match}}}"
        parts.append(_labelled(form % (within if match else ""), what))
    return " or ".join(parts)


def _labelled(expression: str, what: str) -> str:
    return f'label_replace({expression}, "{WHAT}", "{what}", "", "")'


def _past(instances: Sequence[str], match: str) -> str:
    """What was known of them within a day, in as few samples as that can be."""
    pattern = "|".join(map(re.escape, instances)).replace("\\", "\\\\").replace('"', '\\"')
    within = f'instance=~"{pattern}"{match and ","}{match}'
    names = [name for name in NAMES if name not in ("node_load1", _CARD)]
    cpus = f"last_over_time(count by (job, instance) ({_IDLE % f',{within}'})[1d:1m])"
    return f"last_over_time({_named(names, within)}[1d]) or {_labelled(cpus, 'cpus')}"


def _samples(said: Said, missing: list[str]) -> Sequence[Sample]:
    answer = bodies.read(said, ANSWER, "query", _REFUSED)
    if len(answer.data.result) > _SAMPLES_MAX:
        raise ReadingError(f"more than {_SAMPLES_MAX:,} samples: divide them with option match")
    missing += (f"not all is known: {text(warning)}" for warning in answer.warnings or ())
    return answer.data.result


def _version(said: Said) -> str:
    """Empty where it is not said: others have the same queries and no such page."""
    try:
        return f"Prometheus {text(bodies.read(said, _BUILD, 'version').data.version)}"
    except ReadingError:
        return ""
