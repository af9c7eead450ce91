"""The process of systems as a kind of process, for its supervisor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from csid.errors import CsidError
from gateway.http.kind import is_near
from gateway.systems.settings import Systems
from resolver.server.kinds import Kind, one_each
from resolver.server.sockets import Bound

NAME: Final = "http"  # in the line that says where it listens
SYSTEMS: Final = "systems"


class SystemsError(CsidError):
    """Systems cannot be run as configured."""


def require_safe(said: Systems) -> None:
    """Refuse to be called so that keys would be read on the way.

    Raises:
        SystemsError: others are listened to without TLS.
    """
    if said.tls_key is not None and said.tls_cert is None:
        raise SystemsError("[systems] tls-key without tls-cert: say where the certificate is")
    if said.tls_cert is None and not is_near(said.listen):
        raise SystemsError(
            f"[systems] listen {said.listen}: keys would be sent in the clear; give tls-cert, or "
            "listen on 127.0.0.1 behind a server that ends TLS"
        )


def options_of(said: Systems, file: Path | None, names: Sequence[str]) -> list[str]:
    """What the process is told."""
    found = [word for name in names for word in ("--system", name)]
    found += ["--per-address", str(said.per_address)]
    return found if file is None else [*found, "--config", str(file.absolute())]


def kind_of(bound: Bound) -> Kind:
    """The kind, with the socket it is to serve."""
    return Kind(
        SYSTEMS,
        "gateway.systems.process",
        partial(one_each, [bound]),
        counted=("calls", "problems"),
    )
