"""A summary as CSV and JSON: full precision, and nothing where a value is not known."""

import csv
import json
from pathlib import Path

import pytest
from corpora import stored
from opinions import TEXTS, Opinionated, summarize

from ihcli.corpus.summary_counts import SummaryOptions
from ihcli.corpus.summary_tables import to_document, write_tables


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("summary"), TEXTS, Opinionated())


def test_tables_hold_every_number_exactly(store: Path, tmp_path: Path) -> None:
    summary = summarize(store)
    assert [path.name for path in write_tables(summary, tmp_path)] == ["pairs.csv", "words.csv", "negation.csv"]

    def rows(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader((tmp_path / name).read_text(encoding="utf-8").splitlines()))

    for row, pair in zip(rows("pairs.csv"), summary.pairs, strict=True):
        assert (row["prediction"], row["word_i"], row["word_j"]) == (pair.prediction, *pair.words)
        assert (int(row["count"]), float(row["mean"]), float(row["magnitude"]), float(row["sign_agreement"])) == (
            pair.count, pair.mean, pair.magnitude, pair.sign_agreement,
        )  # fmt: skip
    for row, word in zip(rows("words.csv"), summary.words, strict=True):
        assert (row["word"], row["partner"]) == (word.word, word.partner or "")
        assert (float(row["ig"]), float(row["diagonal"])) == (word.ig, word.diagonal)
    turns = {True: "yes", False: "no", None: ""}
    for row, negation in zip(rows("negation.csv"), summary.negations, strict=True):
        assert row["turns"] == turns[negation.turns]
        assert row["ig_elsewhere"] == ("" if negation.ig_elsewhere is None else repr(negation.ig_elsewhere))


def test_a_planted_link_is_not_written_through(store: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine", encoding="utf-8")
    (tmp_path / "pairs.csv").symlink_to(tmp_path / "victim")
    write_tables(summarize(store), tmp_path)
    assert (tmp_path / "victim").read_text(encoding="utf-8") == "mine"


def test_the_document_says_what_was_left_out(store: Path) -> None:
    summary = summarize(store, SummaryOptions(punctuation=False, stop_words=frozenset({"the", "a"})))
    document = json.loads(json.dumps(to_document(summary), allow_nan=False))
    assert document["schema"] == "ihcli.summary/1"
    assert document["left_out"] == {"punctuation": True, "stop_words": ["a", "the"]}
    assert (document["explained"], document["failed"], document["towards"]) == (9, 1, "POSITIVE")
    assert [tuple(row["words"]) for row in document["pairs"]] == [pair.words for pair in summary.pairs]
    assert [row["ig_elsewhere"] for row in document["negations"]] == [n.ig_elsewhere for n in summary.negations]
