"""Those who wait in a loop until something has happened."""

from __future__ import annotations

import asyncio


class Waking:
    """Wakes all who wait, each time. Those of the loop alone may touch it."""

    def __init__(self) -> None:
        self._came = asyncio.Event()

    def wake(self) -> None:
        """Something has happened."""
        self._came.set()
        self._came = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Wait until something happens; False if nothing has in this time."""
        try:
            await asyncio.wait_for(self._came.wait(), seconds)
        except TimeoutError:
            return False
        return True
