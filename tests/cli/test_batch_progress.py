"""The progress of a batch: bar, lines, rate and the time to the end."""

import io
import time
from collections.abc import Iterator

import pytest
from rich.console import Console

import ihcli.cli.batch_progress as command
from ihcli.console import Consoles
from ihcli.corpus.batch_run import Tally


def clock(monkeypatch: pytest.MonkeyPatch, times: Iterator[float]) -> None:
    monkeypatch.setattr(command, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(times))}))


def consoles(*, terminal: bool) -> tuple[Consoles, io.StringIO]:
    stream = io.StringIO()
    err = Console(file=stream, force_terminal=terminal, width=200, highlight=False, _environ={"TERM": "xterm"})
    return Consoles(Console(file=io.StringIO()), err), stream


def test_off_a_terminal_a_line_comes_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    to, stream = consoles(terminal=False)
    clock(monkeypatch, iter([0.0, 10.0, 31.0, 50.0, 70.0]))
    shown = command.BatchProgress(to, as_json=False)
    with shown:
        for done in (8, 22, 30, 48):
            shown.update(Tally(total=100, done=done, failed=1), [])
    assert stream.getvalue().splitlines() == [
        "22 of 100 rows done, 1 failed, 40 a minute, 78 left, about 1 min 57 s",
        "48 of 100 rows done, 1 failed, 40 a minute, 52 left, about 1 min 18 s",
    ]


@pytest.mark.parametrize("before", [1, 50, 10_000])
def test_rows_of_an_earlier_run_count_as_done_and_not_in_the_rate(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    to, stream = consoles(terminal=False)
    clock(monkeypatch, iter([0.0, 10.0, 40.0]))
    shown = command.BatchProgress(to, as_json=False)
    shown.update(Tally(total=before + 100, done=10, already_done=before), [])
    shown.update(Tally(total=before + 100, done=40, already_done=before), [])
    assert stream.getvalue() == (
        f"{before + 40} of {before + 100} rows done ({before} before this run), 0 failed, 60 a minute, 60 left, "
        "about 1 min 0 s\n"
    )


def test_on_a_terminal_a_bar_shows_done_failed_left_rate_and_the_time_to_the_end() -> None:
    to, stream = consoles(terminal=True)
    shown = command.BatchProgress(to, as_json=False)
    with shown:
        shown.update(Tally(total=100, done=8), [])
        time.sleep(0.02)
        shown.update(Tally(total=100, done=48, failed=3, already_done=2), [])
        shown._bar.refresh()
    text = stream.getvalue()
    assert "50/100" in text
    assert "3 failed" in text
    assert "50 left" in text
    assert " a minute" in text
    assert "about 0 min 0 s" in text
    quiet, nothing = consoles(terminal=True)
    shown = command.BatchProgress(Consoles(quiet.out, quiet.err, quiet=True), as_json=False)
    with shown:
        shown.update(Tally(total=2, done=1), [])
    assert nothing.getvalue() == ""


def test_what_is_left_is_unknown_where_the_input_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    to, stream = consoles(terminal=False)
    clock(monkeypatch, iter([0.0, 40.0]))
    shown = command.BatchProgress(to, as_json=False)
    shown.update(Tally(total=None, done=20), [])
    assert stream.getvalue() == "20 rows done, 0 failed, 30 a minute\n"
