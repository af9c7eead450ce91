"""A process that runs systems, under its supervisor: `csid system run`, `csid aggregate run` ..."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from csid.address import Address
from csid.errors import StoreError
from gateway.cli.listening import say_ready
from gateway.cli.version import version
from gateway.configuration.load import load
from gateway.configuration.places import file_here
from gateway.configuration.sections import Configuration
from gateway.configuration.values import ConfigurationError
from gateway.language import shown
from gateway.systems import kind
from gateway.systems.keys import Keys
from gateway.systems.run import configured, folder_of
from resolver.server import notices, service_manager, supervisor
from resolver.server.kinds import Settings
from resolver.server.recursive.folder import Folder
from resolver.server.sockets import bind_tls


def run(args: argparse.Namespace, names: Sequence[str]) -> int:
    """Run systems; returns when ended by a signal.

    Args:
        names: which; none: those of the configuration.

    Raises:
        CsidError: they cannot be run as configured.
    """
    found = _read(args)
    folder = folder_of(found, args.data)
    _prepare(folder)
    settings = _settings(args, found, names)
    manager = service_manager.manager_here()
    with contextlib.ExitStack() as opened:
        opened.callback(manager.close)
        bound = bind_tls(found.systems.listen)
        opened.callback(bound.close)

        def ready(_: Sequence[Address]) -> None:
            say_ready({kind.NAME: [bound.address]}, 1, f"folder {folder}")

        supervisor.serve(
            folder,
            [],
            0,
            settings,
            ready,
            kinds=[kind.kind_of(bound)],
            software=version(),
            reread=lambda: _settings(args, _read(args), names),
            manager=manager,
            looked_after=Folder,
        )
    return 0


def _read(args: argparse.Namespace) -> Configuration:
    found = load(args.config)
    say = str if found.log.format == "json" else shown
    notices.log_as(found.log.format, found.log.level, say)
    if getattr(args, "listen", None) is not None:
        found = replace(found, systems=replace(found.systems, listen=args.listen))
    kind.require_safe(found.systems)
    return found


def _settings(args: argparse.Namespace, found: Configuration, names: Sequence[str]) -> Settings:
    """What the process is told.

    Raises:
        CsidError: there is no such system, or its section says what cannot be.
    """
    wanted = list(names) or list(found.systems.run)
    if not wanted:
        raise ConfigurationError(
            "which systems? Name them, or write run under [systems]; csid system list has all"
        )
    configured(found, wanted)  # so that what is wrong there is told at once
    file = file_here(args.config, os.environ)
    return Settings(added={kind.SYSTEMS: kind.options_of(found.systems, file, wanted)})


def _prepare(folder: Path) -> None:
    """Make what is not there yet.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from None
    Keys(folder).close()
