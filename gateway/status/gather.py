"""What a node is doing at one moment, as plain values: for people, for scripts, for metrics.

Each part is bounded, so that it may be asked for every second: what is counted is counted up to
COUNTED, and the registry is compared with the tree at some names alone.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

from csid import names
from gateway.status.followed import apexes, state_of
from gateway.status.judge import problems
from registry import audit
from registry.network import status as filing
from registry.signing import kept
from registry.signing.keys import chain_of
from registry.tables import log_entry
from registry.tables.enums import NODE_ROLE_WORDS
from registry.tables.transaction import TransactionView, open_tables
from registry.tables.view import get_place, get_root
from registry.verify.sample import compare_some
from resolver.server import control
from resolver.store.apexes import EXPIRED, NOT_READY, SERVED, split_zone_entry
from resolver.store.environment import Store
from resolver.store.meta import SCHEMA_VERSION
from resolver.store.read import ReadTransaction
from resolver.sync import states
from resolver.sync.settings import follow_of, where
from resolver.sync.timers import soa_of

COUNTED: Final = 10_000  # zones that follow others, identifiers that wait
ZONES_TOLD: Final = 20  # one by one
SAMPLED: Final = 64  # identifiers compared with the tree
_FLAGS: Final = {SERVED: "served", EXPIRED: "expired", NOT_READY: "waiting"}

Status = dict[str, Any]


def status(data: Path, random: Random | None = None) -> Status:
    """The state of the node whose data directory this is.

    Raises:
        StoreError: the directory cannot be used.
        ControlError: a server runs and does not tell.
    """
    with Store.open(data) as store:
        open_tables(store)
        return of_store(store, control.ask(data), random or Random())


def of_store(store: Store, server: control.Snapshot | None, random: Random) -> Status:
    """The state of a node.

    Args:
        store: its data, with the registry's tables open.
        server: what its server tells; None if none runs.
        random: chooses what is compared.
    """
    now = time.time()
    settings = store.settings()
    with store.read() as read:
        seen = TransactionView(read)
        place, root = get_place(seen), get_root(seen)
        found: Status = {
            "time": now,
            "data": str(store.path),
            "schema": SCHEMA_VERSION,
            "suffix": settings.suffix,
            "role": None if place is None else NODE_ROLE_WORDS[place.role][0],
            "name": "" if place is None else place.name,
            "server": server,
            "store": _store(store),
            "zones": _zones(read, settings.suffix),
            "sync": _sync(read, int(now)),
            "filing": None
            if root is None
            else filing.waiting(seen, COUNTED)._asdict() | {"server": f"{root.host}:{root.port}"},
            "log": _log(read),
        }
        compared = compare_some(read, settings.suffix, SAMPLED, random)
        found["registry"] = {"compared": compared.compared, "faults": list(compared.faults)}
    return found | {"problems": problems(found)}


def _store(store: Store) -> dict[str, Any]:
    usage = store.usage()
    readers = store.readers()
    moments = [one.moment for one in readers if one.moment is not None]
    return {
        "octets": usage["octets"],
        "map_octets": usage["map_octets"],
        "free_octets": shutil.disk_usage(store.path).free,
        "nodes": usage["nodes"],
        "readers": len(readers),
        "stale_readers": sum(not _is_alive(one.pid) for one in readers),
        # What was freed since cannot be used again while the oldest of them reads.
        "oldest_reader_behind": max(0, usage["last"] - min(moments)) if moments else 0,
    }


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True


def _zones(read: ReadTransaction, suffix: str) -> dict[str, Any]:
    table = read.table(b"apexes")
    own = names.key_of(names.from_text(suffix))
    told = [held.apex for held in islice(read.zones(), ZONES_TOLD)]
    if own not in told and table.get(where(own)) is not None:
        told = [own, *told[: ZONES_TOLD - 1]]
    return {"count": table.entries(), "first": [_zone(read, apex) for apex in told]}


def _zone(read: ReadTransaction, apex: bytes) -> dict[str, Any]:
    entry = read.table(b"apexes").get(where(apex))
    soa = soa_of(read, apex)
    return {
        "origin": names.to_text(names.wire_of_key(apex)),
        "serial": soa.serial if soa is not None else None,
        "state": _FLAGS.get(split_zone_entry(entry).flags if entry else NOT_READY, "waiting"),
    }


def _sync(read: ReadTransaction, now: int) -> dict[str, Any]:
    """The zones that follow others, by state, with the first that are not well."""
    counted: Counter[str] = Counter()
    unwell: list[dict[str, str]] = []
    looked = 0
    for apex in islice(apexes(read, b""), COUNTED):
        looked += 1
        follow, state = follow_of(read, apex), states.state_of(read, apex)
        if follow is None or state is None:
            continue
        soa = soa_of(read, apex)
        entry = read.table(b"apexes").get(where(apex))
        flags = split_zone_entry(entry).flags if entry is not None else NOT_READY
        word = state_of(flags, state, soa.serial if soa is not None else None, now)
        counted[word] += 1
        if word not in ("current", "behind") and len(unwell) < ZONES_TOLD:
            origin = names.to_text(names.wire_of_key(apex))
            unwell.append({"origin": origin, "state": word, "error": state.error})
    return {"states": dict(counted), "unwell": unwell, "is_more": looked == COUNTED}


def _log(read: ReadTransaction) -> dict[str, Any]:
    """How long the log is, how much of it a checkpoint covers, since when the rest waits, and what
    keeps the last checkpoint from holding.
    """
    seen = TransactionView(read)
    size = seen.leaves()
    try:
        point = kept.require_last(read, chain_of(read))
        fault = ""
    except audit.AuditError as error:
        point, fault = None, str(error)
    covered = point.size if point is not None else 0
    return {
        "leaves": size,
        "covered": covered,
        "covered_at": _time_of(seen, covered - 1) if covered else None,
        "uncovered_since": _time_of(seen, covered) if covered < size else None,
        "fault": fault,
    }


def _time_of(seen: TransactionView, index: int) -> int | None:
    leaf = seen.leaf(index)
    try:
        return log_entry.decode(leaf).time if leaf is not None else None
    except ValueError:
        return None
