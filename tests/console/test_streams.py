import io
import json
import re
import sys
import warnings

import pytest
from explanations import make_explanation
from rich.console import Console

from ihcli import console

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.show(make_explanation(3))
    assert not re.search(r"\x1b\[[0-9;]*[34]8;", capsys.readouterr().out)


def test_results_and_messages_have_their_streams(capsys: pytest.CaptureFixture[str]) -> None:
    console.show(make_explanation(3))
    loud, quiet = console.consoles(), console.consoles(quiet=True)
    loud.note("a note")
    quiet.note("no note")
    quiet.warn("a warning")
    quiet.error("an [error]")
    with console.progress(loud) as step:
        step("integrating", 1, 3)
    captured = capsys.readouterr()
    assert "Interactions" in captured.out
    assert captured.err == "a note\nwarning: a warning\nerror: an [error]\n"


def test_progress_is_drawn_on_a_terminal_only() -> None:
    streams = [io.StringIO(), io.StringIO(), io.StringIO()]
    for stream, terminal, hush in zip(streams, (True, False, True), (False, False, True), strict=True):
        err = Console(file=stream, force_terminal=terminal, width=80, _environ={"TERM": "xterm"})
        with console.ProgressBar(console.Consoles(Console(), err, hush)) as step:
            step("integrating [x]", 2, 3)
            step._bar.refresh()  # now, and not when its thread next wakes
    assert "integrating [x]" in ESCAPE.sub("", streams[0].getvalue())
    assert streams[1].getvalue() == streams[2].getvalue() == ""


def test_warnings_become_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    with console.warnings_shown(console.consoles()):
        for _ in range(2):
            warnings.warn("no font", UserWarning, stacklevel=1)
        warnings.warn("removed in the next version", DeprecationWarning, stacklevel=1)  # for authors of libraries
    assert capsys.readouterr().err == "warning: no font\n"


def test_a_terminal_that_is_not_unicode_still_gets_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    console.show(make_explanation(3))
    sys.stdout.flush()
    assert b"movie" in raw.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_document_is_exact_in_every_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    console.consoles()
    document = {"text": "naïve – 好 😀", "half": "\ud83d", "number": 0.1}
    console.write_json(json.dumps(document, ensure_ascii=False))
    sys.stdout.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == document
