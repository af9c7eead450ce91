"""A process of systems, as commands ask it."""

from __future__ import annotations

import argparse
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from csid.address import is_here
from csid.errors import CsidError
from gateway.cli import options
from gateway.configuration.load import load
from gateway.language import spoken

SECONDS: Final = 30.0  # for an answer


class RemoteError(CsidError):
    """The process does not answer, or refuses."""


def add_remote(parser: argparse.ArgumentParser) -> None:
    """Add --url, --key-file and --config."""
    parser.add_argument(
        "--url", metavar="URL", help="process of systems that is asked 系统接口 ([client] systems)"
    )
    add_key(parser)
    options.add_config(parser)


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add --key-file."""
    parser.add_argument(
        "--key-file",
        type=options.path,
        metavar="FILE",
        help="file with a key for it 密钥文件",
    )


@contextmanager
def remote(args: argparse.Namespace) -> Iterator[httpx.Client]:
    """A client of the process.

    Raises:
        RemoteError: it does not answer, or the URL is none, or a key would be sent in the clear.
        OSError: a file cannot be read.
    """
    said = load(args.config).client
    url = args.url or said.systems
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RemoteError(f"{url[:200]!r} is no URL: expected one such as http://127.0.0.1:8090")
    file = args.key_file or said.systems_key
    headers = {"Accept-Language": "zh" if spoken() == "zh" else "en"}
    if file is not None:
        if parts.scheme == "http" and not is_here(parts.hostname):
            raise RemoteError(f"{url}: the key would be sent in the clear; give https")
        headers["Authorization"] = f"Bearer {file.read_text('ascii').strip()}"
    verify: Any = True
    if parts.scheme == "https":
        verify = ssl.create_default_context(cafile=said.systems_ca)
    try:
        with httpx.Client(
            base_url=url, headers=headers, timeout=SECONDS, verify=verify, trust_env=False
        ) as client:
            yield client
    except httpx.HTTPError as error:
        raise RemoteError(f"{url} does not answer: {error or type(error).__name__}") from None


def said(answer: httpx.Response) -> Any:
    """The JSON of an answer.

    Raises:
        RemoteError: it refuses.
    """
    if answer.is_success:
        return answer.json()
    try:
        problem = answer.json()
        detail = f"{problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:300]
    raise RemoteError(f"{answer.request.url}: HTTP {answer.status_code}: {detail}")
