"""The two engines on one batch."""

import pytest

from ihcli import Explainer
from ihcli.benchmarks import engines, scaling


def test_engines_are_compared_on_the_same_batch(monkeypatch):
    monkeypatch.setattr(engines, "BATCHES", {3: 2})
    monkeypatch.setattr(scaling, "REPEATS", 1)
    (found,) = engines.compare(Explainer())
    assert (found.tokens, found.units, found.nodes) == (3, 3, 2)
    assert found.difference < 1e-4
    assert found.forward_row == pytest.approx(found.forward_seconds / 3 / found.gradient_seconds)
