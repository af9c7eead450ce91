"""A published log is verified by a program that knows schemas/audit.md alone, over HTTP as well; it
finds whatever is changed in the files.
"""

from __future__ import annotations

import ast
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgpack
import pytest

from registry import audit
from registry.audit.static import Piece, pieces
from registry.audit.tiles import decode_bundle, encode_bundle
from registry.service import Registry
from registry.tables import log_entry
from tests.support import from_nothing
from tests.support.commands import Node, run
from tests.support.cut_off import cut_off
from tests.support.from_nothing import Read, Unsound, checkpoint_of, lines_of, parted, verify
from tests.support.registering import OWNER, PLACE, POOL

URI = "https://a.example:8443"
BORN = 2  # leaves of a new data directory
SIZES = [BORN + size for size in (3, 204, 265, 276)]  # of the log at its checkpoints


class Published:
    """A log of some hundred leaves, three keys and four checkpoints, and its folder."""

    def __init__(self, path: Path) -> None:
        self.node = Node(path / "node")
        self.folder = path / "log"
        node = self.node
        node.accredit(OWNER)
        node.must("audit", "key", "--new", "example.cn/csid-log")
        node.must("audit", "checkpoint")
        node.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "600")
        self.mint(200)
        self.first = self.keys()[-1]
        node.must("audit", "checkpoint", "--output", path / "old")
        self.old = path / "old"
        node.must("audit", "key", "--rotate")
        node.must("audit", "publish", self.folder)
        self.mint(60)
        node.must("audit", "checkpoint")
        node.must("audit", "key", "--rotate", "example.cn/csid-log-2")
        self.mint(10)
        node.must("audit", "checkpoint")

    def mint(self, count: int) -> None:
        self.node.must("pool", "mint", POOL, "--number", count, "--endpoint", URI)

    def keys(self) -> list[str]:
        """The verifier keys, the newest first."""
        return self.node.run("audit", "key").lines


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Published:
    published = Published(tmp_path_factory.mktemp("published"))
    shutil.copytree(published.folder, published.folder.with_name("before"))
    published.node.must("audit", "publish", published.folder)
    return published


