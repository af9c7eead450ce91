"""OpenStack Placement: trees of resource providers, each root with all below it one unit.

A poll asks for the list of providers, and for what a provider has only where its generation is
another than before. A generation does not change when an allocation is *deleted*, so now and then
one request more for a class in use (allocation candidates) tells what has become free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from gateway.systems.aggregation.adapters import options
from gateway.systems.aggregation.adapters.bodies import read
from gateway.systems.aggregation.adapters.placement.inventories import (
    AGGREGATE,
    PLAIN,
    Classes,
    Inventory,
    Provider,
    Whole,
    unit,
)
from gateway.systems.aggregation.readings import (
    Ask,
    Memory,
    Polling,
    Reading,
    ReadingError,
    Said,
    Source,
    Unit,
    Watch,
)

LEAST: Final = (1, 29)  # nested providers in candidates
NEWEST: Final = (1, 39)  # that this is written for
PROVIDERS_MAX: Final = 200_000
OPTIONS: Final = ("chip", "chips", "freed_seconds", "group", "requests")
_TOGETHER: Final = 64  # requests given to the poller at once
_SWEPT_MAX: Final = 4  # classes of cards that are asked for at one time
_LATER: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})

_Key = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,64}\Z")]
_Word = Annotated[str, msgspec.Meta(max_length=255)]  # Placement's own bound
_MANY: Final = msgspec.Meta(max_length=1_000)  # of what one provider has


class _Version(msgspec.Struct):
    min_version: str
    max_version: str


class _Versions(msgspec.Struct):
    versions: Annotated[list[_Version], msgspec.Meta(min_length=1)]


class _Listed(msgspec.Struct):
    uuid: _Key
    generation: Annotated[int, msgspec.Meta(ge=0)]
    root_provider_uuid: _Key
    parent_provider_uuid: str | None = None
    name: str | None = ""


class _List(msgspec.Struct):
    resource_providers: Annotated[list[_Listed], msgspec.Meta(max_length=PROVIDERS_MAX)]


class _Inventories(msgspec.Struct):
    resource_provider_generation: int
    inventories: Annotated[dict[_Word, Inventory], _MANY]


class _Usages(msgspec.Struct):
    resource_provider_generation: int
    usages: Annotated[dict[_Word, Whole], _MANY]


class _Traits(msgspec.Struct):
    resource_provider_generation: int
    traits: Annotated[list[_Word], _MANY]


class _Aggregates(msgspec.Struct):
    aggregates: Annotated[list[_Word], _MANY]
    resource_provider_generation: int


class _Amounts(msgspec.Struct):
    used: Whole


class _Summary(msgspec.Struct):
    resources: Annotated[dict[_Word, _Amounts], _MANY]


class _Candidates(msgspec.Struct):
    provider_summaries: dict[str, _Summary]


_VERSIONS: Final = msgspec.json.Decoder(_Versions)
_LIST: Final = msgspec.json.Decoder(_List)
_INVENTORIES: Final = msgspec.json.Decoder(_Inventories)
_USAGES: Final = msgspec.json.Decoder(_Usages)
_TRAITS: Final = msgspec.json.Decoder(_Traits)
_AGGREGATES: Final = msgspec.json.Decoder(_Aggregates)
_CANDIDATES: Final = msgspec.json.Decoder(_Candidates)


class _Known:
    """What is kept of a source from poll to poll."""

    def __init__(self) -> None:
        self.version = ""
        self.providers: dict[str, Provider] = {}
        self.swept = 0  # when it was asked what has become free
        self.polls = 0


class Placement:
    """Reads OpenStack Placement."""

    kind = "placement"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        """See `Adapter.poll`."""
        options.check(source, OPTIONS)
        known = memory.setdefault("placement", _Known())
        assert isinstance(known, _Known)
        if not known.version:
            known.version = yield from _negotiate()
        return (yield from _poll(source, known, now))

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        """Placement tells of nothing by itself."""
        return ()


def _poll(source: Source, known: _Known, now: int) -> Polling:
    headers = _headers(known.version)
    # Its last-modified does not tell of providers that were deleted.
    (said,) = yield [Ask("providers", "/resource_providers", headers, cached=False)]
    if said.status == 406:
        known.version = ""  # it is another server than it was
    listed = {one.uuid: one for one in read(said, _LIST, "providers").resource_providers}
    known.providers = {uuid: known.providers.get(uuid) or Provider() for uuid in listed}
    notes = yield from _ask_changed(source, known, listed, headers)
    trees = _trees(known, listed, notes)
    freed = options.number(source, "freed_seconds", 300, 1, 86_400)
    if not known.swept:
        known.swept = now  # all has just been read
    elif now - known.swept >= freed * 1_000:
        notes += yield from _sweep(known, trees.values(), headers)
        known.swept = now
    whole = all(
        known.providers[uuid].is_of(one.generation)
        for uuid, one in listed.items()
        if uuid in known.providers
    )
    if not whole:
        notes.append("not all providers have been read as they are now: the next poll goes on")
    units = tuple(_units(source, known, listed, trees))
    return Reading(units, now, f"placement {known.version}", whole, tuple(notes))


def _negotiate() -> Generator[Sequence[Ask], Sequence[Said], str]:
    """The microversion to speak.

    Raises:
        ReadingError: there is none that both speak.
    """
    (said,) = yield [Ask("version", "/", {"accept": "application/json"}, cached=False)]
    offered = read(said, _VERSIONS, "versions").versions[0]
    least, most = _parts(offered.min_version), _parts(offered.max_version)
    if most < LEAST or least > NEWEST:
        raise ReadingError(
            f"Placement speaks {offered.min_version} to {offered.max_version}; "
            f"needed is one from {_dotted(LEAST)} to {_dotted(NEWEST)}"
        )
    return _dotted(min(most, NEWEST))


def _parts(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    if not (len(version) < 12 and major.isdecimal() and minor.isdecimal()):
        raise ReadingError(f"versions: {version[:40]!r} is none such as 1.39")
    return int(major), int(minor)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _headers(version: str) -> Mapping[str, str]:
    return {"accept": "application/json", "openstack-api-version": f"placement {version}"}


# -- what changed


def _ask_changed(
    source: Source, known: _Known, listed: Mapping[str, _Listed], headers: Mapping[str, str]
) -> Generator[Sequence[Ask], Sequence[Said], list[str]]:
    """Ask for what providers have whose generation is another than before, within the budget of
    requests, those that are known already first; returns what is to be noted.
    """
    parts = ["inventories", "usages", "traits"]
    if source.options.get("group") == AGGREGATE:
        parts.append("aggregates")
    changed = [x for x, one in listed.items() if not known.providers[x].is_of(one.generation)]
    # Those in turn that were asked for longest ago.
    changed.sort(key=lambda x: (not known.providers[x].is_known, known.providers[x].asked))
    known.polls += 1
    changed = changed[: options.number(source, "requests", 240, 4, 1_000_000) // len(parts)]
    together = _TOGETHER // len(parts)
    silent = 0
    for start in range(0, len(changed), together):
        some = changed[start : start + together]
        said = yield [
            Ask(part, f"/resource_providers/{quote(uuid, safe='')}/{part}", headers, cached=False)
            for uuid in some
            for part in parts
        ]
        for number, uuid in enumerate(some):
            known.providers[uuid].asked = known.polls
            its = said[number * len(parts) :][: len(parts)]
            silent += not _learn(known, uuid, listed[uuid].generation, its)
    return [f"{silent} providers did not answer"] if silent else []


def _learn(known: _Known, uuid: str, listed: int, said: Sequence[Said]) -> bool:
    """Take in what a provider has that was listed with a generation; False if it did not answer."""
    if any(one.status == 404 for one in said):  # deleted since it was listed
        del known.providers[uuid]
        return True
    if any(one.status in _LATER for one in said):
        return False
    inventories = read(said[0], _INVENTORIES, f"inventories of {uuid}")
    usages = read(said[1], _USAGES, f"usages of {uuid}")
    traits = read(said[2], _TRAITS, f"traits of {uuid}")
    generations = [one.resource_provider_generation for one in (inventories, usages, traits)]
    provider = known.providers[uuid]
    if len(said) > 3:
        aggregates = read(said[3], _AGGREGATES, f"aggregates of {uuid}")
        generations.append(aggregates.resource_provider_generation)
        provider.aggregates = aggregates.aggregates
    provider.inventories = inventories.inventories
    provider.used = usages.usages
    provider.traits = traits.traits
    # If it changed in between, what came first is to be asked for again; and yet it is newer than
    # the list.
    provider.generation = min(generations)
    provider.listed = min(listed, provider.generation)
    return True


# -- what became free


def _sweep(
    known: _Known, trees: Collection[Sequence[Provider]], headers: Mapping[str, str]
) -> Generator[Sequence[Ask], Sequence[Said], list[str]]:
    """Ask what of the classes in use can be had, and with it how much is in use of everything in
    those trees: an allocation that is deleted leaves the generation of its provider as it was.
    Returns what is to be noted.
    """
    classes = _classes_in_use(trees)
    if not classes:
        return []
    said = yield [
        Ask(
            "candidates",
            f"/allocation_candidates?resources={quote(name, safe='')}%3A{least}",
            headers,
            cached=False,
        )
        for name, least in classes.items()
    ]
    for name, answer in zip(classes, said, strict=True):
        if answer.status in _LATER:
            return ["it was not told what has become free"]
        summaries = read(answer, _CANDIDATES, f"candidates of {name}").provider_summaries
        for uuid, summary in summaries.items():
            provider = known.providers.get(uuid)
            if provider is not None and provider.is_known:
                used = {class_: one.used for class_, one in summary.resources.items()}
                provider.used = {**provider.used, **used}
    return []


def _classes_in_use(trees: Collection[Sequence[Provider]]) -> Mapping[str, int]:
    """The classes that are in use, the most used cards and of the others as many as it takes to
    hear of each tree, and the least that is given of each.
    """
    used: Counter[str] = Counter()
    least: dict[str, int] = {}
    others: dict[str, None] = {}
    for tree in trees:
        of_tree = set()
        for provider in tree:
            for class_, inventory in provider.inventories.items():
                if provider.used.get(class_, 0) > 0:
                    of_tree.add(class_)
                    used[class_] += 1
                    at_least = max(1, inventory.min_unit, inventory.step_size)
                    least[class_] = min(least.get(class_, at_least), at_least)
        # Processors, memory and disks of an instance are freed together.
        plain = [class_ for class_ in PLAIN if class_ in of_tree]
        if plain and not any(class_ in others for class_ in plain):
            others[plain[0]] = None
    cards = sorted(used.keys() - PLAIN.keys(), key=lambda class_: (-used[class_], class_))
    return {class_: least[class_] for class_ in [*cards[:_SWEPT_MAX], *others]}


# -- units


def _trees(
    known: _Known, listed: Mapping[str, _Listed], notes: list[str]
) -> Mapping[str, Sequence[Provider]]:
    """The trees of which each provider is known as it is now, by their roots; those without one
    are noted. What has changed and was not read yet is not told as it was.
    """
    members: dict[str, list[str]] = {}
    for uuid, one in listed.items():
        if uuid in known.providers:
            members.setdefault(one.root_provider_uuid, []).append(uuid)
    if rootless := len(members.keys() - listed.keys()):
        notes.append(f"{rootless} trees of providers were listed without their root")
    return {
        root: [known.providers[x] for x in tree]
        for root, tree in members.items()
        if root in known.providers
        and all(known.providers[x].is_of(listed[x].generation) for x in tree)
    }


def _units(
    source: Source,
    known: _Known,
    listed: Mapping[str, _Listed],
    trees: Mapping[str, Sequence[Provider]],
) -> Iterator[Unit]:
    """A unit of each tree."""
    classes = Classes(options.words(source, "chips"))
    group, chip = source.options.get("group", ""), source.options.get("chip", "")
    for root, tree in trees.items():
        name = listed[root].name or ""
        found = unit(root, name, known.providers[root], tree, classes, group, chip)
        if found is not None:
            yield found
