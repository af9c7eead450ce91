"""Files that are read again and again, each as what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.sheets.package import ZIP
from gateway.systems.aggregation.adapters import options
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.table.cpurl import read_cpurl, taken
from gateway.systems.aggregation.adapters.table.gathering import Highest, Told
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
FORMATS: Final = ("sheet", "cpurl", "resources")
_BLANKS: Final = b" \t\r\n\xef\xbb\xbf"


class Table:
    """Reads a file."""

    kind = "table"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        """See `Adapter.poll`. What the file says was so when it was written: its name tells that,
        or `last-modified`.
        """
        options.check(source, OPTIONS)
        read = _reader(source, memory.setdefault("highest", {}))
        (said,) = yield [Ask("table", "")]
        if said.status != 200:
            gone = "there is no such file" if said.status == 404 else f"status {said.status}"
            raise ReadingError(f"table {text(source.url)}: {gone}")
        if len(said.body) > OCTETS_MAX:
            raise ReadingError(f"table: more than {OCTETS_MAX >> 20} MiB; give it in parts")
        told = read(said.body)
        written = _written(source, said)
        notes = list(told.notes)
        if written is not None and written > now:
            notes.append("it was written later than it is now: a clock is wrong")
        at = now if written is None else min(written, now)
        return Reading(tuple(told.units), at, "", told.whole, tuple(notes))

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        """A file tells of nothing by itself."""
        return ()


def _reader(source: Source, highest: Highest) -> Callable[[bytes], Told]:
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
        highest=highest,
    )


def _read(
    body: bytes,
    *,
    format_: str,
    laid_out: Layout | None,
    percent: bool,
    sheet: str | None,
    all_free: bool,
    highest: Highest,
) -> Told:
    format_ = format_ or _format(body)
    if format_ == "sheet":
        return read_sheet(body, sheet, all_free)
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
    """When the file was written, in Unix milliseconds."""
    at = taken(unquote(urlsplit(said.headers.get("content-location", source.url)).path))
    if at is not None:
        return at
    try:
        return round(
            parsedate_to_datetime(said.headers.get("last-modified", "")).timestamp() * 1_000
        )
    except (ValueError, TypeError, OverflowError):
        return None
