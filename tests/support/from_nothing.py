"""A verifier of published logs, written from schemas/audit.md alone: of this project it imports
nothing. `hashlib` hashes, `cryptography` judges signatures.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Read = Callable[[str], bytes | None]  # a path below the folder or URL; None: there is none

KEYS_2 = [
    *("after", "by", "for", "key", "kind", "on", "peer", "prev", "role"),
    *("serial", "status", "t", "to", "ttl", "v", "why", "year"),
]
KEYS_1 = [key for key in KEYS_2 if key not in ("key", "peer", "serial", "ttl", "year")]
BINARY, TEXT = ("after", "key"), ("by", "for", "kind", "on", "peer", "role", "to", "why")


class Unsound(Exception):
    """What does not hold."""


def require(holds: object, reason: str) -> None:
    if not holds:
        raise Unsound(reason)


# -- texts


def number(text: str) -> int:
    require(re.fullmatch(r"0|[1-9][0-9]{0,18}", text), f"no number: {text!r}")
    require(int(text) < 2**63, "a number beyond 2^63")
    return int(text)


def unbase64(text: str) -> bytes:
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Unsound(f"no base64: {text!r}") from None
    require(base64.b64encode(content).decode() == text, "another spelling of base64")
    return content


def decoded(content: bytes | None, what: str) -> str:
    require(content is not None, f"{what} is missing")
    try:
        return (content or b"").decode()
    except UnicodeDecodeError:
        raise Unsound(f"{what} is no UTF-8") from None


def lines_of(text: str, what: str) -> list[str]:
    require(text.endswith("\n"), f"{what} does not end in a newline")
    return text[:-1].split("\n")


# -- hashes


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def root(hashes: list[bytes]) -> bytes:
    """The root over leaves, given as their hashes."""
    if not hashes:
        return sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return node(root(hashes[:k]), root(hashes[k:]))


# -- keys and notes


class Key(NamedTuple):
    name: str
    key_id: bytes
    public: bytes


def key_of(line: str) -> Key:
    name, _, rest = line.partition("+")
    key_id, _, encoded = rest.partition("+")
    content = unbase64(encoded)
    require(0 < len(name.encode()) <= 255 and not re.search(r"\s", name), "the name of a key")
    require(content[:1] == b"\x01" and len(content) == 33, "a key of an unknown algorithm")
    wanted = sha256(name.encode() + b"\n" + content).digest()[:4]
    require(wanted.hex() == key_id, f"{line}: its id is not that of its content")
    return Key(name, wanted, content[1:])


def judged(note: str, key: Key) -> list[str]:
    """The lines of the text of a note that a key has signed."""
    text, signatures = parted(note)
    ours = [one for one in signatures if one[:2] == (key.name, key.key_id)]
    require(ours, f"not signed by {key.name}+{key.key_id.hex()}")
    for _, _, signature in ours:
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
        except InvalidSignature:
            raise Unsound(f"a signature of {key.name}+{key.key_id.hex()} does not hold") from None
    return lines_of(text, "a text")


def parted(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    require(len(note) <= 262_144, "a note is too long")
    require(not any(sign < " " and sign != "\n" for sign in note), "control characters in a note")
    text, gap, tail = note.rpartition("\n\n")
    require(gap and text, "no signed note")
    signatures = []
    for line in lines_of(tail, "a note"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        content = unbase64(encoded)
        require(dash == "\u2014" and name and len(content) > 4, f"no signature: {line!r}")
        signatures.append((name, content[:4], content[4:]))
    require(len(signatures) <= 64, "too many signatures")
    return text + "\n", signatures


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes


def checkpoint_of(lines: list[str]) -> Checkpoint:
    require(len(lines) >= 3 and all(lines), "no checkpoint")
    digest = unbase64(lines[2])
    require(len(digest) == 32, "a root that is no hash")
    return Checkpoint(lines[0], number(lines[1]), digest)


def judge_checkpoint(note: str, key: Key) -> Checkpoint:
    point = checkpoint_of(judged(note, key))
    require(point.origin == key.name, "a checkpoint of another log")
    return point


# -- leaves


def unpacked(data: bytes) -> Any:
    value, at = _value(data, 0)
    require(at == len(data), "octets behind a value")
    return value


def _value(data: bytes, at: int) -> tuple[Any, int]:
    first, at = _taken(data, at, 1)
    head = first[0]
    if head < 0x80 or head >= 0xE0:
        return head if head < 0x80 else head - 256, at
    if head in _FIXED:
        code, size = _FIXED[head]
        raw, at = _taken(data, at, size)
        return struct.unpack(">" + code, raw)[0], at
    if head in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[head], at
    for kind, low, high, wide in _SIZED:
        if low <= head <= high:
            count = head - low
        elif head in wide:
            raw, at = _taken(data, at, 1 if len(wide) == 2 and head == wide[0] else 2)
            count = int.from_bytes(raw, "big")
        else:
            continue
        return _many(data, at, kind, count)
    raise Unsound(f"an octet that is not used: {head:02x}")


_FIXED = {
    0xCC: ("B", 1), 0xCD: ("H", 2), 0xCE: ("I", 4), 0xCF: ("Q", 8),
    0xD0: ("b", 1), 0xD1: ("h", 2), 0xD2: ("i", 4), 0xD3: ("q", 8), 0xCB: ("d", 8),
}  # fmt: skip
_SIZED = (
    ("text", 0xA0, 0xBF, (0xD9, 0xDA)),
    ("binary", 1, 0, (0xC4, 0xC5)),
    ("array", 0x90, 0x9F, (0xDC,)),
    ("map", 0x80, 0x8F, (0xDE,)),
)


def _many(data: bytes, at: int, kind: str, count: int) -> tuple[Any, int]:
    if kind in ("text", "binary"):
        raw, at = _taken(data, at, count)
        return (decoded(raw, "a text") if kind == "text" else raw), at
    items = []
    for _ in range(count if kind == "array" else 2 * count):
        item, at = _value(data, at)
        items.append(item)
    return (items if kind == "array" else list(zip(items[::2], items[1::2], strict=True))), at


def _taken(data: bytes, at: int, count: int) -> tuple[bytes, int]:
    require(at + count <= len(data), "a value ends too early")
    return data[at : at + count], at + count


def leaf_of(index: int, data: bytes) -> dict[str, Any]:
    """A leaf's map, of either version."""
    pairs = unpacked(data)
    require(isinstance(pairs, list) and all(isinstance(one, tuple) for one in pairs), "no map")
    leaf = dict(pairs)
    wanted = {1: KEYS_1, 2: KEYS_2}.get(leaf.get("v"))
    require(
        wanted and [key for key, _ in pairs] == wanted, f"leaf {index} is none of version 1 or 2"
    )
    for key, value in pairs:
        kind = bytes if key in BINARY else str if key in TEXT else int
        serial = key == "serial" and isinstance(value, list)
        require(serial or isinstance(value, kind), f"{key} of leaf {index}")
    require(-1 <= leaf["prev"] < index, f"leaf {index} follows leaf {leaf['prev']}")
    return leaf


