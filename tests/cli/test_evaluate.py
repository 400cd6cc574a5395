"""`ih evaluate`: what it refuses, before anything is explained, each with one clear error."""

import json
from pathlib import Path

import pytest
from explanations import make_explanation
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.pipeline import Explainer

run = CliRunner()
FITTING = {"method": "mine", "text": "not bad", "words": ["not", "bad"], "scores": [-0.5, 1.5]}


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    file = tmp_path / "texts.txt"
    file.write_text("not bad\nso dull\n", encoding="utf-8")
    return file


@pytest.fixture
def nothing_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def explained(*_: object, **__: object) -> None:
        pytest.fail("something was explained")

    monkeypatch.setattr(Explainer, "explain", explained)


def said(*arguments: str) -> str:
    shown = run.invoke(app, ["evaluate", *arguments, "-q"])
    assert shown.exit_code == 2, shown.output
    assert shown.output.count("rror: ") == 1
    return " ".join(shown.output.split())


@pytest.mark.usefixtures("nothing_is_explained")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "other text", "words": ["other", "text"]}, "explains 'other text', which is no text of"),
        ({"words": ["not", "good"]}, "Word 1, 'good', was expected at character 4 of text, where the text has 'bad'"),
        ({"words": ["not"], "scores": [1.0]}, "bad"),
        ({"scores": [1.0]}, "has 2 words and 1 score; give one score a word"),
        ({"pairs": [[0, 5, 1.0]]}, "pair [0, 5] must be two different words, numbered 0 to 1"),
        ({"scores": [1.0, float("nan")]}, "Numbers must be finite"),
        ({"method": None}, "method"),
        ({"label": "OTHER"}, "speak for 'OTHER', and 'POSITIVE' is explained. Name the label with --target"),
        ({"extra": 1}, "extra"),
    ],
)  # fmt: skip
def test_a_foreign_explanation_that_fits_no_text_is_refused_first(texts: Path, changes, message: str) -> None:
    file = texts.with_name("foreign.json")
    file.write_text(json.dumps({**FITTING, **changes}), encoding="utf-8")
    found = said(str(texts), "--methods", "lime", "--foreign", str(file))
    assert "foreign.json" in found.replace(" ", "")
    assert message in found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.txt"], "nowhere.txt: no such file or folder. Give a run or results of ih, or a file of texts."),
        (["TEXTS", "--methods", "nonsense"], "names the method 'nonsense'; the methods are ih, shapley"),
        (["TEXTS", "--methods", ""], "No source was given"),
        (["TEXTS", "--coalitions", "3"], "greater than or equal to 16"),
        (["TEXTS", "--coalitions", "1" + "0" * 30], "less than or equal to 1000000"),
        (["TEXTS", "--rows", "1" + "0" * 30], "less than or equal to 1000000"),
        (["TEXTS", "--foreign", "/dev/zero"], "/dev/zero: cannot be read (Is a device or a socket, not a file)"),
        (["TEXTS", "--foreign", "nowhere.json"], "nowhere.json: cannot be read"),
        (["TEXTS", "--methods", "lime", "--figure", "x.txt"], "a figure is written as .png, .svg or .pdf"),
        (["FOLDER"], "nothing could be measured (it holds no text)"),
        (["FOLDER", "--randomise"], "--randomise explains texts anew"),
        (["BROKEN"], "is not JSON"),
        (["OTHER"], "It is not a result of `ih explain`"),
    ],
)
def test_bad_input_has_one_clear_error(texts: Path, arguments: list[str], message: str) -> None:
    folder = texts.with_name("folder")
    folder.mkdir()
    broken, other = texts.with_name("broken.json"), texts.with_name("other.json")
    broken.write_text("x", encoding="utf-8")
    other.write_text('{"a": 1}', encoding="utf-8")
    places = {"TEXTS": texts, "FOLDER": folder, "BROKEN": broken, "OTHER": other}
    assert message in said(*(str(places.get(one, one)) for one in arguments))


def test_a_foreign_explanation_that_fits_is_measured_beside_the_others(texts: Path) -> None:
    file = texts.with_name("foreign.json")
    file.write_text(json.dumps(FITTING), encoding="utf-8")
    shown = run.invoke(app, ["evaluate", str(texts), "--methods", "lime", "-q", "--foreign", str(file), "--json"])
    assert shown.exit_code == 0, shown.output
    assert "mine" in shown.output


def test_a_record_of_an_unknown_method_is_one_failure(tmp_path: Path) -> None:
    make_explanation(text="not bad", method="another").save(tmp_path / "run" / "0")
    shown = said(str(tmp_path / "run"))
    assert "nothing could be measured (The record names the method 'another'; the methods are ih, shapley" in shown
