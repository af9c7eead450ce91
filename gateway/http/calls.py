"""A call as the routes have it, and their answer; plain values, no sockets."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from csid.vocabulary import Words
from gateway.http.actors import Caller
from gateway.http.bodies import Member, Operation, require
from gateway.http.media import JSON
from gateway.http.problems import Fault, Problem
from gateway.http.work import Work
from registry.rules.decision import Decision
from registry.rules.requests import KEY_MAX, Request

TEXT: Final = "text/plain; charset=utf-8"


class Call(NamedTuple):
    """A call."""

    caller: Caller
    path: Mapping[str, str]  # what stands in the places of the route's path
    query: Mapping[str, Any]  # read by `read_query`
    headers: Mapping[str, str]  # by names in lower case
    given: Any  # the JSON of the body
    work: Work


@dataclass(slots=True)
class Answer:
    """What is said to a call; ``cost`` is what it counts for the caller's limit."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media: str = JSON
    cost: int = 1


class Carrying(NamedTuple):
    """One request of the registry that a call comes to, and what is said once it is decided."""

    request: Request
    answer: Callable[[Decision], Answer]


class Later(NamedTuple):
    """What takes its time after all, so that a thread does it."""

    work: Callable[[], Answer]


class Route(NamedTuple):
    """One row of the table of routes, of which the document is made, too.

    Attributes:
        name: of the operation, in the document.
        operation: what the body asks for; None if there is none.
        schema: of the body, where it is not that of the operation.
        query: parameters behind the question mark.
        answer: the name of the schema of what is said.
        status: of what is said, where all is well.
        conditional: `If-Match` is looked at.
        lasts: it takes its time, so that a thread does it; one that changes something and does not
            gives `Carrying`, or says that it does: `Later`.
        octets: what is given to it is the body as it came, whatever its media type.
    """

    method: str
    path: str
    name: str
    words: Words
    handle: Callable[[Call], Answer | Carrying | Later]
    operation: Operation | None = None
    schema: str = ""
    query: Mapping[str, Member] = {}
    answer: str = "Outcome"
    status: int = 200
    media: str = JSON
    conditional: bool = False
    lasts: bool = False
    octets: bool = False

    @property
    def writes(self) -> bool:
        """Whether it changes something, so that a body and an idempotency key are taken."""
        return self.method != "GET"


def read_query(route: Route, given: list[tuple[str, str]]) -> dict[str, Any]:
    """The parameters of a call, numbers as numbers.

    Raises:
        Problem: one is unknown, given twice, or of no value that it can have.
    """
    found: dict[str, Any] = {}
    for name, text in given:
        member = route.query.get(name)
        if member is None:
            near = difflib.get_close_matches(name, route.query, n=1)
            meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(route.query)}"
            raise Problem(Fault.VALUE, f"{name[:80]!r}: no such parameter; {meant}")
        if name in found:
            raise Problem(Fault.VALUE, f"{name}: given twice")
        value: Any = text
        if member.schema["type"] == "integer":
            if not (text.isascii() and text.isdecimal() and len(text) < 17):
                raise Problem(Fault.VALUE, f"{name}: expected a number")
            value = int(text)
        elif member.schema["type"] == "boolean":
            if text not in ("true", "false"):
                raise Problem(Fault.VALUE, f"{name}: expected true or false")
            value = text == "true"
        require(name, value, member.schema)
        found[name] = value
    return found


def key_of(headers: Mapping[str, str], most: int = KEY_MAX) -> str:
    """The idempotency key of a call, as such or as a string of structured fields (RFC 8941).

    Raises:
        Problem: it is too long.
    """
    text = headers.get("idempotency-key", "").strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if len(text) > most:
        raise Problem(
            Fault.VALUE, f"Idempotency-Key: expected at most {most} characters, given {len(text)}"
        )
    return text


def etag_of(leaf: int) -> str:
    """The entity tag of what was changed last by a leaf (RFC 9110 section 8.8.3)."""
    return f'"{leaf}"'


def leaf_of(headers: Mapping[str, str], is_looked_at: bool) -> int | None:
    """The leaf in `If-Match`; None without it.

    Raises:
        Problem: it is no tag of ours, or would not be looked at.
    """
    text = headers.get("if-match")
    if text is None:
        return None
    if not is_looked_at:
        raise Problem(Fault.MALFORMED, "If-Match: is looked at by PATCH of an identifier alone")
    digits = text.strip().strip('"')
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 17):
        raise Problem(Fault.MALFORMED, "If-Match: expected one ETag, as GET has given it")
    return int(digits)
