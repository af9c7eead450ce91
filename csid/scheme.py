"""A scheme of the compute identifier, read from its data file: segments, alphabets, checks.

The scheme says what an identifier is made of; no other module knows lengths, letters or table
names. ``schemas/scheme.md`` describes the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar

from csid import codes

DEFAULT = "v1"


class Words(NamedTuple):
    """What something is called in Chinese and English; ``unit`` where it counts something."""

    zh: str
    en: str
    unit: str = ""


class Part(NamedTuple):
    """A run of characters inside a segment: ``shortest`` to ``longest`` of ``characters``.

    A literal (a separator, a fixed letter) has no name unless it means something. ``table`` is
    the code table the text must be found in; ``values`` are the meanings of a single character.
    """

    name: str
    title: Words
    characters: str
    shortest: int
    longest: int
    table: str
    values: Mapping[str, Words]

    @property
    def pattern(self) -> str:
        """The part as a regular expression."""
        return f"[{re.escape(self.characters)}]{{{self.shortest},{self.longest}}}"


class Form(NamedTuple):
    """One way to write a segment, for instance a division code or a UN/LOCODE.

    ``check`` names the check system of the segment's own last character, empty for none;
    ``refused`` maps beginnings that are well-formed but not allowed to the reason; ``pattern``
    is the form as a regular expression.
    """

    source: str
    title: Words
    parts: tuple[Part, ...]
    check: str
    refused: Mapping[str, str]
    pattern: str

    def part(self, name: str) -> Part:
        """Return the part of that name; KeyError if there is none."""
        return _named(self.parts, name)

    def fits(self, text: str) -> bool:
        """Whether ``text`` is written in this form: as by its pattern, which takes longer to make
        than a program takes that reads one identifier.
        """
        offset = 0
        for part in self.parts:
            end = run_end(text, offset, part)
            if end - offset < part.shortest:
                return False
            offset = end
        return offset == len(text)

    def split(self, text: str) -> Iterator[tuple[Part, int, str]]:
        """Yield each part of a well-formed text with its 0-based offset and characters."""
        offset = 0
        for part in self.parts:
            end = run_end(text, offset, part)
            yield part, offset, text[offset:end]
            offset = end


class Segment(NamedTuple):
    """One of the five segments; its forms are tried in order."""

    name: str
    title: Words
    forms: tuple[Form, ...]

    def form_of(self, text: str) -> Form | None:
        """Return the form that ``text`` is written in, None if it is written in none."""
        return next((form for form in self.forms if form.fits(text)), None)


class Scheme(NamedTuple):
    """Everything that says how identifiers are written; immutable."""

    name: str
    title: Words
    segments: tuple[Segment, ...]
    separator: str
    check: str
    removed: str
    dns_suffix: str
    handle_authority: str

    def pattern(self, segments: Iterable[Segment]) -> str:
        """The canonical form of some segments as a regular expression with a group for each."""
        groups = ("(" + "|".join(f.pattern for f in s.forms) + ")" for s in segments)
        return re.escape(self.separator).join(groups)

    def segment(self, name: str) -> Segment:
        """Return the segment of that name; KeyError if there is none."""
        return _named(self.segments, name)

    def checked_text(self, canonical: str) -> str:
        """Return what the check characters are calculated over: no separators."""
        for character in self.removed:
            canonical = canonical.replace(character, "")
        return canonical


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_N = TypeVar("_N", bound=_Named)


def _named(items: Iterable[_N], name: str) -> _N:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)


def run_end(text: str, offset: int, part: Part) -> int:
    """Return where the run of the part's characters that begins at ``offset`` ends."""
    end = min(len(text), offset + part.longest)
    for index in range(offset, end):
        if text[index] not in part.characters:
            return index
    return end


@cache
def load(name: str = DEFAULT) -> Scheme:
    """Read ``schemas/scheme-<name>.toml``; FileNotFoundError where there is no such scheme."""
    import tomllib

    return _scheme(tomllib.loads(codes.read(f"scheme-{name}.toml").decode("utf-8")))


def _scheme(data: Mapping[str, Any]) -> Scheme:
    return Scheme(
        name=data["name"],
        title=Words(**data["title"]),
        segments=tuple(_segment(entry, data["alphabets"]) for entry in data["segments"]),
        separator=data["separator"],
        check=data["check"]["algorithm"],
        removed=data["check"]["removed"],
        dns_suffix=data["mapping"]["dns_suffix"],
        handle_authority=data["mapping"]["handle_authority"],
    )


def _segment(data: Mapping[str, Any], alphabets: Mapping[str, str]) -> Segment:
    forms = tuple(_form(form, alphabets) for form in data["forms"])
    return Segment(data["name"], Words(**data["title"]), forms)


def _form(data: Mapping[str, Any], alphabets: Mapping[str, str]) -> Form:
    parts = tuple(_part(part, alphabets) for part in data["parts"])
    return Form(
        source=data["source"],
        title=Words(**data["title"]),
        parts=parts,
        check=data.get("check", ""),
        refused=data.get("refused", {}),
        pattern="".join(part.pattern for part in parts),
    )


def _part(data: Mapping[str, Any], alphabets: Mapping[str, str]) -> Part:
    values = {code: Words(**words) for code, words in data.get("values", {}).items()}
    characters = data.get("literal") or "".join(values) or alphabets[data["alphabet"]]
    length = data.get("length", 1)
    shortest, longest = length if isinstance(length, list) else (length, length)
    title = Words(**data.get("title", {"zh": "", "en": ""}))
    name = data.get("name", "")
    return Part(name, title, characters, shortest, longest, data.get("table", ""), values)