# -- a published log


class Log(NamedTuple):
    """What was verified."""

    leaves: list[dict[str, Any]]
    points: list[Checkpoint]
    keys: list[tuple[int, Key]]  # with the leaf of each, the first one first


def verify(
    read: Read,
    trusted: list[str],
    others: list[str] | None = None,
    interrupted: bool = False,
) -> Log:
    """Verify a published log; ``others`` are checkpoints that were kept elsewhere. With
    ``interrupted`` there may be keys that the latest checkpoint does not cover.
    """
    notes = [*_listed(read), *(others or [])]
    points = [checkpoint_of(lines_of(parted(note)[0], "a text")) for note in notes]
    latest = points[-1 - len(others or [])]
    require(all(point.size <= latest.size for point in points), "larger than the latest")
    data = _entries(read, latest.size)
    hashes = [leaf_hash(one) for one in data]
    _compare_tiles(read, hashes)
    for point in points:
        require(point.root == root(hashes[: point.size]), f"the root of {point.size} leaves")
    leaves = [leaf_of(index, one) for index, one in enumerate(data)]
    keys = _keys(leaves, hashes)
    known = [key for _, key in keys]
    given = [key_of(line) for line in trusted]
    require(given, "nobody is trusted")
    require(all(key in known for key in given), "a trusted key is none of the log")
    lines = lines_of(decoded(read("keys"), "keys"), "keys")
    listed = [key_of(line) for line in lines]
    require(listed[-len(known) :] == known[::-1], "the file of keys")
    require(interrupted or len(listed) == len(known), "keys that no checkpoint covers: read again")
    for note, point in zip(notes, points, strict=True):
        judge_checkpoint(note, in_force(keys, point.size))
    return Log(leaves, points, keys)


def _listed(read: Read) -> list[str]:
    """The notes of all checkpoints, the latest last."""
    sizes = [number(line) for line in lines_of(decoded(read("checkpoints/list"), "list"), "list")]
    require(sizes == sorted(set(sizes)), "the list does not ascend")
    latest = decoded(read("checkpoint"), "checkpoint")
    notes = []
    for size in sizes:
        note = decoded(read(f"checkpoints/{size}"), f"checkpoint {size}")
        said = checkpoint_of(lines_of(parted(note)[0], "a text")).size
        require(said == size, f"checkpoint {size} has {said} leaves")
        notes.append(note)
    return [*notes, latest]


