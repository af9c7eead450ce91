"""The answer to a question for a Handle: HTTP status, header fields, octets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from csid.client.answer import Answer
from csid.errors import CsidError, IdentifierError, ResolutionError
from gateway.handles.asked import Asked
from gateway.handles.values import values_of
from gateway.language import speaker_of

RETRY_SECONDS: Final = 5  # after which it may be known what was not
_JSON: Final = "application/json;charset=UTF-8"
_SCRIPT: Final = "application/javascript;charset=UTF-8"
_ALWAYS: Final = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
# Of the separators of JavaScript that JSON does not know, as it may be a script (ECMA-262 12.3).
_SEPARATORS: Final = {0x2028: "\\u2028", 0x2029: "\\u2029"}


class Code(IntEnum):
    """Response codes of the Handle protocol (RFC 3652 section 2.2.2.3; Handle.Net 9)."""

    SUCCESS = 1
    ERROR = 2
    BUSY = 3
    PROTOCOL = 4
    NOT_FOUND = 100
    INVALID_HANDLE = 102
    VALUES_NOT_FOUND = 200


_HTTP: Final[Mapping[Code, int]] = {
    Code.SUCCESS: 200,
    Code.ERROR: 500,
    Code.BUSY: 503,
    Code.PROTOCOL: 400,
    Code.NOT_FOUND: 404,
    Code.INVALID_HANDLE: 400,
    Code.VALUES_NOT_FOUND: 200,
}


class Answered(NamedTuple):
    """What is said over HTTP."""

    status: int
    headers: dict[str, str]
    octets: bytes


def answered(
    asked: Asked,
    became: Answer | CsidError,
    now: int,
    suffix: str | None = None,
    language: str = "en",
) -> Answered:
    """What is said to a question.

    Args:
        became: what was found, or why nothing can be said.
        now: Unix seconds, at which what was found holds.
        suffix: of the deployment's DNS names, that of the scheme if None.
        language: of messages, `zh` or `en`.
    """
    if asked.fault:
        return _failed(asked, Code.PROTOCOL, asked.fault, language)
    if isinstance(became, IdentifierError):
        return _failed(asked, Code.INVALID_HANDLE, str(became), language)
    if isinstance(became, ResolutionError):
        return _failed(asked, Code.BUSY, str(became), language)
    if isinstance(became, CsidError):
        return _failed(asked, Code.ERROR, str(became), language)
    every = values_of(became, asked, suffix)
    if every is None:
        return _said(asked, Code.NOT_FOUND, {}, became.ttl)
    wanted = [one.json(became.ttl, now) for one in every if asked.wants(one.at, one.type)]
    code = Code.SUCCESS if wanted else Code.VALUES_NOT_FOUND
    return _said(asked, code, {"values": wanted}, became.ttl)


def _failed(asked: Asked, code: Code, message: str, language: str) -> Answered:
    text = speaker_of(language).say(message) if language == "zh" else message
    return _said(asked, code, {"message": text}, None)


def _said(asked: Asked, code: Code, members: Mapping[str, Any], ttl: int | None) -> Answered:
    """What is said; without a TTL it holds for nobody else."""
    body = {"responseCode": int(code), "handle": asked.handle, **members}
    if not asked.handle:
        del body["handle"]
    if asked.is_pretty:
        text = json.dumps(body, ensure_ascii=False, indent=2)
    else:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    media = _JSON
    if asked.callback is not None:
        text, media = f"{asked.callback}({text.translate(_SEPARATORS)});", _SCRIPT
    keep = "no-store" if ttl is None else f"max-age={ttl}"
    headers = {"Content-Type": media, "Cache-Control": keep, **_ALWAYS}
    if code is Code.BUSY:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return Answered(_HTTP[code], headers, text.encode(errors="replace"))
