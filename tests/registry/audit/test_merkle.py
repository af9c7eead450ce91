"""The Merkle tree: known vectors, every size and index, and an independent implementation."""

from __future__ import annotations

import warnings

import pymerkle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.audit.errors import AuditError, ProofError
from registry.audit.log import Log
from registry.audit.merkle import TREE_HASHES, tree_hash, verify_consistency, verify_inclusion
from registry.audit.store import MemoryStore

TREE = TREE_HASHES["sha256"]

# The test tree that Certificate Transparency implementations share (RFC 6962 trees).
VECTOR_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
VECTOR_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
VECTOR_INCLUSION = [
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
VECTOR_CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]

LONGEST = 600
LEAVES = [b"leaf %d" % index for index in range(LONGEST)]


def log_of(leaves: list[bytes]) -> Log:
    log = Log(MemoryStore())
    log.append(leaves)
    return log


WHOLE = log_of(LEAVES)


def flipped(data: bytes, bit: int) -> bytes:
    """The data with one bit changed."""
    at, shift = divmod(bit % (8 * len(data)), 8)
    return data[:at] + bytes((data[at] ^ (1 << shift),)) + data[at + 1 :]


sizes = st.integers(1, LONGEST)
bits = st.integers(0, 255)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, int]:
    """A number and one not above it, both up to the longest log here."""
    size = draw(sizes)
    return draw(st.integers(0, size)), size


def test_roots_of_the_known_tree() -> None:
    log = log_of(VECTOR_LEAVES)
    assert [log.root(size).hex() for size in range(9)] == VECTOR_ROOTS


@pytest.mark.parametrize(("index", "size", "path"), VECTOR_INCLUSION)
def test_inclusion_in_the_known_tree(index: int, size: int, path: list[str]) -> None:
    assert [digest.hex() for digest in log_of(VECTOR_LEAVES).inclusion(index, size)] == path


@pytest.mark.parametrize(("old", "new", "path"), VECTOR_CONSISTENCY)
def test_consistency_in_the_known_tree(old: int, new: int, path: list[str]) -> None:
    assert [digest.hex() for digest in log_of(VECTOR_LEAVES).consistency(old, new)] == path


def test_the_seven_leaf_tree_of_rfc_9162() -> None:
    """RFC 9162 section 2.1.5: proofs named by the nodes of its drawing."""
    log = log_of([b"d%d" % index for index in range(7)])
    a, b, c, d, e, f, j = (TREE.leaf(b"d%d" % index) for index in range(7))
    g, h, i = TREE.node(a, b), TREE.node(c, d), TREE.node(e, f)
    k, m = TREE.node(g, h), TREE.node(i, j)
    assert log.root() == TREE.node(k, m)
    assert log.inclusion(0) == [b, h, m]
    assert log.inclusion(3) == [c, g, m]
    assert log.inclusion(4) == [f, j, k]
    assert log.inclusion(6) == [i, k]
    assert log.consistency(3) == [c, d, g, m]
    assert log.consistency(4) == [m]
    assert log.consistency(6) == [i, j, k]


@given(pairs(), bits)
def test_inclusion_holds_and_any_flipped_bit_fails(pair: tuple[int, int], bit: int) -> None:
    index, size = pair[0] if pair[0] < pair[1] else pair[1] - 1, pair[1]
    leaf, root, path = TREE.leaf(LEAVES[index]), WHOLE.root(size), WHOLE.inclusion(index, size)
    verify_inclusion(TREE, leaf, index, size, path, root)
    with pytest.raises(ProofError):
        verify_inclusion(TREE, flipped(leaf, bit), index, size, path, root)
    with pytest.raises(ProofError):
        verify_inclusion(TREE, leaf, index, size, path, flipped(root, bit))
    for at in range(len(path)):
        wrong = [*path[:at], flipped(path[at], bit), *path[at + 1 :]]
        with pytest.raises(ProofError):
            verify_inclusion(TREE, leaf, index, size, wrong, root)


@given(pairs(), st.integers(0, LONGEST + 5))
def test_a_leaf_is_proved_at_no_other_index(pair: tuple[int, int], other: int) -> None:
    index, size = min(pair[0], pair[1] - 1), pair[1]
    if other == index:
        return
    with pytest.raises(ProofError):
        verify_inclusion(
            TREE,
            TREE.leaf(LEAVES[index]),
            other,
            size,
            WHOLE.inclusion(index, size),
            WHOLE.root(size),
        )


