"""Reading master files (RFC 1035 section 5) into records: files, directives and lines.

A file is read line by line. A line that holds one whole record without parentheses is taken apart
by one pattern; every other line is given to dnspython's tokenizer, which goes on into the following
lines where parentheses ask for it. Both ways end in the same functions of `rdata`.

What RFC 1035 leaves open is done as BIND 9 does it:

- TTL of a record without one: the last $TTL, wherever it stood, an included file too (RFC 2308
  section 4); else the last TTL written out; else, for the SOA, its minimum field, which then is
  the default of the records that follow; else an error. One above 2^31 - 1 is 0 (RFC 2181 section
  8), with a warning.
- $INCLUDE: origin and last owner are those of the including file again when it ends. The path is
  relative to the including file (BIND: to its working directory).
- $GENERATE: as BIND's, its data one token or one quoted text, in which \\" is a quote of the data.
  A blank owner behind it is the owner before it.

Only class IN is accepted. Names outside ASCII are refused, text in record data is UTF-8.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import dns.exception
import dns.tokenizer

from csid.errors import CsidError, ZoneError
from csid.limits import MAX_ENTRY_CHARACTERS, MAX_TTL
from csid.protocol import SOA
from resolver.zonefile import directives, generate
from resolver.zonefile.rdata import rdata_of, read_rdata
from resolver.zonefile.reasons import reason_of
from resolver.zonefile.source import Lines, Source
from resolver.zonefile.tokens import TextError, is_class_in, name_of, tokenizer, ttl_of, type_of

MAX_WARNINGS: Final = 100  # told one by one
MAX_INCLUDE_DEPTH: Final = 16  # files open one inside the other
_LINE_TOO_LONG: Final = (
    f"a line of more than {MAX_ENTRY_CHARACTERS} characters; no record needs one, is this a zone "
    "file?"
)

_TTL_FIELD = r"(?:(\d[0-9WDHMSwdhms]*)[ \t]+)?"
_PLAIN_LINE = re.compile(
    r"(?!\$)([!#-'*-:<-\[\]-~]*)[ \t]+"  # owner: printable ASCII without " ( ) ; \
    rf"{_TTL_FIELD}(?:[Ii][Nn][ \t]+)?{_TTL_FIELD}"
    r"([A-Za-z][A-Za-z0-9-]*)[ \t]+([^ \t\n();][^\n();]*)"  # type and data
    # A semicolon inside a quoted text or behind a backslash leaves data that ends inside the
    # quotes or in the backslash: no reader takes that, so the line is read with care.
    r"(?:;[^\n]*)?\n?"
)


class Record(NamedTuple):
    """One resource record of class IN and where it stands."""

    owner: bytes  # absolute wire name, case kept
    rrtype: int
    ttl: int  # seconds
    rdata: bytes  # uncompressed wire
    path: str
    line: int  # where the record begins, from 1

    @property
    def where(self) -> str:
        """ "file:line", for errors."""
        return f"{self.path}:{self.line}"


def read_file(
    path: Path, origin: bytes | None = None, warnings: list[str] | None = None
) -> Iterator[Record]:
    """The records of a master file and of what it includes, in their order.

    Args:
        path: the file. It is read as the records are taken.
        origin: wire name that stands for a $ORIGIN line before the first line. Without one, the
            owner of the SOA, which then must be written absolute, is the first origin.
        warnings: gets what was put right while reading, each with "file:line".

    Raises:
        ZoneError: the file cannot be read or a line is wrong; `where` is "file:line".
    """
    return _Reader(origin, warnings).read_file(path, None)


def read_text(text: str, path: str = "<text>", origin: bytes | None = None) -> Iterator[Record]:
    """`read_file` for a master file in memory; `path` names it and is what $INCLUDE goes from."""
    return read_source(io.StringIO(text, newline=None), path, origin)


def read_source(file: Lines, path: str, origin: bytes | None = None) -> Iterator[Record]:
    """`read_text` for what lines are read from one by one."""
    return _Reader(origin).read_lines(Source(file, Path(path), None))


def read_line(line: str) -> Record:
    """The record of one line that stands for itself, as a dump has them.

    Raises:
        ZoneError: the line is wrong, or is not exactly one record.
    """
    plain = _PLAIN_LINE.fullmatch(line)
    if plain is not None:
        record = _Reader(None).read_plain_line(plain, "<line>", 1)
        if record is not None:
            return record
    records = list(read_text(line, "<line>"))
    if len(records) != 1:
        raise ZoneError("<line>", f"{len(records)} records where there is one")
    return records[0]


class _Reader:
    """What a line means depends on those before it: origin, last owner and TTLs."""

    def __init__(self, origin: bytes | None, warnings: list[str] | None = None) -> None:
        self.origin = origin
        self.warnings: list[str] = [] if warnings is None else warnings
        self.where = ""  # the entry that is read with care
        self.apex: bytes | None = None  # owner of the first SOA, the origin of last resort
        self.owner: bytes | None = None
        self.owner_text = ""  # what `owner` was made of under `origin`; "" if not known
        self.default_ttl: int | None = None
        self.last_ttl: int | None = None

    def read_file(self, path: Path, includer: Source | None, where: str = "") -> Iterator[Record]:
        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
                yield from self.read_lines(Source(file, path, includer))
        except OSError as error:
            reason = f"cannot read {path}: {error.strerror}; give a readable master file"
            raise ZoneError(where or str(path), reason) from error

    def read_lines(self, source: Source) -> Iterator[Record]:
        match = _PLAIN_LINE.fullmatch
        for number, line in source.numbered:
            if len(line) > MAX_ENTRY_CHARACTERS:
                raise ZoneError(f"{source.shown}:{number}", _LINE_TOO_LONG)
            plain = match(line)
            if plain is not None:
                record = self.read_plain_line(plain, source.shown, number)
                if record is not None:
                    yield record
                    continue
            elif not line.strip(" \t\n") or line.startswith(";"):
                continue
            yield from self.read_entry(line, source, number)

    def read_plain_line(self, line: re.Match[str], path: str, number: int) -> Record | None:
        """The record of a plain line; None if it is not so plain and must be read with care."""
        owner_text, ttl_first, ttl_second, type_text, data = line.groups()
        ttl_text = ttl_first or ttl_second
        try:
            rrtype = type_of(type_text)
            ttl = ttl_of(ttl_text) if ttl_text else self.implied_ttl()
            if ttl is None or ttl > MAX_TTL or rrtype == SOA or (ttl_first and ttl_second):
                return None
            if owner_text and owner_text != self.owner_text:
                self.owner = name_of(owner_text, self.origin)
                self.owner_text = owner_text
            rdata = rdata_of(rrtype, data.rstrip(" \t"), self.origin)
        except (CsidError, dns.exception.DNSException, ValueError):
            return None
        if self.owner is None:
            return None
        if ttl_text:
            self.last_ttl = ttl
        # What Record(...) does, without the function in Python that it goes through.
        return tuple.__new__(Record, (self.owner, rrtype, ttl, rdata, path, number))

    def read_entry(self, line: str, source: Source, number: int) -> Iterator[Record]:
        """What one entry of any form gives, with errors told where they stand."""
        self.where = where = f"{source.shown}:{number}"
        try:
            yield from self.read_entry_tokens(source.entry_tokens(line), source, number)
        except ZoneError:
            raise
        except (CsidError, dns.exception.DNSException, ValueError) as error:
            raise ZoneError(where, reason_of(error, line)) from error

    def read_entry_tokens(
        self, tokens: dns.tokenizer.Tokenizer, source: Source, number: int
    ) -> Iterator[Record]:
        first = tokens.get(want_leading=True)
        if first.is_whitespace():
            token = tokens.get()
            if token.is_eol_or_eof():
                return
            tokens.unget(token)
        elif first.is_eol_or_eof():
            return
        elif first.is_identifier() and first.value.startswith("$"):
            yield from self.follow_directive(first.value.upper(), tokens, source, number)
            return
        else:
            self.set_owner(name_of(first.value, self.origin))
        yield self.read_record(tokens, source.shown, number)

    def set_owner(self, owner: bytes | None) -> None:
        self.owner = owner
        self.owner_text = ""

    def read_record(self, tokens: dns.tokenizer.Tokenizer, path: str, number: int) -> Record:
        """The rest of a record behind its owner."""
        if self.owner is None:
            raise TextError("the first record has no owner name; begin its line with one")
        ttl, rrtype = self.read_fields(tokens)
        if rrtype == SOA and self.apex is None:
            self.apex = self.owner
            self.origin = self.origin or self.owner
        rdata = read_rdata(rrtype, tokens, self.origin)
        return Record(self.owner, rrtype, self.settle_ttl(ttl, rrtype, rdata), rdata, path, number)

    def read_fields(self, tokens: dns.tokenizer.Tokenizer) -> tuple[int | None, int]:
        """TTL (None if not written) and type; TTL and class come in either order or not at all."""
        ttl: int | None = None
        has_class = False
        while True:
            token = tokens.get()
            if not token.is_identifier():
                raise TextError("the line ends before its record type; write owner, type and data")
            if ttl is None and (seconds := ttl_of(token.value)) is not None:
                ttl = seconds
            elif not has_class and is_class_in(token.value):
                has_class = True
            else:
                return ttl, type_of(token.value)

    def settle_ttl(self, ttl: int | None, rrtype: int, rdata: bytes) -> int:
        """The TTL of a record; see the rules at the top."""
        if ttl is not None:
            self.last_ttl = self.bounded(ttl)
            return self.last_ttl
        if self.default_ttl is None and self.last_ttl is None and rrtype == SOA:
            self.default_ttl = self.bounded(int.from_bytes(rdata[-4:]))
        ttl = self.implied_ttl()
        if ttl is None:
            raise TextError("no TTL is known yet; write one here or a $TTL line before")
        return ttl

    def bounded(self, ttl: int) -> int:
        """A TTL as it is, or 0 if its highest bit is set (RFC 2181 section 8)."""
        if ttl <= MAX_TTL:
            return ttl
        said = f"TTL {ttl} is above {MAX_TTL} seconds and means 0 (RFC 2181 8)"
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(f"{self.where}: {said}")
        elif len(self.warnings) == MAX_WARNINGS:
            self.warnings.append(f"{self.where}: {said}; others that do are not told of")
        return 0

    def implied_ttl(self) -> int | None:
        return self.last_ttl if self.default_ttl is None else self.default_ttl

    def follow_directive(
        self, name: str, tokens: dns.tokenizer.Tokenizer, source: Source, number: int
    ) -> Iterator[Record]:
        match name:
            case "$TTL":
                (text,) = directives.arguments(tokens, "a TTL", 1)
                ttl = ttl_of(text)
                if ttl is None:
                    raise TextError(f"{text!r} is no TTL; write seconds, or units as in 1h30m")
                self.default_ttl = self.bounded(ttl)
            case "$ORIGIN":
                (text,) = directives.arguments(tokens, "a name", 1)
                self.origin = name_of(text, self.origin)
                self.owner_text = ""
            case "$INCLUDE":
                yield from self.include(tokens, source, number)
            case "$GENERATE":
                yield from self.generate(tokens, source.shown, number)
            case _:
                raise TextError(
                    f"unknown directive {name}; there are $ORIGIN, $TTL, $INCLUDE, $GENERATE"
                )

    def include(
        self, tokens: dns.tokenizer.Tokenizer, source: Source, number: int
    ) -> Iterator[Record]:
        file_name, *origin = directives.arguments(tokens, "a file and at most an origin", 1, 2)
        path = source.path.parent / file_name
        if source.depth >= MAX_INCLUDE_DEPTH:
            raise TextError(
                f"included more than {MAX_INCLUDE_DEPTH} files deep; does one include itself?"
            )
        saved = self.origin, self.owner
        if origin:
            self.origin = name_of(origin[0], self.origin)
        self.owner_text = ""
        yield from self.read_file(path, source, f"{source.shown}:{number}")
        self.origin = saved[0] or self.apex
        self.set_owner(saved[1])

    def generate(self, tokens: dns.tokenizer.Tokenizer, path: str, number: int) -> Iterator[Record]:
        span, owner_template = (
            directives.bare(tokens, "a range"),
            directives.bare(tokens, "an owner"),
        )
        ttl, rrtype = self.read_fields(tokens)
        template = generate.template_of(tokens)
        for counter in generate.counters(span):
            owner = name_of(generate.fill(owner_template, counter), self.origin)
            rdata = read_rdata(rrtype, tokenizer(generate.fill(template, counter)), self.origin)
            yield Record(owner, rrtype, self.settle_ttl(ttl, rrtype, rdata), rdata, path, number)
