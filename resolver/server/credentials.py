"""What a server shows of itself over TLS (RFC 7858, RFC 9103), and whom it lets in.

The supervisor reads the files, at its start and with SIGHUP, and hands them on in memory that its
processes inherit: they need no right to read a private key, and never find one half written. What
cannot be used is said at the start; later the former is kept.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from csid.errors import CsidError

ALPN: Final = "dot"  # RFC 7858 section 11, RFC 9103 section 7.1
MOST_OCTETS: Final = 1 << 20  # of a file


class CredentialsError(CsidError):
    """A certificate, a key or a list of authorities that cannot be used."""


class Credentials:
    """A certificate with its chain, its private key, and the authorities whose clients may come.

    Args:
        certificate, key: files in PEM form; may be the same one.
        client_ca: certificates in PEM form; a client must show one that they have issued. None
            lets everybody in.

    Raises:
        CredentialsError: they cannot be read or used.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._files = _files(certificate, key, client_ca)
        self._fds: list[int] = []
        try:
            self.refresh()
        except BaseException:
            self.close()
            raise

    @property
    def fds(self) -> Sequence[int]:
        """The memory, for processes to inherit: of certificate and key, and of the authorities."""
        return self._fds

    def refresh(self) -> None:
        """Read the files again.

        Raises:
            CredentialsError: they cannot be used; what was read before stays.
        """
        texts = [b"\n".join([_read(path) for path in paths]) for paths in self._files]
        made = []
        try:
            for text in texts:
                made.append(_memory(text))
            try:
                context(made)
            except CredentialsError as error:
                names = ", ".join(
                    dict.fromkeys(str(path) for paths in self._files for path in paths)
                )
                raise CredentialsError(f"{names}: {error}") from None
            if not self._fds:
                self._fds, made = made, []
            else:  # the processes know the former by its number
                for text, fd in zip(texts, self._fds, strict=True):
                    os.ftruncate(fd, 0)
                    os.pwrite(fd, text, 0)
        finally:
            for fd in made:
                os.close(fd)

    def name(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """Read them from these files from the next `refresh` on.

        Raises:
            CredentialsError: a client is to show a certificate from now on, or no longer.
        """
        files = _files(certificate, key, client_ca)
        if len(files) != len(self._files):
            raise CredentialsError(
                "whether clients must show a certificate cannot be changed while it runs; start "
                "the server again"
            )
        self._files = files

    def close(self) -> None:
        """Forget them."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []


def context(fds: Sequence[int]) -> ssl.SSLContext:
    """What connections are accepted with, from the memory of `Credentials.fds`: TLS 1.3 alone, as
    transfers need (RFC 9103 section 7.1).

    Raises:
        CredentialsError: it holds nothing that can be used.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.set_alpn_protocols([ALPN])
    chain, *authorities = [f"/proc/self/fd/{fd}" for fd in fds]
    try:
        made.load_cert_chain(chain, password=_no_password)
    except (ssl.SSLError, OSError) as error:
        raise CredentialsError(
            f"no certificate with its private key ({_reason(error)}); give both in PEM form, the "
            "key without a passphrase, certificates of issuers behind the server's own"
        ) from None
    for path in authorities:
        try:
            made.load_verify_locations(path)
        except (ssl.SSLError, OSError) as error:
            raise CredentialsError(
                f"no certificates of authorities ({_reason(error)}); give them in PEM form"
            ) from None
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def _files(certificate: Path, key: Path, client_ca: Path | None) -> list[tuple[Path, ...]]:
    return [(certificate, key), *([(client_ca,)] if client_ca is not None else [])]


def _no_password() -> bytes:
    return b""


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or str(error)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}; give a file in PEM form") from None
    if len(text) > MOST_OCTETS:
        raise CredentialsError(f"{path}: more than {MOST_OCTETS:,} octets are no certificates")
    return text


def _memory(text: bytes) -> int:
    fd = os.memfd_create("csid-tls", os.MFD_CLOEXEC)
    os.write(fd, text)
    return fd
