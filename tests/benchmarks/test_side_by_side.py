"""The time that each procedure takes to the goal, and how it is known."""

import pytest
from benches import RUNS, bench

from ihcli.benchmarks.side_by_side import Reach, on_embeddings, reaches
from ihcli.config import RunConfig


def test_the_time_to_the_goal_says_how_it_is_known():
    found = {r.procedure: r for r in reaches(RUNS)}
    assert found["ours"] == Reach("ours", 0.2, "measured")
    assert found["article"].how == "never"
    assert found["paper"] == Reach("paper", pytest.approx(400.0), "extrapolated")
    assert found["product-grid"] == Reach("product-grid", 6.0, "measured")
    assert {r.procedure: r for r in reaches(RUNS[:-1])}["product-grid"].how == "at least"


def test_ratios_are_of_the_time_to_the_goal_and_for_the_article_as_published():
    [text] = bench().texts
    ratios = {name: text.ratio(name) for name in ("article", "article-double", "paper", "product-grid")}
    assert ratios == pytest.approx({"article": 100, "article-double": 450, "paper": 2000, "product-grid": 30})


def test_the_bench_is_on_a_path_of_embeddings_and_checks_nothing_by_removal():
    assert on_embeddings(RunConfig.of({})).baseline.kind == "pad"
    chosen = on_embeddings(RunConfig.of({"baseline": {"kind": "mask"}}))
    assert chosen.baseline.kind == "mask"
    assert not chosen.attribution.removal
