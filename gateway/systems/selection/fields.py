"""What a condition can be about: each field of the record, the status, the place and the path.

A field is read off what a column keeps (`facts.py`, `columns.py`): of a fact in a record, the
value of a code; of live figures, whole numbers.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from csid.fields import PRECISIONS
from csid.vocabulary import FIELDS as WORDS

NUMBER, TEXT, DATE = "number", "text", "date"
TEXTS: Final = "texts"  # what stands for a column of texts that each row has its own of
EXTRA: Final = "extra."  # before the name of a key that no column has
TEN_THOUSAND: Final = 10_000  # parts that load and stability are kept in
LETTERS: Final = {column.partition("_")[0]: letter for letter, column in PRECISIONS.items()}


class Field(NamedTuple):
    """A field.

    Attributes:
        name: as it is written in a condition.
        kind: NUMBER, TEXT or DATE.
        column: which column it is read off.
        of: a value of that column → number, text, or None where nothing is told.
        live: of the status: nothing is told once its validity is over.
        parts: of a live number: how many of what is kept make one.
        since: +1 where the field is now minus what is kept, -1 the other way round.
    """

    name: str
    kind: str
    column: str
    of: Callable[[Any], Any]
    live: bool = False
    parts: int = 1
    since: int = 0


class FieldError(ValueError):
    """A name of no field; the message has what is near."""


def _same(value: Any) -> Any:
    return value


def _item(index: int) -> Callable[[Any], Any]:
    return lambda value: value[index]


def _whole(letter: str) -> Callable[[Any], Any]:
    return lambda speed: dict(speed[1]).get(letter)


def _card(letter: str) -> Callable[[Any], Any]:
    def of(speed: Any) -> Any:
        whole = dict(speed[1]).get(letter)
        return whole / speed[0] if whole is not None and speed[0] else None

    return of


def _measured(letter: str) -> Callable[[Any], Any]:
    return lambda pairs: dict(pairs).get(letter)


def _per(per: str) -> Callable[[Any], Any]:
    return lambda cost: cost.amount if cost.per == per else None


def _all() -> dict[str, Field]:
    plain = ("owner", "industry", "location", "type", "class", "fabric")
    numbers = {
        "count": "count",
        "chip_memory_gib": "chip_memory_gib",
        "vcpu": "vcpu",
        "memory_gib": "memory_gib",
        "bandwidth_gbps": "bandwidth_gbps",
        "green_share": "green_share",
        "trust": "trust",
    }
    made = [Field(name, TEXT, name, _same) for name in plain]
    made += [Field(name, NUMBER, column, _same) for name, column in numbers.items()]
    made += [
        Field("chip", TEXT, "chip", _item(0)),
        Field("extra.src", TEXT, "src", _same),
        Field("name", TEXT, TEXTS, _same),
        Field("endpoints", TEXT, TEXTS, _same),
        Field("family", TEXT, "chip", _item(1)),
        Field("per_node", NUMBER, "units", _item(0)),
        Field("nodes", NUMBER, "units", _item(1)),
        Field("node_vcpu", NUMBER, "units", lambda units: units.node_vcpu),
        Field("node_memory_gib", NUMBER, "units", lambda units: units.node_memory),
        Field("price", NUMBER, "money", lambda value: float(value[0])),
        Field("currency", TEXT, "money", _item(1)),
        Field("price_unit", TEXT, "money", _item(2)),
        Field("card_hour", NUMBER, "cost", _per("card")),
        Field("vcpu_hour", NUMBER, "cost", _per("vcpu")),
        Field("cost_currency", TEXT, "cost", _item(0)),
        Field("valid_from", DATE, "validity", _item(0)),
        Field("valid_until", DATE, "validity", _item(1)),
        Field("rtt", NUMBER, "location", _same),  # of the asker, by location
        Field("health", TEXT, "health", _same, live=True),
        Field("source", TEXT, "source", _same, live=True),
        Field("free.chips", NUMBER, "free_chips", _same, live=True),
        Field("free.vcpu", NUMBER, "free_vcpu", _same, live=True),
        Field("free.memory_gib", NUMBER, "free_memory", _same, live=True),
        Field("free.nodes", NUMBER, "free_nodes", _same, live=True),
        Field("load", NUMBER, "load", _same, live=True, parts=TEN_THOUSAND),
        Field("age", NUMBER, "taken", _same, live=True, parts=1_000, since=1),
        Field("valid_for", NUMBER, "until", _same, live=True, parts=1_000, since=-1),
    ]
    for letter, unit in PRECISIONS.items():
        made += [
            Field(unit, NUMBER, "speed", _whole(letter)),
            Field(f"card_{unit}", NUMBER, "speed", _card(letter)),
            Field(f"measured_{unit}", NUMBER, "measured", _measured(letter)),  # of one card
        ]
    return {field.name: field for field in made}


FIELDS: Final = _all()
# Names in Chinese, where only one field has them.
_IN_CHINESE: Final = {
    words.zh: name
    for name, words in WORDS.items()
    if name in FIELDS and sum(words.zh == other.zh for other in WORDS.values()) == 1
} | {"位置": "location", "类型": "type", "所属主体": "owner", "行业": "industry", "时延": "rtt"}


def field(name: str) -> Field:
    """The field of a name, in English or Chinese.

    Raises:
        FieldError: there is none.
    """
    name = _IN_CHINESE.get(name, name)
    found = FIELDS.get(name)
    if found is not None:
        return found
    if name.startswith(EXTRA) and len(name) > len(EXTRA):
        return Field(name, TEXT, TEXTS, _same)
    near = difflib.get_close_matches(name, [*FIELDS, *_IN_CHINESE], n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(FIELDS)}, extra.*"
    raise FieldError(f"no field is called {name[:40]!r}; {hint}")
