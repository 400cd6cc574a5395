"""The figure of a summary: its numbers are those of the tables."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from corpora import stored
from opinions import TEXTS, Opinionated

from ihcli.corpus.summary import summarize
from ihcli.corpus.summary_counts import ALL
from ihcli.corpus.summary_figure import alternative_text, draw


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("summary"), TEXTS, Opinionated())


def gids(figure: object, start: str) -> Sequence[object]:
    return [one for one in figure.findobj() if str(one.get_gid() or "").startswith(start)]  # type: ignore[attr-defined]


def test_the_figure_draws_the_numbers_of_the_tables(store: Path) -> None:
    summary = summarize(store)
    figure = draw(summary, heading="corpus")
    panels = {axes.get_label(): axes for axes in figure.axes}
    positive = [p for p in summary.pairs if p.prediction == "POSITIVE"][:12]
    bars = [bar.get_width() for bar in panels["Strongest pairs where POSITIVE is predicted"].patches]
    assert bars == [p.magnitude for p in positive]
    words = [w for w in summary.words if w.prediction == ALL][:12]
    labels = [label.get_text() for label in panels["Most interacting words"].get_yticklabels()]
    assert labels == [w.word for w in words]
    turned = [n for n in summary.negations if n.prediction == ALL and n.ig_elsewhere is not None]
    assert len(gids(figure, "turn ")) == len(turned)
    assert [float(one.get_xdata()[0]) for one in gids(figure, "after ")] == [n.ig for n in turned]  # type: ignore[attr-defined]
    assert [float(one.get_xdata()[0]) for one in gids(figure, "elsewhere ")] == [n.ig_elsewhere for n in turned]  # type: ignore[attr-defined]
    assert "9 texts" in alternative_text(summary)


def test_a_summary_without_rows_still_has_a_figure(tmp_path: Path) -> None:
    summary = summarize(stored(tmp_path, ["the a", ", ."]))
    assert draw(summary).axes == []
    assert alternative_text(summary) == "Interactions over 2 texts. The strongest pairs: none."
