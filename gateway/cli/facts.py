"""What a record says, in rows for people: a label in both languages, and the value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from csid.fields import BY_KEY, PRECISIONS, show_number
from csid.record import Record
from csid.vocabulary import FIELDS, STATES
from gateway.cli import console


def rows(record: Record) -> Iterator[tuple[str, str]]:
    """(label, value) of every fact declared, in the order of FIELDS; unknown keys come last."""
    shown = {
        field.name: field.form.show(record.values[key])
        for key, field in BY_KEY.items()
        if key in record.values and key != "fl"
    }
    for letter, number in record.gflops.items():
        shown[PRECISIONS[letter]] = show_number(number)
    shown["state"] = f"{STATES[record.state]} {record.state}"
    if record.price is not None:  # the three come together
        del shown["currency"], shown["price_unit"]
        shown["price"] = f"{record.price} {record.currency} / {record.price_unit}"
    for name, label in FIELDS.items():
        if name == "endpoints":
            for endpoint in record.endpoints:
                yield str(label), "  ".join((endpoint.uri, *endpoint.addresses))
        elif name in shown:
            yield str(label), shown[name]
    for key, value in record.extra.items():
        yield key, str(value)


def print_rows(rows: Sequence[tuple[str, str]]) -> None:
    """Print labels and values in two columns; no value is folded, so that it can be copied."""
    width = max(cell_len(label) for label, _ in rows)
    for label, value in rows:
        padding = " " * (width - cell_len(label) + 2)
        console.out.print(Text.assemble((label, "cyan"), padding, value))
