"""A Kubernetes API server as far as its readers see it: lists in pages of one moment, watches with
bookmarks, versions that are too old, selectors, tokens. It says what kube-apiserver says, which the
official client shows (test_kubernetes_server.py).
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

TOKEN = "a-token"
GIT_VERSION = "v1.34.1"
VERSION = {
    "major": "1",
    "minor": "34",
    "gitVersion": GIT_VERSION,
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2025-09-09T19:37:22Z",
    "goVersion": "go1.24.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
# plural → API version, kind
KINDS = {
    "nodes": ("v1", "Node"),
    "pods": ("v1", "Pod"),
    "resourceslices": ("resource.k8s.io/v1", "ResourceSlice"),
    "resourceclaims": ("resource.k8s.io/v1", "ResourceClaim"),
}
Object = dict[str, Any]


class KubernetesServer:
    """Its objects, and every version there was of them.

    Attributes:
        devices: versions of resource.k8s.io that it has; none for a server without.
        forbidden: plurals that the token may not read.
        bookmark_seconds: how often a watch that asked for bookmarks gets one.
    """

    def __init__(self) -> None:
        self.url = ""
        self.devices: tuple[str, ...] = ("v1", "v1beta1")
        self.forbidden: set[str] = set()
        self.bookmark_seconds = 0.2
        self._changed = threading.Condition()
        self._version = 100
        self._ended = 0
        self._oldest = 100  # what was before is not known any more
        self._objects: dict[tuple[str, str], Object] = {}  # plural, namespace/name
        self._events: list[tuple[int, str, str, Object, Object | None]] = []

    # -- what happens in the cluster

    def put(self, plural: str, one: Object) -> Object:
        """Make an object, or change it."""
        with self._changed:
            api_version, kind = KINDS[plural]
            one = deepcopy(one) | {"apiVersion": api_version, "kind": kind}
            metadata = one["metadata"]
            if plural in ("pods", "resourceclaims"):
                metadata.setdefault("namespace", "default")
            key = (plural, f"{metadata.get('namespace', '')}/{metadata['name']}")
            before = self._objects.get(key)
            metadata["uid"] = before["metadata"]["uid"] if before else str(uuid4())
            metadata["creationTimestamp"] = "2026-11-26T08:00:00Z"
            self._version += 1
            metadata["resourceVersion"] = str(self._version)
            self._objects[key] = one
            self._events.append((self._version, "put", plural, one, before))
            self._changed.notify_all()
            return one

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        """Delete an object."""
        with self._changed:
            before = self._objects.pop((plural, f"{namespace}/{name}"))
            self._version += 1
            last = deepcopy(before)
            last["metadata"]["resourceVersion"] = str(self._version)
            self._events.append((self._version, "delete", plural, last, before))
            self._changed.notify_all()

    def compact(self) -> None:
        """Forget what was before now, as etcd does every five minutes."""
        with self._changed:
            self._oldest = self._version
            self._events.clear()
            self._changed.notify_all()

    def end_watches(self) -> None:
        """End all watches, as the server does when their time is over."""
        with self._changed:
            self._ended += 1
            self._changed.notify_all()

    # -- what it says of it

    def objects_at(self, plural: str, version: int) -> list[Object] | None:
        """The objects as they were at a version; None if that is too old."""
        if version < self._oldest:
            return None
        found = {key: one for key, one in self._objects.items() if key[0] == plural}
        for at, _, of, one, before in reversed(self._events):
            if at <= version:
                break
            if of == plural:
                metadata = one["metadata"]
                key = (plural, f"{metadata.get('namespace', '')}/{metadata['name']}")
                if before is None:
                    found.pop(key, None)
                else:
                    found[key] = before
        return [found[key] for key in sorted(found)]

    def page(self, plural: str, query: Mapping[str, str]) -> tuple[int, Object]:
        """The answer to a list."""
        with self._changed:
            version, start = self._version, ""
            if "continue" in query:
                try:
                    token = json.loads(base64.urlsafe_b64decode(query["continue"]))
                    version, start = token["rv"], token["start"]
                except ValueError:
                    return 400, _status(400, "BadRequest", "continue key is not valid")
            found = self.objects_at(plural, version)
            if found is None:
                return 410, _status(
                    410,
                    "Expired",
                    "The provided continue parameter is too old to display a "
                    "consistent list result. You must start a new list without the continue "
                    "parameter.",
                )
        wanted = _selector(query)
        rest = [one for one in found if wanted(one) and _key(one) > start]
        limit = int(query.get("limit", "0")) or len(rest)
        api_version, kind = KINDS[plural]
        metadata: Object = {"resourceVersion": str(version)}
        if rest[limit:]:
            token = json.dumps(
                {"v": "meta.k8s.io/v1", "rv": version, "start": _key(rest[limit - 1])}
            )
            metadata["continue"] = base64.urlsafe_b64encode(token.encode()).decode()
            metadata["remainingItemCount"] = len(rest) - limit
        items = [{k: v for k, v in one.items() if k not in ("kind", "apiVersion")} for one in rest]
        return 200, {
            "kind": f"{kind}List",
            "apiVersion": api_version,
            "metadata": metadata,
            "items": items[:limit],
        }

    def watch(self, plural: str, query: Mapping[str, str]) -> Iterator[Object]:
        """The events of a watch, until its time is over."""
        wanted = _selector(query)
        ended = self._ended
        ends = time.monotonic() + float(query.get("timeoutSeconds", "300"))
        api_version, kind = KINDS[plural]
        version = int(query.get("resourceVersion") or 0)
        if not version:
            with self._changed:
                version = self._version
                for one in self.objects_at(plural, version) or ():
                    if wanted(one):
                        yield {"type": "ADDED", "object": one}
        while True:
            with self._changed:
                if version < self._oldest:
                    message = f"too old resource version: {version} ({self._oldest})"
                    yield {"type": "ERROR", "object": _status(410, "Expired", message)}
                    return
                news = [event for event in self._events if event[0] > version]
                version = self._version
                if not news:
                    left = ends - time.monotonic()
                    if left <= 0 or self._ended > ended:
                        return
                    news_came = self._changed.wait(min(left, self.bookmark_seconds))
                    if not news_came and query.get("allowWatchBookmarks") in ("true", "True", "1"):
                        at = {"resourceVersion": str(version), "creationTimestamp": None}
                        yield {
                            "type": "BOOKMARK",
                            "object": {"kind": kind, "apiVersion": api_version, "metadata": at},
                        }
                    continue
            for _, what, of, one, before in news:
                if of == plural:
                    event = _told(what, wanted(one), before is not None and wanted(before))
                    if event:
                        yield {"type": event, "object": one}


def _told(what: str, fits: bool, did: bool) -> str:
    """How a change is told to who wants only what fits a selector; empty if not at all."""
    if what == "delete" or (did and not fits):
        return "DELETED" if did else ""
    return ("MODIFIED" if did else "ADDED") if fits else ""


def _key(one: Object) -> str:
    return f"{one['metadata'].get('namespace', '')}/{one['metadata']['name']}"


def _selector(query: Mapping[str, str]) -> Callable[[Object], bool]:
    """Field and label selectors of equality."""
    tests = []
    for name, places in (("fieldSelector", None), ("labelSelector", ("metadata", "labels"))):
        for term in filter(None, query.get(name, "").split(",")):
            negated = "!=" in term
            left, _, right = term.partition("!=" if negated else "=")
            path = (*places, left) if places else tuple(left.split("."))
            tests.append((path, right.lstrip("="), negated))
    return lambda one: all((_at(one, path) == value) != no for path, value, no in tests)


def _at(one: Any, path: tuple[str, ...]) -> str:
    for name in path:
        one = (one or {}).get(name)
    return one or ""


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: KubernetesServer

    def do_GET(self) -> None:
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._answer(401, _status(401, "Unauthorized", "Unauthorized"))
            return
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        path = url.path.rstrip("/")
        prefix, _, plural = path.rpartition("/")
        group = "/apis/resource.k8s.io"
        prefixes = ["/api/v1"] + [f"{group}/{x}" for x in self.cluster.devices]
        if path == "/version":
            self._answer(200, VERSION)
        elif path == group and self.cluster.devices:
            versions = [
                {"groupVersion": f"resource.k8s.io/{x}", "version": x} for x in self.cluster.devices
            ]
            self._answer(
                200,
                {
                    "kind": "APIGroup",
                    "apiVersion": "v1",
                    "name": "resource.k8s.io",
                    "versions": versions,
                    "preferredVersion": versions[0],
                },
            )
        elif (
            plural not in KINDS
            or prefix not in prefixes
            or ((prefix == "/api/v1") != (KINDS[plural][0] == "v1"))
        ):
            self._answer(
                404, _status(404, "NotFound", "the server could not find the requested resource")
            )
        elif plural in self.cluster.forbidden:
            self._answer(403, _status(403, "Forbidden", f"{plural} is forbidden"))
        elif query.get("watch") in ("true", "True", "1"):
            self._stream(self.cluster.watch(plural, query))
        else:
            self._answer(*self.cluster.page(plural, query))

    def _answer(self, code: int, body: Object) -> None:
        octets = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def _stream(self, events: Iterator[Object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in events:
                octets = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(octets), octets))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients may go while they are watching."""


@contextmanager
def running_kubernetes() -> Iterator[KubernetesServer]:
    """Such a server with nothing in it."""
    cluster = KubernetesServer()
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    with _Quiet(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        cluster.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield cluster
        finally:
            cluster.end_watches()
            server.shutdown()
            thread.join()
