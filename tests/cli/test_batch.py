"""`ih batch` as a user meets it: what it prints, where, and how it ends."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from corpora import StandIn, texts
from typer.testing import CliRunner

import ihcli.pipeline
from ihcli.cli.app import app
from ihcli.cli.batch import parse_shard
from ihcli.cli.settings import FLAGS
from ihcli.config import RunConfig
from ihcli.corpus import processes
from ihcli.corpus.store_reading import ReadOnlyStore


def stand_in(config: RunConfig, *_: Any) -> StandIn:
    return StandIn(config)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ihcli.pipeline, "Explainer", StandIn)
    monkeypatch.setattr(processes, "load_explainer", stand_in)


def ih(*arguments: object, stdin: bytes | None = None) -> tuple[int, str, str]:
    ran = CliRunner().invoke(app, ["batch", *map(str, arguments)], input=stdin)
    return ran.exit_code, ran.stdout, " ".join(ran.stderr.split())


def written(folder: Path, lines: list[str]) -> Path:
    file = folder / "in.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_damaged_rows_of_every_kind_are_error_rows_with_their_line(tmp_path: Path) -> None:
    lines = [text.encode() for text in texts(200)]
    damaged = {"InputError": b"", "NonFiniteError": b"this is nan", "TextTooLongError": b"w " * 20, "bytes": b"caf\xe9"}
    places: dict[int, str] = {}
    for k, (kind, line) in enumerate(damaged.items()):
        for place in range(3 + k, 200, 20):  # 5 % of each
            lines[place], places[place + 1] = line, kind
    source = tmp_path / "in.txt"
    source.write_bytes(b"\n".join(lines) + b"\n")
    before = source.read_bytes()
    code, out, err = ih(source, "-o", tmp_path / "run", "--workers", 1)
    assert (code, out) == (5, "")
    assert "40 rows failed; --retry-failed tries them again. The first: line" in err
    assert source.read_bytes() == before
    found = {o.keyed.row.line: o for o in ReadOnlyStore(tmp_path / "run").outcomes()}
    assert sorted(found) == list(range(1, 201))
    for line, outcome in found.items():
        if line in places:
            assert outcome.status == "error"
            assert f"line {line}" in str(outcome.message)
            assert outcome.error == ("InputError" if places[line] == "bytes" else places[line])
        else:
            assert outcome.explanation is not None
            assert outcome.explanation.text == lines[line - 1].decode()  # type: ignore[operator]


def test_a_run_that_went_well_ends_with_zero_and_says_where_it_is(tmp_path: Path) -> None:
    source = written(tmp_path, texts(5))
    code, out, err = ih(source, "-o", tmp_path / "run")
    assert (code, out) == (0, "")
    assert f"5 rows explained or tried: {tmp_path / 'run'}" in err
    assert f"Next: ih summarize {tmp_path / 'run'}, ih report" in err
    assert "0 rows explained or tried, 5 already done" in ih(source, "-o", tmp_path / "run")[2]
    assert ih(source, "-o", tmp_path / "other", "-q") == (0, "", "")


def test_rows_of_the_store_that_are_not_in_the_input_are_counted(tmp_path: Path) -> None:
    assert "not in this input" not in ih(written(tmp_path, ["", "so it goes"]), "-o", tmp_path / "run")[2]
    code, _, err = ih(written(tmp_path, ["now it has words", "so it goes", "and more"]), "-o", tmp_path / "run")
    assert code == 0
    assert f"Not in this input, but in an earlier version of it or in another: 1 row of {tmp_path / 'run'}." in err


def test_rows_that_missed_their_tolerance_end_it_with_four(tmp_path: Path) -> None:
    code, _, err = ih(written(tmp_path, ["a slow one", "fine"]), "-o", tmp_path / "run")
    assert code == 4
    assert "1 row did not meet the tolerance (not_converged)." in err


def test_json_is_a_line_for_every_new_row(tmp_path: Path) -> None:
    source = written(tmp_path, ["so it goes", "is nan"])
    code, out, _ = ih(source, "-o", tmp_path / "run", "--json")
    assert code == 5
    assert {one["row"]: one["status"] for one in map(json.loads, out.splitlines())} == {1: "ok", 2: "error"}
    assert ih(source, "-o", tmp_path / "run", "--json")[:2] == (5, "")


def test_standard_input_is_a_text_a_line(tmp_path: Path) -> None:
    code, *_ = ih("-", "-o", tmp_path / "run", "--workers", 1, stdin=b"so it goes\nand went\n")
    assert code == 0
    assert len(ReadOnlyStore(tmp_path / "run").index.entries) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_with_a_name_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(b"so it goes\nand went\n"))
    feeder.start()
    code, *_ = ih(pipe, "-o", tmp_path / "run", "--format", "txt", "--workers", 1)
    feeder.join()
    assert code == 0
    assert len(ReadOnlyStore(tmp_path / "run").index.entries) == 2


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    source = written(tmp_path, ["so it goes"])
    ih(source, "-o", tmp_path / "run")
    code, _, err = ih(source, "-o", tmp_path / "run", "--units", "token", "--tolerance", "0.5")
    assert code == 2
    assert (
        "attribution.tolerance is 0.01 in the store and 0.5 now; units.kind is 'word' in the store and 'token' now"
        in err
    )
    assert ih(source, "-o", tmp_path / "run", "--threads", "1")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.txt"], "none.txt: cannot be read (No such file or directory)"),
        (["x.doc"], "unknown file extension '.doc'"),
        (["in.txt", "--shard", "4/3"], "write I/N with I from 1 to N"),
        (["in.txt", "--shard", "0/3"], "write I/N with I from 1 to N"),
        (["in.txt", "--shard", "1/100001"], "N at most 100000"),
        (["in.txt", "--shard", f"1/{10**18}"], "N at most 100000"),
        (["in.txt", "--shard", f"1/{'9' * 5000}"], "N at most 100000"),
        (["in.txt", "--shard", f"{'9' * 5000}/{'9' * 5000}"], "N at most 100000"),
        (["in.txt", "--shard", "\u0661/\u0662"], "write I/N"),
        (["in.txt", "--shard", "-1/2"], "write I/N"),
        (["semicolons.csv"], "one column that holds semicolons"),
        (["in.txt", "-o", "/proc/x"], "/proc/x: cannot be written"),
        (["in.txt", "-o", "/dev/null/x"], "cannot be"),
        (["in.txt", "-o", "in.txt"], "in.txt is a file and not the store of a batch"),
        (["in.txt", "--text-column", "t"], "has no columns"),
    ],
)
def test_what_cannot_be_is_said_before_a_model_is_loaded(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, ["fine"])
    (tmp_path / "semicolons.csv").write_text("id;text;label\n1;fine;pos\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ihcli.pipeline, "Explainer", None)
    code, _, err = ih(*arguments, *([] if "-o" in arguments else ["-o", tmp_path / "run"]))
    assert code == 2
    assert message in err
    assert not (tmp_path / "run").exists()


def test_an_interruption_keeps_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(StandIn):
        def one(self, text: str, pair: str | None) -> Any:
            if text == "stop here now":
                raise KeyboardInterrupt
            return super().one(text, pair)

    source = written(tmp_path, ["one", "two", "three", "four", "five", "six", "seven", "eight", "stop here now"])
    monkeypatch.setattr(ihcli.pipeline, "Explainer", Interrupted)
    code, _, err = ih(source, "-o", tmp_path / "run")
    assert (code, err) == (130, "interrupted")
    monkeypatch.setattr(ihcli.pipeline, "Explainer", StandIn)
    assert "1 row explained or tried, 8 already done" in ih(source, "-o", tmp_path / "run")[2]


def test_the_next_commands_are_those_that_read_explanations(tmp_path: Path) -> None:
    assert "Next:" not in ih(written(tmp_path, ["is nan"]), "-o", tmp_path / "failed")[2]
    _, _, err = ih(written(tmp_path, ["fine"]), "-o", tmp_path / "two words")
    assert f"Next: ih summarize '{tmp_path / 'two words'}'" in err


@pytest.mark.parametrize("text", ["1/1", "2/8", "08/10", "100000/100000"])
def test_shards_are_read(text: str) -> None:
    assert parse_shard(text) == tuple(int(part) for part in text.split("/"))


def test_a_damaged_part_is_told_and_its_rows_are_explained_again(tmp_path: Path) -> None:
    source = written(tmp_path, ["fine", "good"])
    ih(source, "-o", tmp_path / "run")
    [part] = (tmp_path / "run/parts").iterdir()
    part.write_bytes(b"damaged")
    code, _, err = ih(source, "-o", tmp_path / "run")
    assert code == 0
    assert "warning:" in err
    assert "2 rows explained or tried:" in err
    assert len(ReadOnlyStore(tmp_path / "run").index.entries) == 2


def test_every_setting_of_an_explanation_can_be_given(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["batch", "--help"]).stdout
    of_one_text = {"spans", "engine", "out", "formats", "diagonal"}
    names = [flag.names[0].split("/")[0] for name, flag in FLAGS.items() if name not in of_one_text]
    assert [name for name in names if name not in shown] == []
    source = written(tmp_path, ["so it goes"])
    assert ih(source, "-o", tmp_path / "run", "--tolerance", "0.05", "--seed", "7")[0] == 0
    settings = ReadOnlyStore(tmp_path / "run").manifest["settings"]
    assert (settings["attribution.tolerance"], settings["attribution.seed"]) == (0.05, 7)
