"""`csid.Registry`: the registry of a node over HTTPS, for programs that wait."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from csid.address import is_here
from csid.http.calls import Calls, Lost, Patience, Reply, Send, Steps
from csid.http.results import (
    Change,
    Changes,
    Entry,
    Filing,
    Outcome,
    Owner,
    Page,
    Pool,
    Problem,
    RegistryError,
)

T = TypeVar("T")

URL_VARIABLE: Final = "CSID_REGISTRY"
TOKEN_VARIABLE: Final = "CSID_TOKEN"
TIMEOUT: Final = 30.0  # seconds
FOLLOW_SECONDS: Final = 30  # that the node is let wait for a change
_KEY_OCTETS: Final = 16


class Access(NamedTuple):
    """Where the registry is, and as whom it is asked."""

    url: str
    headers: dict[str, str]
    verify: ssl.SSLContext


class Registry:
    """The registry of a node; several threads may use one.

        with csid.Registry("https://node.example.cn:8443") as registry:
            done = registry.register("91330106673959654P/6450/330106/ACV/H60M07A1", pool=True)
            print(done.subject)

    What fails on the way is tried again until the time is over, requests that change something
    under one idempotency key, so that they are done once. What is refused is `csid.RefusedError`,
    what is not known `csid.UnreachableError`; both are `csid.RegistryError`.

    Args:
        url: of the interface ($CSID_REGISTRY).
        token: that `csid token add` has made ($CSID_TOKEN).
        certificate: file of a certificate to show in place of one, with its key, or that in the
            second file.
        authorities: file of those that the node's certificate may be of; None: the system's.
        timeout: seconds for a call, all attempts together.

    Raises:
        RegistryError: no URL is given, or one without TLS that is not of this machine.
    """

    def __init__(
        self,
        url: str = "",
        *,
        token: str = "",
        certificate: Path | tuple[Path, Path] | None = None,
        authorities: Path | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        url, headers, verify = access(url, token, certificate, authorities)
        self._calls = Calls(patience(timeout))
        self._http = httpx.Client(base_url=url, headers=headers, verify=verify)

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def register(
        self,
        what: str,
        record: Mapping[str, Any] | None = None,
        *,
        pool: bool = False,
        ttl: int | None = None,
        reason: str = "",
        key: str = "",
    ) -> Outcome:
        """Assign an identifier (赋码), or the next of a pool; the ``subject`` of the outcome."""
        return self._run(self._calls.register(what, record, ttl, reason, key, pool))

    def update(
        self,
        identifier: str,
        record: Mapping[str, Any],
        *,
        unless_changed_since: int | None = None,
        reason: str = "",
        key: str = "",
        **members: Any,
    ) -> Outcome:
        """Change facts of a record; None takes one away.

        Args:
            unless_changed_since: `Entry.leaf` as it was seen: if it was changed since, it is
                refused (412).
            members: further ones of the operation: ``ttl``, ``whole``.
        """
        call = self._calls.update(identifier, record, unless_changed_since, members, reason, key)
        return self._run(call)

    def perform(
        self, operation: str, identifier: str, *, reason: str = "", key: str = "", **members: Any
    ) -> Outcome:
        """A step of an identifier's life: file, activate, withdraw, suspend, reinstate, retire,
        alias, lock, unlock, offer, accept, reject, cancel, renew; ``members`` are those it takes.
        """
        return self._run(self._calls.perform(operation, identifier, members, reason, key))

    def batch(
        self, items: Sequence[Mapping[str, Any]], *, reason: str = "", key: str = ""
    ) -> list[Outcome | Problem]:
        """Up to 2,000 operations, one after the other; what came of each. An item is the name of
        the operation, ``op``, and its members.
        """
        return self._run(self._calls.batch(items, reason, key))

    def identifier(self, identifier: str) -> Entry:
        """One identifier."""
        return self._run(self._calls.identifier(identifier))

    def identifiers(self, prefix: str = "", **query: Any) -> Iterator[Entry]:
        """Identifiers by prefix, ``industry``, ``location``, ``type``, ``chip``, ``state``,
        ``owner_name``, page after page (``limit`` of each).
        """
        query = {"prefix": prefix, **query}
        return self._pages(lambda after: self._calls.identifiers(query, after))

    def owner(self, code: str) -> Owner:
        """One owner."""
        return self._run(self._calls.owner(code))

    def owners(self, **query: Any) -> Iterator[Owner]:
        """Owners, by ``kind`` and ``standing``."""
        return self._pages(lambda after: self._calls.owners(query, after))

    def pools(self, prefix: str = "", **query: Any) -> Iterator[Pool]:
        """Pools below a prefix."""
        query = {"prefix": prefix, **query}
        return self._pages(lambda after: self._calls.pools(query, after))

    def changes(
        self, since: int = 0, *, follow: bool = False, limit: int | None = None
    ) -> Iterator[Change]:
        """The changes from a leaf on; the next ones begin at ``leaf + 1`` of the last.

        Args:
            follow: wait for what is to come, without end.
            limit: of each page.
        """
        while True:
            wait = FOLLOW_SECONDS if follow else 0
            page = self._run(self._calls.changes(since, wait, limit))
            yield from page.items
            since = page.next
            if not follow and since >= page.size:
                return

    def changes_page(self, since: int, wait: int = 0, limit: int | None = None) -> Changes:
        """Changes from a leaf on, in one piece, with the leaf to go on from and how many there are.

        Args:
            wait: seconds that the node may wait for one where there is none, at most 30.
            limit: how many, at most.
        """
        return self._run(self._calls.changes(since, wait, limit))

    def history(self, identifier: str) -> tuple[Change, ...]:
        """The changes of an identifier, the last one first."""
        return self._run(self._calls.history(identifier)).items

    def filing(self, identifier: str) -> Filing:
        """Where its filing is (备案)."""
        return self._run(self._calls.filing(identifier))

    def proof(self, identifier: str, leaf: int | None = None) -> str:
        """The proof that a change is in the log, the last one if none is said."""
        return self._run(self._calls.proof(identifier, leaf))

    def checkpoint(self) -> str:
        """The checkpoint of the log that was signed last."""
        return self._run(self._calls.checkpoint())

    def _pages(self, call: Callable[[str], Steps[Page[T]]]) -> Iterator[T]:
        after = ""
        while True:
            page = self._run(call(after))
            yield from page.items
            if not page.next:
                return
            after = page.next

    def _run(self, steps: Steps[T]) -> T:
        got: Reply | Lost | None = None
        with contextlib.closing(steps):
            while True:
                try:
                    step = steps.send(got)
                except StopIteration as ended:
                    value: T = ended.value
                    return value
                if isinstance(step, Send):
                    got = self._sent(step)
                else:
                    time.sleep(step.seconds)
                    got = None

    def _sent(self, step: Send) -> Reply | Lost:
        try:
            return reply_of(self._http.request(**request_of(step)))
        except httpx.TransportError as error:
            return lost(error)


def access(
    url: str,
    token: str,
    certificate: Path | tuple[Path, Path] | None,
    authorities: Path | None,
    environ: Mapping[str, str] = os.environ,
) -> Access:
    """Where the registry is, and as whom it is asked, by arguments and environment.

    Raises:
        RegistryError: as `Registry`.
    """
    url = url or environ.get(URL_VARIABLE, "")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RegistryError(
            f"{url!r} is no URL of a registry: expected one such as https://node.example.cn:8443, "
            f"as an argument or in ${URL_VARIABLE}"
        )
    if parts.scheme == "http" and not is_here(parts.hostname):
        raise RegistryError(f"{url}: a token would be sent in the clear: use https")
    token = token or environ.get(TOKEN_VARIABLE, "")
    headers = {"Accept": "application/json", "User-Agent": "csid"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        verify = ssl.create_default_context(cafile=authorities)
        if certificate is not None:
            files = certificate if isinstance(certificate, tuple) else (certificate,)
            verify.load_cert_chain(*files)
    except (OSError, ssl.SSLError) as error:
        raise RegistryError(f"a certificate cannot be read: {error}") from None
    return Access(url, headers, verify)


def patience(timeout: float) -> Patience:
    """How long calls are tried."""
    return Patience(
        timeout, time.monotonic, random.random, lambda: secrets.token_urlsafe(_KEY_OCTETS)
    )


def request_of(step: Send) -> dict[str, Any]:
    """What httpx is to send."""
    return {
        "method": step.method,
        "url": step.path,
        "params": dict(step.query),
        "headers": dict(step.headers),
        "content": step.body,
        "timeout": step.seconds,
    }


def reply_of(response: httpx.Response) -> Reply:
    """What httpx has got."""
    return Reply(response.status_code, response.headers, response.content)


def lost(error: httpx.TransportError) -> Lost:
    """Why nothing came back."""
    return Lost(f"the registry does not answer: {error or type(error).__name__}")