def reader(folder: Path) -> Read:
    def read(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.is_file() else None

    return read


def test_the_verifier_knows_nothing_of_this_project() -> None:
    source = Path(from_nothing.__file__).read_text(encoding="utf-8")
    names = set()
    for one in ast.walk(ast.parse(source)):
        if isinstance(one, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in one.names}
        elif isinstance(one, ast.ImportFrom):
            names.add(str(one.module).partition(".")[0])
    ours = {"csid", "resolver", "registry", "gateway", "tests"}
    assert "hashlib" in names and "cryptography" in names and not names & ours


def test_a_published_log_is_sound_for_whoever_trusts_one_of_its_keys(made: Published) -> None:
    keys = made.keys()
    assert len(keys) == 3
    for trusted in [[key] for key in keys] + [keys]:
        log = verify(reader(made.folder), trusted, [made.old.read_text()])
    assert len(log.leaves) == log.points[3].size == SIZES[3]
    assert [point.size for point in log.points] == [*SIZES, SIZES[-1], SIZES[1]]
    assert [leaf for leaf, _ in log.keys] == [BORN + 2, SIZES[1], SIZES[2]]
    assert {leaf["kind"] for leaf in log.leaves} >= {"mint", "audit.key", "owner.add"}


@pytest.fixture
def url(made: Published) -> Iterator[str]:
    """The folder as Python's own HTTP server serves it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(made.folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_mirrored_and_verified_over_http(made: Published, url: str) -> None:
    def read(path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(url + path, timeout=10) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            assert error.code == 404
            return None

    assert len(verify(read, [made.first]).leaves) == SIZES[3]


def copied(made: Published, folder: Path) -> Path:
    shutil.copytree(made.folder, folder)
    return folder


def is_unsound(folder: Path, *trusted: str) -> bool:
    try:
        verify(reader(folder), list(trusted))
    except Unsound:
        return True
    return False


def test_every_change_of_every_file_is_found(made: Published, tmp_path: Path) -> None:
    folder = copied(made, tmp_path / "log")
    asked: list[str] = []

    def read(path: str) -> bytes | None:
        asked.append(path)
        return reader(folder)(path)

    verify(read, [made.first])
    assert len(set(asked)) == 1 + 1 + 4 + 1 + 2 * 2 + 1
    for path in sorted(set(asked)):
        file = folder / path
        content = file.read_bytes()
        damaged: list[bytes | None] = [
            None,
            b"",
            content[:-1],
            content + b"\0",
            content[:-33],
            content[1:],
        ]
        for at in sorted({0, 1, 2, 3, len(content) // 3, len(content) // 2, len(content) - 1}):
            damaged.append(content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :])
        for one in damaged:
            file.unlink()
            if one is not None:
                file.write_bytes(one)
            assert is_unsound(folder, made.first), (path, one)
            file.write_bytes(content)
    assert not is_unsound(folder, made.first)


def rewritten(folder: Path, index: int, leaf: bytes | None) -> None:
    """Another leaf, or one taken away and another put behind all, with all tiles made to fit: only
    checkpoints tell.
    """
    read = reader(folder)
    size = checkpoint_of(lines_of(parted((folder / "checkpoint").read_text())[0], "")).size
    bundles = [one for one in pieces(size) if one.level == "entries"]
    leaves = [data for one in bundles for data in decode_bundle(read(one.path) or b"")]
    leaves[index : index + 1] = [] if leaf is None else [leaf]
    leaves += leaves[: size - len(leaves)]
    level: int | str
    hashes = [from_nothing.leaf_hash(data) for data in leaves]
    for start in range(0, len(leaves), 256):
        part = leaves[start : start + 256]
        _put(folder, Piece("entries", start // 256, len(part)), encode_bundle(part))
    level = 0
    while hashes:
        for start in range(0, len(hashes), 256):
            tile = hashes[start : start + 256]
            _put(folder, Piece(level, start // 256, len(tile)), b"".join(tile))
        full = len(hashes) // 256
        hashes = [from_nothing.root(hashes[256 * i : 256 * (i + 1)]) for i in range(full)]
        level += 1


def _put(folder: Path, piece: Piece, content: bytes) -> None:
    path = folder / piece.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("index", [BORN, BORN + 2, SIZES[1], 250, SIZES[2], SIZES[3] - 1])
@pytest.mark.parametrize("what", ["changed", "taken away"])
def test_a_log_made_to_fit_itself_is_found_by_its_checkpoints(
    made: Published, tmp_path: Path, index: int, what: str
) -> None:
    folder = copied(made, tmp_path / "log")
    start = 256 * (index // 256)
    piece = Piece("entries", index // 256, min(256, SIZES[3] - start))
    leaf = decode_bundle((folder / piece.path).read_bytes())[index - start]
    other = leaf.replace(b"administrator", b"administratoR")
    assert other != leaf
    rewritten(folder, index, leaf)
    assert not is_unsound(folder, made.first)
    rewritten(folder, index, other if what == "changed" else None)
    assert is_unsound(folder, made.first)


def test_checkpoints_of_other_keys_and_other_logs_are_found(
    made: Published, tmp_path: Path
) -> None:
    other = Published(tmp_path / "other")
    other.node.must("audit", "publish", other.folder)
    assert not is_unsound(other.folder, other.first)
    assert is_unsound(other.folder, made.first)
    assert is_unsound(made.folder, other.first)
    assert is_unsound(made.folder, made.first, other.first)
    assert is_unsound(made.folder)
    for name in ("checkpoint", f"checkpoints/{SIZES[0]}", f"checkpoints/{SIZES[1]}", "keys"):
        folder = copied(made, tmp_path / name.replace("/", "-"))
        shutil.copy(other.folder / name, folder / name)
        assert is_unsound(folder, made.first), name


def test_a_key_that_was_succeeded_signs_no_more(made: Published, tmp_path: Path) -> None:
    pem = (made.node.data / "audit-key.pem.1").read_bytes()
    old = audit.SigningKey.from_pem("example.cn/csid-log", pem)
    folder = copied(made, tmp_path / "log")
    for name in ("checkpoint", f"checkpoints/{SIZES[3]}"):
        point = checkpoint_of(lines_of(parted((folder / name).read_text())[0], ""))
        forged = audit.sign_checkpoint(audit.Checkpoint(old.name, point.size, point.root), old)
        (folder / name).write_text(forged)
    with pytest.raises(Unsound, match=r"not signed by example\.cn/csid-log-2"):
        verify(reader(folder), [made.first])


def test_a_log_that_was_put_back_is_found_by_a_checkpoint_kept_elsewhere(made: Published) -> None:
    before = made.folder.with_name("before")
    assert len(verify(reader(before), [made.first], [made.old.read_text()]).leaves) == SIZES[1]
    with pytest.raises(Unsound, match="larger than the latest"):
        verify(reader(before), [made.first], [(made.folder / "checkpoint").read_text()])


def test_a_folder_is_sound_wherever_publishing_is_killed(made: Published, tmp_path: Path) -> None:
    sizes, number, killed = [], 0, True
    while killed:
        folder = tmp_path / str(number)
        shutil.copytree(made.folder.with_name("before"), folder)
        words = ("audit", "publish", folder, "--data", made.node.data)
        killed = cut_off(number, folder, *words)
        found = verify(reader(folder), [made.first], interrupted=True)
        sizes.append(len(found.leaves))
        assert run(*words).code == 0
        assert len(verify(reader(folder), [made.first]).leaves) == SIZES[3]
        assert list(folder.rglob(".csid-*")) == []
        number += 3  # three changes at most are alike: make, write, rename
    assert sizes == sorted(sizes) and set(sizes) == {SIZES[1], SIZES[3]}
    assert number > 20


def test_a_first_publication_that_was_killed_is_begun_anew(made: Published, tmp_path: Path) -> None:
    for number in (1, 9, 21, 33):
        folder = tmp_path / str(number)
        words = ("audit", "publish", folder, "--data", made.node.data)
        assert cut_off(number, folder, *words)
        assert not (folder / "checkpoint").exists()
        assert run(*words).code == 0
        assert not is_unsound(folder, made.first)


def test_what_is_damaged_of_what_was_published_is_written_anew(
    made: Published, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    for path in sorted(one for one in made.folder.rglob("*") if one.is_file()):
        if path.name == "checkpoint" or not path.stat().st_size:
            continue  # which log it is, it says alone
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made.folder, folder)
        damaged = folder / path.relative_to(made.folder)
        damaged.write_bytes(path.read_bytes()[:-1] + b"?")
        said = made.node.run("audit", "publish", folder, "--whole")
        assert (said.code, "files written 1" in said.out) == (0, True), said
        assert damaged.read_bytes() == path.read_bytes()
    assert not is_unsound(folder, made.first)


def test_only_what_is_new_is_written(made: Published) -> None:
    before = {path: path.stat().st_ino for path in made.folder.rglob("*") if path.is_file()}
    said = made.node.run("audit", "publish", made.folder)
    assert (said.code, said.out) == (
        0,
        f"已公开 published: {SIZES[3]} 条 changes, 写入文件 files written 0\n",
    )
    partial = {path for path in before if ".p" in str(path)}
    for path in before.keys() - partial:
        assert path.stat().st_ino == before[path]


def test_no_other_log_and_no_data_directory_is_written_over(
    made: Published, tmp_path: Path
) -> None:
    other = Node(tmp_path / "node")
    other.must("audit", "key", "--new", "example.cn/csid-log")
    none = other.run("audit", "publish", tmp_path / "log")
    assert none.code == 2 and "csid audit checkpoint" in none.err
    other.must("audit", "checkpoint")
    for folder in (made.folder, other.data):
        ran = other.run("audit", "publish", folder)
        assert ran.code == 2 and ran.err.count("\n") == 1, ran
    assert not is_unsound(made.folder, made.first)


def test_growth_is_proved_between_all_checkpoints_and_judged_from_nothing(
    made: Published, tmp_path: Path
) -> None:
    names = [str(size) for size in SIZES]
    log = verify(reader(made.folder), [made.first])
    proof = tmp_path / "proof"
    public = made.node.data / "audit-key.pem.pub"
    for i, old in enumerate(names):
        for new in names[i:]:
            files = [made.folder / "checkpoints" / name for name in (old, new)]
            assert made.node.run("audit", "grown", *files, "--output", proof).code == 0
            text = proof.read_text()
            published = run(
                *("audit", "grown", *files, "--published", made.folder, "--key", public)
            )
            assert published.out == text
            key = from_nothing.in_force(log.keys, int(new))
            point = from_nothing.check_growth(text, log.points[i], key)
            assert point.size == int(new)
            judged = run("audit", "check", proof, "--key", public, "--old", files[0], "--json")
            (told,) = judged.json
            assert (told["holds"], told["old"], told["size"]) == (True, int(old), int(new))
            assert (told["log"], told["newest_key"]) == (point.origin, new == names[-1])
            if old != new:
                ran = run("audit", "check", proof, "--key", public, "--old", files[1])
                assert (ran.code, ran.out) == (1, "")
                with pytest.raises(Unsound):
                    from_nothing.check_growth(text, log.points[names.index(new)], key)


def test_every_leaf_is_proved_and_judged_from_nothing(made: Published, tmp_path: Path) -> None:
    log = verify(reader(made.folder), [made.first])
    key = log.keys[-1][1]
    with Registry.open(made.node.data) as registry:
        texts = [registry.prove(index).text() for index in range(SIZES[3])]
    for index, text in enumerate(texts):
        assert from_nothing.check_inclusion(text, key) == log.leaves[index]
        with pytest.raises(Unsound):
            from_nothing.check_inclusion(text.replace(f"index {index}", f"index {index + 1}"), key)


def test_leaves_of_both_versions_are_read() -> None:
    new = log_entry.EntryWriter("li", "administrator", "", "assign", 1, "事由", 2020)
    leaf = new.entry("a", b"\x80", -1, "b", 100, (2**40, 7), 300, bytes(64))
    read = from_nothing.leaf_of(5, leaf)
    assert read["serial"] == [2**40, 7] and read["why"] == "事由" and read["year"] == 2020
    values = {key: read[key] for key in from_nothing.KEYS_1} | {"v": 1}
    old = msgpack.packb(values)
    assert from_nothing.leaf_of(5, old) == values
    assert log_entry.decode(old).version == 1
    for wrong in (leaf + b"\0", leaf[:-1], msgpack.packb(values | {"v": 2}), msgpack.packb([1])):
        with pytest.raises(Unsound):
            from_nothing.leaf_of(5, wrong)
