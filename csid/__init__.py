"""Compute identifiers (算力标识): their form, their names in the DNS, their records.

Pure: nothing here opens a socket, reads a clock or touches a database. `csid.Client`,
`csid.Registry` and their twins that are awaited do; they stand above this package and are loaded
when they are asked for (docs/decisions/0015, 0019).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from csid.interpreted import use_sources_if_asked

if TYPE_CHECKING:
    from csid.http.results import RefusedError as RefusedError
    from csid.http.results import RegistryError as RegistryError
    from csid.http.results import UnreachableError as UnreachableError
    from gateway.async_client import AsyncClient as AsyncClient
    from gateway.async_registry_client import AsyncRegistry as AsyncRegistry
    from gateway.client import Client as Client
    from gateway.registry_client import Registry as Registry

use_sources_if_asked()

_CLIENTS: Final = {
    "AsyncClient": "gateway.async_client",
    "AsyncRegistry": "gateway.async_registry_client",
    "Client": "gateway.client",
    "RefusedError": "csid.http.results",
    "Registry": "gateway.registry_client",
    "RegistryError": "csid.http.results",
    "UnreachableError": "csid.http.results",
}


def __getattr__(name: str) -> Any:
    if name not in _CLIENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_CLIENTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_CLIENTS})
