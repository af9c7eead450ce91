"""Events as CloudEvents 1.0, in four families: what befalls resources 资源侧, platforms 平台侧,
scheduling between nodes 互联调度侧, applications 应用侧. `schemas/events.md` describes them.

An event is read once, where it comes in; what goes on is its canonical form, so that the same event
has the same octets wherever it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from csid.errors import IdentifierError
from csid.identifier import Identifier, parse
from csid.status import Amount, Kind

FAMILIES: Final = ("resource", "platform", "scheduling", "application")
EVENT_OCTETS: Final = 16_384
ABNORMAL, RECOVERED = "abnormal", "recovered"

Text = Annotated[str, msgspec.Meta(max_length=500)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Amounts = Annotated[dict[Kind, Amount], msgspec.Meta(max_length=32)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]


class Data(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every event may say.

    Attributes:
        number: event number 事件编号, of what is abnormal.
        matches: the event number of what has recovered 匹配事件编号.
        kind: of the cause 原因类别.
        cause: in words.
    """

    number: Name | None = None
    matches: Name | None = None
    kind: Literal["network", "system", "attack", "other"] | None = None
    cause: Text | None = None
    severity: Literal["info", "warning", "critical"] | None = None


class ResourceData(Data, frozen=True, omit_defaults=True):
    """What befalls a resource: capacity that comes and goes, faults, energy."""

    capacity: Amounts | None = None
    free: Amounts | None = None
    power_watts: NonNegative | None = None
    energy_kwh: NonNegative | None = None
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class PlatformData(Data, frozen=True, omit_defaults=True):
    """What befalls a platform: its parts and their versions, how many of its hosts work."""

    component: Name | None = None
    version: Name | None = None
    hosts: Count | None = None
    hosts_working: Count | None = None
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class SchedulingData(Data, frozen=True, omit_defaults=True, rename={"origin": "from"}):
    """What befalls a job between nodes: asked for, placed, moved, refused, over.

    Attributes:
        origin: identifier that it comes from, in JSON `from`.
        to: identifier that it goes to.
        amounts: what it takes.
    """

    job: Name | None = None
    origin: Name | None = None
    to: Name | None = None
    amounts: Amounts | None = None
    bandwidth_mbps: NonNegative | None = None
    latency_ms: NonNegative | None = None
    waited_seconds: NonNegative | None = None


class ApplicationData(Data, frozen=True, omit_defaults=True):
    """What befalls an application: begun, scaled, failed, over, and what it has used."""

    application: Name | None = None
    job: Name | None = None
    tenant: Name | None = None
    replicas: Count | None = None
    used: Amounts | None = None
    result: Name | None = None


_DATA: Final[dict[str, type[Data]]] = {
    "resource": ResourceData,
    "platform": PlatformData,
    "scheduling": SchedulingData,
    "application": ApplicationData,
}


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """The attributes of a CloudEvent (CloudEvents 1.0 section 3) that are looked at; others are
    extensions, and go along.
    """

    specversion: Literal["1.0"]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    type: Annotated[
        str,
        msgspec.Meta(pattern=rf"^csid\.({'|'.join(FAMILIES)})\.[a-z][a-z0-9-]{{0,38}}$"),
    ]
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    data: dict[str, Any]
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] | None = None


class EventError(ValueError):
    """What was given is no event that can be taken."""


class Read(msgspec.Struct, frozen=True):
    """An event that was read: its identifier, what tells it from all others (its source and id),
    and its canonical form.
    """

    identifier: Identifier
    family: str
    names: tuple[str, str]
    octets: bytes


def read(given: Any, suffix: str | None = None) -> Read:
    """Read an event.

    Args:
        given: as JSON or msgpack have it.
        suffix: of the names of identifiers.

    Raises:
        EventError: it says why.
    """
    try:
        event = msgspec.convert(given, Event)
        _, family, kind = event.type.split(".")
        data = msgspec.convert(event.data, _DATA[family])
        identifier = parse(event.subject, suffix=suffix)
        octets = canonical(given)
    except msgspec.ValidationError as error:
        raise EventError(str(error)) from None
    except IdentifierError as error:
        raise EventError(f"subject: {error}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise EventError(f"it cannot be written as JSON: {error}") from None
    if kind == ABNORMAL and not data.number:
        raise EventError("data.number: what is abnormal needs an event number")
    if kind == RECOVERED and not data.matches:
        raise EventError("data.matches: say the event number of what has recovered")
    if len(octets) > EVENT_OCTETS:
        raise EventError(f"{len(octets):,} octets, at most {EVENT_OCTETS:,} are taken")
    return Read(identifier, family, (event.source, event.id), octets)


def canonical(given: Any) -> bytes:
    """JSON with the members of each object in order: the same event, the same octets."""
    return _encode(given)


_encode: Final = msgspec.json.Encoder(order="sorted").encode


def schema(family: str) -> dict[str, Any]:
    """The JSON Schema of the events of a family."""
    made = _flat(msgspec.json.schema(Event))
    made["properties"]["type"] = {
        "type": "string",
        "pattern": rf"^csid\.{family}\.[a-z][a-z0-9-]{{0,38}}$",
    }
    made["properties"]["data"] = _flat(msgspec.json.schema(_DATA[family]))
    made["allOf"] = [
        {
            "if": {"properties": {"type": {"const": f"csid.{family}.{kind}"}}},
            "then": {"properties": {"data": {"required": [member]}}},
        }
        for kind, member in ((ABNORMAL, "number"), (RECOVERED, "matches"))
    ]
    return made


def _flat(made: dict[str, Any]) -> dict[str, Any]:
    """A schema of one object, without a reference to itself."""
    (found,) = made["$defs"].values()
    return {name: value for name, value in found.items() if name != "title"}
