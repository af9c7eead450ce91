"""Slurm clusters by their REST interface (slurmrestd): nodes, partitions and reservations, one
request each; of its versions the newest that is known here. `docs/sources.md` says what misleads.

Options of a source: `version` pins one (v0.0.40); `cluster` is the name under which nodes are
known, in place of the source's; `partitions` are the only ones that are read; `gres` what
accelerators are called; `soon`: a reservation that begins within so many seconds keeps its nodes;
`chip.TYPE`, `chip_memory_gib.TYPE`: the model of what the cluster calls TYPE ("" without one).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Final

from gateway.systems.aggregation.adapters import answers, gres, slurm_forms, slurm_nodes
from gateway.systems.aggregation.adapters.answers import text
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
_SOON: Final = 3_600  # seconds
_SOON_MAX: Final = 366 * 86_400
_REFUSED: Final = "is the token valid (scontrol token)? Slurm 22.05 answers 500 to one that is not"
_KINDS: Final = ("nodes", "partitions", "reservations")
_OFFERED: Final = re.compile(r"/slurm/(v0\.0\.[0-9]{1,4})/nodes/?", re.ASCII)


class Slurm:
    """The adapter."""

    kind = "slurm"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        known = memory.get("version")
        version = source.options.get("version") or known or (yield from _newest(memory))
        said = yield _asked(version)
        if known and any(one.status == 404 for one in said):  # it was upgraded
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
    description = answers.read(said, slurm_forms.DESCRIPTION, "versions of slurmrestd", _REFUSED)
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
    nodes = answers.read(of_nodes, slurm_forms.NODES, "nodes", _REFUSED)
    partitions = answers.read(of_partitions, slurm_forms.PARTITIONS, "partitions", _REFUSED)
    reservations = answers.read(of_reservations, slurm_forms.RESERVATIONS, "reservations", _REFUSED)
    for kind, answer in zip(_KINDS, (nodes, partitions, reservations), strict=True):
        _no_fault(kind, answer)
    answers.counted(len(nodes.nodes), "nodes")
    software = nodes.meta.software if nodes.meta else slurm_forms.Software()
    _same_cluster(source, memory, text(software.cluster))
    notes: list[str] = []
    cluster = slurm_nodes.Cluster(
        name=source.options.get("cluster") or source.name,
        said_name=text(software.cluster),
        only=answers.listed(source, "partitions"),
        gres=answers.listed(source, "gres", gres.NAMES),
        chips=_chips(source.options),
        partitions=_states(partitions.partitions),
        reserved=slurm_nodes.reserved(
            reservations.reservations,
            now // 1_000,
            min(answers.setting(source, "soon", _SOON), _SOON_MAX),
        ),
    )
    units = slurm_nodes.units(nodes.nodes, cluster, notes)
    if cluster.partitions and not any(cluster.partitions.values()):
        notes.append(f"{version} does not say which partitions are down")
    release = text(software.release)
    return Reading(
        units=answers.distinct(units, notes),
        taken=now,
        version=f"{release or 'Slurm'} {version}",
        notes=answers.noted(notes),
    )


def _no_fault(kind: str, answer: slurm_forms.Answer) -> None:
    for fault in answer.errors or ():
        why = text(fault.description or fault.error) or "an error without a word"
        raise ReadingError(f"{kind}: Slurm says: {why}; expected none")


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


def _states(partitions: Sequence[slurm_forms.Partition]) -> Mapping[str, Sequence[str]]:
    answers.counted(len(partitions), "partitions")
    return {partition.name: partition.states for partition in partitions}


def _chips(options: Mapping[str, str]) -> Mapping[str, tuple[str, float]]:
    """Model and memory in GiB by what the cluster calls a type, where options say it."""
    models = {
        name.partition(".")[2]: model
        for name, model in options.items()
        if name.partition(".")[0] == "chip"
    }
    sizes: dict[str, float] = {}
    for name, size in options.items():
        if name.partition(".")[0] == "chip_memory_gib":
            try:
                sizes[name.partition(".")[2]] = answers.amount(float(size))
            except ValueError:
                raise ReadingError(f"option {name}: {text(size)!r} is no number") from None
    return {kind: (models.get(kind, ""), sizes.get(kind, 0)) for kind in models | sizes}
