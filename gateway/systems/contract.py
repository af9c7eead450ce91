"""What a system is: all that one adds to a node, in one value. This page is the whole contract.

A system is a folder with a module `system.py` that has a value SYSTEM (docs/systems.md writes one
from nothing). It reads the tree and the registry through their interfaces only, and may be run by
another organisation than the node: a process of its own (`csid system run`), a folder of its own.

    SYSTEM = System(
        name="greeting",                        # of its folder, its section, its commands
        words=Words("问候", "says hello"),
        settings=Settings,                      # a dataclass: what stands under [greeting]
        begin=Greeting,                         # makes what runs, once a process has begun
        routes=(Route("GET", "/v1/greeting", "greet", Words("问候", "a greeting"), greet),),
        tasks=(Task("counting", count),),
    )
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from csid.vocabulary import Words
from gateway.http.media import JSON
from resolver.tables import Tables

# What a key allows: to look; to ask for what changes things for a while; to run the system.
READ, ASK, OPERATE = KEY_ROLES = ("read", "ask", "operate")
TABLES_OCTETS: Final = 4 << 30  # that the tables of a system may grow to; the file is sparse


@dataclass(frozen=True, slots=True)
class NoSettings:
    """A section without options."""


class Place(NamedTuple):
    """Where a system runs.

    Attributes:
        settings: what its section says.
        folder: its own, which is there; nobody else writes in it.
        tables: its own, of the names that it has asked for; a commit is on the disk.
        now: gives Unix milliseconds.
        tell: has a line written to the log of the process: text, level (`error`, `warning`,
            `info`), name of the event.
    """

    settings: Any
    folder: Path
    tables: Tables
    now: Callable[[], int]
    tell: Callable[[str, str, str], None]


class Caller(NamedTuple):
    """Who calls: the name of the key that was presented, empty without one; what it allows."""

    name: str
    role: str


class Call(NamedTuple):
    """A call.

    Attributes:
        path: what stands in the place of the route's path.
        asked: behind the question mark, as the route's type has it.
        given: the body, as the route's type has it.
        headers: fields by names in lower case.
        base: what the caller's URLs begin with, such as `http://127.0.0.1:8090`.
    """

    caller: Caller
    path: str
    asked: Any
    given: Any
    headers: Mapping[str, str]
    base: str = ""


class Event(NamedTuple):
    """One of a stream (server-sent events): its name, its JSON, its number if one can go on behind
    it.
    """

    name: str
    data: Any
    number: int | None = None


@dataclass(slots=True)
class Answer:
    """What is said to a call.

    Attributes:
        body: of JSON, or octets of another media type, or events without an end.
        headers: in the place of `Cache-Control: no-store`, or beside it.
    """

    body: Any | bytes | AsyncIterator[Event]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media: str = JSON


class Route(NamedTuple):
    """One way to call a system. The document (OpenAPI 3.1) is made of these.

    Attributes:
        path: with at most one place, written {name}; what stands there may have slashes.
        name: of the operation, in the document.
        handle: takes what runs and the call. It may raise `gateway.http.problems.Problem`.
        asked: what may stand behind the question mark: a `msgspec.Struct` with defaults.
        given: what the body is; None if there is none.
        said: what the answer is, for the document.
        role: what the caller's key has to allow.
        octets: the most that a body may have.
        media: of the answer.
    """

    method: str
    path: str
    name: str
    words: Words
    handle: Callable[[Any, Call], Awaitable[Answer]]
    asked: type[msgspec.Struct] | None = None
    given: Any = None
    said: Any = None
    role: str = READ
    octets: int = 1 << 20
    media: str = JSON


class Task(NamedTuple):
    """What goes on while a system runs. One that fails is told of and begun again, ever later."""

    name: str
    run: Callable[[Any], Awaitable[None]]


class Metric(NamedTuple):
    """How a system is, for Prometheus, which is told it as `csid_SYSTEM_NAME`.

    Attributes:
        name: with its unit behind it, and `_total` where it only grows.
        kind: `gauge`, or `counter`.
        help: what it means.
        samples: values with their labels.
    """

    name: str
    kind: str
    help: str
    samples: Iterable[tuple[Mapping[str, str], float]]


class Command(NamedTuple):
    """A command `csid NAME`, which is found if no command of csid has this name: the module that
    has `register(subparsers)`, and what it is for. That adds the command's parser (argparse) with
    `set_defaults(run=function)`; the function takes what was parsed and gives the exit code.
    `gateway.cli.commands.system.folder` opens the system's place for it.
    """

    module: str
    purpose: str


@dataclass(frozen=True, slots=True)
class System:
    """A system.

    Attributes:
        settings: a dataclass whose fields are `gateway.configuration.options.option`.
        tables: names of tables of its own (LMDB).
        begin: takes the place, gives what runs: what the routes and tasks get. If that has a
            method `close`, it is awaited at the end.
        hooks: `module:function` of what it adds to the node's own processes, if `[serve] systems`
            names it: takes the settings, gives `resolver.answer.source.Stages`, the four hooks
            admit, shape, check, observe. A module, so that a process which answers queries loads
            nothing else.
        commands: by their names.
        metrics: takes what runs, gives how that is.
    """

    name: str
    words: Words
    settings: type[Any] = NoSettings
    tables: tuple[str, ...] = ()
    begin: Callable[[Place], Any] = lambda place: place
    routes: tuple[Route, ...] = ()
    tasks: tuple[Task, ...] = ()
    hooks: str = ""
    commands: Mapping[str, Command] = field(default_factory=dict)
    metrics: Callable[[Any], Awaitable[Iterable[Metric]]] | None = None
