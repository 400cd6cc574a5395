"""`ih summarize` as a user meets it."""

import csv
import json
from pathlib import Path

import pytest
from corpora import stored
from opinions import TEXTS, Opinionated
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.corpus.summary import summarize


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("summary"), TEXTS, Opinionated())


def test_the_command_writes_tables_and_a_figure_beside_the_store(store: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["summarize", str(store), "-o", str(tmp_path), "--figure", "svg"])
    assert ran.exit_code == 0, ran.output
    assert (
        "9 texts explained, 1 failed. Positive numbers speak for POSITIVE, whichever label was predicted."
        in " ".join(ran.stdout.split())
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["negation.csv", "pairs.csv", "summary.svg", "words.csv"]
    rows = list(csv.DictReader((tmp_path / "pairs.csv").read_text(encoding="utf-8").splitlines()))
    summary = summarize(store)
    assert [float(row["mean"]) for row in rows] == [p.mean for p in summary.pairs]
    negation = list(csv.DictReader((tmp_path / "negation.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["turns"] for row in negation if row["word"] == "day"} == {""}
    assert {row["turns"] for row in negation} <= {"yes", "no", ""}
    ran = CliRunner().invoke(app, ["summarize", str(store), "--json", "--top", "2"])
    document = json.loads(ran.stdout)
    assert [row["prediction"] for row in document["pairs"]] == [label for label in summary.labels for _ in range(2)]
    assert not Path(f"{store}-summary").exists()
    assert CliRunner().invoke(app, ["summarize", str(store), "-o", str(store / "x")]).exit_code == 2


def test_the_words_that_count_can_be_chosen(store: Path) -> None:
    def words(*options: str) -> set[str]:
        ran = CliRunner().invoke(app, ["summarize", str(store), "--json", *options])
        assert ran.exit_code == 0, ran.output
        document = json.loads(ran.stdout)
        assert document["left_out"]["punctuation"] == ("--punctuation" not in options)
        return {row["word"] for row in document["words"]}

    usual = words()
    assert not {",", "a", "the", "it"} & usual
    assert words("--punctuation") == usual | {","}
    assert {"a", "the", "it"} <= words("--stop-words", "none")
    assert words("--stop-words", "Bad, film") == words("--stop-words", "none") - {"bad", "film"}


@pytest.mark.parametrize("out", ["/proc/x", "/dev/null/x"])
def test_a_place_that_cannot_be_written_is_refused_before_the_store_is_read(tmp_path: Path, out: str) -> None:
    ran = CliRunner().invoke(app, ["summarize", str(tmp_path / "no store"), "-o", out])
    assert ran.exit_code == 2
    assert "cannot be written" in ran.stderr


def test_no_negators_are_refused(store: Path) -> None:
    ran = CliRunner().invoke(app, ["summarize", str(store), "--negators", " , "])
    assert ran.exit_code == 2
    assert "names no word" in ran.stderr
