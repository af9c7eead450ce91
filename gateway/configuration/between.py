"""What the configuration says of keys and zones between servers, as the writer has it done."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Final

from csid import names
from csid.address import Address
from gateway.configuration.sections import Configuration, KeySection, ZoneSection
from gateway.configuration.values import ALL, ConfigurationError
from registry.network.wanted import Configured, Key, Zone
from resolver.sync.settings import Subject, Target
from resolver.sync.subjects import subject_of

_OCTETS_MAX: Final = 4_096  # of a file with a secret
_EXPECTED: Final = "expected base64 in its first line, such as tsig-keygen or keymgr print it"


def configured_of(found: Configuration) -> Configured:
    """All of it.

    Raises:
        ConfigurationError: a file with a secret cannot be read or used.
    """
    return Configured(tuple(map(_key, found.key)), tuple(map(_zone, found.zone)))


def _key(said: KeySection) -> Key:
    assert said.secret_file is not None  # as the section requires
    return Key(names.from_text(said.name.lower()), said.algorithm, _secret(said.secret_file))


def _secret(file: Path) -> bytes:
    """What a file has; no message shows it."""
    try:
        with file.open("rb") as stream:
            first = stream.read(_OCTETS_MAX).partition(b"\n")[0]
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    try:
        secret = base64.b64decode(first.strip(), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not secret:
        raise ConfigurationError(f"{file}: {_EXPECTED}")
    return secret


def _zone(said: ZoneSection) -> Zone:
    key = names.from_text(said.key.lower()) if said.key else b""

    def targets(servers: tuple[Address, ...] | None) -> tuple[Target, ...] | None:
        if servers is None:
            return None
        return tuple(Target(one.host, one.port, key, said.tls, said.source) for one in servers)

    def subjects(texts: tuple[str, ...] | None) -> tuple[Subject, ...] | None:
        if texts is None:
            return None
        return tuple(subject_of(one)._replace(tls=said.transport == "tls") for one in texts)

    return Zone(
        b"" if said.origin == ALL else names.from_text(said.origin.lower()),
        targets(said.follow),
        said.zonemd,
        tuple(map(subjects, (said.transfer, said.update, said.notify_from))),
        targets(said.notify),
    )
