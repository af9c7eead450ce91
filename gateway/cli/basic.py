"""Options for commands that are to start fast: nothing of the registry is loaded for them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Subparsers = argparse._SubParsersAction  # what argparse gives no public name


def path(text: str) -> Path:
    """A path."""
    from pathlib import Path  # which is seldom given

    return Path(text)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --config."""
    parser.add_argument(
        "--config",
        type=path,
        metavar="FILE",
        help="the configuration 配置文件 ($CSID_CONFIG, or /etc/csid/csid.toml)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON, one value a line 输出 JSON"
    )


def add_identifier(parser: argparse.ArgumentParser) -> None:
    """Add ID."""
    parser.add_argument("id", metavar="ID", help="identifier, DNS name or Handle 标识")
