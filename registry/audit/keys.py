"""The keys of a log, after C2SP signed-note: a private key file and a verifier key in one line.

A verifier key reads ``name+key id+base64``: the name is the log's origin, the key id eight hex
digits, the base64 the algorithm's identifier followed by the public key. The algorithm decides
how a checkpoint is signed and also how the tree below it is hashed, so that one line of text is all
that a check needs. To add an algorithm (SM2 with SM3, say) is to add a row to ``ALGORITHMS``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from csid.fields import hidden_in
from registry.audit.errors import KeyFileError, NoteError

KEY_ID_SIZE: Final = 4  # bytes
MAX_NAME: Final = 255  # bytes of a key's name in UTF-8
MAX_VERIFIER: Final = 16_384  # characters of a verifier key; the largest known have about 3,000
MAX_KEY_FILE: Final = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to sign checkpoints.

    Attributes:
        name: what people call it.
        identifier: the signature type of C2SP signed-note: one assigned byte, or 0xff and a
            longer identifier for an algorithm that has none. No identifier begins another.
        tree_hash: name of the hash of trees that it signs.
        public_size: bytes of an encoded public key.
        private_type: class of the private keys, by which a key file is recognized; it has the
            ``private_bytes`` of the cryptography package.
        generate: () -> private key.
        public: (private key) -> encoded public key.
        sign: (private key, message) -> signature.
        verify: (encoded public key, message, signature) -> whether it holds; never raises.
    """

    name: str
    identifier: bytes
    tree_hash: str
    public_size: int
    private_type: type
    generate: Callable[[], Any]
    public: Callable[[Any], bytes]
    sign: Callable[[Any, bytes], bytes]
    verify: Callable[[bytes, bytes, bytes], bool]

    def __repr__(self) -> str:
        """The name alone: the rest is the same in every row of that name."""
        return self.name


def _verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


ED25519: Final = Algorithm(
    name="Ed25519",
    identifier=b"\x01",
    tree_hash="sha256",
    public_size=32,
    private_type=ed25519.Ed25519PrivateKey,
    generate=ed25519.Ed25519PrivateKey.generate,
    public=lambda private: private.public_key().public_bytes_raw(),
    sign=lambda private, message: private.sign(message),
    verify=_verify_ed25519,
)

ALGORITHMS: Final[dict[str, Algorithm]] = {
    ED25519.name: ED25519,
}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name; ``str()`` gives the line that ``parse`` reads.

    Attributes:
        name: the origin of the log.
        algorithm: a row of ``ALGORITHMS``.
        public: the encoded public key.
    """

    name: str
    algorithm: Algorithm
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name, newline, identifier, public key)."""
        content = self.name.encode() + b"\n" + self.algorithm.identifier + self.public
        return hashlib.sha256(content).digest()[:KEY_ID_SIZE]

    @property
    def label(self) -> str:
        """The name with the key id, which tells keys of one name apart."""
        return f"{self.name}+{self.key_id.hex()}"

    def __str__(self) -> str:
        """The verifier key as one line."""
        content = base64.b64encode(self.algorithm.identifier + self.public).decode("ascii")
        return f"{self.label}+{content}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a verifier key.

        Raises:
            KeyFileError: the form, the algorithm or the key id is wrong.
        """
        text = text.strip()
        parts = text.split("+", 2) if len(text) <= MAX_VERIFIER else []
        if len(parts) != 3:
            raise KeyFileError(
                f"a verifier key is name+key id+base64, as in example.com/log+f3a1b2c4+AQ...; "
                f"given: {text[:60]!r}"
            )
        name, key_id, encoded = parts
        require_name(name, KeyFileError)
        content = decode_base64(encoded, "the key", KeyFileError)
        for algorithm in ALGORITHMS.values():
            public = content[len(algorithm.identifier) :]
            if content.startswith(algorithm.identifier) and len(public) == algorithm.public_size:
                break
        else:
            known = ", ".join(ALGORITHMS)
            raise KeyFileError(
                f"the verifier key of {name} begins with 0x{content[:1].hex()} and has "
                f"{len(content)} bytes: no algorithm known here (known: {known})"
            )
        key = cls(name, algorithm, public)
        if key.key_id.hex() != key_id:
            raise KeyFileError(
                f"the verifier key of {name} says key id {key_id[:16]!r}, its content makes "
                f"{key.key_id.hex()}: it was mistyped or belongs to another name"
            )
        return key


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the name of the log it signs for."""

    name: str
    algorithm: Algorithm
    private: Any = field(repr=False)

    @classmethod
    def generate(cls, name: str, algorithm: Algorithm = ED25519) -> SigningKey:
        """A new key.

        Raises:
            KeyFileError: the name cannot be one.
        """
        require_name(name, KeyFileError)
        return cls(name, algorithm, algorithm.generate())

    @property
    def verifier(self) -> VerifierKey:
        """The public half, to be handed to everybody."""
        return VerifierKey(self.name, self.algorithm, self.algorithm.public(self.private))

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, without the key id."""
        return self.algorithm.sign(self.private, message)

    def to_pem(self) -> bytes:
        """The private key as a PKCS #8 PEM file; keep it readable to the registry alone."""
        pem: bytes = self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return pem

    @classmethod
    def from_pem(cls, name: str, pem: bytes, passphrase: bytes | None = None) -> SigningKey:
        """Read a private key file (PKCS #8 PEM), which does not hold the name.

        Raises:
            KeyFileError: not such a file, a wrong passphrase, or no algorithm known here.
        """
        require_name(name, KeyFileError)
        if len(pem) > MAX_KEY_FILE:
            raise KeyFileError(f"a key file of {len(pem)} bytes: expected {MAX_KEY_FILE} at most")
        try:
            private = serialization.load_pem_private_key(pem, passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyFileError(
                f"not a private key in PKCS #8 PEM form, or not with this passphrase: {error}"
            ) from error
        for algorithm in ALGORITHMS.values():
            if isinstance(private, algorithm.private_type):
                return cls(name, algorithm, private)
        known = ", ".join(ALGORITHMS)
        raise KeyFileError(
            f"the key file holds a {type(private).__name__}; checkpoints are signed with: {known}"
        )


def require_name(name: str, error: type[KeyFileError | NoteError]) -> None:
    """Refuse what C2SP signed-note does not allow as a key's name."""
    wrong = any(sign.isspace() or sign == "+" for sign in name) or hidden_in(name)
    if not name or wrong or not _fits(name):
        raise error(
            f"a key's name is 1 to {MAX_NAME} bytes of UTF-8 without spaces, '+' and characters "
            f"unseen, as in example.com/log; given: {name[:60]!r}"
        )


def _fits(name: str) -> bool:
    try:
        return len(name.encode()) <= MAX_NAME
    except UnicodeEncodeError:
        return False


def decode_base64(text: str, what: str, error: type[KeyFileError | NoteError]) -> bytes:
    """Decode standard base64 (RFC 4648 section 4) that has exactly one spelling.

    Spare bits that are not zero are refused: otherwise a text could be changed unnoticed.
    """
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        content = None
    if content is None or base64.b64encode(content).decode("ascii") != text:
        raise error(f"{what} should be base64 (RFC 4648); given: {text[:60]!r}")
    return content
