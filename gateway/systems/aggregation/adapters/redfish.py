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
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from gateway.systems.aggregation.adapters import (
    bodies,
    options,
    redfish_forms,
    redfish_units,
    units,
)
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.redfish_forms import Processor, Root, System
from gateway.systems.aggregation.adapters.redfish_units import Inside
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
Found: TypeAlias = Generator[Sequence[Ask], Sequence[Said], list[T]]


class Redfish:
    """The adapter."""

    kind = "redfish"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        options.check(source, _OPTIONS)
        root: Root | None = memory.get("root")
        if root is None:
            (said,) = yield [Ask("root", _ROOT)]
            root = memory["root"] = bodies.read(said, redfish_forms.ROOT, "service root", _REFUSED)
        missing: list[str] = []
        service = _Service(root.expands, memory.setdefault("said", {}), missing)
        path = root.systems.path if root.systems else None
        systems = yield from service.members(path, "systems", redfish_forms.SYSTEM, _SYSTEMS_MAX)
        notes: list[str] = []
        inside: dict[str, Inside] = memory.setdefault("inside", {})
        if source.options.get("processors") != "no":
            yield from _look_inside(service, systems, inside, now, notes)
        machines = redfish_units.units(systems, inside, source, notes, missing)
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
        missing: what could not be read is added there.
    """

    def __init__(self, expands: bool, said: dict[str, tuple[str, Any]], missing: list[str]) -> None:
        self._expands = expands
        self._said = said
        self._missing = missing

    def members(
        self, path: str | None, kind: str, decoder: msgspec.json.Decoder[T], most: int
    ) -> Found[T]:
        """All members of a collection, those that can be read.

        Raises:
            ReadingError: it cannot be read, or none of its members can, or it has more than `most`.
        """
        members: list[msgspec.Raw] = []
        after: str | None = _within(path) + (_EXPANDED if self._expands else "")
        for _ in range(_PAGES_MAX):
            if after is None:
                break
            (said,) = yield [Ask(kind, after)]
            page = bodies.read(said, redfish_forms.COLLECTION, text(after), _REFUSED)
            members += page.members
            after = _within(page.more) if page.more else None
            if len(members) > most:
                break
        if after is not None or len(members) > most:
            raise ReadingError(f"{text(path)}: more than {most:,} members: divide it")
        return (yield from self._each(members, kind, decoder))

    def _each(
        self, members: Sequence[msgspec.Raw], kind: str, decoder: msgspec.json.Decoder[T]
    ) -> Found[T]:
        """Those that came along, and those of which only a link did."""
        found: list[T] = []
        links: list[str] = []
        for octets in members:
            said = Said(200, {}, bytes(octets))
            one = bodies.read(said, decoder, kind)
            if len(bodies.read(said, _LINK, kind)) > 1:
                found.append(one)
            else:
                links.append(_within(one.path))
        answered = (yield [self._asked(kind, link) for link in links]) if links else ()
        for link, said in zip(links, answered, strict=True):
            try:
                found.append(self._read(link, said, decoder))
            except ReadingError as error:
                self._missing.append(str(error))
        if links and not found:
            raise ReadingError(self._missing[-1])
        return found

    def _asked(self, kind: str, path: str) -> Ask:
        mark = self._said.get(path)
        if mark is None:
            return Ask(kind, path)
        return Ask(kind, path, {"If-None-Match": mark[0]}, cached=False)

    def _read(self, path: str, said: Said, decoder: msgspec.json.Decoder[T]) -> T:
        if said.status == 304 and path in self._said:
            known: T = self._said[path][1]
            return known
        one = bodies.read(said, decoder, text(path), _REFUSED)
        mark = one.etag or ""
        if mark and mark.isprintable() and len(mark) < _PATH_MAX and "etag" not in said.headers:
            self._said[path] = mark, one
        else:
            self._said.pop(path, None)
        return one


def _look_inside(
    service: _Service,
    systems: Sequence[System],
    inside: dict[str, Inside],
    now: int,
    notes: list[str],
) -> Generator[Sequence[Ask], Sequence[Said], None]:
    """Learn the processors of systems of which they were not looked at in the last hour."""
    for path in inside.keys() - {system.path for system in systems}:
        del inside[path]
    for system in systems:
        known = inside.get(system.path or "")
        if system.processors is None or (known and now - known.taken < _HOUR):
            continue
        try:
            found = yield from service.members(
                system.processors.path, "processors", redfish_forms.PROCESSOR, _PROCESSORS_MAX
            )
        except ReadingError as error:
            notes.append(f"{text(system.name)}: processors are not listed: {error}")
            found = list(known.processors) if known else []
        inside[system.path or ""] = Inside(now, tuple(found))


def _within(path: str | None) -> str:
    """A path of the service, which is asked for below the source's URL.

    Raises:
        ReadingError: it leads elsewhere.
    """
    said = path or ""
    if (
        not said.startswith("/redfish/v1")
        or len(said) > _PATH_MAX
        or not (said.isascii() and said.isprintable())
        or any(one in said for one in (" ", "#", "\\", "/../", "//"))
    ):
        raise ReadingError(f"{text(said)!r} is no path below /redfish/v1")
    return said
