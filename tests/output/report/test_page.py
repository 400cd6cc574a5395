"""The report's page as a file: what it holds, that nothing breaks out of it, and the command that writes it."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import stored
from explanations import make_explanation, units_of
from typer.testing import CliRunner

from ihcli import palette
from ihcli.cli.report import report as report_command
from ihcli.errors import OutputError, ResultError, UsageError
from ihcli.output.report import contents, page_script, render, script_json, write_report
from ihcli.output.report.colours import SHADES, colours_css
from ihcli.output.report.contents import MISSING, STEPS, encode, payload, whole_steps
from ihcli.results import Unit

NASTY = "<script>alert(1)</script> <!-- not --> </script><img src=x onerror=alert(2)> a\u2028b & \"quoted\" '{{ 7*7 }}'"


class Page(HTMLParser):
    """Tags with their attributes, and the text of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style", "title"}:
            self.blocks.append((self._inside, data))

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._inside = ""

    def data(self) -> Any:
        return json.loads(next(text for kind, text in self.blocks if kind == "script"))


def decoded(level: dict[str, Any]) -> np.ndarray:
    """The matrix of a level, read as the page's script reads it."""
    values: list[float] = []
    for code in level["entries"].split():
        kind = re.fullmatch(r"([nz])(\d*)", code)
        if kind is None:
            values.append(int(code) * level["step"])
        else:
            values += [np.nan if kind[1] == "n" else 0.0] * int(kind[2] or 1)
    size = len(level["units"])
    matrix = np.zeros((size, size))
    matrix[np.triu_indices(size)] = values
    return np.triu(matrix) + np.triu(matrix, 1).T


@pytest.mark.parametrize("count", [1, 2, 7, 60])
def test_the_matrix_survives_the_page(count: int) -> None:
    explanation = make_explanation(count, seed=count)
    level = Page(render([explanation])).data()["texts"][0]["levels"][0]
    largest = np.abs(explanation.ih).max()
    np.testing.assert_allclose(decoded(level), explanation.ih, atol=largest / 60000, rtol=0)
    np.testing.assert_allclose(level["ig"], explanation.ig, rtol=1e-5)


def test_entries_that_were_not_computed_stay_absent() -> None:
    ih = np.array(make_explanation(6).ih)
    ih[3:, 3:] = np.nan
    level = payload([make_explanation(6, ih=ih)])["texts"][0]["levels"][0]
    np.testing.assert_array_equal(np.isnan(decoded(level)), np.isnan(ih))


def test_runs_of_zeros_and_gaps_are_counted() -> None:
    steps = [1000, 0, 0, 0, MISSING, MISSING, -500, 0, 0]
    assert encode(steps, 0) == "1000 z3 n2 -500 z2"
    assert encode(steps, 600 / STEPS) == "1000 z3 n2 z3"
    assert encode([0] * 4, 0.0) == "z4"


def test_entries_are_whole_steps_of_the_largest() -> None:
    assert whole_steps(np.array([[0.5, -1.0], [-1.0, np.nan]])) == [round(STEPS / 2), -STEPS, MISSING]
    assert whole_steps(np.array([[0.0, np.nan], [np.nan, 0.0]])) == [0, MISSING, 0]


def test_fifty_long_texts_stay_under_two_megabytes(tmp_path: Path) -> None:
    page = write_report([make_explanation(60, seed=k) for k in range(50)], tmp_path / "run.html")
    assert page.stat().st_size < 2_000_000


def test_what_does_not_fit_is_left_out_from_the_small_end_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    explanation = make_explanation(40, seed=3)
    monkeypatch.setattr(contents, "BUDGET", 30)
    level = payload([explanation])["texts"][0]["levels"][0]
    assert len(level["entries"]) <= 1500
    assert level["floor"] > 0
    kept = decoded(level)
    assert not np.any(kept[np.abs(explanation.ih) < level["floor"]])
    strong = np.abs(explanation.ih) > 1.01 * level["floor"]
    np.testing.assert_allclose(kept[strong], explanation.ih[strong], atol=2 * level["step"])


def test_the_spread_over_baselines_stands_beside_the_pairs() -> None:
    spread = np.full((3, 3), 0.0123456)
    assert payload([make_explanation(3, ih_spread=spread)])["texts"][0]["levels"][0]["spread"] == {
        "1 2": 0.01235,
        "0 1": 0.01235,
        "0 2": 0.01235,
    }
    assert payload([make_explanation(3)])["texts"][0]["levels"][0]["spread"] is None


