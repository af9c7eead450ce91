"""Metrics as Prometheus reads them (text exposition format, version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_WHOLE: Final = 2**53  # up to which a double has each whole number

Labels = Mapping[str, str]
Sample = tuple[Labels, float]
Exposed = tuple[str, str, str, Iterable[Sample]]


def exposition(families: Iterable[Exposed]) -> str:
    """The text for metrics: of each its name, its type (gauge, counter), what it means, and its
    samples. One without a sample is left out.
    """
    lines = []
    for name, kind, said, found in families:
        samples = list(found)
        if samples:
            lines.append(f"# HELP {name} {_on_a_line(said)}")
            lines.append(f"# TYPE {name} {kind}")
            lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _on_a_line(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return _on_a_line(text).replace('"', '\\"')


def _number(value: float) -> str:
    whole = float(value).is_integer() and abs(value) < _WHOLE
    return str(int(value)) if whole else repr(float(value))
