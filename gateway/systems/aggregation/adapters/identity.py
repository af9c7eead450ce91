"""What a machine is known by, whoever says it: its SMBIOS UUID, else its maker and serial number.

Makers ship boards on which nobody has written either; what is written there instead is no identity.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.systems.aggregation.adapters.bodies import text

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NO_UUID: Final = frozenset(
    (
        "03000200-0400-0500-0006-000700080009",  # of AMI's BIOS as it is delivered
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "00020003-0004-0005-0006-000700080009",
    )
)
_NO_SERIAL: Final = frozenset(
    (
        "0123456789",
        "123456789",
        "chassis serial number",
        "default string",
        "empty",
        "invalid",
        "n/a",
        "none",
        "not applicable",
        "not available",
        "not set",
        "not settable",
        "not specified",
        "null",
        "oem",
        "system serial number",
        "to be filled by o.e.m.",
        "unknown",
        "unspecified",
    )
)


def machine_key(uuid: str | None, maker: str | None, serial: str | None) -> str:
    """A key that stays with the machine; empty if nothing is known that could be one."""
    said = text(uuid).strip().lower()
    if _UUID.fullmatch(said) and said not in _NO_UUID and len(set(said) - {"-"}) > 1:
        return f"uuid:{said}"
    number = text(serial).strip()
    if len(set(number)) > 1 and number.lower() not in _NO_SERIAL:
        return f"serial:{text(maker).strip()}/{number}"
    return ""
