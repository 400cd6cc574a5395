"""Every command tries the place of its output before it computes, and follows no link that it did not get by name."""

from pathlib import Path
from typing import Any

import pytest
from corpora import stored
from explanations import make_explanation
from typer.testing import CliRunner

from ihcli import pipeline
from ihcli.cli.app import app
from ihcli.results import Explanation

RUN = CliRunner()


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever loads a model or reads a result fails the test."""

    def worked(*_: Any, **__: Any) -> Any:
        pytest.fail("computed before the output was tried")

    monkeypatch.setattr(pipeline.Explainer, "__init__", worked)
    monkeypatch.setattr(Explanation, "load", worked)
    monkeypatch.setattr("ihcli.corpus.store_reading.ReadOnlyStore.__init__", worked)
    monkeypatch.setattr("ihcli.benchmarks.report.side_by_side", worked)


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "not bad", "-o", "/proc/x"],
        ["batch", "texts.txt", "-o", "/proc/x"],
        ["export", "run", "-o", "/proc/x"],
        ["export", "run", "--to", "pairs", "-o", "taken/x.csv"],
        ["export", "run", "--to", "folders", "-o", "/proc/x"],
        ["summarize", "run", "-o", "/proc/x"],
        ["merge", "run", "-o", "/proc/x"],
        ["report", "run", "-o", "/proc/x.html"],
        ["report", "run", "-o", "folder.html"],
        ["plot", "run", "-o", "/proc/x.png"],
        ["plot", "run", "-o", "/proc/x"],
        ["compare", "not bad", "--figure", "/proc/x.png"],
        ["compare", "not bad", "--figure", "x.bmp"],
        ["compare", "not bad", "--figure", "x"],
        ["evaluate", "texts.txt", "--csv", "/proc/x.csv"],
        ["evaluate", "texts.txt", "--figure", "/proc/x.png"],
        ["evaluate", "texts.txt", "--figure", "x.gif"],
        ["bench", "-o", "/proc/x"],
        ["bench", "-o", "taken"],
        ["check", "run", "run", "--junit", "/proc/x.xml"],
        ["check", "run", "run", "--markdown", "taken/x.md"],
        ["check", "run", "run", "--html", "/proc/x.html"],
        ["diff", "run", "run", "--html", "/proc/x.html"],
        ["diff", "run", "run", "--markdown", "folder.html"],
        ["config", "init", "/proc/x.yaml"],
        ["config", "init", "--force", "folder.html"],
    ],
)
@pytest.mark.usefixtures("no_work")
def test_a_place_that_cannot_be_written_is_refused_first(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_text("not bad\n", encoding="utf-8")
    Path("taken").write_text("mine", encoding="utf-8")
    Path("folder.html").mkdir()
    Path("run").mkdir()
    before = sorted(tmp_path.rglob("*"))
    ran = RUN.invoke(app, arguments)
    assert ran.exit_code == 2, ran.output
    assert ran.stderr.startswith("error: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_no_planted_link_beside_a_result_is_followed(tmp_path: Path) -> None:
    result = make_explanation(4).save(tmp_path / "run").parent
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    for folder in (result, tmp_path / "pictures"):
        folder.mkdir(exist_ok=True)
        (folder / "arcs.png").symlink_to(victim)
    assert RUN.invoke(app, ["plot", str(result), "-k", "arcs"]).exit_code == 0
    assert RUN.invoke(app, ["plot", str(result), "-k", "arcs", "-o", str(tmp_path / "pictures")]).exit_code == 0
    assert victim.read_text(encoding="utf-8") == "mine"
    assert not (result / "arcs.png").is_symlink()
    (tmp_path / "mine.png").symlink_to(victim)
    assert RUN.invoke(app, ["plot", str(result), "-k", "arcs", "-o", str(tmp_path / "mine.png")]).exit_code == 0
    assert victim.read_bytes().startswith(b"\x89PNG")  # the user named this link


def test_no_planted_link_in_the_folder_of_a_summary_is_followed(tmp_path: Path) -> None:
    store = stored(tmp_path, ["not a bad film", "a slow one"])
    out = tmp_path / "out"
    out.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    for name in ("summary.png", "pairs.csv", "words.csv", "negation.csv"):
        (out / name).symlink_to(victim)
    assert RUN.invoke(app, ["summarize", str(store), "-o", str(out)]).exit_code == 0
    assert victim.read_text(encoding="utf-8") == "mine"


CUNEIFORM = "a \U00012000 b"


def only_warnings(stderr: str) -> bool:
    said = " ".join(stderr.split())
    return "warning: No installed font holds" in said and ".py" not in said and "UserWarning" not in said


def test_characters_without_a_font_are_a_line_in_an_export_and_a_summary(tmp_path: Path) -> None:
    store = stored(tmp_path, [CUNEIFORM])
    ran = RUN.invoke(app, ["export", str(store), "--to", "folders", "-o", str(tmp_path / "out")])
    assert ran.exit_code == 0
    assert only_warnings(ran.stderr)
    ran = RUN.invoke(app, ["summarize", str(store), "-o", str(tmp_path / "sums")])
    assert ran.exit_code == 0
    assert only_warnings(ran.stderr)


def test_characters_without_a_font_are_a_line_where_the_gate_draws(tmp_path: Path) -> None:
    made = make_explanation(text=CUNEIFORM)
    made.save(tmp_path / "base" / "one")
    (tmp_path / "base" / "one" / "heatmap.png").write_bytes(b"earlier")
    make_explanation(text=CUNEIFORM, seed=1).save(tmp_path / "run" / "one")
    ran = RUN.invoke(app, ["check", str(tmp_path / "base"), str(tmp_path / "run"), "--update"])
    assert "accepted one" in ran.stderr, ran.output
    if (tmp_path / "base" / "one" / "heatmap.png").read_bytes() != b"earlier":
        assert only_warnings(ran.stderr)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "absent"], "absent: no such file or folder"),
        (["evaluate", "texts.txt", "--foreign", "texts.txt"], "texts.txt"),
        (["evaluate", "texts.txt", "--foreign", "absent.json"], "absent.json"),
        (["evaluate", "texts.txt", "--methods", "wrong"], "wrong"),
    ],
)
def test_evaluate_says_what_is_wrong_with_its_input_first(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_text("not bad\n", encoding="utf-8")
    ran = RUN.invoke(app, arguments)
    assert ran.exit_code == 2, ran.output
    assert ran.stderr.startswith("error: ")
    assert said in ran.stderr
