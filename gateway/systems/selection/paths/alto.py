"""What is known of latency, as ALTO has it (RFC 7285): a directory, a network map, its PIDs'
properties (RFC 9240), cost maps of delay (RFC 9439) and parts of them. Pure: each answer is a
status, a media type and octets.

    GET   directory           all there is, with its URIs (IRD)
    GET   networkmap          PIDs: a place each, with the networks that it is given; here none are
                              known, as neither registries nor the configuration say of any
    GET   properties          what and where a PID is
    GET   costmap/METRIC      the costs between all PIDs: delay-rt, delay-ow ...
    POST  costmap             the costs that a client asks for: filtered (RFC 7285, 11.3.2)

Costs are those of `latency.rtt_from`; where nothing is known there is none (11.2.3.6), never 0.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from ipaddress import ip_network
from typing import Any, Final, NamedTuple

import msgspec

from csid import codes
from csid.errors import CsidError
from gateway.systems.selection.paths.alto_costs import (
    COST_TYPES,
    AskedCosts,
    Costs,
    FieldError,
    plain,
    read_asked,
)
from gateway.systems.selection.paths.latency import NOTHING, Measuring, rtt_from
from gateway.systems.selection.paths.places import Floats, area, locate, places

DIRECTORY: Final = "application/alto-directory+json"
NETWORK_MAP: Final = "application/alto-networkmap+json"
PROPERTY_MAP: Final = "application/alto-propmap+json"
COST_MAP: Final = "application/alto-costmap+json"
COST_FILTER: Final = "application/alto-costmapfilter+json"
ERROR: Final = "application/alto-error+json"

MAP_ID: Final = "places"  # of the network map, within the directory
PIDS_MAX: Final = 4_000  # a whole cost map of as many has 16,000,000 costs
WHOLE_PIDS_MAX: Final = 500  # beyond, costs are to be asked for with a filter
_PID: Final = re.compile("[0-9A-Za-z:@_-]{1,64}")  # RFC 7285, 10.1
_NO_NETWORKS: Final = "未知 no networks are known to lie there; PIDs are location codes"
_PROPERTIES: Final = ("priv:csid-name", "priv:csid-latitude", "priv:csid-longitude")


class AltoError(CsidError):
    """PIDs of which no map can be made."""


class Said(NamedTuple):
    """An answer over HTTP."""

    status: int
    media: str
    body: bytes


class Pid(NamedTuple):
    """A place as ALTO has it.

    Attributes:
        name: such as the location code.
        location: where its latency is counted from.
        prefixes: networks whose addresses lie there, such as 192.0.2.0/24; may be none.
    """

    name: str
    location: str
    prefixes: tuple[str, ...] = ()


def pids(
    locations: Iterable[str], level: str = "city", prefixes: Mapping[str, Iterable[str]] = {}
) -> tuple[Pid, ...]:
    """The PIDs of locations, such as those of all resources: one for each `province`, `city` or
    `place` that occurs.

    Args:
        prefixes: networks by location code.
    """
    of = _LEVELS[level]
    networks: dict[str, set[str]] = {of(location): set() for location in locations}
    for location, some in prefixes.items():
        networks.setdefault(of(location), set()).update(some)
    return tuple(Pid(code, code, tuple(sorted(found))) for code, found in sorted(networks.items()))


def _province(location: str) -> str:
    return location[:2] + "0000" if location.isdigit() else location


_LEVELS: Final[Mapping[str, Callable[[str], str]]] = {
    "place": str,
    "city": area,
    "province": _province,
}


class Alto:
    """The maps of one moment.

    Args:
        some: PIDs.
        base: URI of the directory's folder, ending with `/`.
        measured, now: as of `latency.rtt_from`.

    Raises:
        AltoError: a PID has a name that is none, or another's, or a network that is none, or
            another's; or there are too many.
    """

    def __init__(
        self, some: Iterable[Pid], base: str, measured: Measuring = NOTHING, now: int = 0
    ) -> None:
        self.pids = tuple(some)
        self._base = base
        self._measured, self._now = measured, now
        self._groups = _groups(self.pids)
        self._index = {pid.name: at for at, pid in enumerate(self.pids)}
        self._places = places([pid.location for pid in self.pids])

    @cached_property
    def tag(self) -> str:
        """The tag of the network map: another where its content is another (RFC 7285, 10.3)."""
        return hashlib.sha256(_json(self._groups)).hexdigest()[:32]

    def directory(self) -> Said:
        """The information resource directory (RFC 7285, section 9.2)."""
        by_metric = {
            f"costs-{name}": {
                "uri": f"{self._base}costmap/{one.metric}",
                "media-type": COST_MAP,
                "capabilities": {"cost-type-names": [name]},
                "uses": [MAP_ID],
            }
            for name, one in COST_TYPES.items()
            if one.mode == "numerical"
        }
        resources = {
            MAP_ID: {"uri": f"{self._base}networkmap", "media-type": NETWORK_MAP},
            "properties": {
                "uri": f"{self._base}properties",
                "media-type": PROPERTY_MAP,
                "uses": [MAP_ID],
                "capabilities": {"mappings": {f"{MAP_ID}.pid": list(_PROPERTIES)}},
            },
            **(by_metric if len(self.pids) <= WHOLE_PIDS_MAX else {}),
            "costs": {
                "uri": f"{self._base}costmap",
                "media-type": COST_MAP,
                "accepts": COST_FILTER,
                "capabilities": {"cost-constraints": True, "cost-type-names": list(COST_TYPES)},
                "uses": [MAP_ID],
            },
        }
        meta = {
            "cost-types": {name: one.described() for name, one in COST_TYPES.items()},
            "default-alto-network-map": MAP_ID,
        }
        return Said(200, DIRECTORY, _json({"meta": meta, "resources": resources}))

    def network_map(self) -> Said:
        """The network map (11.2.1); where no PID has networks, it says that none are known."""
        meta: dict[str, Any] = {"vtag": {"resource-id": MAP_ID, "tag": self.tag}}
        if not any(self._groups.values()):
            meta["priv:csid-networks"] = _NO_NETWORKS
        return Said(200, NETWORK_MAP, _json({"meta": meta, "network-map": self._groups}))

    def properties(self) -> Said:
        """What and where PIDs are (RFC 9240, section 7): names, coordinates where known."""
        found = {f"{MAP_ID}.pid:{pid.name}": _properties(pid) for pid in self.pids}
        return Said(
            200, PROPERTY_MAP, _json({"meta": self._depends(), "property-map": found})
        )  # fmt: skip

    def cost_map(self, metric: str) -> Said:
        """The costs between all PIDs (11.2.3); 404 of a metric that is none, or where PIDs are too
        many for a whole map.
        """
        known = plain(metric)
        name = next((name for name, one in COST_TYPES.items() if one.metric == known), None)
        if name is None or len(self.pids) > WHOLE_PIDS_MAX:
            return Said(404, ERROR, _error("E_INVALID_FIELD_VALUE", "cost-metric", metric[:64]))
        return self._answer(AskedCosts(name, COST_TYPES[name]._replace(metric=metric)))

    def filtered(self, body: bytes) -> Said:
        """The costs that a client asks for (11.3.2): of some PIDs, within constraints."""
        try:
            return self._answer(read_asked(body))
        except FieldError as error:
            return Said(400, ERROR, _error(error.code, error.field, error.value, error.offset))

    def _answer(self, asked: AskedCosts) -> Said:
        sources, targets = self._indices(asked.sources), self._indices(asked.targets)
        if len(sources) * len(targets) > WHOLE_PIDS_MAX**2:
            raise FieldError("E_INVALID_FIELD_VALUE", "pids", f"{len(sources)}x{len(targets)}")
        names = [self.pids[at].name for at in targets]
        found: dict[str, dict[str, float | int]] = {}
        costs = Costs([self._row(at)[asked.what.column][targets] for at in sources], asked)
        for at, values in zip(sources, costs.values, strict=True):
            row = {
                name: value for name, value in zip(names, values, strict=True) if value is not None
            }
            if row:
                found[self.pids[at].name] = row
        meta = {**self._depends(), "cost-type": asked.what.as_json()}
        return Said(200, COST_MAP, _json({"meta": meta, "cost-map": found}))

    def _indices(self, names: tuple[str, ...] | None) -> list[int]:
        """Of PIDs, or of all; those that are none are left out, as 11.3.2.3 has it."""
        if not names:
            return list(range(len(self.pids)))
        return [self._index[name] for name in dict.fromkeys(names) if name in self._index]

    def _row(self, at: int) -> tuple[Floats, Floats]:
        """Round-trip times from a PID to all: middle and high, ms."""
        rtt = rtt_from(self._places, self.pids[at].location, self._measured, self._now)
        return rtt.middle, rtt.high

    def _depends(self) -> dict[str, Any]:
        return {"dependent-vtags": [{"resource-id": MAP_ID, "tag": self.tag}]}


def _groups(some: tuple[Pid, ...]) -> dict[str, dict[str, list[str]]]:
    """Networks of each PID, by kind of address."""
    if len(some) > PIDS_MAX:
        raise AltoError(f"{len(some)} PIDs; at most {PIDS_MAX}: make one for each city or province")
    found: dict[str, dict[str, list[str]]] = {}
    owners: dict[Any, str] = {}
    for pid in some:
        if not _PID.fullmatch(pid.name) or pid.name in found:
            raise AltoError(f"PID {pid.name[:64]!r}: expected 1 to 64 of 0-9 A-Z a-z : @ _ -, once")
        found[pid.name] = {}
        for text in pid.prefixes:
            try:
                network = ip_network(text)
            except ValueError as error:
                raise AltoError(f"PID {pid.name}: {error}; expected such as 192.0.2.0/24") from None
            if network in owners:
                raise AltoError(f"PID {pid.name}: {network} belongs to {owners[network]} already")
            owners[network] = pid.name
            found[pid.name].setdefault(f"ipv{network.version}", []).append(str(network))
    return found


def _properties(pid: Pid) -> dict[str, str]:
    """What is known of a PID, as strings."""
    name = pid.location
    if name in codes.divisions():
        name = codes.divisions().last(name).name
    found = {"priv:csid-name": name}
    at = locate(pid.location)
    if at is not None:
        found["priv:csid-latitude"] = f"{at.latitude:g}"
        found["priv:csid-longitude"] = f"{at.longitude:g}"
    return found


def _error(code: str, field: str = "", value: str = "", offset: int | None = None) -> bytes:
    """An error (RFC 7285, 8.5.2)."""
    meta: dict[str, Any] = {"code": code}
    if code == "E_SYNTAX":
        meta["syntax-error"] = f"not JSON, from octet {offset}" if offset else "not JSON"
    else:
        meta |= {"field": field} | ({"value": value} if code == "E_INVALID_FIELD_VALUE" else {})
    return _json({"meta": meta})


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
