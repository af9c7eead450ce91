"""The state of a node as Prometheus reads it (text exposition format, version 0.0.4).

Names have a unit and, where they only grow, `_total` behind them; `families.py` lists all there is.
"""

from __future__ import annotations

from typing import Final

from gateway.metrics.families import FAMILIES, Labels, Status

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def render(status: Status) -> str:
    """The text for a state of `gateway.status.gather`. A family without a sample is left out: what
    only a running server knows, where none runs.
    """
    lines = []
    for family in FAMILIES:
        samples = list(family.samples(status))
        if samples:
            lines.append(f"# HELP {family.name} {family.help}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += [f"{family.name}{_labels(labels)} {_number(n)}" for labels, n in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
