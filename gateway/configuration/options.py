"""How an option of a section is declared; and those that several sections have."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Final

from csid.address import Address
from csid.vocabulary import Words
from gateway.configuration import values
from gateway.configuration.values import Reader

WORKERS_MAX: Final = 256  # processes per address


def option(reader: Reader[Any], default: Any, en: str, zh: str, example: Any = None) -> Any:
    """A field of a section; where the default says little, an example is shown in its place."""
    metadata = {"read": reader, "words": Words(zh, en), "example": example}
    return field(default=default, metadata=metadata)


def listening(port: int) -> Any:
    """Where to listen, at this port of this machine alone where nothing is said."""
    return option(
        values.several(values.listener),
        (Address("127.0.0.1", port),),
        "where to listen over UDP and TCP",
        "监听地址",
    )


def certificate() -> Any:
    """What is shown over TLS."""
    return option(
        values.path,
        None,
        "certificate with those of its issuers (PEM)",
        "证书",
        "/etc/csid/tls.pem",
    )


def private_key() -> Any:
    """That of the certificate."""
    return option(
        values.path,
        None,
        "its private key (PEM), if the certificate's file has none",
        "私钥",
        "/etc/csid/tls.key",
    )


def udp_workers() -> Any:
    """How many processes there are for each UDP address."""
    return option(
        values.number(1, WORKERS_MAX),
        None,
        "UDP processes per address (otherwise one per core)",
        "每个地址的工作进程数",
        2,
    )
