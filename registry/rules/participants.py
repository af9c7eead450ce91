"""The parties to the network: five kinds, what each may do, and their accreditation (准入)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from csid import vocabulary
from registry.tables.enums import Kind, Standing
from registry.tables.rows import Owner


class Right(Enum):
    """What an accredited participant may do, by its kind."""

    OPERATE_NODE = "operate a node"
    HOLD_IDENTIFIERS = "hold identifiers and pools"
    RESELL = "hold the resale and scheduling qualification 转售调度资格"
    USE_RESOURCES = "resolve and use resources for applications"
    OFFER_LINES = "offer dedicated lines"


class KindWords(NamedTuple):
    """A kind on the command line, in Chinese and English, and its rights."""

    word: str
    zh: str
    en: str
    rights: frozenset[Right]


def _kind(word: str, right: Right) -> KindWords:
    return KindWords(word, *vocabulary.KINDS[word], frozenset({right}))


KINDS: Final[Mapping[Kind, KindWords]] = {
    Kind.NODE_OPERATOR: _kind("node", Right.OPERATE_NODE),
    Kind.RESOURCE_PROVIDER: _kind("resource", Right.HOLD_IDENTIFIERS),
    Kind.RESALE_PROVIDER: _kind("resale", Right.RESELL),
    Kind.APPLICATION_PROVIDER: _kind("application", Right.USE_RESOURCES),
    Kind.LINE_PROVIDER: _kind("line", Right.OFFER_LINES),
}
KIND_BY_WORD: Final[Mapping[str, Kind]] = {words.word: kind for kind, words in KINDS.items()}


class Judgement(Enum):
    """What an administrator decides about a participant."""

    ACCREDIT = "accredit"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    END = "end"


# What is not here is not allowed; an ended accreditation does not come back.
STANDINGS: Final[Mapping[tuple[Standing, Judgement], Standing]] = {
    (Standing.APPLIED, Judgement.ACCREDIT): Standing.ACCREDITED,
    (Standing.ACCREDITED, Judgement.SUSPEND): Standing.SUSPENDED,
    (Standing.SUSPENDED, Judgement.REINSTATE): Standing.ACCREDITED,
    (Standing.APPLIED, Judgement.END): Standing.ENDED,
    (Standing.ACCREDITED, Judgement.END): Standing.ENDED,
    (Standing.SUSPENDED, Judgement.END): Standing.ENDED,
}
JUDGED: Final[Mapping[Judgement, Standing]] = {
    judgement: standing for (_, judgement), standing in STANDINGS.items()
}


def rights_of(owner: Owner) -> frozenset[Right]:
    """What a participant may do by its kinds: nothing unless it is accredited."""
    if owner.standing is not Standing.ACCREDITED:
        return frozenset()
    return frozenset().union(*(KINDS[kind].rights for kind in owner.kinds))
