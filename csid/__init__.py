"""Compute identifiers (算力标识): their form, their names in the DNS, their records.

Pure: nothing here opens a socket, reads a clock or touches a database. `csid.Client` and
`csid.AsyncClient` do; they stand above this package and are loaded when they are asked for
(docs/decisions/0015).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from csid.interpreted import use_sources_if_asked

if TYPE_CHECKING:
    from gateway.async_client import AsyncClient as AsyncClient
    from gateway.client import Client as Client

use_sources_if_asked()

_CLIENTS: Final = {"AsyncClient": "gateway.async_client", "Client": "gateway.client"}


def __getattr__(name: str) -> Any:
    if name not in _CLIENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_CLIENTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_CLIENTS})
