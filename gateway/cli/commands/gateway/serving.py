"""What `csid gateway` makes of the configuration: at its start, and again with each SIGHUP."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Final

from csid import names, scheme
from csid.address import Address
from csid.errors import CsidError
from gateway.cli.configured import gateway_folder
from gateway.configuration.gateway_sections import Gateway
from gateway.configuration.load import load
from gateway.configuration.sections import Configuration, workers_here
from gateway.http.kind import HTTP_SERVER, is_near
from gateway.language import shown
from gateway.resolving import kind as http
from resolver.client.blocking import addresses_of
from resolver.recursion.cuts import Cut, top
from resolver.server import notices
from resolver.server.credentials import Credentials, CredentialsError
from resolver.server.kinds import TCP_SERVER, UDP_WORKER, Kind, Settings
from resolver.server.recursive import options
from resolver.server.recursive.folder import prepare
from resolver.server.recursive.kinds import RECURSION, Joined, kinds_of
from resolver.server.sockets import Bound, bind_tls

_MIB: Final = 1 << 20
# What is bound, or made, once: at the start.
_FIXED: Final = ("data", "listen", "listen_tls", "http", "workers", "cache")


class GatewayError(CsidError):
    """A gateway cannot be what the configuration says."""


class ServingGateway:
    """What one `csid gateway` was told, and holds.

    Attributes:
        found: what holds since the start; what the command line says goes before the file.
        folder: where it remembers.
        workers: UDP processes per address.
        credentials: what is shown over TLS; None if nobody is listened to over TLS.

    Raises:
        CsidError: the configuration cannot be used, or the folder.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._configuration = self._read()
        self.found = self._configuration.gateway
        self.folder = gateway_folder(self.found)
        self.workers = self.found.workers or workers_here()
        if not all(map(is_near, (*self.found.listen, *self.found.listen_tls, *self.found.http))):
            _tell_who_is_answered(self.found)
        self._settings = _settings(self._configuration)
        prepare(self.folder, self.found.cache * _MIB)
        self.credentials = _credentials(self.found)
        self._joined = Joined(1 + len(self.found.http))
        self._bound: list[Bound] = []
        try:
            for address in self.found.http:
                self._bound.append(bind_tls(address))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of all that is held."""
        self._joined.close()
        for one in self._bound:
            one.close()
        if self.credentials is not None:
            self.credentials.close()

    def kinds(self) -> Sequence[Kind]:
        """The kinds of process."""
        pairs = [ours.fileno() for ours, _ in self._joined.pairs[1:]]
        return (
            *kinds_of(self._joined, self.found.cache * _MIB),
            *[http.kind_of(one, pair) for one, pair in zip(self._bound, pairs, strict=True)],
        )

    def interfaces(self) -> list[Address]:
        """Where it listens over HTTP."""
        return [one.address for one in self._bound]

    def settings(self) -> Settings:
        """What the processes are told."""
        return self._settings

    def reread(self) -> Settings:
        """Read the configuration again, and say what of it does not hold yet.

        Raises:
            CsidError: it cannot be used; all stays as it is.
        """
        configuration = self._read()
        settings = _settings(configuration)
        now = configuration.gateway
        changed = [one for one in _FIXED if getattr(now, one) != getattr(self.found, one)]
        if changed:
            named = ", ".join(f"[gateway] {one.replace('_', '-')}" for one in changed)
            notices.tell(
                f"{named}: changed, and will hold when the server is started again",
                event="configuration",
            )
        if self.credentials is not None and now.tls_cert is not None:
            self.credentials.name(now.tls_cert, now.tls_key or now.tls_cert, None)
        self._configuration, self._settings = configuration, settings
        return settings

    def _read(self) -> Configuration:
        found = load(self._arguments.config)
        given = {
            option.name: value
            for option in fields(Gateway)
            if (value := getattr(self._arguments, option.name, None)) is not None
        }
        if self._arguments.tls is not None:
            given["tls_cert"], given["tls_key"] = self._arguments.tls
        # What programs read is always the same.
        say = str if found.log.format == "json" else shown
        notices.log_as(found.log.format, found.log.level, say)
        said = replace(found.gateway, **given)
        http.require_safe(said)
        return replace(found, gateway=said)


def _tell_who_is_answered(said: Gateway) -> None:
    """Say that nobody else is answered, where others can reach it."""
    if all(network.is_loopback for network in said.allow):
        notices.tell(
            "others can reach this gateway and none of them is answered: name their networks, "
            "[gateway] allow",
            event="configuration",
        )


def _settings(configuration: Configuration) -> Settings:
    """What the processes are told.

    Raises:
        CsidError: nobody says where resolution begins, or a host has no address.
    """
    said = configuration.gateway
    words = options.words(_tops(configuration), said.allow)
    added = dict.fromkeys((RECURSION, UDP_WORKER, TCP_SERVER), words)
    return Settings(said.nsid, added | {HTTP_SERVER: [*words, *http.options_of(said)]})


def _tops(configuration: Configuration) -> list[Cut]:
    said = configuration.gateway
    suffix = names.from_text(said.suffix or scheme.load().dns_suffix)
    found: dict[bytes, Cut] = {}
    if said.root:
        found[suffix.lower()] = top(suffix, addresses_of(said.root))
    for one in configuration.upstream:
        name = names.from_text(one.name).lower()
        if name in found:
            raise GatewayError(f"[[upstream]] {one.name}: said twice, or the suffix itself")
        found[name] = top(name, addresses_of(one.servers), one.forward)
    if not found:
        raise GatewayError(
            "where does resolution begin? Give --root HOST:PORT, or write root under [gateway] in "
            "the configuration"
        )
    return list(found.values())


def _credentials(said: Gateway) -> Credentials | None:
    if not said.listen_tls:
        return None
    if said.tls_cert is None:
        raise CredentialsError("--listen-tls needs a certificate: give --tls CERT KEY")
    return Credentials(said.tls_cert, said.tls_key or said.tls_cert)
