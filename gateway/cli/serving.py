"""What `csid serve` makes of the configuration: at its start, and again with each SIGHUP."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

from csid.address import Address
from gateway import writing
from gateway.acting import known_of
from gateway.cli.version import version
from gateway.configuration.between import configured_of
from gateway.configuration.contradictions import of_keys_and_zones
from gateway.configuration.load import load
from gateway.configuration.places import DEFAULT_FILE, file_here
from gateway.configuration.sections import Configuration, Serve
from gateway.configuration.values import ConfigurationError
from gateway.http import kind as http
from gateway.language import shown
from gateway.metrics import kind as metrics
from gateway.systems.known import HOOKS
from registry.network import wanted
from registry.sync.kind import SYNC
from resolver.server import hooks, notices, rate_limit, tap
from resolver.server.credentials import Credentials, CredentialsError
from resolver.server.kinds import TCP_SERVER, UDP_WORKER, Kind, Settings
from resolver.server.sockets import Bound, bind_tls

# What is bound, or given up, once: at the start.
_FIXED: Final = {
    "node": ("data",),
    "serve": ("listen", "listen_tls", "workers", "user"),
    "http": ("listen",),
    "metrics": ("listen",),
}


class Serving:
    """What one `csid serve` was told, and holds: sockets of its interfaces, and in memory what its
    processes inherit.

    Attributes:
        found: what holds since the start; what the command line says goes before the file.
        credentials: what is shown over TLS; None if nobody is listened to over TLS.

    Raises:
        CsidError: the configuration cannot be used, or an interface cannot listen.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._file = file_here(arguments.config, os.environ) or Path(DEFAULT_FILE)
        self.found = self._now = self._read()
        self._between = configured_of(self.found)
        # It has secrets, which a command line would show to everybody.
        self._memory = os.memfd_create("csid-configured", os.MFD_CLOEXEC)
        self._bound: dict[str, list[Bound]] = {http.NAME: [], metrics.NAME: []}
        self.credentials: Credentials | None = None
        try:
            self._remember(self._between)
            self.credentials = _credentials(self.found.serve)
            for name, addresses in (
                (http.NAME, self.found.http.listen),
                (metrics.NAME, self.found.metrics.listen),
            ):
                for address in addresses:
                    self._bound[name].append(bind_tls(address))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of all that is held."""
        os.close(self._memory)
        for sockets in self._bound.values():
            for one in sockets:
                one.close()
        if self.credentials is not None:
            self.credentials.close()

    def interfaces(self) -> dict[str, list[Address]]:
        """Where interfaces listen, by their names."""
        return {name: [one.address for one in bound] for name, bound in self._bound.items()}

    def kinds(self) -> Sequence[Kind]:
        """The kinds of process besides those that answer queries."""
        fd = self._memory
        writer = writing.kind_of(self._file)
        options = (*writer.options, "--configured-fd", str(fd))
        found = [writer._replace(options=options, inherited=(fd,)), SYNC]
        if self._bound[http.NAME]:
            found.append(http.kind_of(self._bound[http.NAME]))
        if self._bound[metrics.NAME]:
            found.append(metrics.kind_of(self._bound[metrics.NAME]))
        return found

    def settings(self) -> Settings:
        """What the processes are told."""
        return _settings(self._now, self._file)

    def reread(self) -> Settings:
        """Read the configuration again, and say what of it does not hold yet.

        Raises:
            CsidError: it cannot be used; all stays as it is.
        """
        now = self._read()
        between = configured_of(now)
        if self.credentials is not None and now.serve.tls_cert is not None:
            self.credentials.name(*_files(now.serve))
        _tell_fixed(self.found, now)
        _tell_left(self._between, between)
        self._remember(between)
        self._now, self._between = now, between
        return self.settings()

    def _read(self) -> Configuration:
        found = load(self._arguments.config)
        http.require_safe(found.http)
        known_of(found)  # so that what is wrong there is told at once
        if found.serve.systems:
            _require_hooks(found)
        if wrong := list(of_keys_and_zones(found)):
            raise ConfigurationError("; ".join(wrong))
        given = {
            option.name: value
            for option in fields(Serve)
            if (value := getattr(self._arguments, option.name, None)) is not None
        }
        # What programs read is always the same.
        say = str if found.log.format == "json" else shown
        notices.log_as(found.log.format, found.log.level, say)
        return replace(found, serve=replace(found.serve, **given))

    def _remember(self, between: wanted.Configured) -> None:
        """Have it in the memory that writers inherit from now on; those that are there keep what
        they have.
        """
        fd = os.memfd_create("csid-configured", os.MFD_CLOEXEC)
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(wanted.packed(between))
            os.dup2(fd, self._memory, inheritable=False)
        finally:
            os.close(fd)


def _settings(found: Configuration, file: Path) -> Settings:
    added: dict[str, list[str]] = {UDP_WORKER: [], TCP_SERVER: []}
    limit, dnstap = found.rate_limit, found.dnstap
    if limit.per_second:
        limits = rate_limit.Limits(**{one.name: getattr(limit, one.name) for one in fields(limit)})
        added[UDP_WORKER] += ["--rate-limit", rate_limit.packed(limits)]
    if dnstap.to:
        identity = found.serve.nsid or socket.gethostname()
        told = tap.Told(dnstap.to, dnstap.queries, dnstap.answers, identity, f"csid {version()}")
        for options in added.values():
            options += ["--dnstap", tap.packed(told)]
    if found.serve.systems:
        for options in added.values():
            options += [hooks.OPTION, HOOKS, str(file.absolute())]
    added[http.HTTP_SERVER] = http.options_of(found.http, file)
    return Settings(found.serve.nsid, added)


def _require_hooks(found: Configuration) -> None:
    """Raises CsidError if a system cannot be loaded that looks at what is asked and changed."""
    from gateway.systems.hooks import stages_of  # which nobody needs who has no systems

    stages_of(found)


def _tell_fixed(found: Configuration, now: Configuration) -> None:
    """Say which options have changed that hold from the next start on."""
    changed = [
        f"[{section}] {name.replace('_', '-')}"
        for section, names in _FIXED.items()
        for name in names
        if getattr(getattr(found, section), name) != getattr(getattr(now, section), name)
    ]
    if changed:
        notices.tell(
            f"{', '.join(changed)}: changed, and will hold when the server is started again",
            event="configuration",
        )


def _tell_left(before: wanted.Configured, now: wanted.Configured) -> None:
    """Say what is in the configuration no longer, which takes nothing away."""
    for what in wanted.missing(before, now):
        notices.tell(
            f"{what}: no longer in the configuration; what is there of it stays, and is for "
            "commands from now on",
            event="configuration",
        )


def _credentials(said: Serve) -> Credentials | None:
    if not said.listen_tls:
        if said.tls_cert or said.tls_key or said.tls_client_ca:
            raise CredentialsError("certificates without --listen-tls: say where they are shown")
        return None
    return Credentials(*_files(said))


def _files(said: Serve) -> tuple[Path, Path, Path | None]:
    """The files of certificate, key and authorities."""
    if not said.tls_cert:
        raise CredentialsError("--listen-tls needs --tls-cert, and --tls-key if that has no key")
    return said.tls_cert, said.tls_key or said.tls_cert, said.tls_client_ca
