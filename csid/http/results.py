"""What the interface answers, as frozen values. A member that is not for the caller to see is None;
members that a later version has besides are left out.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

from csid.errors import CsidError

T = TypeVar("T")


class RegistryError(CsidError):
    """What `csid.Registry` raises: one of the two below, or itself for an answer that is none."""


class UnreachableError(RegistryError):
    """The node has not answered, or only that it cannot now, until the time was over.

    Attributes:
        key: of a request that changes something: whether it was done is not known; asked again
            under it, it is not done twice. Empty where nothing was to be changed.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class RefusedError(RegistryError):
    """The node has refused.

    Attributes:
        problem: its words.
    """

    def __init__(self, problem: Problem) -> None:
        named = f"{problem.code} {problem.name}: " if problem.code else ""
        super().__init__(f"{named}{problem.title}: {problem.detail}")
        self.problem = problem


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was refused (RFC 9457): ``code``, ``name``, ``epp`` are those of the registry's
    status, if it was the registry.
    """

    status: int
    title: str
    title_zh: str = ""
    detail: str = ""
    type: str = ""
    code: int = 0
    name: str = ""
    epp: int = 0
    subject: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request that was carried out: code 100 done, 101 so already, 102 done before
    under the same key.
    """

    subject: str
    code: int
    name: str
    en: str = ""
    zh: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An identifier; ``leaf`` is that of its last change, which `update` may be given."""

    identifier: str
    state: str
    since: datetime
    changed: datetime
    leaf: int
    ttl: int
    target: str | None = None
    record: dict[str, Any] = {}
    dns: str = ""
    handle: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True, rename={"for_": "for"}):
    """A change of the registry, a leaf of its log."""

    leaf: int
    kind: str
    subject: str
    time: datetime
    to: str | None = None
    record: dict[str, Any] | None = None
    ttl: int | None = None
    by: str | None = None
    role: str | None = None
    for_: str | None = None
    peer: str | None = None
    why: str | None = None
    previous: int | None = None


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """An owner."""

    owner: str
    name: str
    kinds: tuple[str, ...]
    standing: str
    qualified: bool
    since: datetime
    leaf: int
    contact: str | None = None
    quota: int | None = None


class Pool(msgspec.Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """A pool, and how far it is used."""

    pool: str
    place: str
    class_: str
    first: str
    last: str
    quota: int
    assigned: int
    since: datetime
    leaf: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the national node has said of an identifier."""

    number: int
    code: int
    name: str
    time: datetime
    leaf: int
    reason: str | None = None


class Filing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the filing of an identifier is."""

    identifier: str
    state: str
    receipt: Receipt | None = None


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A page, and what to go on after; None: it was the last."""

    items: tuple[T, ...]
    next: str | None = None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Changes, and the leaf to go on from; ``size``: leaves of the log."""

    items: tuple[Change, ...]
    next: int
    size: int


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of an identifier, the last one first."""

    items: tuple[Change, ...]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the items of a batch."""

    items: tuple[msgspec.Raw, ...]


_DONE: Final = 300  # what is below is done


def result_of(octets: msgspec.Raw) -> Outcome | Problem:
    """What came of an item of a batch."""
    if msgspec.json.decode(octets, type=_Status).status < _DONE:
        return msgspec.json.decode(octets, type=Outcome)
    return msgspec.json.decode(octets, type=Problem)


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    status: int
