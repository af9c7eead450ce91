"""The enumerations that rows hold, with the words they have for people, EPP and RDAP."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple


class State(IntEnum):
    """Where an identifier is in its life; the numbers are stored."""

    RESERVED = 0
    FILING = 1
    ACTIVE = 2
    SUSPENDED = 3
    RETIRED = 4
    SUPERSEDED = 5


class Words(NamedTuple):
    """A state in records, in Chinese, in EPP (RFC 5731 section 2.3) and in RDAP (RFC 8056)."""

    record: str
    zh: str
    epp: tuple[str, ...]
    rdap: tuple[str, ...]


# Locked for ever: what EPP says of an object that nobody may change any more.
_LOCKED_EPP = ("serverDeleteProhibited", "serverTransferProhibited", "serverUpdateProhibited")
_LOCKED_RDAP = (
    "server delete prohibited",
    "server transfer prohibited",
    "server update prohibited",
)
WORDS: Final[Mapping[State, Words]] = {
    State.RESERVED: Words("reserved", "预留", ("inactive",), ("inactive",)),
    State.FILING: Words("filing", "备案中", ("pendingCreate",), ("pending create",)),
    State.ACTIVE: Words("active", "有效", ("ok",), ("active",)),
    State.SUSPENDED: Words("suspended", "暂停", ("serverHold",), ("server hold",)),
    State.RETIRED: Words("retired", "终止", _LOCKED_EPP, _LOCKED_RDAP),
    State.SUPERSEDED: Words("superseded", "已替代", _LOCKED_EPP, _LOCKED_RDAP),
}
BY_WORD: Final[Mapping[str, State]] = {words.record: state for state, words in WORDS.items()}


class Kind(IntEnum):
    """The five kinds of participant; the numbers are stored. A party may be of several."""

    NODE_OPERATOR = 1
    RESOURCE_PROVIDER = 2
    RESALE_PROVIDER = 3
    APPLICATION_PROVIDER = 4
    LINE_PROVIDER = 5


class Standing(IntEnum):
    """Where a participant's accreditation is; the numbers are stored."""

    APPLIED = 0
    ACCREDITED = 1
    SUSPENDED = 2
    ENDED = 3


STANDING_WORDS: Final[Mapping[Standing, tuple[str, str]]] = {
    Standing.APPLIED: ("applied", "已申请"),
    Standing.ACCREDITED: ("accredited", "已准入"),
    Standing.SUSPENDED: ("suspended", "已暂停"),
    Standing.ENDED: ("ended", "已终止"),
}
