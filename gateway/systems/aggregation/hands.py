"""Asks the registry for what a difference owes.

    not registered       POST /v1/identifiers, always the same under one idempotency key; what it
                         is then: it may have to be filed first
    other facts          the record as it is now, with ours in it: PATCH, unless changed meanwhile
    another state        suspend, reinstate, file; another serial for what has ended

What the registry refuses is remembered with the pool and not asked again, until something else is
wanted or a person says so: a registrar may not suspend, for one, so that an administrator is to do
it, or his token. What the registry does not answer is asked again with the next poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from csid.errors import CsidError
from csid.http.results import Entry, Problem, RefusedError, RegistryError
from csid.identifier import make, parse
from gateway.async_registry_client import AsyncRegistry
from gateway.systems.aggregation import minting
from gateway.systems.aggregation.known import (
    ACTIVE,
    ANOTHER,
    ENDED,
    FILE,
    FILING,
    REFUSED,
    SUSPEND,
    Facts,
    Pool,
    Settings,
)
from gateway.systems.aggregation.registries import registry_with, token_of
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import OURS, Book
from registry.rules.status import Status

AT_ONCE: Final = 8  # requests to the registry
_TAKEN: Final = frozenset({Status.EXISTS.number, Status.NEVER_AGAIN.number})
_NOBODY: Final = frozenset({401, 429})  # of all that is asked, not of this one
_CHANGED: Final = 412
InBook = Callable[..., Awaitable[Any]]  # runs a function in the thread of the book


class Done(NamedTuple):
    """What was done for a source.

    Attributes:
        done, left: pools of which all was done, of which something is still owed or was refused.
        error: why nothing more was asked; empty if all was.
    """

    done: int = 0
    left: int = 0
    error: str = ""


class Hands:
    """What acts for the system.

    Args:
        book: what is known.
        in_book: runs a function where the book may be used.
        settings: where the registry is.
    """

    def __init__(self, book: Book, in_book: InBook, settings: Aggregation) -> None:
        self._book = book
        self._in_book = in_book
        self._settings = settings
        self._registry: tuple[str, AsyncRegistry] | None = None

    async def close(self) -> None:
        """End the connections."""
        if self._registry is not None:
            await self._registry[1].aclose()

    async def pay(self, source: Settings) -> Done:
        """Ask the registry for what is owed of a source."""
        owed: list[tuple[str, Pool]] = await self._in_book(self._book.owed, source.name)
        if not owed or not self._settings.registry:
            return Done()
        gate = asyncio.Semaphore(AT_ONCE)
        errors: list[str] = []

        async def one(registry: AsyncRegistry, key: str, pool: Pool) -> bool:
            async with gate:
                if errors:
                    return False
                try:
                    return await self._pay_one(registry, source, key, pool)
                except RegistryError as error:
                    errors.append(str(error))
                    return False

        try:
            registry = await self._open_registry()
            results = await asyncio.gather(*(one(registry, key, pool) for key, pool in owed))
        except CsidError as error:
            return Done(left=len(owed), error=str(error))
        done = sum(results)
        return Done(done, len(owed) - done, errors[0] if errors else "")

    async def _pay_one(
        self, registry: AsyncRegistry, source: Settings, key: str, pool: Pool
    ) -> bool:
        """All that is owed of one pool; whether it was done.

        Raises:
            RegistryError: the registry does not answer, or answers nobody.
        """
        try:
            after: Pool | None = pool
            if pool.done is None:
                after = await self._begin(registry, source, key, pool)
            if after is not None and after.is_behind:
                after = await self._update(registry, source, key, after)
            if after is not None and after.step:
                after = await self._step(registry, source, key, after)
            return after is None or not (after.is_owed or after.refusal)
        except RefusedError as error:
            problem = error.problem
            if problem.status in _NOBODY:
                raise
            if problem.status == _CHANGED:  # since it was looked at; the next time it is not
                return False
            if pool.done is None and problem.code in _TAKEN:
                await self._taken(registry, source, key, pool, problem.code)
            else:
                await self._settle(source, key, refusal=_words(problem))
            return False

    async def _begin(
        self, registry: AsyncRegistry, source: Settings, key: str, pool: Pool
    ) -> Pool | None:
        """Register a pool, and see what it is then; None if there was none to register."""
        if pool.state == ACTIVE:
            asked = _key(source.name, key, pool)
            await registry.register(pool.identifier, pool.asked, reason=_why(source), key=asked)
            entry = await registry.identifier(pool.identifier)
            if entry.state in ENDED:  # it was registered before the book was lost
                return await self._mint(source, key, pool)
        else:
            # It is gone already. It may have been registered all the same, unheard.
            there = await _entry_of(registry, pool.identifier)
            if there is None or not minting.is_ours(there.record, source.name, key):
                await self._in_book(self._book.drop, source.name, key, pool)
                return None
            entry = there
        return await self._settle(source, key, facts=pool.asked, state=entry.state)

    async def _update(
        self, registry: AsyncRegistry, source: Settings, key: str, pool: Pool
    ) -> Pool | None:
        """Have our facts in a record, and leave all others; see what the identifier is."""
        entry = await registry.identifier(pool.identifier)
        if entry.state in ENDED:
            return await self._settle(source, key, state=entry.state)
        state = entry.state
        patch = patch_of(entry.record, pool.done or {}, pool.wanted)
        if patch:
            await registry.update(
                pool.identifier, patch, unless_changed_since=entry.leaf, reason=_why(source)
            )
            state = FILING if state == REFUSED else state  # what is put right is filed again
        return await self._settle(source, key, facts=pool.wanted, state=state)

    async def _step(
        self, registry: AsyncRegistry, source: Settings, key: str, pool: Pool
    ) -> Pool | None:
        """Lead an identifier to the state that it is to have."""
        if pool.step == ANOTHER:
            return await self._mint(source, key, pool)
        if pool.step == SUSPEND and not pool.proposed:
            # Whoever does it, and whether that is heard or not: it is reinstated when it is back.
            await self._settle(source, key, proposed=True)
        await registry.perform(pool.step, pool.identifier, reason=_why(source))
        return await self._settle(source, key, state=FILING if pool.step == FILE else pool.state)

    async def _taken(
        self, registry: AsyncRegistry, source: Settings, key: str, pool: Pool, code: int
    ) -> None:
        """The identifier is registered already, and not by what we asked for.

        Another is made only if it has ended, or is seen not to be ours: ours may have been
        registered before a crash, and would be there twice.
        """
        if code == Status.NEVER_AGAIN.number:
            await self._mint(source, key, pool)
            return
        try:
            entry = await registry.identifier(pool.identifier)
        except RefusedError as error:
            if error.problem.status in _NOBODY:
                raise
            text = (
                "is registered already, and the registry does not show the record; let the token "
                f"read it, then csid aggregate resume {source.name}: {_words(error.problem)}"
            )
            await self._settle(source, key, refusal=text)
            return
        if entry.state in ENDED or not minting.is_ours(entry.record, source.name, key):
            await self._mint(source, key, pool)
            return
        text = f"{OURS}: as its record says. If it is, csid aggregate resume {source.name} --adopt"
        await self._settle(source, key, refusal=text)

    async def _mint(self, source: Settings, key: str, pool: Pool) -> Pool | None:
        """Have another serial registered with the next poll, if there is one."""
        for attempt in range(pool.attempt + 1, minting.ATTEMPTS):
            minted = another(source, key, pool, attempt)
            if not await self._in_book(self._book.has, minted):
                return await self._settle(source, key, minted=(minted, attempt))
        text = f"{minting.ATTEMPTS} serials are others' already"
        return await self._settle(source, key, refusal=text)

    async def _settle(self, source: Settings, key: str, **what: Any) -> Pool | None:
        found: Pool | None = await self._in_book(self._book.settle, source.name, key, **what)
        return found

    async def _open_registry(self) -> AsyncRegistry:
        """A client with the token as its file has it now."""
        token = await token_of(self._settings)
        if self._registry is not None and self._registry[0] != token:
            await self._registry[1].aclose()
            self._registry = None
        if self._registry is None:
            self._registry = token, registry_with(self._settings, token)
        return self._registry[1]


async def _entry_of(registry: AsyncRegistry, identifier: str) -> Entry | None:
    """What the registry has of an identifier; None if it says that there is none.

    Raises:
        RefusedError: it does not say.
    """
    try:
        return await registry.identifier(identifier)
    except RefusedError as error:
        if error.problem.code != Status.NOT_FOUND.number:
            raise
        return None


def patch_of(record: Facts, done: Facts, wanted: Facts) -> Facts:
    """What is to be changed of a record, so that it has our facts, and no longer those of ours that
    are none any more; whatever others have put there stays.
    """
    patch = {
        name: wanted.get(name)
        for name in {**done, **wanted}
        if name != "extra" and record.get(name) != wanted.get(name)
    }
    there: Facts = record.get("extra", {})
    gone = done.get("extra", {}).keys() - wanted.get("extra", {}).keys()
    extra = {name: value for name, value in there.items() if name not in gone}
    extra |= wanted.get("extra", {})
    if extra != there:
        patch["extra"] = extra
    return patch


def another(source: Settings, key: str, pool: Pool, attempt: int) -> str:
    """The same identifier with another serial."""
    found = parse(pool.identifier)
    serial = minting.serial_of(source.name, key, attempt)
    made = make(found.owner, found.industry, found.location, found.type, found.capability, serial)
    return str(made)


def _key(name: str, key: str, pool: Pool) -> str:
    """The idempotency key of a registration: the same for the same request."""
    octets = msgspec.json.encode([name, key, pool.identifier, pool.asked], order="deterministic")
    return f"aggregation-{blake2b(octets, digest_size=16).hexdigest()}"


def _why(source: Settings) -> str:
    return f"aggregation {source.name}"


def _words(problem: Problem) -> str:
    named = f"{problem.code} {problem.name}: " if problem.code else f"HTTP {problem.status}: "
    return f"{named}{problem.title}: {problem.detail}"
