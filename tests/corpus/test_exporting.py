"""JSON lines, and files that are written whole or not at all."""

import json
import threading
from pathlib import Path

import pytest
from corpora import go, stored, written

from ihcli.corpus.exporting import json_line, require_outside, text_file, write_json_lines
from ihcli.corpus.store_reading import ReadOnlyStore
from ihcli.errors import OutputError
from ihcli.results import Explanation


def test_an_export_that_fails_in_the_middle_keeps_the_file_that_was_there(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text("old", encoding="utf-8")

    def half() -> None:
        with text_file(file) as stream:
            stream.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {"out.jsonl": "old"}


def test_a_line_of_json_is_a_result_with_its_row(tmp_path: Path) -> None:
    go(written(tmp_path / "in.txt", ["so it goes", "is nan"]), tmp_path / "run")
    good, bad = (json.loads(json_line(o)) for o in ReadOnlyStore(tmp_path / "run").outcomes())
    assert Explanation.from_dict(good).text == "so it goes"
    assert (good["row"], good["status"], bad["status"], bad["error"]) == (1, "ok", "error", "NonFiniteError")


def test_characters_that_act_on_a_terminal_are_escapes_in_a_line(tmp_path: Path) -> None:
    text = "safe\u202eevil \x9b31m red"
    [outcome] = ReadOnlyStore(stored(tmp_path, [text])).outcomes()
    line = json_line(outcome)
    assert not {"\u202e", "\x9b", "\n"} & set(line)
    assert Explanation.from_dict(json.loads(line)).text == text


def test_two_exports_into_one_file_do_not_mix(tmp_path: Path) -> None:
    store = ReadOnlyStore(stored(tmp_path, [f"text {k}" for k in range(40)]))
    lines = [json_line(outcome) for outcome in store.outcomes()]

    def export() -> None:
        with text_file(tmp_path / "out.jsonl") as stream:
            write_json_lines(store.outcomes(), stream)

    threads = [threading.Thread(target=export) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines() == lines
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_link_in_the_place_of_the_file_is_followed_and_a_planted_one_beside_it_is_not(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old", encoding="utf-8")
    (tmp_path / "victim").write_text("mine", encoding="utf-8")
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "target")
    (tmp_path / ".writing-out.jsonl").symlink_to(tmp_path / "victim")
    with text_file(tmp_path / "out.jsonl") as stream:
        stream.write("new")
    assert (tmp_path / "target").read_text(encoding="utf-8") == "new"
    assert (tmp_path / "victim").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "out.jsonl").is_symlink()


@pytest.mark.parametrize("place", ["run", "run/x.jsonl", "run/../run/parts/x", "link/x"])
def test_nothing_is_written_into_a_store(tmp_path: Path, place: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(OutputError, match="is in the store"):
        require_outside(tmp_path / "run", tmp_path / place)
    require_outside(tmp_path / "run", tmp_path / "run-summary")
