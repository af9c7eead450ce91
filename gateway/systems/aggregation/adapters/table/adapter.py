"""Files that are read again and again, each as what it is."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.sheets.package import ZIP
from gateway.systems.aggregation.adapters import options
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.table.cpurl import read_cpurl, taken
from gateway.systems.aggregation.adapters.table.gathering import Highest, Told
from gateway.systems.aggregation.adapters.table.kept import Kept, Read
from gateway.systems.aggregation.adapters.table.layout import Layout, layout
from gateway.systems.aggregation.adapters.table.platform import read_resources
from gateway.systems.aggregation.adapters.table.sheet import read_sheet
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

OPTIONS: Final = ("format", "free", "layout", "sheet", "usage")
OCTETS_MAX: Final = 256 << 20
COMMAS_MAX: Final = 5_000_000  # of a file of JSON: its parts are all made before they are counted
FORMATS: Final = ("sheet", "cpurl", "resources")
_BLANKS: Final = b" \t\r\n\xef\xbb\xbf"


class Table:
    """Reads a file."""

    kind = "table"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        """See `Adapter.poll`. What the file says was so when it was written: its name tells that,
        or `last-modified`; else when it was seen first.
        """
        options.check(source, OPTIONS)
        read = _reader(source)
        kept: Kept = memory.setdefault("table", Kept())
        (said,) = yield [Ask("table", "")]
        if said.status != 200:
            gone = "there is no such file" if said.status == 404 else f"status {said.status}"
            raise ReadingError(f"table {text(source.url)}: {gone}")
        if len(said.body) > OCTETS_MAX:
            raise ReadingError(f"table: more than {OCTETS_MAX >> 20} MiB; give it in parts")
        told = kept.told(said.body, source.options, read, now)
        written = _written(source, said)
        notes = list(told.notes)
        if written is not None and written > now:
            notes.append("it was written later than it is now: a clock is wrong")
        return Reading(told.units, kept.at(written, now), "", told.whole, tuple(notes))

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        """A file tells of nothing by itself."""
        return ()


def _reader(source: Source) -> Read:
    """What reads a body, as the options say.

    Raises:
        ReadingError: an option is wrong.
    """
    given = source.options
    laid_out = layout(given["layout"]) if given.get("layout") else None
    for name, known in (("format", FORMATS), ("usage", ("percent", "share")), ("free", ("all",))):
        if given.get(name) and given[name] not in known:
            raise ReadingError(
                f"option {name}={text(given[name])}: expected one of {', '.join(known)}"
            )
    return partial(
        _read,
        format_=given.get("format", ""),
        laid_out=laid_out,
        percent=given.get("usage") != "share",
        sheet=given.get("sheet") or None,
        all_free=given.get("free") == "all",
    )


def _read(
    body: bytes,
    highest: Highest,
    *,
    format_: str,
    laid_out: Layout | None,
    percent: bool,
    sheet: str | None,
    all_free: bool,
) -> Told:
    format_ = format_ or _format(body)
    if format_ == "sheet":
        return read_sheet(body, sheet, all_free)
    if body.count(b",") > COMMAS_MAX:
        raise ReadingError(f"table: more than {COMMAS_MAX:,} commas in JSON; give it in parts")
    plain = body.removeprefix(b"\xef\xbb\xbf")
    if format_ == "cpurl":
        return read_cpurl(plain, laid_out, percent, highest)
    return read_resources(plain, laid_out, highest)


def _format(body: bytes) -> str:
    """What a file is, by how it begins: JSON is what a system wrote, all else is a table."""
    begins = body[:100].lstrip(_BLANKS)[:1]
    if body.startswith(ZIP) or begins not in (b"[", b"{"):
        return "sheet"
    return "cpurl" if begins == b"[" else "resources"


def _written(source: Source, said: Said) -> int | None:
    """When the file was written, in Unix milliseconds, as its name says it, or its server; None if
    they do not.
    """
    named = _path(said.headers.get("content-location", "")) or _path(source.url)
    at = taken(named)
    if at is None:
        modified = said.headers.get("last-modified", "")
        try:
            at = round(parsedate_to_datetime(modified).timestamp() * 1_000)
        except (ValueError, TypeError, OverflowError):
            return None
    return max(at, 0)


def _path(url: str) -> str:
    """The path of a URL; nothing if it is none."""
    try:
        return unquote(urlsplit(url).path)
    except ValueError:
        return ""
