"""Look-ups (RFC 9082 section 3.1), from what is asked to an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from csid.errors import IdentifierError
from csid.identifier import fold, parse
from gateway.http import shown
from gateway.http.actors import Caller
from gateway.http.problems import Fault, Problem
from gateway.rdap import objects
from gateway.visibility import Audience
from registry.service import Registry
from registry.tables.view import get_assignment, get_owner

# (registry, what is asked for, who asks, base of links) -> object
LookUp = Callable[[Registry, str, Caller | None, str], dict[str, Any]]


def _audience(caller: Caller | None, name: str) -> Audience:
    return Audience.EVERYBODY if caller is None else caller.audience(name)


def _domain(registry: Registry, text: str, caller: Caller | None, base: str) -> dict[str, Any]:
    """An identifier, by its DNS name, code or Handle."""
    settings = registry.settings
    try:
        name = str(parse(text, suffix=settings.suffix))
    except IdentifierError as error:
        raise Problem(Fault.MALFORMED, str(error)) from None
    with registry.view() as seen:
        row = get_assignment(seen, name)
        code = name.partition("/")[0]
        owner = get_owner(seen, code)
    if row is None:
        raise _nothing(name)
    audience = _audience(caller, name)
    found = objects.domain(
        shown.whole_identifier(name, row, settings, audience),
        None if owner is None else shown.owner(code, owner, audience),
        base,
    )
    return objects.answered(found, audience, ("identifier", "owner"))


def _entity(registry: Registry, text: str, caller: Caller | None, base: str) -> dict[str, Any]:
    """An owner, by its code."""
    code = fold(text)
    with registry.view() as seen:
        row = get_owner(seen, code) if code.isascii() and len(code) < 64 else None
    if row is None:
        raise _nothing(code)
    audience = _audience(caller, code)
    found = objects.entity(shown.owner(code, row, audience), base)
    return objects.answered(found, audience, ("owner",))


def _nothing(what: str) -> Problem:
    return Problem(Fault.NO_SUCH_PATH, f"{what[:120]} is not registered at this node")


LOOK_UPS: Final[Mapping[str, LookUp]] = {"domain": _domain, "entity": _entity}
