"""`ih explain --windows`: what is shown and written of several windows, and what is kept when one fails."""

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from architectures import save
from typer.testing import CliRunner, Result

from ihcli import windows
from ihcli.cli.app import app
from ihcli.cli.explain_windows import _named
from ihcli.errors import DeviceError
from ihcli.output.naming import folder_of_text
from ihcli.results import Explanation

TEXT = "not bad at all, but far too long and dull"
Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("windows"))


@dataclass
class Run:
    """What one call printed, and where it wrote."""

    result: Result
    folder: Path

    def window(self, number: int) -> Path:
        return self.folder / f"window-{number}-of-3"


def call(model: Path, *arguments: str, text: str = TEXT) -> Result:
    common = ("-m", str(model), "--no-removal", "--tolerance", "0.05", "--formats", "json")
    return CliRunner().invoke(app, ["explain", text, *common, *arguments])


@pytest.fixture(scope="module")
def run(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three windows."""
    out = tmp_path_factory.mktemp("run")
    result = call(model, "--windows", "6", "--overlap", "2", "-o", str(out))
    return Run(result, folder_of_text(out, TEXT))


@pytest.fixture
def ask(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.chdir(tmp_path)
    return functools.partial(call, model)


def test_each_window_has_its_folder_and_the_first_lines_say_what_it_holds(run: Run) -> None:
    assert run.result.exit_code == 0, run.result.stderr
    lines = " ".join(run.result.stdout.split())
    assert lines.startswith("11 words in 3 windows. Each was read alone: prediction, f and pairs are of that window")
    found = [Explanation.load(run.window(number)) for number in (1, 2, 3)]
    assert [one.text for one in found] == ["not bad at all,", "all, but far too", "far too long and dull"]
    for number, words, one in zip((1, 2, 3), ("1–5", "4–8", "7–11"), found, strict=True):
        assert f"window {number}, words {words}: “{one.text}” {one.prediction.label} (p = " in lines
        assert one.warnings[0].startswith(f"Window {number} of 3 ")
    named = [str(run.window(number)) for number in (1, 2, 3)]
    assert re.findall(r"wrote (\S+)", run.result.stderr) == [*named, str(run.folder / "report.html")]
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert all(f'"text":"{one.text}"' in page for one in found)


def test_other_commands_read_the_windows(run: Run, model: Path, tmp_path: Path) -> None:
    invoke = CliRunner().invoke
    for arguments in (
        ["check", str(run.folder), "-m", str(model)],
        ["plot", str(run.window(1)), "-o", str(tmp_path / "a.svg")],
        ["report", str(run.folder), "-o", str(tmp_path / "page.html")],
        ["diff", str(run.window(1)), str(run.window(1))],
    ):
        result = invoke(app, arguments)
        assert result.exit_code == 0, (arguments, result.output)


def test_a_window_has_the_numbers_of_the_command_without_windows(run: Run, ask: Ask) -> None:
    text = Explanation.load(run.window(2)).text
    ask("-o", "alone", text=text)
    result = CliRunner().invoke(app, ["check", str(run.window(2)), str(folder_of_text(Path("alone"), text))])
    assert result.exit_code == 0, result.output


def test_json_is_a_list_of_windows_and_one_document_for_a_text_that_fits(ask: Ask) -> None:
    documents = json.loads(ask("--windows", "6", "--json").stdout)
    assert [document["schema"] for document in documents] == ["ihcli.result/2"] * 2
    document = json.loads(ask("--windows", "6", "--json", text="not bad").stdout)
    assert (document["text"], document["warnings"]) == ("not bad", [])


def test_a_text_that_fits_is_shown_and_written_as_ever(ask: Ask) -> None:
    result = ask("--windows", "auto", text="not bad")
    assert "windows" not in result.stdout
    assert Path("ih-results/not-bad/result.json").is_file()


def test_what_all_windows_will_take_is_foretold(ask: Ask) -> None:
    one, all_ = (ask("--windows", most, "--dry-run").stdout for most in ("100", "6"))
    assert re.match(r"11 units: about \d+ Hessians", one)
    assert re.match(r"2 windows: 6 units: about \d+ Hessians", all_)


def _failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the second window meet an error."""
    whole = windows.explained

    def explained(*arguments: Any) -> Any:
        yield next(whole(*arguments))
        raise error

    monkeypatch.setattr(windows, "explained", explained)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(KeyboardInterrupt(), 130, "interrupted"), (DeviceError("The memory is full."), 2, "The memory is full.")],
)
def test_windows_that_are_complete_are_kept_whatever_ends_the_next(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    _failing(monkeypatch, error)
    result = ask("--windows", "4", "--overlap", "0", "-o", "out")
    assert (result.exit_code, said in result.stderr) == (code, True)
    assert "not explained: windows 2 to 3 of 3." in result.stderr
    assert "window 1, words 1–4: “not bad at all”" in " ".join(result.stdout.split())
    (folder,) = Path("out").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "window-1-of-3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--windows", "1"), "--windows: text.windows is 1; it must be auto or a whole number at least 2"),
        (("--windows", "no"), "--windows: text.windows is 'no'; it must be auto"),
        (("--windows", "5", "--overlap", "5"), "two windows share less than a whole one"),
        (("--windows", "5", "--text-pair", "x"), "Windows and a second text exclude each other"),
        (("--windows", "5", "--target", "all"), "--windows is for one label"),
        (("--windows", "5", "--spans", "f"), "Windows and units of a file"),
        (("--windows", "5", "--truncate"), "a text in windows is not cut"),
        (("--overlap", "2"), "text.overlap is 2, which only windows read"),
    ],
)
def test_what_cannot_be_is_refused(ask: Ask, arguments: tuple[str, ...], message: str) -> None:
    result = ask(*arguments)
    assert (result.exit_code, message in result.stderr, result.stdout) == (2, True, "")
    assert not Path("ih-results").exists()


def test_a_long_wait_is_said_of_one_window(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def explained(explainer: Any, parts: Any, progress: Any, limit: Any) -> Any:
        del explainer, parts, progress
        limit.expect(30.0)
        yield from ()

    monkeypatch.setattr(windows, "explained", explained)
    assert "about 30 s for the matrix of one of 3 windows." in " ".join(
        ask("--windows", "4", "--overlap", "0").stderr.split()
    )


def test_numbers_of_windows_in_words() -> None:
    assert _named([3]) == "window 3"
    assert _named([3, 4, 5]) == "windows 3 to 5"
    assert _named([1, 3]) == "windows 1, 3"
