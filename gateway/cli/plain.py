"""What commands print with that are to start fast: JSON, facts in two columns; without `rich`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

from csid.fields import BY_KEY, PRECISIONS, show_number
from csid.record import Record
from csid.vocabulary import FIELDS, STATES
from gateway.language import shown, words
from gateway.language.width import columns

_CYAN: Final = "\x1b[36m{}\x1b[0m"


def print_json(value: Any, file: IO[str] | None = None) -> None:
    """Print one JSON value on a line of its own, so that streams of them are JSON Lines; to stdout
    unless another file is given.
    """
    import json  # which tables do without

    file = file or sys.stdout
    encoding = getattr(file, "encoding", None) or "utf-8"
    is_ascii = not encoding.lower().startswith("utf")  # others read it as UTF-8 (RFC 8259)
    file.write(json.dumps(value, ensure_ascii=is_ascii, default=str) + "\n")


def facts_of(record: Record) -> Iterator[tuple[str, str]]:
    """(label, value) of every fact declared, in the order of FIELDS; unknown keys come last."""
    said = {
        field.name: field.form.show(record.values[key])
        for key, field in BY_KEY.items()
        if key in record.values and key != "fl"
    }
    for letter, number in record.gflops.items():
        said[PRECISIONS[letter]] = show_number(number)
    said["state"] = state_text(record.state)
    if record.price is not None:  # the three come together
        del said["currency"], said["price_unit"]
        said["price"] = f"{record.price} {record.currency} / {record.price_unit}"
    for name, label in FIELDS.items():
        if name == "endpoints":
            for endpoint in record.endpoints:
                yield str(label), "  ".join((endpoint.uri, *endpoint.addresses))
        elif name in said:
            yield str(label), said[name]
    for key, value in record.extra.items():
        yield key, str(value)


def print_facts(rows: Sequence[tuple[str, str]]) -> None:
    """Print labels and values in two columns; no value is folded, so that it can be copied."""
    rows = [(shown(label), shown(value)) for label, value in rows]
    width = max(columns(label) for label, _ in rows)
    has_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for label, value in rows:
        padding = " " * (width - columns(label) + 2)
        head = _CYAN.format(label) if has_colour else label
        sys.stdout.write(f"{head}{padding}{value}\n")


def state_text(state: str) -> str:
    """A state in the language of who reads it."""
    return words(STATES[state], state)
