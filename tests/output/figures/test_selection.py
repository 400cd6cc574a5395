import numpy as np
import pytest
from drawn_figures import axes_of, draw, words_of
from explanations import make_explanation

from ihcli.output.figures.selection import clustered, strongest_of


@pytest.mark.parametrize("kind", ["heatmap", "compare"])
def test_a_matrix_of_a_long_text_shows_the_units_of_the_strongest_pairs(kind: str) -> None:
    text = " ".join(f"w{k}" for k in range(140))
    e, other = (make_explanation(text=text, seed=seed) for seed in (0, 1))
    figure = draw(kind, *((e,) if kind == "heatmap" else (e, other)))
    largest = np.abs(e.ih) if kind == "heatmap" else np.maximum(np.abs(e.ih), np.abs(other.ih))
    i, j = divmod(int(np.argmax(np.triu(largest, k=1))), 140)
    axes = axes_of(figure, "matrix" if kind == "heatmap" else "first")
    shown = [t.get_text() for t in axes.get_yticklabels()]
    names = [u.text for u in e.units]
    assert 90 < len(shown) <= 100
    assert {names[i], names[j]} <= set(shown)
    places = iter(names)
    assert all(name in places for name in shown)  # in the order of the text
    assert "at most 100 of 140" in words_of(figure)


def test_clustering_puts_units_that_interact_together() -> None:
    ih = np.zeros((6, 6))
    for a, b in ((0, 4), (4, 2), (1, 5)):
        ih[a, b] = ih[b, a] = -1.0
    order = clustered(ih, list(range(6)))
    assert sorted(order) == list(range(6))
    groups = [sorted(order.index(u) for u in group) for group in ((0, 2, 4), (1, 5))]
    assert all(g[-1] - g[0] == len(g) - 1 for g in groups)
    figure = draw("heatmap", make_explanation(6, ih=ih), cluster=True)
    words = [u.text for u in make_explanation(6).units]
    assert [t.get_text() for t in axes_of(figure, "matrix").get_xticklabels()] == [words[u] for u in order]


def test_the_strongest_pairs_of_a_matrix_are_marked_at_both_entries() -> None:
    strength = np.array([[9.0, 1.0, 3.0], [1.0, 9.0, np.nan], [3.0, np.nan, 9.0]])
    assert strongest_of(strength, 1).tolist() == [[True, False, True], [False, True, False], [True, False, True]]
