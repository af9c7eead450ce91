"""The page at `/`: plain files, as they are sent; no build, and nothing of another host.

What it calls is the gateway's own interface, so that it says nothing that a program is not told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Final, NamedTuple

from csid.vocabulary import FIELDS
from gateway.http.media import JSON

INDEX: Final = "/"
_FOLDER: Final = "/page/"
_MEDIA: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FIELDS: Final = "fields.json"
# Nothing but what comes from here runs, is loaded, or is asked; nobody frames the page.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
_ALWAYS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class File(NamedTuple):
    """A file of the page."""

    octets: bytes
    headers: dict[str, str]


def files() -> dict[str, File]:
    """The files, by the paths at which they are asked for."""
    found = {}
    for one in resources.files(__name__).iterdir():
        media = _MEDIA.get(one.name[one.name.rfind(".") :])
        if media is not None:
            path = INDEX if one.name == "index.html" else _FOLDER + one.name
            found[path] = _file(one.read_bytes(), media)
    found[_FOLDER + _FIELDS] = _file(_fields(), JSON)
    return found


def is_held(headers: Mapping[str, str], file: File) -> bool:
    """Whether who asks has the file already (RFC 9110 section 13.1.2)."""
    tags = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return file.headers["ETag"] in tags or tags == ["*"]


def _file(octets: bytes, media: str) -> File:
    tag = f'"{hashlib.sha256(octets).hexdigest()[:32]}"'
    return File(octets, {"Content-Type": media, "ETag": tag, **_ALWAYS})


def _fields() -> bytes:
    """What the fields of a record are called, in both languages."""
    named = {one: words._asdict() for one, words in FIELDS.items()}
    return json.dumps(named, ensure_ascii=False).encode()
