"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from csid.errors import FileError
from resolver.files import PRIVATE, folder_whole, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_name_only_when_all_of_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with write_whole(path) as file:
        file.write("标识\r\n")
        file.flush()
        assert not path.exists()
        file.buffer.write(b"\xff")
    assert path.read_bytes() == "标识\r\n".encode() + b"\xff"
    assert names(tmp_path) == ["a.txt"]


def test_after_an_error_there_is_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), write_whole(path) as file:
        file.write("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert names(tmp_path) == ["a.txt"]


def test_permissions_are_those_asked_for_or_those_that_were_there(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with write_whole(path, PRIVATE) as file:
        file.write("secret")
        (unfinished,) = tmp_path.iterdir()
        assert stat.S_IMODE(unfinished.stat().st_mode) == PRIVATE
    assert stat.S_IMODE(path.stat().st_mode) == PRIVATE
    path.chmod(0o646)
    with write_whole(path) as file:
        file.write("other")
    assert stat.S_IMODE(path.stat().st_mode) == 0o646


def test_what_must_be_new_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with write_whole(path, new=True) as file:
        file.write("one")
    with pytest.raises(FileError, match="is there already"), write_whole(path, new=True):
        raise AssertionError
    other = tmp_path / "other"
    with pytest.raises(FileError, match="is there already"), write_whole(other, new=True) as file:
        file.write("mine")
        other.write_text("theirs")
    assert other.read_text() == "theirs"
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    link = tmp_path / "link"
    with pytest.raises(FileError, match="is there already"), write_whole(link, new=True):
        raise AssertionError
    assert path.read_text() == "one"
    assert names(tmp_path) == ["key", "link", "other"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    with write_whole(tmp_path / "link") as file:
        file.write("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a.txt").read_text() == "x"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with write_whole(path) as file:
        file.write("x")
    assert os.read(reader, 9) == b"x"
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/dev/full", "No space left on device"),
        ("/proc/none", "No such file or directory"),
        ("/dev", "Is a directory"),
        ("/etc/hostname/x", "Not a directory"),
        ("/tmp/" + "x" * 300, "File name too long"),
        ("no/such/folder/x", "No such file or directory"),
    ],
)
def test_where_nothing_can_be_written_is_told(
    tmp_path: Path, path: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError) as caught, write_whole(Path(path)) as file:
        file.write("x")
    assert str(caught.value) == f"{path}: cannot be written: {why}"
    assert names(tmp_path) == []


def test_a_folder_has_its_name_only_when_all_of_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "below" / "folder"
    with folder_whole(path) as folder:
        (folder / "a").write_text("a")
        assert not path.exists()
    assert names(path) == ["a"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert names(path.parent) == ["folder"]


def test_after_an_error_there_is_nothing_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), folder_whole(tmp_path / "folder") as folder:
        (folder / "a").write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_a_folder_takes_the_place_of_an_empty_one_alone(tmp_path: Path) -> None:
    path, file = tmp_path / "folder", tmp_path / "file"
    path.mkdir()
    with folder_whole(path) as folder:
        (folder / "a").write_text("a")
    file.write_text("somebody's")
    for taken in (path, file):
        with pytest.raises(FileError, match="is there already"), folder_whole(taken):
            raise AssertionError
    with pytest.raises(FileError, match="cannot be written"), folder_whole(file / "folder"):
        raise AssertionError
    assert names(tmp_path) == ["file", "folder"]
