"""Bare machines by Redfish, of one controller (BMC) or of one that speaks for many: the collection
of systems, each system, and once an hour their processors, among which accelerators are listed.
A collection is asked for with all that is in it where the service can (`$expand`).

Redfish does not know who uses a machine. Option `free` says what is taken for free: `on` (the
default), machines that are on and well; `off`, those that are off and well; `none`. Options `vcpu`,
`memory_gib`, `chips`, `chip` and `chip_memory_gib` say of all machines what their controllers do
not. Option `processors=no`: they are not asked for.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import msgspec

from gateway.systems.aggregation.adapters import bodies, options, units
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.redfish import forms
from gateway.systems.aggregation.adapters.redfish.forms import Collection, Processor, Root, System
from gateway.systems.aggregation.adapters.redfish.machines import Inside, units_of
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

_ROOT: Final = "/redfish/v1/"
_EXPANDED: Final = "?$expand=."
_PAGES_MAX: Final = 100
_SYSTEMS_MAX: Final = 2_000
_PROCESSORS_MAX: Final = 256  # of a system
_MARKS_MAX: Final = 20_000  # of members that are kept, to be said again: those said last
_PATH_MAX: Final = 500  # characters
_HOUR: Final = 3_600_000
_REFUSED: Final = "may the account read (role ReadOnly, privilege Login)?"
_OPTIONS: Final = (
    "free",
    "processors",
    "vcpu",
    "memory_gib",
    "chips",
    "chip",
    "chip_memory_gib",
)
_LINK: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
T = TypeVar("T", System, Processor)


class Redfish:
    """The adapter."""

    kind = "redfish"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        options.check(source, _OPTIONS)
        root: Root | None = memory.get("root")
        if root is None:
            (said,) = yield [Ask("root", _ROOT)]
            root = memory["root"] = bodies.read(said, forms.ROOT, "service root", _REFUSED)
        missing: list[str] = []
        service = _Service(root.expands, memory.setdefault("said", {}))
        path = root.systems.path if root.systems else None
        systems = yield from _systems(service, path, missing)
        notes: list[str] = []
        inside: dict[str, Inside] = memory.setdefault("inside", {})
        if source.options.get("processors") != "no":
            yield from _look_inside(service, systems, inside, now, notes, missing)
        machines = units_of(systems, inside, source, notes, missing)
        found = units.distinct(machines, notes)
        notes += missing
        return Reading(
            units=found,
            taken=now,
            version=f"Redfish {text(root.redfish_version)}".strip(),
            whole=not missing and len(found) == len(machines),
            notes=units.noted(notes),
        )

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        return ()


class _Service:
    """Collections and what is in them, in few requests.

    Args:
        expands: whether a collection can be asked for with what is in it.
        said: by path, what was said last under a mark in its body (`@odata.etag`): it is asked for
            again only if that has changed. A mark in the header is the poller's affair.
    """

    def __init__(self, expands: bool, said: dict[str, tuple[str, Any]]) -> None:
        self._expands = expands
        self._said = said
        for path in list(said)[:-_MARKS_MAX]:  # now: none is asked for by its mark yet
            del said[path]

    def listing(self, kind: str, path: str | None) -> Ask:
        """How a collection is asked for.

        Raises:
            ReadingError: its path leads elsewhere.
        """
        return Ask(kind, _within(path) + (_EXPANDED if self._expands else ""))

    def one(self, kind: str, path: str) -> Ask:
        """How a member is asked for."""
        mark = self._said.get(path)
        if mark is None:
            return Ask(kind, path)
        return Ask(kind, path, {"If-None-Match": mark[0]}, cached=False)

    def page(
        self, ask: Ask, said: Said, decoder: msgspec.json.Decoder[T], most: int
    ) -> tuple[list[T], list[str], Collection]:
        """Members that came along, paths of those that did not, and the page itself.

        Raises:
            ReadingError: it cannot be read, or has more than `most`.
        """
        page = bodies.read(said, forms.COLLECTION, text(ask.path), _REFUSED)
        found: list[T] = []
        links: list[str] = []
        for octets in page.members[: most + 1]:
            member = bodies.decoded(bytes(octets), decoder, text(ask.path))
            if len(bodies.decoded(bytes(octets), _LINK, text(ask.path))) > 1:
                found.append(member)
            else:
                links.append(_within(member.path))
        if len(page.members) > most:
            raise ReadingError(f"{text(ask.path)}: more than {most:,} members: divide it")
        return found, links, page

    def read(self, path: str, said: Said, decoder: msgspec.json.Decoder[T]) -> T:
        """A member.

        Raises:
            ReadingError: it cannot be read.
        """
        if said.status == 304 and path in self._said:
            known: T = self._said[path][1]
            return known
        one = bodies.read(said, decoder, text(path), _REFUSED)
        self._said.pop(path, None)
        mark = one.etag or ""
        if mark and mark.isprintable() and len(mark) < _PATH_MAX and "etag" not in said.headers:
            self._said[path] = mark, one
        return one


def _systems(
    service: _Service, path: str | None, missing: list[str]
) -> Generator[Sequence[Ask], Sequence[Said], list[System]]:
    """All systems that can be read; of the others it is added to `missing` why not.

    Raises:
        ReadingError: none can.
    """
    found: list[System] = []
    links: list[str] = []
    ask: Ask | None = service.listing("systems", path)
    pages = 0
    while ask is not None:
        (said,) = yield [ask]
        left = _SYSTEMS_MAX - len(found) - len(links)
        came, others, page = service.page(ask, said, forms.SYSTEM, left)
        found += came
        links += others
        pages += 1
        more = page.more
        if not more and (page.count or 0) > len(found) + len(links):
            missing.append(f"{text(path)}: {page.count:,} members, of which not all are listed")
        if more and pages == _PAGES_MAX:
            raise ReadingError(f"{text(path)}: more than {pages} pages: divide it")
        ask = Ask("systems", _within(more)) if more else None
    answered = (yield [service.one("systems", link) for link in links]) if links else ()
    for link, said in zip(links, answered, strict=True):
        try:
            found.append(service.read(link, said, forms.SYSTEM))
        except ReadingError as error:
            missing.append(str(error))
    if links and not found:
        raise ReadingError(missing[-1])
    return found


def _look_inside(
    service: _Service,
    systems: Sequence[System],
    inside: dict[str, Inside],
    now: int,
    notes: list[str],
    missing: list[str],
) -> Generator[Sequence[Ask], Sequence[Said], None]:
    """Learn the processors of systems of which they were not looked at in the last hour, of all of
    them at once; a system that does not list them has none.
    """
    for path in inside.keys() - {system.path or "" for system in systems}:
        del inside[path]
    listed: list[tuple[System, Ask]] = []
    for system in systems:
        known = inside.get(system.path or "")
        if system.processors is not None and not (known and now - known.taken < _HOUR):
            listed.append((system, service.listing("processors", system.processors.path)))
    learnt: dict[str, list[Processor]] = {}
    wanted: list[tuple[str, str]] = []
    answered = (yield [ask for _, ask in listed]) if listed else ()
    for (system, ask), said in zip(listed, answered, strict=True):
        path = system.path or ""
        try:
            learnt[path], links, page = service.page(ask, said, forms.PROCESSOR, _PROCESSORS_MAX)
            if page.more:
                raise ReadingError(f"{text(ask.path)}: in pages")
        except ReadingError as error:
            notes.append(f"{text(system.name)}: processors are not listed: {error}")
            learnt[path], links = list(inside[path].processors) if path in inside else [], []
        wanted += ((path, link) for link in links)
    answered = (yield [service.one("processors", link) for _, link in wanted]) if wanted else ()
    failed = set()
    for (path, link), said in zip(wanted, answered, strict=True):
        try:
            learnt[path].append(service.read(link, said, forms.PROCESSOR))
        except ReadingError as error:
            missing.append(str(error))
            failed.add(path)
    for path, processors in learnt.items():
        if path not in failed:
            inside[path] = Inside(now, tuple(processors))
        elif path not in inside:  # what was known stands, and is asked for again at the next poll
            inside[path] = Inside(now - _HOUR, tuple(processors))


def _within(path: str | None) -> str:
    """A path of the service, which is asked for below the source's URL.

    Raises:
        ReadingError: it leads elsewhere.
    """
    said = path or ""
    folders = said.partition("?")[0]
    if (
        not (folders + "/").startswith(_ROOT)
        or len(said) > _PATH_MAX
        or not (said.isascii() and said.isprintable())
        or any(one in said for one in (" ", "#", "\\"))
        or "//" in folders
        or ".." in unquote(folders).split("/")
    ):
        raise ReadingError(f"{text(said)!r} is no path below /redfish/v1")
    return said
