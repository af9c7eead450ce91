"""`csid metrics`: the state of a node as Prometheus reads it."""

from __future__ import annotations

import argparse

from gateway.cli import configured, options, output
from gateway.metrics import sample_files
from gateway.metrics.text import render
from gateway.status.gather import status


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid metrics`."""
    parser = subparsers.add_parser(
        "metrics",
        help="the state of the node for Prometheus 监控指标",
        description="The state of the node as Prometheus reads it 监控指标: queries and answers, "
        "TCP, processes, data, sync, filing, the log. For a textfile collector, or by hand.",
    )
    options.add_data(parser)
    parser.add_argument(
        "--sample",
        choices=sample_files.FILES,
        help="rules of alerts, or a dashboard for Grafana, instead 告警规则、仪表盘",
    )
    parser.set_defaults(run=run, needs_data=False)


def run(args: argparse.Namespace) -> int:
    """Print them."""
    out = output.for_data()
    if args.sample is not None:
        out.write(sample_files.text(args.sample))
    else:
        out.write(render(status(args.data or configured.data(args))))
    return output.EXIT_OK
