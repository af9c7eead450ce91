"""The compute identifier (算力标识): five segments, as text, DNS name and Handle.

    91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY
    h60m07a1-0001-fy.acv.330106.6450.91330106673959654p.csid.internal.
    0.EXAMPLE.91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY

Lower-case and full-width letters are folded to the canonical form and spaces around it are
dropped; nothing else is changed, nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache

from csid import check, codes, scheme, segments
from csid.errors import IdentifierError

MAX_TEXT = 512  # characters; a DNS name has at most 255, a Handle as long a prefix

# Owners and locations repeat, serials do not: how many distinct values are remembered as valid.
_OWNERS_REMEMBERED = 65_536
_OTHERS_REMEMBERED = 16_384
_HEADS_REMEMBERED = 16_384  # all that stands before the specification

# Full-width ASCII and the ideographic space become ASCII, lower case upper case. Only these:
# str.upper() would make an S of U+017F, and NFKC digits of what are other characters.
_ASCII = {code: chr(code).upper() for code in range(128)}
_FOLDED = _ASCII | {code + 0xFEE0: _ASCII[code] for code in range(0x21, 0x7F)} | {0x3000: " "}
_AUTHORITY = re.compile(r"[0-9A-Z]+(?:\.[0-9A-Z]+)*")


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """A valid compute identifier; its segments are canonical (upper case, no spaces).

    Made by ``parse``, ``make``, ``from_dns_name`` and ``from_handle``, which check it; the
    constructor does not. Orders by owner, then industry, location, type and specification.
    """

    owner: str
    industry: str
    location: str
    type: str
    spec: str

    @property
    def capability(self) -> str:
        """The eight characters of the capability class (能力级), for instance H60M07A1."""
        return self.spec.split("-")[0]

    @property
    def serial(self) -> str:
        """The owner's serial, 1 to 12 characters."""
        return self.spec.split("-")[1]

    @property
    def check(self) -> str:
        """The two check characters over all five segments."""
        return self.spec.split("-")[2]

    def __reduce__(self) -> tuple[Callable[..., Identifier], tuple[str, ...]]:
        return Identifier, (self.owner, self.industry, self.location, self.type, self.spec)

    def __str__(self) -> str:
        return f"{self.owner}/{self.industry}/{self.location}/{self.type}/{self.spec}"

    def to_dns_name(self, suffix: str | None = None) -> str:
        """Return the absolute DNS name under ``suffix`` (the scheme's unless given)."""
        labels = f"{self.spec}.{self.type}.{self.location}.{self.industry}.{self.owner}".lower()
        return f"{labels}.{_suffix(suffix)}"

    def to_wire(self, suffix: bytes) -> bytes:
        """Return the lower-case DNS name in wire format (RFC 1035 section 3.1).

        ``suffix`` is the deployment's suffix in the same format, ended by the root's zero byte.
        """
        spec, location = self.spec, self.location
        # Segments are shorter than 65 bytes, so that lower() leaves the length bytes alone.
        labels = (
            f"{chr(len(spec))}{spec}{chr(len(self.type))}{self.type}"
            f"{chr(len(location))}{location}{chr(len(self.industry))}{self.industry}"
            f"{chr(len(self.owner))}{self.owner}"
        )
        return labels.lower().encode("ascii") + suffix

    def to_handle(self, authority: str | None = None) -> str:
        """Return the Handle ``<authority>.<owner>/<the other segments>``.

        Raises IdentifierError where ``authority`` is no Handle naming authority.
        """
        if authority is None:
            authority = scheme.load().handle_authority
        return f"{_authority(fold(authority))}.{self}"