@given(pairs(), bits)
@example((0, 5), 0)
@example((256, 512), 3)
@example((512, 600), 3)
def test_consistency_holds_and_any_flipped_bit_fails(pair: tuple[int, int], bit: int) -> None:
    old, new = pair
    old_root, new_root, path = WHOLE.root(old), WHOLE.root(new), WHOLE.consistency(old, new)
    verify_consistency(TREE, old, old_root, new, new_root, path)
    with pytest.raises(ProofError):
        verify_consistency(TREE, old, flipped(old_root, bit), new, new_root, path)
    if old > 0:
        with pytest.raises(ProofError):
            verify_consistency(TREE, old, old_root, new, flipped(new_root, bit), path)
    for at in range(len(path)):
        wrong = [*path[:at], flipped(path[at], bit), *path[at + 1 :]]
        with pytest.raises(ProofError):
            verify_consistency(TREE, old, old_root, new, new_root, wrong)


@given(pairs())
def test_a_path_too_long_or_too_short_fails(pair: tuple[int, int]) -> None:
    old, new = pair
    index = min(old, new - 1)
    leaf, path, root = TREE.leaf(LEAVES[index]), WHOLE.inclusion(index, new), WHOLE.root(new)
    with pytest.raises(ProofError, match="too many"):
        verify_inclusion(TREE, leaf, index, new, [*path, root], root)
    if path:
        with pytest.raises(ProofError):
            verify_inclusion(TREE, leaf, index, new, path[:-1], root)
    path, old_root = WHOLE.consistency(old, new), WHOLE.root(old)
    with pytest.raises(ProofError):
        verify_consistency(TREE, old, old_root, new, root, [*path, root])
    if path:
        with pytest.raises(ProofError):
            verify_consistency(TREE, old, old_root, new, root, path[:-1])


def test_a_path_that_ends_at_the_right_hash_one_level_early_fails() -> None:
    a, b, c, d = (TREE.leaf(leaf) for leaf in LEAVES[:4])
    left, right = TREE.node(a, b), TREE.node(c, d)
    with pytest.raises(ProofError, match="too few"):
        verify_inclusion(TREE, left, 0, 4, [right], TREE.node(left, right))
    with pytest.raises(ProofError, match="too few"):
        verify_consistency(TREE, 2, left, 4, left, [])


@given(st.lists(st.integers(0, 300), max_size=6))
def test_batches_give_the_same_store_as_one_append(batches: list[int]) -> None:
    store = MemoryStore()
    log = Log(store)
    for count in batches:
        first = log.size
        assert log.append(LEAVES[first : first + count]) == range(
            first, min(first + count, LONGEST)
        )
    whole = MemoryStore()
    Log(whole).append(LEAVES[: log.size])
    assert store == whole


@given(sizes)
def test_roots_and_paths_equal_those_of_pymerkle(size: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it renamed a method between versions
        tree = pymerkle.InmemoryTree(algorithm="sha256")
        for leaf in LEAVES[:size]:
            tree.append_entry(leaf)
        assert WHOLE.root(size) == tree.get_state()
        for index in {0, size // 3, size - 1}:
            leaf_hash, *path = tree.prove_inclusion(index + 1, size).path
            assert leaf_hash == TREE.leaf(LEAVES[index])
            assert path == WHOLE.inclusion(index, size)
        for old in {1, size // 2 or 1, size}:
            theirs = tree.prove_consistency(old, size)
            pymerkle.verify_consistency(WHOLE.root(old), WHOLE.root(size), theirs)
            verify_consistency(
                TREE,
                old,
                tree.get_state(old),
                size,
                tree.get_state(size),
                WHOLE.consistency(old, size),
            )


def test_sizes_and_indices_out_of_range_are_refused() -> None:
    with pytest.raises(AuditError, match="600 leaves, 601"):
        WHOLE.root(601)
    with pytest.raises(AuditError, match="not in a tree"):
        WHOLE.inclusion(600)
    with pytest.raises(AuditError, match="not in a tree"):
        WHOLE.inclusion(-1)
    with pytest.raises(AuditError, match="does not come before"):
        WHOLE.consistency(9, 8)
    with pytest.raises(AuditError, match="600 leaves"):
        WHOLE.leaf(600)
    with pytest.raises(ProofError, match="cannot grow"):
        verify_consistency(TREE, 9, b"", 8, b"", [])
    with pytest.raises(AuditError, match="not known"):
        tree_hash("md5")


def test_a_tree_of_maximal_size_is_walked_in_bounded_steps() -> None:
    with pytest.raises(ProofError, match="inclusion"):
        verify_inclusion(TREE, b"\0" * 32, 2**62, 2**63 - 1, [b"\0" * 32] * 64, b"\0" * 32)
    with pytest.raises(ProofError, match="consistency"):
        verify_consistency(TREE, 2**62, b"\0" * 32, 2**63 - 1, b"\0" * 32, [b"\0" * 32] * 64)
