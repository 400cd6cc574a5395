"""The two engines on one batch."""

from ihcli import Explainer
from ihcli.benchmarks import engines, scaling


def test_engines_are_compared_on_the_same_batch(monkeypatch):
    monkeypatch.setattr(engines, "BATCHES", {3: 2})
    monkeypatch.setattr(scaling, "REPEATS", 1)
    (found,) = engines.compare(Explainer())
    assert (found.tokens, found.units, found.nodes) == (3, 3, 2)
    assert found.difference < 1e-4


def test_a_row_is_told_in_gradients_of_the_batch():
    """Four rows in 3 s (forward) and 16 s (reverse), a gradient in half a second."""
    found = engines.Comparison(6, 4, 2, 0.5, 3.0, 16.0, 0.0, 0.0, 0.0)
    assert (found.forward_row, found.reverse_row) == (1.5, 8.0)