def path_of(level: int | str, index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/{'/'.join(groups)}" + ("" if width == 256 else f".p/{width}")


def _entries(read: Read, size: int) -> list[bytes]:
    leaves: list[bytes] = []
    for start in range(0, size, 256):
        width = min(256, size - start)
        path = path_of("entries", start // 256, width)
        bundle = read(path)
        require(bundle is not None, f"{path} is missing")
        at = 0
        for _ in range(width):
            head, at = _taken(bundle or b"", at, 2)
            leaf, at = _taken(bundle or b"", at, int.from_bytes(head, "big"))
            leaves.append(leaf)
        require(at == len(bundle or b""), f"{path} has octets too many")
    return leaves


def _compare_tiles(read: Read, hashes: list[bytes]) -> None:
    level = 0
    while hashes:
        for start in range(0, len(hashes), 256):
            tile = hashes[start : start + 256]
            path = path_of(level, start // 256, len(tile))
            require(read(path) == b"".join(tile), f"{path} is not what the leaves make")
        full = len(hashes) // 256
        hashes = [root(hashes[256 * i : 256 * (i + 1)]) for i in range(full)]
        level += 1


def _keys(leaves: list[dict[str, Any]], hashes: list[bytes]) -> list[tuple[int, Key]]:
    keys: list[tuple[int, Key]] = []
    for index, leaf in enumerate(leaves):
        if leaf["kind"] != "audit.key":
            continue
        row = unpacked(leaf["after"])
        require(isinstance(row, list) and len(row) == 3 and row[1] == index, "the row of a key")
        lines = lines_of(parted(row[0])[0], "a statement")
        require(len(lines) == 5 and lines[0] == "csid audit key v1", "no statement")
        key = key_of(lines[1])
        size, before = number(lines[2]), -1 if lines[4] == "-1" else number(lines[4])
        require(before == (keys[-1][0] if keys else -1), f"leaf {index} follows another key")
        require(before == leaf["prev"] and leaf["on"] == key.name, f"leaf {index}: its statement")
        require(before < size <= index, f"the statement of leaf {index} is for {size} leaves")
        require(unbase64(lines[3]) == root(hashes[:size]), f"leaf {index} is for another log")
        require(key not in [one for _, one in keys], f"the key of leaf {index} was there before")
        judged(row[0], key)
        if keys:
            judged(row[0], keys[-1][1])
        keys.append((index, key))
    return keys


def in_force(keys: list[tuple[int, Key]], size: int) -> Key:
    require(keys, "the log has no key")
    return next((key for leaf, key in reversed(keys) if leaf < size), keys[0][1])


# -- proofs


def check_inclusion(text: str, key: Key) -> dict[str, Any]:
    """A proof that a change was logged; the leaf."""
    head, gap, note = text.partition("\n\n")
    first, extra, place, *path = head.split("\n")
    require(gap and first == "c2sp.org/tlog-proof@v1", "format")
    require(extra.startswith("extra ") and place.startswith("index "), "format")
    data, index = unbase64(extra[6:]), number(place[6:])
    point = judge_checkpoint(note, key)
    require(index < point.size, "index")
    f, r, h = index, point.size - 1, leaf_hash(data)
    for p in map(unbase64, path):
        require(r, "inclusion: too many hashes")
        if f % 2 or f == r:
            h = node(p, h)
            while f % 2 == 0 and f:
                f, r = f // 2, r // 2
        else:
            h = node(h, p)
        f, r = f // 2, r // 2
    require(r == 0 and h == point.root, "inclusion")
    return leaf_of(index, data)


def check_growth(text: str, old: Checkpoint, key: Key) -> Checkpoint:
    """A proof that the log only grew; the newer checkpoint."""
    head, gap, note = text.partition("\n\n")
    first, *rest = head.split("\n")
    path = [unbase64(line) for line in rest]
    require(gap and first == f"old {old.size}", "index")
    new = judge_checkpoint(note, key)
    m, n = old.size, new.size
    require(m <= n, "index")
    if m in (0, n):
        before = sha256().digest() if m == 0 else new.root
        require(not path and old.root == before, "consistency")
        return new
    if m & (m - 1) == 0:
        path.insert(0, old.root)
    require(path, "consistency: no hashes")
    f, r = m - 1, n - 1
    while f % 2:
        f, r = f // 2, r // 2
    a = b = path[0]
    for p in path[1:]:
        require(r, "consistency: too many hashes")
        if f % 2 or f == r:
            a, b = node(p, a), node(p, b)
            while f % 2 == 0 and f:
                f, r = f // 2, r // 2
        else:
            b = node(b, p)
        f, r = f // 2, r // 2
    require(r == 0 and a == old.root and b == new.root, "consistency")
    return new
