"""Indices from a sample, against the exact ones."""

import numpy as np
import pytest

from ihcli.removal import assisted
from ihcli.removal.assisted import assisted_sample
from ihcli.removal.game import all_coalitions
from ihcli.removal.indices import (
    faithful_interactions,
    interaction_weights,
    pair_sums,
    shapley_weights,
    taylor_weights,
    value_sums,
)
from ihcli.removal.stratified import uniform_sizes

UNITS = 9
ROWS = all_coalitions(UNITS)
BITS = 1 << np.arange(UNITS)
KINDS = ["shapley", "sii", "taylor", "faith"]


def rough():
    """Independent values: nothing that a quadratic form explains."""
    table = np.random.default_rng(1).normal(size=2**UNITS)
    return lambda rows: table[rows @ BITS]


def smooth():
    """The hyperbolic tangent of a quadratic form."""
    generator = np.random.default_rng(2)
    main, pairs = generator.normal(size=UNITS) / 2, generator.normal(size=(UNITS, UNITS)) / 6
    return lambda rows: 3 * np.tanh(rows @ main + np.einsum("nu,uv,nv->n", 1.0 * rows, pairs, 1.0 * rows))


def exact(game, kind):
    values = game(ROWS)
    return {
        "shapley": lambda: value_sums(ROWS, values, shapley_weights(UNITS)),
        "sii": lambda: pair_sums(ROWS, values, interaction_weights(UNITS)),
        "taylor": lambda: pair_sums(ROWS, values, taylor_weights(UNITS)),
        "faith": lambda: faithful_interactions(ROWS, values, np.ones(len(ROWS)), values[0], values[-1]),
    }[kind]()


def estimated(game, kind, evaluations, seed=0):
    sample = assisted_sample(game, uniform_sizes(UNITS, evaluations, seed))
    return {
        "shapley": lambda: sample.values(shapley_weights(UNITS)),
        "sii": lambda: sample.pairs(interaction_weights(UNITS)),
        "taylor": lambda: sample.pairs(taylor_weights(UNITS)),
        "faith": sample.faithful,
    }[kind]()


@pytest.mark.parametrize("kind", KINDS)
def test_all_coalitions_give_the_exact_index(kind):
    estimate, errors = estimated(rough(), kind, 2**UNITS)
    np.testing.assert_allclose(estimate, exact(rough(), kind), atol=1e-9)
    np.testing.assert_allclose(errors, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_games_of_degree_two_are_found_from_few_coalitions(kind):
    generator = np.random.default_rng(3)
    main, pairs = generator.normal(size=UNITS), generator.normal(size=(UNITS, UNITS))

    def game(rows):
        return 5 + rows @ main + np.einsum("nu,uv,nv->n", 1.0 * rows, pairs, 1.0 * rows)

    estimate, errors = estimated(game, kind, 100)
    np.testing.assert_allclose(estimate, exact(game, kind), atol=1e-6)
    assert errors.max() < 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("game", [rough(), smooth()], ids=["rough", "smooth"])
def test_estimates_are_right_within_their_errors(kind, game):
    truth = exact(game, kind)
    chosen = np.triu_indices(UNITS, k=0 if kind == "faith" else 1) if truth.ndim == 2 else np.arange(UNITS)
    found = [estimated(game, kind, 300, seed) for seed in range(40)]
    difference = np.array([estimate[chosen] - truth[chosen] for estimate, _ in found])
    errors = np.array([error[chosen] for _, error in found])
    assert (errors > 0).all()
    covered = (np.abs(difference) <= 1.96 * errors).mean()
    assert 0.85 < covered < 1
    assert np.sqrt((errors**2).mean()) == pytest.approx(np.sqrt((difference**2).mean()), rel=0.4)
    # The mean over the seeds is unbiased: its own error is smaller by √40.
    bias = difference.mean(axis=0) / (difference.std(axis=0, ddof=1) / np.sqrt(len(found)))
    assert np.sqrt((bias**2).mean()) < 2


def test_the_form_takes_the_error_of_what_is_quadratic(monkeypatch):
    product = np.outer(np.arange(UNITS), np.ones(UNITS)) / UNITS

    def game(rows):
        return np.einsum("nu,uv,nv->n", 1.0 * rows, product, 1.0 * rows) + rough()(rows) / 20

    truth = exact(game, "sii")

    def spread():
        return np.sqrt(np.mean([(estimated(game, "sii", 200, seed)[0] - truth) ** 2 for seed in range(10)]))

    with_form = spread()
    monkeypatch.setattr(assisted, "MOST_COLUMNS", UNITS)
    assert 5 * with_form < spread()


@pytest.mark.parametrize("kind", KINDS)
def test_main_effects_alone_leave_the_estimate_unbiased(kind, monkeypatch):
    monkeypatch.setattr(assisted, "MOST_COLUMNS", UNITS)
    truth = exact(smooth(), kind)
    found = [estimated(smooth(), kind, 300, seed) for seed in range(30)]
    difference = np.array([estimate - truth for estimate, _ in found])
    errors = np.array([error for _, error in found])
    assert np.sqrt((errors**2).mean()) == pytest.approx(np.sqrt((difference**2).mean()), rel=0.4)
    assert np.abs(difference.mean(axis=0)).max() < 4.5 * np.sqrt((errors**2).mean(axis=0)).max() / np.sqrt(30)


def test_pairs_are_estimated_in_chunks_as_at_once(monkeypatch):
    whole = [estimated(rough(), kind, 200) for kind in ("sii", "faith")]
    monkeypatch.setattr(assisted, "_TARGETS", 7)
    for kind, (estimate, errors) in zip(("sii", "faith"), whole, strict=True):
        parts = estimated(rough(), kind, 200)
        np.testing.assert_allclose(parts[0], estimate, atol=1e-12)
        np.testing.assert_allclose(parts[1], errors, atol=1e-12)
