"""How a cluster is read: lists in pages, then a watch a kind that goes on behind them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from gateway.systems.aggregation.adapters import options
from gateway.systems.aggregation.adapters.bodies import decoded, read, text
from gateway.systems.aggregation.adapters.kubernetes.keys import Remembered
from gateway.systems.aggregation.adapters.kubernetes.nodes import Settings
from gateway.systems.aggregation.adapters.kubernetes.objects import (
    Bookmark,
    Claim,
    Event,
    Failure,
    Group,
    ListMetadata,
    Metadata,
    Node,
    Page,
    Pod,
    ServerVersion,
    Slice,
)
from gateway.systems.aggregation.adapters.kubernetes.state import (
    CLAIMS,
    NODES,
    PODS,
    SLICES,
    State,
)
from gateway.systems.aggregation.readings import (
    Ask,
    Memory,
    Polling,
    Reading,
    ReadingError,
    Said,
    Source,
    Watch,
)

OPTIONS: Final = ("chips", "drivers", "group", "page", "tolerate")
_PAGES_MAX: Final = 10_000  # of a kind
_AGAIN_MAX: Final = 3  # times that a list may expire while it is read
_WATCH_SECONDS: Final = 300
_GROUP: Final = "/apis/resource.k8s.io"
_DEVICES: Final = ("v1", "v1beta2", "v1beta1")  # versions of DRA, the best first
_JSON: Final = {"accept": "application/json"}
# Pods that have ended keep nothing: the server leaves them out.
_PATHS: Final = {
    NODES: "/api/v1/nodes?",
    PODS: f"/api/v1/pods?fieldSelector={quote('status.phase!=Succeeded,status.phase!=Failed')}&",
}

_VERSION: Final = msgspec.json.Decoder(ServerVersion)
_VERSIONS: Final = msgspec.json.Decoder(Group)
_EVENT: Final = msgspec.json.Decoder(Event)
_BOOKMARK: Final = msgspec.json.Decoder(Bookmark)
_FAILURE: Final = msgspec.json.Decoder(Failure)
_OBJECTS: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    NODES: msgspec.json.Decoder(Node),
    PODS: msgspec.json.Decoder(Pod),
    SLICES: msgspec.json.Decoder(Slice),
    CLAIMS: msgspec.json.Decoder(Claim),
}
_KINDS: Final = {NODES: "Node", PODS: "Pod", SLICES: "ResourceSlice", CLAIMS: "ResourceClaim"}
_PAGES: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    NODES: msgspec.json.Decoder(Page[Node]),
    PODS: msgspec.json.Decoder(Page[Pod]),
    SLICES: msgspec.json.Decoder(Page[Slice]),
    CLAIMS: msgspec.json.Decoder(Page[Claim]),
}


class Kubernetes:
    """Reads a Kubernetes API server."""

    kind = "kubernetes"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        """See `Adapter.poll`. Watches of before go on with what they know; new ones begin here."""
        options.check(source, OPTIONS)
        memory.pop("kubernetes", None)
        settings = Settings(
            options.words(source, "chips"),
            options.words(source, "tolerate"),
            source.options.get("group", ""),
        )
        version, group = yield [
            Ask("version", "/version", _JSON),
            Ask("group", _GROUP, _JSON),
        ]
        state = State(
            settings,
            options.words(source, "drivers"),
            text(read(version, _VERSION, "version").git_version, 60),
            memory.setdefault("remembered", Remembered()),
        )
        state.paths |= _PATHS | _device_paths(group, state)
        yield from _lists(state, options.number(source, "page", 500, 1, 10_000))
        state.settle()
        reading = state.reading(now)
        memory["kubernetes"] = state
        return reading

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        """One stream a kind of object, from where the poll ended."""
        state = memory.get("kubernetes")
        return [Stream(state, kind) for kind in state.listed] if state is not None else []


def _device_paths(said: Said, state: State) -> dict[str, str]:
    """Where slices and claims of DRA are, in the newest version that both know."""
    if said.status == 404:
        if state.remembered.had_devices:
            state.refuse("the server has no resource.k8s.io any more")
        return {}
    if said.status == 403:
        state.refuse("the token may not read them")
        return {}
    offered = {one.version for one in read(said, _VERSIONS, "resource.k8s.io").versions}
    spoken = next((version for version in _DEVICES if version in offered), None)
    if spoken is None:
        state.refuse("it has only versions not known here")
        return {}
    return {kind: f"{_GROUP}/{spoken}/{kind}?" for kind in (SLICES, CLAIMS)}


# -- lists


def _lists(state: State, size: int) -> Generator[Sequence[Ask], Sequence[Said], None]:
    """Read the lists of all kinds, a page of each at a time.

    Raises:
        ReadingError: one cannot be read.
    """
    where = dict.fromkeys(state.paths, "")  # of those that go on: from where
    again = 0
    for _ in range(_PAGES_MAX):
        if not where:
            return
        kinds = list(where)
        said = yield [
            Ask(kind, _page(state.paths[kind], size, where[kind]), _JSON, cached=False)
            for kind in kinds
        ]
        for kind, one in zip(kinds, said, strict=True):
            if kind not in where:
                continue
            if one.status == 410 and where[kind] and again < _AGAIN_MAX:
                again += 1  # it has expired while it was read
                state.forget(kind)
                where[kind] = ""
            elif one.status in (403, 404) and kind in (SLICES, CLAIMS):
                state.refuse(f"{kind} is refused")
                for of_devices in (SLICES, CLAIMS):
                    state.forget(of_devices)
                    for known in (where, state.paths, state.listed):
                        known.pop(of_devices, None)
            else:
                _take(state, kind, one, where)
    raise ReadingError(f"lists have not ended after {_PAGES_MAX} pages")


def _page(path: str, size: int, where: str) -> str:
    return f"{path}limit={size}" + (f"&continue={quote(where, safe='')}" if where else "")


def _take(state: State, kind: str, said: Said, where: dict[str, str]) -> None:
    """Take in a page.

    Raises:
        ReadingError: it is none, or has what cannot be read.
    """
    page = read(said, _PAGES[kind], kind)
    metadata = page.metadata or ListMetadata()
    # Anything else that is said with status 200, such as {}, would be a cluster without pods.
    if page.kind != f"{_KINDS[kind]}List" or not metadata.resource_version:
        raise ReadingError(f"{kind}: the answer is no {_KINDS[kind]}List with a version")
    for one in page.items or ():
        state.take(one)
    if metadata.next:
        if metadata.next == where[kind]:
            raise ReadingError(f"{kind}: the list goes on where it was")
        where[kind] = metadata.next
    else:
        del where[kind]
        state.listed[kind] = metadata.resource_version


# -- watches


class Stream:
    """The changes of one kind of object.

    Watches are ended by the server now and then; they go on from the newest version that was told,
    by a change or a bookmark.
    """

    def __init__(self, state: State, kind: str) -> None:
        self._state = state
        self._kind = kind

    @property
    def ask(self) -> Ask:
        """The watch from here on."""
        version = quote(self._state.listed[self._kind], safe="")
        return Ask(
            f"watch-{self._kind}",
            f"{self._state.paths[self._kind]}watch=true&allowWatchBookmarks=true"
            f"&resourceVersion={version}&timeoutSeconds={_WATCH_SECONDS}",
            _JSON,
            cached=False,
        )

    def line(self, octets: bytes, now: int) -> Reading | None:
        """See `Watch.line`."""
        if not octets.strip():
            return None
        event = decoded(octets, _EVENT, f"watch of {self._kind}")
        if event.type == "BOOKMARK":
            bookmark = decoded(bytes(event.object), _BOOKMARK, "bookmark")
            version = (bookmark.metadata or Metadata()).resource_version
            if not version:
                raise ReadingError(f"watch of {self._kind}: a bookmark without a version")
            self._state.listed[self._kind] = version
            return None
        if event.type not in ("ADDED", "MODIFIED", "DELETED"):
            raise ReadingError(f"watch of {self._kind}: {_failure(event)}")
        one = decoded(bytes(event.object), _OBJECTS[self._kind], self._kind)
        self._state.take(one, gone=event.type == "DELETED")
        if one.metadata is not None and one.metadata.resource_version:
            self._state.listed[self._kind] = one.metadata.resource_version
        return self._state.reading(now) if self._state.refresh() else None


def _failure(event: Event) -> str:
    """What is told in place of a change, such as 410 for a version that is too old."""
    if event.type != "ERROR":
        return f"an event {text(event.type, 40)!r}"
    said = decoded(bytes(event.object), _FAILURE, "error")
    return text(f"{said.code or ''} {said.reason or ''} {said.message or ''}")
