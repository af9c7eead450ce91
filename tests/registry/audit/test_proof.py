"""Keys, signed notes, checkpoints and proofs: known vectors, round trips, every way to be wrong."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from csid.errors import CsidError
from registry.audit import (
    AuditError,
    Checkpoint,
    KeyFileError,
    Log,
    MemoryStore,
    NoteError,
    Proof,
    ProofError,
    SigningKey,
    VerifierKey,
    check,
    check_growth,
    open_checkpoint,
    prove,
    prove_growth,
    sign_checkpoint,
)
from registry.audit.keys import ALGORITHMS, ED25519
from registry.audit.merkle import TREE_HASHES, TreeHash
from registry.audit.note import MAX_SIGNATURES, Note, sign_note

# The example of the Go package golang.org/x/mod/sumdb/note, where the format comes from.
NEUMANN_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
NEUMANN_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotp"
    "RZb6KE6RyyBwJnAM=\n"
)
NEUMANN = SigningKey(
    "PeterNeumann", ED25519, ed25519.Ed25519PrivateKey.from_private_bytes(NEUMANN_SEED)
)

NAME = "example.cn/csid"
KEY = SigningKey(NAME, ED25519, ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
LEAVES = [b"change %d" % index for index in range(300)]
LOG = Log(MemoryStore())
LOG.append(LEAVES)
NOTE = LOG.checkpoint(KEY)
PROOF = prove(LOG, 37, NOTE).text()


# Keys


def test_the_verifier_key_of_the_go_example() -> None:
    assert str(NEUMANN.verifier) == NEUMANN_VERIFIER
    assert VerifierKey.parse(NEUMANN_VERIFIER) == NEUMANN.verifier


def test_the_verifier_key_of_the_go_checksum_database() -> None:
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert str(VerifierKey.parse(text)) == text


def test_a_private_key_survives_its_file() -> None:
    key = SigningKey.generate(NAME)
    pem = key.to_pem()
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert SigningKey.from_pem(NAME, pem).verifier == key.verifier


def test_a_private_key_may_be_kept_under_a_passphrase() -> None:
    pem = KEY.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open"),
    )
    assert SigningKey.from_pem(NAME, pem, b"open").verifier == KEY.verifier
    for passphrase in (None, b"wrong"):
        with pytest.raises(KeyFileError, match="passphrase"):
            SigningKey.from_pem(NAME, pem, passphrase)


def test_a_private_key_is_not_shown() -> None:
    assert repr(KEY) == f"SigningKey(name={NAME!r}, algorithm=Ed25519)"


def test_a_key_file_of_another_kind_is_refused_by_name() -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(KeyFileError, match="Ed25519"):
        SigningKey.from_pem(NAME, pem)


@given(st.binary(max_size=200))
def test_any_bytes_as_key_file_are_an_error_of_ours(content: bytes) -> None:
    for pem in (content, b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(content) + b"\n"):
        with pytest.raises(KeyFileError):
            SigningKey.from_pem(NAME, pem)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "name\\+key id\\+base64"),
        ("PeterNeumann", "name\\+key id\\+base64"),
        ("x" * 20_000, "name\\+key id\\+base64"),
        (NEUMANN_VERIFIER.replace("Peter", "Paul"), "mistyped"),
        (NEUMANN_VERIFIER.replace("c74f20a3", "C74F20A3"), "mistyped"),
        (NEUMANN_VERIFIER.replace("PeterNeumann", "Peter Neumann"), "without spaces"),
        (NEUMANN_VERIFIER.replace("PeterNeumann", ""), "1 to 255 bytes"),
        (NEUMANN_VERIFIER.replace("ARpc", "ZRpc"), "no algorithm"),
        (NEUMANN_VERIFIER[:-4], "no algorithm"),
        (NEUMANN_VERIFIER[:-1], "base64"),
        (NEUMANN_VERIFIER[:-1] + "é", "base64"),
    ],
)
def test_a_wrong_verifier_key_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(KeyFileError, match=reason):
        VerifierKey.parse(text)


# Notes and checkpoints


def test_the_signed_note_of_the_go_example() -> None:
    text = NEUMANN_NOTE.partition("\n\n")[0] + "\n"
    assert sign_note(text, NEUMANN) == NEUMANN_NOTE
    assert Note.parse(NEUMANN_NOTE).require(NEUMANN.verifier) == text


def test_signatures_of_strangers_are_ignored() -> None:
    witness = SigningKey.generate("witness.example")
    note = sign_checkpoint(Checkpoint(NAME, 0, TREE_HASHES["sha256"].empty()), witness, KEY)
    assert open_checkpoint(note, KEY.verifier).size == 0
    namesake = SigningKey.generate(NAME)
    with pytest.raises(NoteError, match="not signed by"):
        open_checkpoint(note, namesake.verifier)


def test_a_note_with_a_wrong_signature_of_the_key_is_refused_as_a_whole() -> None:
    twice = NOTE + NOTE.rpartition("\n\n")[2]
    assert open_checkpoint(twice, KEY.verifier).size == 300
    forged = sign_checkpoint(Checkpoint(NAME, 299, bytes(32)), KEY).rpartition("\n\n")[2]
    with pytest.raises(NoteError, match="does not hold"):
        open_checkpoint(NOTE + forged, KEY.verifier)


def test_the_checkpoint_of_the_specification_reads_and_writes() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    point = Checkpoint.parse(text)
    assert (point.origin, point.size, point.extensions) == (
        "example.com/behind-the-sofa",
        20852163,
        (),
    )
    assert point.text() == text
    assert Checkpoint.parse(text + "x\n").extensions == ("x",)


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "three lines"),
        ("a\n1\n", "three lines"),
        (f"a\n1\n{ROOT}", "three lines"),
        (f"\n1\n{ROOT}\n", "three lines"),
        (f"a\n1\n{ROOT}\n\n", "three lines"),
        (f"a\n01\n{ROOT}\n", "decimal"),
        (f"a\n-1\n{ROOT}\n", "decimal"),
        (f"a\n１\n{ROOT}\n", "decimal"),
        (f"a\n{2**63}\n{ROOT}\n", "decimal"),
        (f"a\n{'9' * 5000}\n{ROOT}\n", "decimal"),
        ("a\n1\nAAAA\n", "3 bytes"),
        (f"a\n1\n{ROOT[:-2]}B=\n", "base64"),
        (f"a\n1\n {ROOT}\n", "base64"),
    ],
)
def test_a_wrong_checkpoint_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(NoteError, match=reason):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        ("", "empty line"),
        ("text\n", "empty line"),
        ("text\n\n", "signature line|empty line"),
        ("text\n\n\u2014 a", "newline"),
        ("text\n\n- a AAAAAAAA\n", "signature line"),
        ("text\n\n\u2014 a\n", "signature line"),
        ("text\n\n\u2014 a+b AAAAAAAA\n", "without spaces"),
        ("text\n\n\u2014 a\u3000b AAAAAAAA\n", "without spaces"),
        ("text\n\n\u2014 a AAAAAA==\n", "only 4 bytes"),
        ("text\n\n\u2014 a AAAA\n", "only 3 bytes"),
        ("text\r\n\n\u2014 a AAAAAAAA\n", "control"),
        ("te\ud800xt\n\n\u2014 a AAAAAAAA\n", "UTF-8"),
        ("text\n\n" + "\u2014 a AAAAAAAA\n" * (MAX_SIGNATURES + 1), "65 signatures"),
        ("x" * 300_000, "300000 characters"),
    ],
)
def test_a_wrong_note_is_refused_with_the_reason(note: str, reason: str) -> None:
    with pytest.raises(NoteError, match=reason):
        Note.parse(note)


def test_sixteen_signatures_are_always_read() -> None:
    keys = [SigningKey.generate(f"witness.example/{number}") for number in range(16)]
    assert len(Note.parse(sign_note("text\n", *keys)).signatures) == 16


def test_a_log_signs_no_checkpoint_that_contradicts_its_last() -> None:
    log = Log(MemoryStore())
    log.append(LEAVES[:10])
    last = open_checkpoint(log.checkpoint(KEY), KEY.verifier)
    log.append(LEAVES[10:20])
    assert open_checkpoint(log.checkpoint(KEY, last), KEY.verifier).size == 20
    changed, shorter = Log(MemoryStore()), Log(MemoryStore())
    changed.append([b"another", *LEAVES[1:20]])
    shorter.append(LEAVES[:9])
    for wrong in (changed, shorter):
        with pytest.raises(AuditError, match="nothing is signed"):
            wrong.checkpoint(KEY, last)


# Proofs of inclusion


def test_a_proof_says_what_was_logged_where() -> None:
    checked = check(PROOF, KEY.verifier)
    assert (checked.leaf, checked.index) == (LEAVES[37], 37)
    assert checked.checkpoint == open_checkpoint(NOTE, KEY.verifier)


def test_a_proof_has_the_lines_of_c2sp_tlog_proof() -> None:
    lines = PROOF.split("\n")
    assert lines[:3] == [
        "c2sp.org/tlog-proof@v1",
        "extra " + base64.b64encode(LEAVES[37]).decode(),
        "index 37",
    ]
    gap = lines.index("")
    assert [base64.b64decode(line) for line in lines[3:gap]] == LOG.inclusion(37)
    assert "\n".join(lines[gap + 1 :]) == NOTE


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20), st.data())
def test_every_leaf_of_any_log_is_proved(leaves: list[bytes], data: st.DataObject) -> None:
    log = Log(MemoryStore())
    log.append(leaves)
    note = log.checkpoint(KEY)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = prove(log, index, note)
    assert Proof.parse(proof.text()) == proof
    assert check(proof.text(), KEY.verifier).leaf == leaves[index]


def _neighbours(text: str) -> Iterator[str]:
    """Every text that differs from this one in one bit of its UTF-8 and is still UTF-8."""
    content = text.encode()
    for at in range(len(content)):
        for bit in range(8):
            changed = content[:at] + bytes((content[at] ^ (1 << bit),)) + content[at + 1 :]
            try:
                yield changed.decode()
            except UnicodeDecodeError:
                continue


def test_any_flipped_bit_of_a_proof_fails() -> None:
    count = 0
    for text in _neighbours(PROOF):
        with pytest.raises(ProofError):
            check(text, KEY.verifier)
        count += 1
    assert count > 4_000


@given(st.data())
def test_any_cut_or_doubled_line_of_a_proof_fails(data: st.DataObject) -> None:
    lines = PROOF.split("\n")
    at = data.draw(st.integers(0, len(lines) - 2))
    doubled = data.draw(st.booleans())
    changed = lines[: at + 1] + lines[at:] if doubled else lines[:at] + lines[at + 1 :]
    if doubled and lines[at].startswith("\u2014"):
        return  # the same signature twice is still that signature
    with pytest.raises(ProofError):
        check("\n".join(changed), KEY.verifier)


@given(st.text(max_size=300) | st.builds("c2sp.org/tlog-proof@v1\n{}".format, st.text()))
def test_any_text_as_proof_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(CsidError):
        check(text, KEY.verifier)
    with pytest.raises(CsidError):
        check_growth(text, open_checkpoint(NOTE, KEY.verifier), KEY.verifier)


def _with(**changes: object) -> str:
    proof = Proof.parse(PROOF)
    return dataclasses.replace(proof, **changes).text()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "step"),
    [
        (PROOF.replace("@v1", "@v2"), "format"),
        (PROOF.replace("extra ", "extra"), "format"),
        (PROOF.replace("index 37", "index 037"), "format"),
        (PROOF.replace("index 37", "index 38"), "inclusion"),
        (PROOF.replace("index 37", "index 300"), "index"),
        (_with(leaf=b"another change"), "inclusion"),
        (_with(path=Proof.parse(PROOF).path[1:]), "inclusion"),
        (_with(path=(bytes(32),) * 65), "format"),
        (_with(path=(bytes(31),)), "format"),
        (_with(note=NOTE.replace("\n300\n", "\n301\n")), "signature"),
        (_with(note=sign_checkpoint(Checkpoint(NAME, 300, bytes(32)), KEY)), "inclusion"),
        (_with(note=sign_checkpoint(Checkpoint("other.cn", 300, LOG.root()), KEY)), "origin"),
        (_with(note=sign_note("not a checkpoint\n", KEY)), "format"),
        (_with(note=LOG.checkpoint(SigningKey.generate(NAME))), "signature"),
        (PROOF + "x" * 500_000, "format"),
    ],
)
def test_a_wrong_proof_says_which_step_failed(text: str, step: str) -> None:
    with pytest.raises(ProofError) as caught:
        check(text, KEY.verifier)
    assert caught.value.step == step
    assert str(caught.value).startswith(f"{step}: ")


def test_no_proof_is_made_from_a_changed_log_or_a_strange_checkpoint() -> None:
    store = MemoryStore()
    log = Log(store)
    log.append(LEAVES[:20])
    note = log.checkpoint(KEY)
    store[b"l" + (7).to_bytes(8)] = b"changed"
    with pytest.raises(AuditError, match="cannot be proved"):
        prove(log, 7, note)
    with pytest.raises(AuditError, match="cannot be proved"):
        prove(log, 8, sign_checkpoint(Checkpoint(NAME, 20, bytes(32)), KEY))
    assert check(prove(log, 8, note).text(), KEY.verifier).leaf == LEAVES[8]
    with pytest.raises(AuditError, match="not in a tree of 20"):
        log.append(LEAVES[20:30])
        prove(log, 25, note)


# Proofs of growth


@given(st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=40)
def test_growth_is_proved_between_any_two_checkpoints(one: int, other: int) -> None:
    old, new = sorted((one, other))
    earlier = Checkpoint(NAME, old, LOG.root(old))
    note = sign_checkpoint(Checkpoint(NAME, new, LOG.root(new)), KEY)
    text = prove_growth(LOG, old, note)
    assert text.startswith(f"old {old}\n")
    assert check_growth(text, earlier, KEY.verifier).size == new
    changed = dataclasses.replace(earlier, root=bytes(32))
    with pytest.raises(ProofError) as caught:
        check_growth(text, changed, KEY.verifier)
    assert caught.value.step == "consistency"


@pytest.mark.parametrize(
    ("earlier", "text", "step"),
    [
        (Checkpoint(NAME, 99, LOG.root(99)), prove_growth(LOG, 100, NOTE), "index"),
        (Checkpoint("b.cn", 100, LOG.root(100)), prove_growth(LOG, 100, NOTE), "origin"),
        (Checkpoint(NAME, 100, LOG.root(99)), prove_growth(LOG, 100, NOTE), "consistency"),
        (Checkpoint(NAME, 100, LOG.root(100)), prove_growth(LOG, 100, NOTE)[1:], "format"),
        (Checkpoint(NAME, 100, LOG.root(100)), prove_growth(LOG, 100, NOTE)[:-9], "format"),
        (Checkpoint(NAME, 301, LOG.root(300)), f"old 301\n\n{NOTE}", "index"),
        (
            Checkpoint(NAME, 100, LOG.root(100)),
            prove_growth(LOG, 100, LOG.checkpoint(SigningKey.generate(NAME))),
            "signature",
        ),
    ],
)
def test_a_wrong_proof_of_growth_says_which_step_failed(
    earlier: Checkpoint, text: str, step: str
) -> None:
    with pytest.raises(ProofError) as caught:
        check_growth(text, earlier, KEY.verifier)
    assert caught.value.step == step


# Other algorithms


def test_an_algorithm_is_added_by_a_row_of_each_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another signature with another tree hash goes through log, proof and check untouched."""
    tree = TreeHash("sha3-256", hashlib.sha3_256)
    row = dataclasses.replace(
        ED25519,
        name="test-with-sha3",
        identifier=b"\xffcsid.test",
        tree_hash=tree.name,
    )
    monkeypatch.setitem(TREE_HASHES, tree.name, tree)
    monkeypatch.setitem(ALGORITHMS, row.name, row)
    key = SigningKey.generate(NAME, row)
    log = Log(MemoryStore(), tree)
    log.append(LEAVES)
    assert log.root() != LOG.root()
    assert log.state() == (300, tree)
    verifier = VerifierKey.parse(str(key.verifier))
    text = prove(log, 5, log.checkpoint(key)).text()
    assert check(text, verifier).leaf == LEAVES[5]
    with pytest.raises(AuditError, match="hashed with sha3-256"):
        log.checkpoint(KEY)
    with pytest.raises(ProofError, match="signature"):
        check(text, KEY.verifier)