def test_the_sums_are_those_of_the_matrix() -> None:
    e = make_explanation(6)
    sums = payload([e])["texts"][0]["levels"][0]["sums"]
    off_diagonal = sum(2 * value for *_, value in e.pairs())
    assert sums["pairs"] == pytest.approx(off_diagonal)
    assert sums["diagonal"] == pytest.approx(np.trace(e.ih))
    assert sums["total"] == pytest.approx(off_diagonal + np.trace(e.ih))
    assert sums["difference"] == pytest.approx(e.f_input - e.f_baseline)


def test_the_score_from_baseline_to_text_comes_with_entries_that_cancel() -> None:
    level = payload([make_explanation(2, ih=np.array([[-3.0, 3.1], [3.1, -3.0]]))])["texts"][0]["levels"][0]
    assert "nearly cancel" in level["cancels"]
    assert level["path"]["t"] == sorted(level["path"]["t"])
    assert len(level["path"]["t"]) == len(level["path"]["f"]) > 10
    level = payload([make_explanation(2, ih=np.eye(2))])["texts"][0]["levels"][0]
    assert level["cancels"] is level["path"] is None


def test_no_text_breaks_out_of_the_page() -> None:
    explanation = make_explanation(text=NASTY, warnings=(NASTY,), baseline={"kind": "text", "text": NASTY})
    text = render([explanation, explanation], title=NASTY)
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 2
    assert "img" not in names
    assert "<!--" not in text
    assert not any("\u2028" in block for kind, block in page.blocks if kind == "script")
    assert next(block for kind, block in page.blocks if kind == "title") == NASTY
    assert page.data()["texts"][0]["levels"][0]["text"] == NASTY


def test_json_for_a_script_is_the_same_json() -> None:
    hard = {"</script>": ["<!--", "\u2028\u2029", "&amp;", "\\u003c", "😀", "\x00"]}
    text = script_json(hard)
    assert json.loads(text) == hard
    assert not set("<>&\u2028\u2029") & set(text)


def test_a_lone_surrogate_is_written(tmp_path: Path) -> None:
    page = write_report([make_explanation(text="odd \udc80 byte")], tmp_path / "odd.html")
    assert Page(page.read_text(encoding="utf-8")).data()["texts"][0]["levels"][0]["text"] == "odd \udc80 byte"


def test_the_policy_allows_our_two_blocks_and_nothing_else() -> None:
    page = Page(render([make_explanation(3), make_explanation(4)]))
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    blocks = [text for kind, text in page.blocks if kind in {"style", "script"} and not text.startswith('{"texts"')]
    assert len(blocks) == 2
    for block in blocks:
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_the_page_asks_for_nothing() -> None:
    page = Page(render([make_explanation(3)]))
    addresses = [a[key] for _, a in page.tags for key in ("src", "href", "action", "data") if a.get(key)]
    assert set(addresses) == {"data:,", "#panel"}
    style = next(text for kind, text in page.blocks if kind == "style")
    assert not re.search(r"url\((?!#)|@import", style)


