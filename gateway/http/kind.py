"""The interface as one more kind of process of a server: one for each address it listens on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from csid.address import Address, is_here
from csid.errors import CsidError
from gateway.configuration.sections import Http
from resolver.server.kinds import Kind, one_each
from resolver.server.sockets import Bound

NAME: Final = "http"  # in the line that says where a server listens
HTTP_SERVER: Final = "HTTP server"


class InterfaceError(CsidError):
    """The interface cannot be offered as configured."""


def require_safe(said: Http) -> None:
    """Refuse to offer it so that tokens would be read on the way.

    Raises:
        InterfaceError: it is configured to listen for others without TLS.
    """
    if said.tls_key is not None and said.tls_cert is None:
        raise InterfaceError("[http] tls-key without tls-cert: say where the certificate is")
    if said.client_ca is not None and said.tls_cert is None:
        raise InterfaceError("[http] client-ca without tls-cert: certificates are shown over TLS")
    for address in said.listen:
        if said.tls_cert is None and not is_near(address):
            raise InterfaceError(
                f"[http] listen {address}: tokens would be sent in the clear; give tls-cert, or "
                "listen on 127.0.0.1 behind a server that ends TLS"
            )


def is_near(address: Address) -> bool:
    """Whether only this machine reaches what listens there."""
    return is_here(address.host)


def options_of(said: Http, file: Path) -> list[str]:
    """What the processes are told; ``file``: of the configuration."""
    options = ["--per-second", str(said.per_second), "--public-url", said.public_url]
    options += ["--per-address", str(said.per_address), "--config", str(file.absolute())]
    if said.client_ca is not None:
        options += ["--client-ca", str(said.client_ca.absolute())]
    if said.tls_cert is not None:
        key = said.tls_key or said.tls_cert
        options += ["--tls-cert", str(said.tls_cert.absolute()), "--tls-key", str(key.absolute())]
    return options


def kind_of(bound: Sequence[Bound]) -> Kind:
    """The kind of process, with the sockets it is to serve."""
    return Kind(
        HTTP_SERVER,
        "gateway.http.process",
        partial(one_each, bound),
        counted=("calls", "problems"),
        vital=False,
    )
