"""`csid latency show|list`: round trips as they are known."""

from __future__ import annotations

import argparse
import contextlib

from gateway.cli import output
from gateway.cli.commands.latency.told import measured_json, now, print_measured, range_of
from gateway.cli.commands.line.folder import latencies_in
from gateway.cli.commands.line.told import public_json
from gateway.systems.selection.paths.latency import (
    NOTHING,
    Measured,
    Measuring,
    about,
    between,
)
from gateway.systems.selection.paths.places import location_of, members


def run_show(args: argparse.Namespace) -> int:
    """Show the round trip between two places."""
    one, other = location_of(args.one), location_of(args.other)
    at = now()
    found: list[Measured] = []
    known: Measuring = NOTHING
    with latencies_in(args) as latencies:
        if latencies is not None:
            known, found = latencies, about(one, other, latencies)
        public = between(one, other, known, at)
    estimated = between(one, other)
    if args.json:
        output.print_json(
            {
                "from": one,
                "to": other,
                "public": public_json(public),
                "estimated": public_json(estimated),
                "measured": [measured_json(told, at) for told in found],
            }
        )
    else:
        rows = [("两地 Between", f"{one} – {other}"), ("公网时延 RTT", range_of(public))]
        if public.mark == "measured":
            rows.append(("估计 Estimate", range_of(estimated)))
        output.print_facts(rows)
        if found:
            print_measured(found, at)
    return output.EXIT_OK


def run_list(args: argparse.Namespace) -> int:
    """List what was measured, by places and who has measured."""
    after = args.after.split("/", 2) if args.after else []
    if len(after) not in (0, 3):
        output.complain(f"--after {args.after}: expected FROM/TO/BY, the last of the page before")
        return output.EXIT_BAD_INPUT
    of = members(location_of(args.at)) if args.at else ("",)
    found: list[Measured] = []
    more = False
    with latencies_in(args) as latencies:
        if latencies is not None:
            with contextlib.closing(latencies.all(after, of)) as every:
                found, more = output.take(every, args.limit)
    if args.json:
        for told in found:
            output.print_json(measured_json(told, now()))
    else:
        print_measured(found, now())
    if more:
        output.note_more(f"{found[-1].one}/{found[-1].other}/{found[-1].by}")
    return output.EXIT_OK
