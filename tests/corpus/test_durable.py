"""Files that are written durably, and files that are no files."""

import os
from pathlib import Path

import pytest

from ihcli.corpus.durable import new_folder_beside, read_regular_file, write_durably
from ihcli.errors import OutputError


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_durably(file, b"one")
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
    write_durably(file, b"two")
    assert len(synced) == 2  # the file and its folder
    assert file.read_bytes() == b"two"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device\). Rows written before are safe"):
        write_durably(file, b"three")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"two"}


@pytest.mark.parametrize("name", [".writing-file", ".ih-file", ".file.tmp"])
def test_a_planted_link_is_not_written_through(tmp_path: Path, name: str) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / name).symlink_to(tmp_path / "victim")
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    write_durably(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, Path.exists, lambda path: path.symlink_to("/dev/zero")])
def test_only_a_regular_file_is_read_and_nothing_is_waited_for(tmp_path: Path, make: object) -> None:
    make(tmp_path / "place")  # type: ignore[operator]
    with pytest.raises(OSError, match=r"is no regular file|Is a directory|No such file"):
        read_regular_file(tmp_path / "place")
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_regular_file(tmp_path / "link") == b"content"


def test_new_folders_never_meet_another(tmp_path: Path) -> None:
    made = {new_folder_beside(tmp_path / "deep/place") for _ in range(20)}
    assert len(made) == 20
    assert all(folder.is_dir() and folder.parent == tmp_path / "deep" for folder in made)
