"""Slurm clusters by their REST interface (slurmrestd): nodes, partitions and reservations, one
request each; of its versions the newest that is known here. `docs/sources.md` says what misleads.

Options of a source: `version` pins one (v0.0.40); `cluster` is the name under which nodes are
known, in place of the source's; `partitions` are the only ones that are read; `gres` what
accelerators are called; `soon`: a reservation that begins within so many seconds keeps its nodes;
`chip.TYPE`, `chip_memory_gib.TYPE`: the model of what the cluster calls TYPE ("" without one).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from gateway.systems.aggregation.adapters import bodies, options, units
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.slurm import forms, gres
from gateway.systems.aggregation.adapters.slurm.nodes import Cluster, units_of
from gateway.systems.aggregation.adapters.slurm.reservations import reserved
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

VERSIONS: Final = tuple(f"v0.0.{number}" for number in range(37, 45))
T = TypeVar("T", bound=forms.Answer)
_SOON: Final = 3_600  # seconds
_SOON_MAX: Final = 366 * 86_400
_REFUSED: Final = (
    "is the token valid (scontrol token), and is X-SLURM-USER-NAME sent with it? Slurm 22.05 "
    "answers 500 to a token that is not"
)
_OPTIONS: Final = ("version", "cluster", "partitions", "gres", "soon")
_OF_TYPES: Final = ("chip", "chip_memory_gib")  # with a type behind a dot
_KINDS: Final = ("nodes", "partitions", "reservations")
_OFFERED: Final = re.compile(r"/slurm/(v0\.0\.[0-9]{1,4})/nodes/?", re.ASCII)


class Slurm:
    """The adapter."""

    kind = "slurm"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        _check(source)
        known = memory.get("version")
        version = source.options.get("version") or known or (yield from _newest(memory))
        said = yield _asked(version)
        pinned = "version" in source.options
        if known and not pinned and any(one.status == 404 for one in said):  # it was upgraded
            del memory["version"]
            version = yield from _newest(memory)
            said = yield _asked(version)
        return _reading(source, memory, now, version, said)

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        return ()


def _asked(version: str) -> Sequence[Ask]:
    return [Ask(kind, f"/slurm/{version}/{kind}") for kind in _KINDS]


def _newest(memory: Memory) -> Generator[Sequence[Ask], Sequence[Said], str]:
    """The newest version that is offered and known, from now on.

    Raises:
        ReadingError: none is.
    """
    (said,) = yield [Ask("versions", "/openapi/v3")]
    description = bodies.read(said, forms.DESCRIPTION, "versions of slurmrestd", _REFUSED)
    offered = {match[1] for path in description.paths if (match := _OFFERED.fullmatch(path))}
    usable = [version for version in VERSIONS if version in offered]
    if not usable:
        raise ReadingError(
            f"slurmrestd offers {', '.join(sorted(offered)[:8]) or 'no version'}; known here are "
            f"{VERSIONS[0]} to {VERSIONS[-1]}; another one can be tried with option version"
        )
    memory["version"] = usable[-1]
    return usable[-1]


def _reading(
    source: Source, memory: Memory, now: int, version: str, said: Sequence[Said]
) -> Reading:
    of_nodes, of_partitions, of_reservations = said
    nodes = _answer(of_nodes, forms.NODES, "nodes")
    partitions = _answer(of_partitions, forms.PARTITIONS, "partitions")
    reservations = _answer(of_reservations, forms.RESERVATIONS, "reservations")
    units.counted(len(nodes.nodes), "nodes")
    software = nodes.meta.software if nodes.meta else forms.Software()
    _same_cluster(source, memory, text(software.cluster))
    notes: list[str] = []
    cluster = Cluster(
        name=source.options.get("cluster") or source.name,
        said_name=text(software.cluster),
        only=frozenset(options.words(source, "partitions")),
        gres=frozenset(options.words(source, "gres") or gres.NAMES),
        chips=_chips(source),
        partitions=_states(partitions.partitions),
        reserved=reserved(
            reservations.reservations,
            {node.name for node in nodes.nodes},
            now // 1_000,
            options.number(source, "soon", _SOON, 0, _SOON_MAX),
            notes,
        ),
    )
    found = list(units_of(nodes.nodes, cluster, notes))
    kept = units.distinct(found, notes)
    if cluster.partitions and not any(cluster.partitions.values()):
        notes.append(f"{version} does not say which partitions are down")
    release = text(software.release)
    return Reading(
        units=kept,
        taken=now,
        version=f"{release or 'Slurm'} {version}",
        whole=len(kept) == len(found) and all(node.name for node in nodes.nodes),
        notes=units.noted(notes),
    )


def _answer(said: Said, decoder: msgspec.json.Decoder[T], kind: str) -> T:
    """An answer without errors, of which Slurm tells in the body, whatever the status.

    Raises:
        ReadingError: it is none.
    """
    answer: forms.Answer | None = None
    found: T | None = None
    if said.status == 200:
        answer = found = bodies.decoded(said.body, decoder, kind)
    else:
        with contextlib.suppress(ReadingError):
            answer = bodies.decoded(said.body, forms.ANSWER, kind)
    for fault in (answer.errors if answer else None) or ():
        why = text(fault.description or fault.error) or "an error without a word"
        hint = "" if found else f"; {_REFUSED}"
        raise ReadingError(f"{kind}: status {said.status}, Slurm says: {why}{hint}")
    return found or bodies.read(said, decoder, kind, _REFUSED)


def _same_cluster(source: Source, memory: Memory, said: str) -> None:
    """Refuse what another cluster says under the same URL: its nodes may have the same names.

    Raises:
        ReadingError: it is another one than it should be, or than before.
    """
    expected = source.options.get("cluster") or memory.get("cluster")
    if said and expected and said != expected:
        raise ReadingError(
            f"this is cluster {said!r}, expected {expected!r}; give another URL, or add the new "
            "cluster as a source of its own"
        )
    if said:
        memory["cluster"] = said


def _states(partitions: Sequence[forms.Partition]) -> Mapping[str, Sequence[str]]:
    units.counted(len(partitions), "partitions")
    return {partition.name: partition.states for partition in partitions}


def _chips(source: Source) -> Mapping[str, tuple[str, float]]:
    """Model and memory in GiB by what the cluster calls a type, where options say it."""
    found: dict[str, tuple[str, float]] = {}
    for option in source.options:
        name, dot, kind = option.partition(".")
        if dot and name in _OF_TYPES:
            model = text(source.options.get(f"chip.{kind}"))
            found[kind] = model, options.number(source, f"chip_memory_gib.{kind}", 0, 0, 10_000)
    return found


def _check(source: Source) -> None:
    """Refuse options that there are not."""
    plain = [name for name in source.options if name.partition(".")[0] not in _OF_TYPES]
    options.check(source._replace(options=dict.fromkeys(plain, "")), _OPTIONS)