def test_the_script_makes_no_markup_of_text() -> None:
    script = page_script()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|fetch\(", script)
    assert "</script" not in script


def test_the_script_counts_the_shades_of_the_style() -> None:
    script = page_script()
    assert f"const SHADES = {SHADES};" in script
    style = colours_css()
    assert f'[data-shade="{SHADES}"] {{ --tint: {palette.LIGHT.hex(1)};' in style
    assert f'[data-shade="-{SHADES}"] {{ --tint: {palette.DARK.hex(-1)};' in style
    assert 'data-shade="0"' not in style


def test_a_text_is_cut_by_code_points_and_white_space_stays_between() -> None:
    text = "👩‍👩‍👧 so  fine!"
    start = text.index("so")
    units = (
        Unit("👩‍👩‍👧", 0, 5, ("👩",)),
        Unit("‍👧", 2, 5, ("Ġ",)),  # a byte token inside the first unit
        Unit(" so", start - 1, start + 2, ("Ġso",)),
        Unit("fine", text.index("fine"), text.index("fine") + 4, ("fine",)),
    )
    ih = np.eye(4)
    explanation = replace(make_explanation(4, ih=ih), text=text, units=units)
    pieces = payload([explanation])["texts"][0]["levels"][0]["sides"][0]
    assert pieces == [["", 0, "👩‍👩‍👧"], ["", 1, "‍👧".strip()], [" ", 2, "so"], ["  ", 3, "fine"], "!"]


def test_a_pair_of_texts_is_cut_side_by_side() -> None:
    first = make_explanation(text="A man sleeps")
    second = "Nobody sleeps"
    units = first.units + tuple(replace(unit, side="text_pair") for unit in units_of(second, second.split()))
    explanation = replace(first, text_pair=second, units=units, ih=np.eye(5), ig=np.ones(5))
    sides = payload([explanation])["texts"][0]["levels"][0]["sides"]
    assert [[piece[1] for piece in side[:-1]] for side in sides] == [[0, 1, 2], [3, 4]]


def test_levels_of_one_text_stand_together_and_other_texts_apart() -> None:
    word = make_explanation(text="not bad", config={"units": {"kind": "word"}})
    token = make_explanation(text="not bad", seed=1, config={"units": {"kind": "token"}})
    masked = make_explanation(text="not bad", baseline={"kind": "mask"})
    texts = payload([word, make_explanation(text="good"), token, masked, word])["texts"]
    levels = [[level["name"] for level in text["levels"]] for text in texts]
    assert levels == [["word", "token"], ["token"], ["token"], ["word"]]


def test_the_title_is_given_or_says_what_is_shown() -> None:
    one, two = make_explanation(text="not bad"), make_explanation(text="good")
    assert "<title>not bad</title>" in render([one])
    assert "<title>2 texts explained by bundled</title>" in render([one, two])
    assert "<title>Mine</title>" in render([one], title="Mine")


def test_nothing_to_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no explanation to report"):
        write_report([], tmp_path / "none.html")
    assert list(tmp_path.iterdir()) == []


# The command


def run(results: list[Path], out: Path, **options: Any) -> Path:
    report_command(results, out, **options)
    return out


def texts_of(page: Path) -> list[str]:
    data = Page(page.read_text(encoding="utf-8")).data()
    return [text["levels"][0]["text"] for text in data["texts"]]


def test_the_command_reads_files_folders_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("not bad", "a good film", "dull"):
        make_explanation(text=text).save(tmp_path / "run" / text.replace(" ", "-"))
    page = run([tmp_path / "run"], tmp_path / "run.html")
    assert texts_of(page) == ["a good film", "dull", "not bad"]
    one = run([tmp_path / "run" / "dull" / "result.json", tmp_path / "run" / "not-bad"], tmp_path / "two.html")
    assert texts_of(one) == ["dull", "not bad"]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [str(page), str(one)]


def test_the_command_reads_a_store_in_the_order_of_its_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["a fine film with no plot but good jokes", "a film", "nan here", "dull", "a long and quite dull film"]
    store = stored(tmp_path, lines)
    page = run([store], tmp_path / "store.html")
    assert texts_of(page) == [line for line in lines if "nan" not in line]
    err = capsys.readouterr().err
    assert "note: 1 failed row has no explanation and is not shown" in err
    assert "NonFiniteError" in err


@pytest.mark.parametrize(
    ("source", "out", "error", "message"),
    [
        ("missing", "r.html", ResultError, "no such file"),
        ("empty", "r.html", ResultError, "holds no result.json"),
        ("later", "r.html", ResultError, "another version"),
        ("damaged", "r.html", ResultError, "not JSON"),
        ("good", "result.json", UsageError, r"ends in \.html"),
        ("good", "folder.html", OutputError, "is a folder"),
    ],
)
def test_bad_input_is_one_clear_message_and_no_page(
    tmp_path: Path, source: str, out: str, error: type[Exception], message: str
) -> None:
    make_explanation(3).save(tmp_path / "good")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.html").mkdir()
    for name, content in (("later", '{"schema": "ihcli.result/9"}'), ("damaged", '{"schema": ')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=message):
        run([tmp_path / source], tmp_path / out)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_has_help() -> None:
    import typer

    app = typer.Typer()
    app.command("report")(report_command)
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert "--out" in shown.output
