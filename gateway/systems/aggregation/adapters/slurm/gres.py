"""Generic resources as Slurm writes them, which say of accelerators what `tres` says only where
there is a database: `gpu:h100:8(S:0-1)`, in use `gpu:h100:3(IDX:0,2-3)`, without type `gpu:8` and
`gpu:(null):3(IDX:0-2)`.

Parts of cards, `shard` and `mps`, keep whole cards from others: Slurm gives no card as a whole of
which a part is in use. In use they are `shard:h100:1(IDX:0)` in 22.05, where cards are counted, and
later `shard:h100:5(4/8,1/8,0/8,-/8)`, parts in use and there by card; a card marked - is given as a
whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters.slurm import lists

# What accelerators are called.
NAMES: Final = ("gpu", "npu", "dcu", "mlu", "gcu", "xpu", "ppu")
PARTS: Final = ("shard", "mps")
IN_PARTS: Final = "gpu"  # what they are parts of

_ASIDE: Final = re.compile(r"\(([^()]*)\)")  # sockets, indices, parts; a type that is none
_COUNT: Final = re.compile(r"([0-9]{1,9})([KMG]?)", re.ASCII)
_TIMES: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_OF_A_CARD: Final = re.compile(r"(-|[0-9]{1,9})/[0-9]{1,9}", re.ASCII)
_MIG: Final = re.compile(r"[0-9]g[._][0-9]+gb", re.ASCII | re.IGNORECASE)
_TRES: Final = "gres/"


class Item(NamedTuple):
    """One resource of a list.

    Attributes:
        name, type: what it is; "" is no type.
        number: how many; None if that cannot be read.
        aside: what is in the last brackets.
        said: as it stands.
    """

    name: str
    type: str
    number: int | None
    aside: str
    said: str

    @property
    def is_instance(self) -> bool:
        """An instance of a card (MIG), `a100_1g.5gb`: it is no card."""
        return _MIG.search(self.type) is not None

    @property
    def cards(self) -> int:
        """Of parts in use: how many cards they keep, as many as there are parts if unsaid."""
        number = self.number or 0
        found = [_OF_A_CARD.fullmatch(one.strip()) for one in self.aside.split(",")]
        by_card = [int(one[1]) for one in found if one and one[1] != "-"]
        if None in found:
            return number
        # Parts in use that are on none of these cards are on others.
        return sum(one > 0 for one in by_card) + max(0, number - sum(by_card))


def items(said: str | None, names: Collection[str], unsaid: int | None = None) -> list[Item]:
    """Those that have one of these names.

    Args:
        unsaid: how many there are where no count stands, as in `gpu` and `gpu:h100`.
    """
    found: list[Item] = []
    if not said or not any(name in said for name in names):
        return found
    for one in lists.split(said, lists.ROUND):
        name, *rest = _ASIDE.sub("", one).split(":")
        if name in names:
            asides = _ASIDE.findall(one)
            words = [word for word in rest if word != "no_consume"]
            number, kind = _counted(words, unsaid)
            found.append(Item(name, kind, number, asides[-1] if asides else "", one))
    return found


def items_of_tres(said: str | None, names: Collection[str]) -> list[Item]:
    """The same of trackable resources, which say it with a database: all together, and by type
    where types are tracked: `cpu=16,gres/gpu=6,gres/gpu:h100=6`. What is said by type is taken off
    what is said without.
    """
    tracked = [one.strip() for one in (said or "").split(",")]
    told = ",".join(
        one.removeprefix(_TRES).replace("=", ":") for one in tracked if one.startswith(_TRES)
    )
    found = items(told, names)
    by_type = dict.fromkeys(names, 0)
    for one in found:
        by_type[one.name] += one.number or 0 if one.type else 0
    return [
        one
        if one.type or one.number is None
        else one._replace(number=max(0, one.number - by_type[one.name]))
        for one in found
    ]


def _counted(words: list[str], unsaid: int | None) -> tuple[int | None, str]:
    """How many of which type: of `h100:8`, without what is around it."""
    match = _COUNT.fullmatch(words[-1]) if words else None
    kinds = words[:-1] if match else words
    kind = kinds[0].strip() if kinds else ""
    if len(kinds) > 1 or "=" in kind or "(" in kind or ")" in kind:
        return None, kind
    if match:
        return int(match[1]) * _TIMES[match[2]], kind
    # A number that is none: too long, say, or less than 0.
    is_a_type = not kind or any(map(str.isalpha, kind))
    return (unsaid if is_a_type else None), kind
