"""The packages shapiq, shap and lime on the same games: equal values."""

import warnings

import numpy as np
import pytest
import shapiq
from lime.lime_base import LimeBase
from lime.lime_text import LimeTextExplainer
from sklearn.metrics.pairwise import pairwise_distances

from ihcli.removal.game import all_coalitions
from ihcli.removal.methods import explain_game
from ihcli.removal.surrogates import LIME_WIDTH, lime_fit, lime_neighbourhood, lime_weights

with warnings.catch_warnings():  # shap builds colour maps in a way that matplotlib will give up
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap


def smooth(units, seed):
    """A game like a classifier's: the hyperbolic tangent of a quadratic form."""
    generator = np.random.default_rng(seed)
    main, pairs = generator.normal(size=units), generator.normal(size=(units, units)) / 2

    def game(coalitions):
        present = np.asarray(coalitions, dtype=float).reshape(-1, units)
        return 2 * np.tanh(present @ main + np.einsum("nu,uv,nv->n", present, pairs, present))

    return game


@pytest.mark.parametrize(("method", "index"), [("shapley", "STII"), ("sii", "SII"), ("faith-shap", "FSII")])
@pytest.mark.parametrize("units", [2, 5, 9])
def test_shapiq_gives_the_same_pairs(method, index, units):
    game = smooth(units, seed=units)
    theirs = shapiq.ExactComputer(game, units)(index, 2)
    result = explain_game(game, units, method)
    for u in range(units):
        assert result.matrix[u, u] == pytest.approx(theirs[(u,)], abs=1e-6)
        for v in range(u + 1, units):
            assert result.matrix[u, v] == pytest.approx(theirs[(u, v)], abs=1e-6)


@pytest.mark.parametrize("units", [3, 8])
def test_shapiq_gives_the_same_shapley_values(units):
    game = smooth(units, seed=units)
    theirs = shapiq.ExactComputer(game, units)("SV", 1)
    expected = [theirs[(u,)] for u in range(units)]
    for method in ("shapley", "sii", "faith-shap", "kernel-shap"):
        np.testing.assert_allclose(explain_game(game, units, method).attributions, expected, atol=1e-6)


@pytest.mark.parametrize("units", [3, 8, 11])
def test_shap_gives_the_same_values(units):
    game = smooth(units, seed=units)
    explainer = shap.KernelExplainer(game, np.zeros((1, units)))
    theirs = explainer.shap_values(np.ones((1, units)), nsamples=2**units, l1_reg=False, silent=True)[0]
    np.testing.assert_allclose(explain_game(game, units, "kernel-shap").attributions, theirs, atol=1e-6)


def limes_own(rows, values):
    """What LIME's own regression says of these texts: its intercept and coefficients (U,)."""
    data = rows.astype(float)
    distances = pairwise_distances(data, data[:1], metric="cosine").ravel() * 100
    explainer = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / LIME_WIDTH**2)), random_state=0)
    intercept, pairs, _, _ = explainer.explain_instance_with_data(
        data, values[:, None], distances, 0, rows.shape[1], feature_selection="none"
    )
    coefficients = np.zeros(rows.shape[1])
    coefficients[[int(unit) for unit, _ in pairs]] = [weight for _, weight in pairs]
    return intercept, coefficients


@pytest.mark.parametrize("units", [2, 6, 15])
def test_lime_fits_the_same_regression(units):
    rows = lime_neighbourhood(units, 400, seed=units)
    values = smooth(units, seed=units)(rows)
    intercept, coefficients = limes_own(rows, values)
    fit = lime_fit(rows, values, lime_weights(rows))
    np.testing.assert_allclose(fit.coefficients, coefficients, atol=1e-6)
    assert fit.intercept == pytest.approx(intercept, abs=1e-6)


def test_lime_as_installed_draws_what_the_exact_method_expects():
    words = ["a", "b", "c", "d", "e", "f"]
    game = smooth(6, seed=2)

    def classify(texts):
        present = np.array([[word in each.split() for word in words] for each in texts])
        return np.column_stack([-game(present), game(present)])

    explainer = LimeTextExplainer(feature_selection="none", random_state=3)
    found = explainer.explain_instance(" ".join(words), classify, num_samples=5000, num_features=6)
    theirs = dict(found.as_list())
    ours = explain_game(game, 6, "lime")
    rows = lime_neighbourhood(6, 5000, seed=3)
    errors = lime_fit(rows, game(rows), lime_weights(rows)).errors
    for word, attribution, error in zip(words, ours.attributions, errors, strict=True):
        assert abs(theirs[word] - attribution) < 8 * error
    assert found.intercept[1] == pytest.approx(ours.intercept, abs=0.2)


def test_our_neighbourhood_is_limes():
    units, samples = 7, 20000
    rows = lime_neighbourhood(units, samples, seed=1)
    ours = np.bincount(rows @ (1 << np.arange(units)), minlength=2**units) / samples
    generator = np.random.RandomState(4)
    theirs = np.zeros(2**units)
    for size in generator.randint(1, units + 1, samples - 1):  # as lime.lime_text draws them
        row = np.ones(units, dtype=int)
        row[generator.choice(range(units), size, replace=False)] = 0
        theirs[row @ (1 << np.arange(units))] += 1 / samples
    everything = all_coalitions(units)
    assert np.abs(ours - theirs)[everything.sum(axis=1) < units].max() < 0.02
