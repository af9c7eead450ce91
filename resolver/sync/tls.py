"""How a server is reached over TLS (RFC 9103), as a text: `Target.tls`.

opportunistic      TLS with whoever is there; without, if there is none (section 7.3)
pin:BASE64         strict: the SHA-256 of its public key (SubjectPublicKeyInfo) is this one
ca:NAME[@FILE]     strict: its certificate is for this name, by a CA of the file, or of the system
"""

from __future__ import annotations

import base64
from typing import Final

OPPORTUNISTIC: Final = "opportunistic"
PIN: Final = "pin:"
CA: Final = "ca:"


def tls_fault(tls: str) -> str:
    """Why a text is no `Target.tls`, in words; empty if it is one."""
    if tls in ("", OPPORTUNISTIC):
        return ""
    if tls.startswith(PIN):
        try:
            if len(base64.b64decode(tls.removeprefix(PIN), validate=True)) == 32:
                return ""
        except ValueError:
            pass
        return f"{tls[:60]!r}: a pin is the base64 of the SHA-256 of a public key, 44 characters"
    if tls.startswith(CA) and len(tls) > len(CA):
        return ""
    return (
        f"{tls[:60]!r}: expected {OPPORTUNISTIC}, {PIN}<base64 of the SHA-256 of its public key>, "
        f"or {CA}<name in the certificate>[@<file with CA certificates>]"
    )
