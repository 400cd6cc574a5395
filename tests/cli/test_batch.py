"""`ih batch` as a user meets it: what it prints, where, and how it ends."""

import io
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from corpora import StandIn, texts
from rich.console import Console
from typer.testing import CliRunner

import ihcli.cli.batch as command
import ihcli.pipeline
from ihcli.cli.app import app
from ihcli.config import RunConfig
from ihcli.console import Consoles
from ihcli.corpus import processes
from ihcli.corpus.exporting import outcomes
from ihcli.corpus.running import Tally
from ihcli.corpus.store import Reader


def stand_in(config: RunConfig, *_: Any) -> StandIn:
    return StandIn(config)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ihcli.pipeline, "Explainer", StandIn)
    monkeypatch.setattr(processes, "loaded", stand_in)


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
    found = {o.keyed.row.line: o for o in outcomes(Reader(tmp_path / "run"))}
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
    assert "0 rows explained or tried, 5 were there" in ih(source, "-o", tmp_path / "run")[2]
    assert ih(source, "-o", tmp_path / "other", "-q") == (0, "", "")


def test_rows_of_the_store_that_are_not_in_the_input_are_counted(tmp_path: Path) -> None:
    assert "not in this input" not in ih(written(tmp_path, ["", "so it goes"]), "-o", tmp_path / "run")[2]
    code, _, err = ih(written(tmp_path, ["now it has words", "so it goes", "and more"]), "-o", tmp_path / "run")
    assert code == 0
    assert f"1 rows of {tmp_path / 'run'} are not in this input, but in an earlier state of it" in err


def test_rows_that_missed_their_tolerance_end_it_with_four(tmp_path: Path) -> None:
    code, _, err = ih(written(tmp_path, ["a slow one", "fine"]), "-o", tmp_path / "run")
    assert code == 4
    assert "1 rows missed their tolerance" in err


def test_json_is_a_line_for_every_new_row(tmp_path: Path) -> None:
    source = written(tmp_path, ["so it goes", "is nan"])
    code, out, _ = ih(source, "-o", tmp_path / "run", "--json")
    assert code == 5
    assert {one["row"]: one["status"] for one in map(json.loads, out.splitlines())} == {1: "ok", 2: "error"}
    assert ih(source, "-o", tmp_path / "run", "--json")[:2] == (5, "")


def test_standard_input_is_a_text_a_line(tmp_path: Path) -> None:
    code, *_ = ih("-", "-o", tmp_path / "run", "--workers", 1, stdin=b"so it goes\nand went\n")
    assert code == 0
    assert len(Reader(tmp_path / "run").index.entries) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_with_a_name_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(b"so it goes\nand went\n"))
    feeder.start()
    code, *_ = ih(pipe, "-o", tmp_path / "run", "--format", "txt", "--workers", 1)
    feeder.join()
    assert code == 0
    assert len(Reader(tmp_path / "run").index.entries) == 2


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    source = written(tmp_path, ["so it goes"])
    ih(source, "-o", tmp_path / "run")
    code, _, err = ih(source, "-o", tmp_path / "run", "--units", "token", "--tolerance", "0.5")
    assert code == 2
    assert "attribution.tolerance is 0.01 there and 0.5 now; units.kind is 'word' there and 'token' now" in err
    assert ih(source, "-o", tmp_path / "run", "--threads", "1")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.txt"], "none.txt: cannot be read (No such file or directory)"),
        (["x.doc"], "the suffix '.doc' says no format"),
        (["in.txt", "--shard", "4/3"], "write I/N with I from 1 to N"),
        (["in.txt", "--text-column", "t"], "has no columns"),
    ],
)
def test_what_cannot_be_is_said_before_a_model_is_loaded(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, ["fine"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ihcli.pipeline, "Explainer", None)
    code, _, err = ih(*arguments, "-o", tmp_path / "run")
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
    assert "1 rows explained or tried, 8 were there" in ih(source, "-o", tmp_path / "run")[2]


# --- progress -----------------------------------------------------------------------------------------------------


def clock(monkeypatch: pytest.MonkeyPatch, times: Iterator[float]) -> None:
    monkeypatch.setattr(command, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(times))}))


def consoles(*, terminal: bool) -> tuple[Consoles, io.StringIO]:
    stream = io.StringIO()
    err = Console(file=stream, force_terminal=terminal, width=120, highlight=False)
    return Consoles(Console(file=io.StringIO()), err), stream


def test_off_a_terminal_a_line_comes_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    to, stream = consoles(terminal=False)
    clock(monkeypatch, iter([0.0, 10.0, 31.0, 50.0, 70.0]))
    shown = command.Shown(to, as_json=False)
    with shown:
        for done in (8, 22, 30, 48):
            shown.watch(Tally(total=100, done=done, failed=1, skipped=2), [])
    assert stream.getvalue().splitlines() == [
        "24 of 100 rows done, 1 failed, 40 a minute, 76 left, about 1 min 54 s",
        "50 of 100 rows done, 1 failed, 40 a minute, 50 left, about 1 min 15 s",
    ]


def test_on_a_terminal_a_bar_shows_done_failed_left_rate_and_the_time_to_the_end() -> None:
    to, stream = consoles(terminal=True)
    shown = command.Shown(to, as_json=False)
    with shown:
        shown.watch(Tally(total=100, done=8), [])
        time.sleep(0.02)
        shown.watch(Tally(total=100, done=48, failed=3, skipped=2), [])
        shown._bars.refresh()
    text = stream.getvalue()
    assert "50/100" in text
    assert "3 failed" in text
    assert "50 left" in text
    assert " a minute" in text
    assert "about 0 min 0 s" in text
    quiet, nothing = consoles(terminal=True)
    shown = command.Shown(Consoles(quiet.out, quiet.err, quiet=True), as_json=False)
    with shown:
        shown.watch(Tally(total=2, done=1), [])
    assert nothing.getvalue() == ""


def test_what_is_left_is_unknown_where_the_input_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    to, stream = consoles(terminal=False)
    clock(monkeypatch, iter([0.0, 40.0]))
    shown = command.Shown(to, as_json=False)
    shown.watch(Tally(total=None, done=20), [])
    assert stream.getvalue() == "20 rows done, 0 failed, 30 a minute\n"
