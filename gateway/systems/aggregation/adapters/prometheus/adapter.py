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
from collections.abc import Collection, Generator, Sequence
from typing import Final, TypeAlias
from urllib.parse import quote

import msgspec

from gateway.systems.aggregation.adapters import bodies, options, units
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.prometheus import hosts
from gateway.systems.aggregation.adapters.prometheus.facts import (
    ANSWER,
    NAMES,
    WHAT,
    Answer,
    Facts,
    Name,
    Target,
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
_KEPT_MAX: Final = 30_000  # targets and cards whose past is kept: of racks of hundreds of machines
_KEPT_CARDS_MAX: Final = 1_000  # of one target
_NAME_MAX: Final = 1_000  # characters of a job and an instance whose past can be asked for
_LATE: Final = 60_000  # milliseconds after which an answer is said to be late
_TITLES_MAX: Final = 5  # named in a note
_MATCHER: Final = r'[a-zA-Z_]\w*(?:=~|!~|!=|=)"[^"\\\n]*"'
_MATCH: Final = re.compile(f"{_MATCHER}(?:,{_MATCHER})*", re.ASCII)
_REFUSED: Final = "expected the HTTP API of Prometheus below this URL"
# What is at rest has been so for these minutes; idle processors are the mean of them.
_MINUTES: Final = "5m"
_CARD: Final = "DCGM_FI_DEV_GPU_UTIL"
_IDLE: Final = 'node_cpu_seconds_total{mode="idle"%s}'
# Processors are counted by what else their series have: those of replicas are not added up.
_MADE: Final = {
    "card_time": f"timestamp({_CARD}%s)",
    "card_peak": f"max_over_time({_CARD}%s[{_MINUTES}])",
    "node_time": "timestamp(node_memory_MemAvailable_bytes%s)",
    "cpus": f"max by (job, instance) (count without (cpu, mode) ({_IDLE}))",
    "idle": f"max by (job, instance) (sum without (cpu, mode) (rate({_IDLE}[{_MINUTES}])))",
}
Past: TypeAlias = dict[Name, Target | None]


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
        answers = [_answer(one) for one in answered]
        taken = _taken(answers, now)
        notes = _late(taken, now)
        missing = [warning for one in answers for warning in _warnings(one)]
        wanted = {"csid", *filter(None, map(source.options.get, ("key", "group")))}
        facts = Facts(wanted)
        for one in answers:
            facts.learn(one.data.result)
        yield from _recall(facts, wanted, memory.setdefault("past", {}), match, missing)
        left = facts.settle()
        missing += _left_out(left)
        machines = hosts.units(facts.targets.values(), left, source, notes, missing)
        found = units.distinct(machines, notes)
        return Reading(
            units=found,
            taken=taken,
            version=memory["version"],
            whole=not missing and len(found) == len(machines),
            notes=units.noted(missing + notes),
        )

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        return ()


def _recall(
    facts: Facts, wanted: Collection[str], past: Past, match: str, missing: list[str]
) -> Generator[Sequence[Ask], Sequence[Said], None]:
    """Learn of targets that are down what was known of them within a day: once each, while they
    are down. Those of other kinds have nothing to be remembered.
    """
    unknown = facts.unknown()
    for name in past.keys() - set(unknown):
        del past[name]
    room = (_KEPT_MAX - sum(map(_size, past.values()))) // (1 + _KEPT_CARDS_MAX)
    asked = [name for name in unknown if name not in past and len(" ".join(name)) <= _NAME_MAX]
    asked = asked[: min(_RECALLED_MAX, room)]
    if asked:
        (said,) = yield [_query("past", _past(sorted({name[1] for name in asked}), match))]
        answer = _answer(said)
        warnings = _warnings(answer)
        missing += warnings
        if not warnings:  # of what is not all, a machine would be made that there is not
            past.update(_known(asked, answer, wanted))
    for name, target in past.items():
        if target is not None and (target.is_node or target.cards):
            facts.targets[name] = target
    if left := [" ".join(name) for name in unknown if past.get(name) is None]:
        some = ", ".join(left[:_TITLES_MAX])
        missing.append(
            text(f"{len(left):,} targets are down, of which nothing is known yet: {some}")
        )


def _known(asked: Sequence[Name], answer: Answer, wanted: Collection[str]) -> Past:
    """What targets were; None for one that is too large to be kept."""
    facts = Facts(wanted, past=True)
    names = set(asked)
    facts.learn(sample for sample in answer.data.result if name_of(sample.metric) in names)
    targets = {name: facts.targets.get(name) or Target(*name) for name in asked}
    return {
        name: None if len(target.cards) > _KEPT_CARDS_MAX else target
        for name, target in targets.items()
    }


def _size(target: Target | None) -> int:
    return 1 + (0 if target is None else len(target.cards))


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
    cpus = f"last_over_time({_MADE['cpus'] % f',{within}'}[1d:1m])"
    return f"last_over_time({_named(names, within)}[1d]) or {_labelled(cpus, 'cpus')}"


def _answer(said: Said) -> Answer:
    answer = bodies.read(said, ANSWER, "query", _REFUSED)
    if len(answer.data.result) > _SAMPLES_MAX:
        raise ReadingError(f"more than {_SAMPLES_MAX:,} samples: divide them with option match")
    return answer


def _warnings(answer: Answer) -> list[str]:
    return [f"not all is known: {text(warning)}" for warning in answer.warnings or ()]


def _taken(answers: Sequence[Answer], now: int) -> int:
    """Of when the older answer is (Unix milliseconds), as it says itself: it may have been kept on
    the way. Never later than now.
    """
    latest = now / 1_000
    said = [sample.value[0] for one in answers for sample in one.data.result]
    return min(now, round(max(0.0, min(said, default=latest)) * 1_000))


def _late(taken: int, now: int) -> list[str]:
    if now - taken <= _LATE:
        return []
    seconds = (now - taken) // 1_000
    return [
        f"the answer is {seconds:,} s old: it was kept on the way, or the clock of Prometheus is "
        "behind"
    ]


def _left_out(left: Sequence[Target]) -> list[str]:
    if not left:
        return []
    some = ", ".join(target.title for target in left[:_TITLES_MAX])
    return [
        text(
            f"{len(left):,} targets are left out, as several machines or replicas have their job "
            f'and instance; use option match, such as cluster="a": {some}'
        )
    ]


def _version(said: Said) -> str:
    """Empty where it is not said: others have the same queries and no such page."""
    try:
        return f"Prometheus {text(bodies.read(said, _BUILD, 'version').data.version)}"
    except ReadingError:
        return ""
