"""The registry as this system asks it: with the token as its file has it now."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.async_registry_client import AsyncRegistry
from gateway.systems.aggregation import credentials
from gateway.systems.aggregation.settings import Aggregation

SECONDS: Final = 15.0  # for a call, all attempts together
_BEARER: Final = "Bearer "


async def token_of(settings: Aggregation) -> str:
    """The token; empty where no file is named.

    Raises:
        CredentialsError: the file cannot be read, or has none.
    """
    file = settings.registry_token
    if file is None:
        return ""
    fields = await asyncio.to_thread(credentials.read, file, "")
    return fields.get("Authorization", "").removeprefix(_BEARER)


def registry_with(settings: Aggregation, token: str) -> AsyncRegistry:
    """A client that presents a token.

    Raises:
        RegistryError: the URL is none, or a file cannot be read.
    """
    return AsyncRegistry(
        settings.registry, token=token, authorities=settings.registry_ca, timeout=SECONDS
    )
