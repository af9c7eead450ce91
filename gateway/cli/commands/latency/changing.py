"""`csid latency probe|add|remove`: what is measured, and what is known of it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from csid.address import parse
from csid.errors import CsidError
from gateway.cli import output
from gateway.cli.commands.latency.told import measured_json, now, print_measured
from gateway.cli.commands.line.folder import folder_of_lines, latencies_in
from gateway.cli.progress import bar
from gateway.cli.remote import remote, said
from gateway.systems.selection.measuring import measure
from gateway.systems.selection.paths.measured import (
    Measurement,
    MeasurementError,
    believed,
    measurement,
    require_name,
)
from gateway.systems.selection.paths.measured_store import Latencies
from gateway.systems.selection.paths.places import location_of
from gateway.systems.selection.paths.probing import Probe


def run_probe(args: argparse.Namespace) -> int:
    """Measure, and keep what comes of it."""
    probe = Probe(location_of(args.one), location_of(args.other), parse(args.server))
    try:
        with contextlib.ExitStack() as opened:
            keep = None if args.dry_run else opened.enter_context(_keeping(args))
            with bar(args.count) as shown:
                told = asyncio.run(measure(probe, args.count, on_progress=shown.show))
            return _take_in(args, told, keep)
    except MeasurementError as error:
        output.complain(error)
        return output.EXIT_BAD_INPUT


def run_add(args: argparse.Namespace) -> int:
    """Take in what was measured."""
    values: dict[str, Any] = {
        "from": args.one,
        "to": args.other,
        "median_ms": args.median_ms,
        "p90_ms": args.p90_ms,
        "loss": args.loss,
        "taken": args.taken,
    }
    try:
        told = measurement(**values)
        believed(told, _by(args), now())
        with _keeping(args) as keep:
            return _take_in(args, told, keep)
    except MeasurementError as error:
        output.complain(error)
        return output.EXIT_BAD_INPUT


# Keeps what was measured; as whose, and whether it was not, as a newer one was there.
_Keep = Callable[[Measurement], tuple[str, bool]]


@contextlib.contextmanager
def _keeping(args: argparse.Namespace) -> Iterator[_Keep]:
    """Where what is measured is kept: seen to before anything is measured.

    Raises:
        CsidError: nobody can have such a name; there is no such place, or it cannot be used.
    """
    if args.url:
        with remote(args) as client:
            _told(client, [])  # whether it answers, and the key allows that
            yield lambda told: _told(client, [msgspec.to_builtins(told)])
        return
    require_name(args.actor)
    with contextlib.closing(Latencies(folder_of_lines(args))) as latencies:

        def keep(told: Measurement) -> tuple[str, bool]:
            at = now()
            return args.actor, bool(latencies.put([believed(told, args.actor, at)], at))

        yield keep


def _by(args: argparse.Namespace) -> str:
    """As whose it is looked at until it is kept: a process says by the key whose it is."""
    return "local" if args.url else str(args.actor)


def _told(client: httpx.Client, items: list[dict[str, Any]]) -> tuple[str, bool]:
    """Tell a process what was measured: as whose, and whether a newer one was there."""
    answer = said(client.post("/v1/latencies", json={"items": items}))
    return answer["by"], bool(answer["older"])


def _take_in(args: argparse.Namespace, told: Measurement, keep: _Keep | None) -> int:
    """Keep what was measured, and print it, even if it cannot be kept."""
    at = now()
    if told.taken is None:
        told = msgspec.structs.replace(told, taken=datetime.fromtimestamp(at / 1_000, UTC))
    by, is_older, failure = _by(args), False, None
    if keep is not None:
        try:
            by, is_older = keep(told)
        except CsidError as error:  # what was measured is shown all the same
            failure = error
    found = believed(told, by, at)
    if args.json:
        is_in = keep is not None and not is_older and failure is None
        dry = {"dry_run": True} if getattr(args, "dry_run", False) else {}
        output.print_json(measured_json(found, at) | {"taken_in": is_in} | dry)
    else:
        print_measured([found], at)
    if failure is not None:
        raise failure
    if is_older:
        output.err.print("已有更新的实测值 a newer one was there, and stays", markup=False)
    return output.EXIT_OK


def run_remove(args: argparse.Namespace) -> int:
    """Forget what was measured; exit 1 if nothing was."""
    if (args.one is None) != (args.other is None) or (args.one is None and args.by is None):
        output.complain("say between which places, FROM and TO, or by whom, --by NAME, or both")
        return output.EXIT_BAD_INPUT
    if args.by == "":
        output.complain("--by is empty; give the name of who has measured")
        return output.EXIT_BAD_INPUT
    pair = None
    if args.one is not None:
        pair = location_of(args.one), location_of(args.other)
    with latencies_in(args) as latencies:
        gone = latencies.remove(args.by or "", pair) if latencies is not None else 0
    if not gone:
        output.complain("nothing of that was measured; csid latency list shows what was")
        return output.EXIT_BAD_INPUT
    if args.json:
        output.print_json({"removed": gone})
    else:
        output.out.print(f"已删除实测值 measurements removed: {gone}", markup=False)
    return output.EXIT_OK