class Parser:
    """Reads identifiers of one scheme; ``parse`` and ``make`` are the one of the default scheme."""

    def __init__(self, rules: scheme.Scheme) -> None:
        self.scheme = rules
        self._separator = rules.separator
        self._match_head = re.compile(rules.pattern(rules.segments[:-1])).fullmatch
        self._match_spec = re.compile(rules.pattern(rules.segments[-1:])).fullmatch
        self._check_holds = check.HOLDS[rules.check]
        self._owner, self._industry, self._location, self._type, self._spec = rules.segments
        self._owner_holds = self._remembering(self._owner, _OWNERS_REMEMBERED)
        self._industry_holds = self._remembering(self._industry, _OTHERS_REMEMBERED)
        self._location_holds = self._remembering(self._location, _OTHERS_REMEMBERED)
        self._type_holds = self._remembering(self._type, _OTHERS_REMEMBERED)
        self._spec_tables = _fixed_tables(self._spec)
        self._head = lru_cache(_HEADS_REMEMBERED)(self._valid_head)

    def parse(self, text: str, on: date | None = None, suffix: str | None = None) -> Identifier:
        """Return the identifier written in ``text``: identifier, DNS name or Handle.

        A DNS name must lie under ``suffix`` (the scheme's unless given), with or without the
        trailing dot; a Handle may have any naming authority. ``on`` is the date of
        registration: the location must be in force in that year. Without it, a location is
        accepted that is or ever was in force.
        Raises IdentifierError with segment, position and reason.
        """
        year = on.year if on is not None else 0
        found = self._read(text, year)
        if found is None:
            written = canonical(fold(text), suffix)
            found = self._read(written, year)
            if found is None:
                raise self._fault(written, year)
        return found

    def make(
        self,
        owner: str,
        industry: str,
        location: str,
        type: str,
        capability_class: str,
        serial: str,
        on: date | None = None,
    ) -> Identifier:
        """Return the identifier of these segments, its check characters calculated.

        The owner comes with its own check character. Raises IdentifierError as ``parse`` does.
        """
        year = on.year if on is not None else 0
        unchecked = f"{owner}/{industry}/{location}/{type}/{capability_class}-{serial}-00"
        parts = self._valid_segments(unchecked, year)
        if parts is None:
            given = (owner, industry, location, type, f"{capability_class}-{serial}-00")
            unchecked = self.scheme.separator.join(fold(part) for part in given)
            parts = self._valid_segments(unchecked, year)
        if parts is None:
            raise self._fault(unchecked, year)
        body = self.scheme.checked_text(unchecked)[:-2]
        spec = parts[4][:-2] + check.CHECK_OF[self.scheme.check](body)
        return Identifier(parts[0], parts[1], parts[2], parts[3], spec)

    def is_beside(self, text: str, at: int) -> bool:
        """Whether a text is a valid and canonical identifier, given that what stands before ``at``,
        where its specification begins, is the beginning of one that is.
        """
        return self._is_spec(text[at:]) and self._check_holds(self.scheme.checked_text(text))

    def _read(self, text: str, year: int) -> Identifier | None:
        """Return the identifier if ``text`` is valid and canonical: the path of a bulk import."""
        parts = self._valid_segments(text, year)
        if parts is None or not self._check_holds(self.scheme.checked_text(text)):
            return None
        owner, industry, location, type_, spec = parts
        return Identifier(owner, industry, location, type_, spec)

    def _valid_segments(self, text: str, year: int) -> tuple[str, str, str, str, str] | None:
        """Return the segments if each is valid by itself, with no look at the check over all."""
        if len(text) > MAX_TEXT:  # nor is it remembered
            return None
        head, _, spec = text.rpartition(self._separator)
        found = self._head(head, year)
        return None if found is None or not self._is_spec(spec) else (*found, spec)

    def _valid_head(self, text: str, year: int) -> tuple[str, str, str, str] | None:
        """Return the segments before the specification if each is valid by itself."""
        match = self._match_head(text)
        if match is None:
            return None
        owner, industry, location, type_ = match.groups()
        if (
            self._owner_holds(owner)
            and self._location_holds(location, year)
            and self._industry_holds(industry)
            and self._type_holds(type_)
        ):
            return owner, industry, location, type_
        return None

    def _is_spec(self, text: str) -> bool:
        # The codes inside a specification are looked up one by one: whole, too many to remember.
        for place, table in self._spec_tables:
            if text[place] not in table:
                return False
        return self._match_spec(text) is not None

    def _remembering(self, segment: scheme.Segment, size: int) -> Callable[..., bool]:
        @lru_cache(size)
        def holds(text: str, year: int = 0) -> bool:
            return _holds(segment, text, year)

        return holds

    def _fault(self, canonical: str, year: int) -> IdentifierError:
        """Return what is wrong with a text that ``_read`` did not accept."""
        separator, count = self.scheme.separator, len(self.scheme.segments)
        parts = canonical.split(separator)
        if len(parts) != count:
            names = separator.join(segment.name for segment in self.scheme.segments)
            reason = f"expected {count} segments ({names}), found {len(parts) if canonical else 0}"
            return IdentifierError("identifier", 0, reason)
        try:
            for segment, part in zip(self.scheme.segments, parts, strict=True):
                segments.require(segment, part, year)
        except IdentifierError as error:
            return error
        return IdentifierError(
            self.scheme.segments[-1].name,
            len(parts[-1]) - 1,
            "the check characters do not hold over the five segments; some character is wrong: "
            "compare the identifier with its source",
        )


