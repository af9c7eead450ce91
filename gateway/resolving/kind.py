"""The gateway over HTTP as one more kind of process: one for each address it listens on."""

from __future__ import annotations

from functools import partial
from typing import Final
from urllib.parse import urlsplit

from csid.address import is_here
from csid.errors import CsidError
from gateway.configuration.gateway_sections import Gateway
from gateway.http.kind import HTTP_SERVER, is_near
from resolver.server.kinds import Kind, one_each
from resolver.server.sockets import Bound

NAME: Final = "http"  # in the line that says where a server listens


class OverHttpError(CsidError):
    """The gateway cannot be offered over HTTP as configured."""


def require_safe(said: Gateway) -> None:
    """Refuse to offer it so that what is reported would be read on the way.

    Raises:
        OverHttpError: it is configured to listen for others without TLS.
    """
    if said.report_to:
        _require_safe_reports(said)
    for address in said.http:
        if said.tls_cert is None and not is_near(address):
            raise OverHttpError(
                f"[gateway] http {address}: what is reported would be sent in the clear; give "
                "--tls CERT KEY (tls-cert), or listen on 127.0.0.1 behind a server that ends TLS"
            )


def _require_safe_reports(said: Gateway) -> None:
    url = urlsplit(said.report_to)
    if said.report_key is None:
        raise OverHttpError(
            "[gateway] report-to without report-key: csid gateway enrol prints it at the node"
        )
    if url.scheme not in ("http", "https") or not url.hostname:
        raise OverHttpError(f"[gateway] report-to {said.report_to}: expected https://HOST:PORT")
    if url.scheme == "http" and not is_here(url.hostname):
        raise OverHttpError(
            f"[gateway] report-to {said.report_to}: the key would be sent in the clear; give https"
        )


def options_of(said: Gateway) -> list[str]:
    """What the processes are told, besides what all of a gateway are."""
    found = ["--memory-mib", str(said.memory), "--per-address", str(said.per_address)]
    if said.suffix:
        found += ["--suffix", said.suffix]
    if said.handle_authority:
        found += ["--handle-authority", said.handle_authority]
    if said.registry:
        found += ["--registry", said.registry]
        if said.registry_token is not None:
            found += ["--registry-token", str(said.registry_token.absolute())]
    if said.report_to:
        found += ["--report-to", said.report_to]
        for name, file in (("key", said.report_key), ("ca", said.report_ca)):
            if file is not None:
                found += [f"--report-{name}", str(file.absolute())]
    if said.tls_cert is not None:
        key = said.tls_key or said.tls_cert
        found += ["--tls-cert", str(said.tls_cert.absolute()), "--tls-key", str(key.absolute())]
    return found


def kind_of(bound: Bound, asking: int) -> Kind:
    """The kind of the process of one address, which asks over a descriptor."""
    return Kind(
        HTTP_SERVER,
        "gateway.resolving.process",
        partial(one_each, [bound]),
        counted=("calls", "problems"),
        vital=False,
        options=("--pair-fd", str(asking)),
        inherited=(asking,),
    )
