"""Tables to import, and the identifiers in them."""

from __future__ import annotations

from pathlib import Path

from csid.identifier import make
from tests.support.registering import OWNER


def identifier(serial: int, industry: str = "6450", location: str = "330106") -> str:
    """An identifier by its serial and place."""
    return str(make(OWNER, industry, location, "GCV", "G09M04R8", str(serial)))


def table(path: Path, *rows: str) -> Path:
    """A table with these rows."""
    path.write_text("\n".join(["identifier,state,name,endpoints", *rows, ""]), encoding="utf-8")
    return path