def _fixed_tables(segment: scheme.Segment) -> list[tuple[slice, codes.Table]]:
    """Return where the codes stand in a segment of one form, and the table of each."""
    found, start = [], 0
    for part in segment.forms[0].parts:
        if part.table:
            found.append((slice(start, start + part.longest), codes.by_name(part.table)))
        start += part.longest
    return found


def _holds(segment: scheme.Segment, text: str, year: int) -> bool:
    try:
        segments.require(segment, text, year)
    except IdentifierError:
        return False
    return True


def fold(text: str) -> str:
    """Return ``text`` with full-width and lower-case ASCII folded and outer spaces dropped."""
    return text.translate(_FOLDED).strip()


def canonical(folded: str, suffix: str | None = None) -> str:
    """Return the segments of a folded text of any form, as an identifier is written.

    Raises:
        IdentifierError: it is too long, a DNS name outside the suffix, or a Handle under no prefix.
    """
    separator = scheme.load().separator
    if len(folded) > MAX_TEXT:
        raise IdentifierError("identifier", 0, f"is longer than {MAX_TEXT} characters")
    if separator in folded:
        prefix, dot, _owner = folded.partition(separator)[0].rpartition(".")
        if dot:
            _authority(prefix)
        return folded[len(prefix) + len(dot) :]
    if "." in folded:
        return separator.join(reversed(labels_under(folded, suffix)))
    return folded


def labels_under(text: str, suffix: str | None) -> list[str]:
    """Return the labels of a folded DNS name that stand before the suffix, None being the scheme's.

    Raises:
        IdentifierError: the name does not lie under it.
    """
    suffix = _suffix(suffix)
    end = f".{suffix.upper()}".rstrip(".")
    name = text.removesuffix(".")
    if name == end[1:]:
        return []
    if not name.endswith(end):
        raise IdentifierError(
            "identifier", 0, f"the DNS name does not lie under the suffix {suffix!r}"
        )
    return name.removesuffix(end).split(".")


def _suffix(suffix: str | None) -> str:
    """Return a DNS suffix in lower case with its trailing dot; empty for the root."""
    if suffix is None:
        return scheme.load().dns_suffix
    labels = suffix.strip(".").lower()
    return f"{labels}." if labels else ""


def _authority(folded: str) -> str:
    """Return a Handle naming authority, such as 20.500.12357, if it is well-formed."""
    if not _AUTHORITY.fullmatch(folded):
        reason = f"{folded!r} is no Handle naming authority; expected one like 20.500.12357"
        raise IdentifierError("handle", 0, reason)
    return folded


@cache
def default_parser() -> Parser:
    """Return the parser of the default scheme."""
    return Parser(scheme.load())


def parse(text: str, on: date | None = None, suffix: str | None = None) -> Identifier:
    """Return the identifier that ``text`` is in the default scheme; see ``Parser.parse``."""
    return default_parser().parse(text, on, suffix)


def make(
    owner: str,
    industry: str,
    location: str,
    type: str,
    capability_class: str,
    serial: str,
    on: date | None = None,
) -> Identifier:
    """Return the identifier of these segments in the default scheme; see ``Parser.make``."""
    return default_parser().make(owner, industry, location, type, capability_class, serial, on)


def from_dns_name(name: str, on: date | None = None, suffix: str | None = None) -> Identifier:
    """Return the identifier of a DNS name under ``suffix``; IdentifierError if it is none."""
    if "/" in fold(name) or "." not in fold(name):
        raise IdentifierError("identifier", 0, f"{name!r} is no DNS name of an identifier")
    return parse(name, on, suffix)


def from_handle(handle: str, on: date | None = None, authority: str | None = None) -> Identifier:
    """Return the identifier of a Handle, under the naming authority if one is given.

    Raises IdentifierError if it is none, or another authority's.
    """
    prefix, dot, _owner = fold(handle).partition("/")[0].rpartition(".")
    if not dot:
        raise IdentifierError("handle", 0, f"{handle!r} has no naming authority before the owner")
    if authority is not None and prefix != _authority(fold(authority)):
        reason = f"{prefix!r} is not the naming authority {authority!r}"
        raise IdentifierError("handle", 0, reason)
    return parse(handle, on)
